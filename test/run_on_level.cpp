// run_on_level <v3|v4> <program>: becomes the program where this CPU has that level of x86-64, else exits with 77,
// which ctest counts as skipped. A program of its own because a program for a later level may fail before its main
// begins.
#include <unistd.h>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  if (argc != 3 || (std::strcmp(argv[1], "v3") != 0 && std::strcmp(argv[1], "v4") != 0)) {
    std::fprintf(stderr, "usage: %s v3|v4 <program>\n", argv[0]);
    return 2;
  }
  __builtin_cpu_init();
  // What tells each level from the one before it, as far as CPUs differ.
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (!(std::strcmp(argv[1], "v3") == 0 ? v3 : v4)) {
    std::printf("skipped: this CPU is not x86-64-%s\n", argv[1]);
    return 77;
  }
  execl(argv[2], argv[2], static_cast<char*>(nullptr));
  std::perror(argv[2]);
  return 1;
}
