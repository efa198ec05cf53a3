#!/bin/sh
# Installs what is missing, builds everything and runs the tests. The last line is `N passed, N failed`, followed by
# `, N skipped` where tests were skipped. `sh test/run.sh asan` does it with another preset of CMakePresets.json.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_dependencies.sh
preset=${1:-release}
build=build/$preset

stop() {
  echo "$1" >&2
  echo "0 passed, 1 failed"
  exit 1
}

install_dependencies || stop "dependencies are missing"
cmake --preset "$preset" || stop "configuration failed"

# A program that does not compile must not keep the others from being tested.
if [ -f "$build/build.ninja" ]; then
  keep_going="-k 0"
else
  keep_going="-k"
fi
built=0
cmake --build --preset "$preset" -- $keep_going || built=$?

log=$PWD/$build/tests.log
rm -f "$log"
ctest --preset "$preset" --output-log "$log" || true

# ctest counts a skipped test as passed.
summary=$(sed -n 's/.*tests passed, \([0-9]*\) tests* failed out of \([0-9]*\).*/\1 \2/p' "$log" | tail -n 1)
[ -n "$summary" ] || stop "no test ran"
failed=${summary% *}
total=${summary#* }
skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
passed=$((total - failed - skipped))
# What is no test itself, an example say, and did not build still counts.
if [ "$built" -ne 0 ]; then
  echo "the build failed" >&2
  [ "$failed" -gt 0 ] || failed=1
fi

line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
