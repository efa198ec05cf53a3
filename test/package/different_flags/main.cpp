// Units compiled for different x86 levels in one program: all that this CPU can run give the same bits.
#include <cstdio>
#include <vector>

std::vector<float> x86_64();
std::vector<float> compiled();
std::vector<float> x86_64_v3();
std::vector<float> x86_64_v4();

namespace {

bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}

bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool same_bits(const char* level, const std::vector<float>& result, const std::vector<float>& expected) {
  std::printf("%s: %s\n", level, result == expected ? "the same bits" : "DIFFERENT");
  return result == expected;
}

}  // namespace

int main() {
  const std::vector<float> expected = x86_64();
  bool ok = same_bits("octavo::kernels", compiled(), expected);
  if (has_v3()) ok = same_bits("x86-64-v3", x86_64_v3(), expected) && ok;
  if (has_v4()) ok = same_bits("x86-64-v4", x86_64_v4(), expected) && ok;
  return ok ? 0 : 1;
}
