# Builds for 64-bit Arm with the cross compiler of Debian and Ubuntu (g++-aarch64-linux-gnu) and runs the tests under
# QEMU (qemu-user). That compiler searches the host's /usr/include last, after its own C library: header-only packages
# of the host serve both, while libraries must be Arm's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
# xsimd has headers only, but Debian files its CMake package under the architecture that it was installed for.
if(NOT xsimd_DIR)
  file(GLOB xsimd_DIR /usr/lib/*-linux-gnu/cmake/xsimd)
endif()
