#!/bin/sh
# Installs what is missing, builds everything and runs the tests; then builds those of arithmetic for 64-bit Arm and runs
# them under QEMU. The last line is `N passed, N failed`, followed by `, N skipped` where tests were skipped.
# `sh test/run.sh asan` does it with another preset of CMakePresets.json, or several: `ci` takes warnings for errors and
# checks the format, `asan` and `tsan` are sanitizers, the first with clang.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_dependencies.sh
passed=0
failed=0
skipped=0

fail() {
  echo "$1" >&2
  failed=$((failed + 1))
}

run_preset() {
  build=build/$1
  generator=
  if command -v ninja > /dev/null && [ ! -f "$build/CMakeCache.txt" ]; then
    generator="-G Ninja"
  fi
  if ! cmake --preset "$1" $generator; then
    fail "$1: configuration failed"
    return
  fi

  # A program that does not compile must not keep the others from being tested.
  if [ -f "$build/build.ninja" ]; then
    keep_going="-k 0"
  else
    keep_going="-k"
  fi
  built=0
  cmake --build --preset "$1" -- $keep_going || built=$?

  log=$PWD/$build/tests.log
  rm -f "$log"
  ctest --preset "$1" --output-log "$log" || true

  # ctest counts a skipped test as passed.
  summary=$(sed -n 's/.*tests passed, \([0-9]*\) tests* failed out of \([0-9]*\).*/\1 \2/p' "$log" | tail -n 1)
  if [ -z "$summary" ]; then
    fail "$1: no test ran"
    return
  fi
  failed_here=${summary% *}
  skipped_here=$(grep -c '\*\*\*Skipped' "$log" || true)
  passed=$((passed + ${summary#* } - failed_here - skipped_here))
  failed=$((failed + failed_here))
  skipped=$((skipped + skipped_here))
  # What is no test itself, an example say, and did not build still counts.
  if [ "$built" -ne 0 ] && [ "$failed_here" -eq 0 ]; then
    fail "$1: the build failed"
  fi
}

# What a preset needs besides the dependencies of all.
install_tools() {
  case $1 in
    aarch64) install_arm_tools ;;
    ci | asan | clang-*) install_clang ;;
  esac
}

if [ $# -eq 0 ]; then
  set -- release
  [ "$(uname -m)" = aarch64 ] || set -- release aarch64
fi
if ! install_dependencies; then
  fail "dependencies are missing"
  set --
fi
for preset in "$@"; do
  if install_tools "$preset"; then
    run_preset "$preset"
  else
    echo "skipped: the tests of preset $preset" >&2
    skipped=$((skipped + 1))
  fi
done

line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
