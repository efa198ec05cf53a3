# Sourced by the tests of applications: a folder of their own, what a command shall print and refuse.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# expect PATTERN COMMAND...: the command succeeds and prints PATTERN
expect() {
  pattern=$1
  shift
  if ! "$@" > "$folder/out" 2>&1; then
    cat "$folder/out"
    fail "$*"
  elif ! grep -q -e "$pattern" "$folder/out"; then
    cat "$folder/out"
    fail "no '$pattern' from: $*"
  fi
}

# refuse PATTERN COMMAND...: the command ends with an error exit (no signal) and prints PATTERN
refuse() {
  pattern=$1
  shift
  "$@" > "$folder/out" 2>&1
  code=$?
  if [ $code -eq 0 ] || [ $code -ge 126 ]; then fail "exit $code from: $*"; fi
  if ! grep -q -e "$pattern" "$folder/out"; then
    cat "$folder/out"
    fail "no '$pattern' from: $*"
  fi
}
