# symbols.sh <nm> <object>...: no two of the objects, compiled with different flags, may define the same function of a
# kernel: the linker would keep either, whatever instructions it is made of.
set -eu
nm=$1
shift
kernels=$(mktemp)
trap 'rm -f "$kernels"' EXIT
for object; do
  # Mangled names: demangled, the copies of a constructor look alike.
  own=$("$nm" --defined-only "$object" | awk '$2 ~ /^[VWu]$/ { print $3 }' |
    grep -E '(8blocking|6native|8portable|3x86)[0-9]' | sort -u)
  count=$(echo "$own" | wc -l)
  echo "$object: $count functions and tables of kernels"
  test "$count" -gt 500
  echo "$own" >> "$kernels"
done
shared=$(sort "$kernels" | uniq -d)
test -z "$shared" || {
  echo "defined more than once:"
  echo "$shared" | c++filt
  exit 1
}
