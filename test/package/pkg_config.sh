# pkg_config.sh <c++> <folder of octavo.pc> <version> <program>: builds and runs the composer with pkg-config's flags.
set -eu
if ! command -v pkg-config > /dev/null; then
  echo "skipped: no pkg-config"
  exit 77
fi
export PKG_CONFIG_PATH="$2"
test "$(pkg-config --modversion octavo)" = "$3"
# The flags are a list of words: no quotes.
"$1" -std=c++20 $(pkg-config --cflags octavo) "$(dirname "$0")/composer.cpp" -o "$4"
"$4"
