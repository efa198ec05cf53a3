# names.sh <c++> <folder of octavo/>: a flag that makes other instructions of the same code names another namespace.
set -eu
export LC_ALL=C
name() {
  echo '#include "octavo/base/arch_namespace.hpp"
OCTAVO_ARCH_NAMESPACE' | "$compiler" -std=c++20 -I"$include" "$@" -E -P -x c++ - | grep -E '^arch_[0-9a-f_]+$'
}
compiler=$1
include=$2
names=$(mktemp)
trap 'rm -f "$names"' EXIT
for flag in 64 sse3 ssse3 sse4a sse4.1 sse4.2 popcnt cx16 sahf movbe lzcnt bmi bmi2 tbm adx prfchw avx f16c fma fma4 xop avx2 \
  gfni avxvnni avx512f avx512cd avx512dq avx512bw avx512vl avx512ifma avx512vbmi avx512vbmi2 avx512vnni avx512bitalg \
  avx512vpopcntdq avx512bf16 avx512fp16; do
  echo "$(name -m$flag) -m$flag"
done > "$names"
for level in x86-64-v2 x86-64-v3 x86-64-v4 sapphirerapids; do
  echo "$(name -march=$level) -march=$level"
done >> "$names"
cat "$names"
test -z "$(cut -d ' ' -f 1 "$names" | sort | uniq -d)"
