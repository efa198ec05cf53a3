# core_dependencies.sh <c++> <include folders, a:b>: octavo.hpp includes no header of a library but xsimd's.
set -eu
flags=$(printf '%s' "-I$2" | sed 's/:/ -I/g')
# The flags are a list of words: no quotes.
headers=$(printf '#include "octavo/octavo.hpp"\n' | "$1" -std=c++20 $flags -x c++ -M - | tr ' \\' '\n\n')
printf '%s\n' "$headers" | grep -q 'octavo/backends/native_kernels\.hpp'  # they were listed
if printf '%s\n' "$headers" | grep -E 'nlohmann|dnnl|omp\.h|stb|jpeg'; then
  echo "octavo.hpp includes these" >&2
  exit 1
fi
