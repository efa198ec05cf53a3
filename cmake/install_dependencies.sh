# Sourced by examples/run.sh and test/run.sh: install_dependencies, install_arm_tools and install_clang install what is
# missing with apt-get, or say what to install and fail where they may not.

has_header() {
  printf '#if !__has_include(<%s>)\n#error missing\n#endif\n' "$1" |
    ${CXX:-c++} -x c++ -std=c++20 -E - > /dev/null 2>&1
}

# Prints the Debian packages of all that is not there. It asks for the tools and headers themselves, not for packages, so
# what was installed in another way counts.
missing_packages() {
  command -v cmake > /dev/null || echo cmake
  command -v ${CXX:-c++} > /dev/null || echo g++
  command -v make > /dev/null || command -v ninja > /dev/null || echo make
  command -v pkg-config > /dev/null || echo pkg-config
  has_header xsimd/xsimd.hpp || echo libxsimd-dev
  has_header nlohmann/json.hpp || echo nlohmann-json3-dev
  has_header google/protobuf/io/coded_stream.h || echo libprotobuf-dev
  has_header CLI/CLI.hpp || echo libcli11-dev
  has_header stb/stb_image.h || echo libstb-dev
  has_header jpeglib.h || echo libjpeg-dev
  has_header doctest/doctest.h || echo doctest-dev
  # Optional, for the benchmarks: libbenchmark-dev libdnnl-dev.
}

# What the preset "aarch64" needs besides.
missing_arm_packages() {
  command -v aarch64-linux-gnu-g++ > /dev/null || echo g++-aarch64-linux-gnu
  command -v qemu-aarch64 > /dev/null || echo qemu-user
}

# What the presets with clang need besides, and the test of the format. Ninja compiles the tests while the library is
# not done yet: make waits for that.
missing_clang_packages() {
  command -v ninja > /dev/null || echo ninja-build
  command -v clang++ > /dev/null || echo clang
  echo 'int main() {}' | clang++ -x c++ -fsanitize=address -o /dev/null - 2> /dev/null || echo libclang-rt-dev
  command -v clang-format > /dev/null || echo clang-format
}

install_packages() {
  if [ $# -eq 0 ]; then
    return 0
  fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "Please install these packages (Debian and Ubuntu names) and run this script again: $*" >&2
    if command -v apt-get > /dev/null; then
      echo "  sudo apt-get install $*" >&2
    fi
    return 1
  fi
  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# The packages are a list of words: no quotes.
install_dependencies() {
  install_packages $(missing_packages)
}
install_arm_tools() {
  install_packages $(missing_arm_packages)
}
install_clang() {
  install_packages $(missing_clang_packages)
}
