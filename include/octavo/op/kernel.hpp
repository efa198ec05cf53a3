// The kernel contract: what a backend gives the planner, {name, supports, pack, run}.
//
// A problem is everything that is known when a network is planned: the operator, the types of its inputs and of its
// output, its constants. A kernel turns a problem into an executable (weights packed, tables made), which is immutable
// and runs on operands from any number of threads.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "octavo/base/arch_namespace.hpp"
#include "octavo/op/block_store.hpp"
#include "octavo/op/operators.hpp"

namespace octavo {

/// Everything that is known about a node when a kernel is chosen for it.
struct problem : signature {
  operation op;
  block_source blocks{};  ///< where packed weights go
  /// The node before, which writes the first input, for kernels that run both (kernel::with_producer); else null.
  std::shared_ptr<const problem> producer{};
};

/// What a kernel makes of a problem. Immutable; shared by all threads.
///
/// A call may have phases: the input product of a recurrent layer, then its time steps; a matrix product, then a
/// softmax. All tasks of a phase are done, on whatever threads, before the next one begins, and what they leave in the
/// shared memory of the call is there for it.
class executable {
 public:
  virtual ~executable() = default;

  virtual int phases() const noexcept { return 1; }

  /// Into how many independent tasks the phase of this call splits.
  virtual int tasks(const arguments&) const noexcept { return 1; }

  /// Runs the tasks [begin, end); allocates nothing. The residual of a sum may be the output's own memory: each element
  /// of it is read before that element of the output is written, which happens once. Otherwise operands do not overlap.
  /// `scratch` is scratch_bytes() of memory, aligned to a cache line, that no other thread uses meanwhile. Tasks give
  /// the same bits in whatever order and on however many threads they run.
  virtual void run(const arguments&, int begin, int end, std::byte* scratch) const noexcept = 0;

  /// Scratch memory that each worker needs. What is in there does not last from one run() to the next.
  virtual std::size_t scratch_bytes() const noexcept { return 0; }

  /// Memory that all tasks of a call share, through all its phases: arguments::shared, aligned to a cache line.
  virtual std::size_t shared_bytes() const noexcept { return 0; }

  /// The packed weights that a run reads first, if it has any.
  virtual std::span<const std::byte> first_weights() const noexcept { return {}; }

  /// Bytes of packed weights and tables.
  virtual std::size_t packed_bytes() const noexcept { return 0; }
};

/// Runs all phases of `e` on this thread. `scratch` is scratch_bytes() of memory; `a` has its shared memory.
inline void run_all(const executable& e, arguments a, std::byte* scratch) noexcept {
  for (a.phase = 0; a.phase < e.phases(); ++a.phase) e.run(a, 0, e.tasks(a), scratch);
}

/// Instruction sets, each of which includes the ones before it.
enum class isa : std::uint8_t { portable, avx2, avx_vnni, avx512_vnni, amx };

/// All of them, lowest first, by the names that OCTAVO_ISA takes.
inline constexpr std::string_view isa_names[] = {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx"};
constexpr std::string_view name_of(isa i) { return isa_names[static_cast<int>(i)]; }

/// One way to run some problems. Plain data: backends offer arrays of them.
struct kernel {
  std::string_view name;  ///< by the grammar <algorithm>_<types>_<block>_<isa>
  isa needs;
  bool (*supports)(const problem&);  ///< whether it can run a problem
  std::unique_ptr<const executable> (*pack)(const problem&);
  /// Whether it is to run a problem that it supports before those after it in a list; null: always. Tuning does not
  /// ask.
  bool (*pays)(const problem&) = nullptr;
  /// Whether it runs problems together with their producer, and only such. What its executable is given in the place of
  /// the first input is that of the producer, which has no other.
  bool with_producer = false;
};

/// Kernels in order of preference: the first that supports a problem, and pays there, runs it.
using kernel_list = std::vector<kernel>;

/// The kernels of all `lists`, one after the other.
template <class... Lists>
kernel_list join(const Lists&... lists) {
  kernel_list all;
  (all.insert(all.end(), std::begin(lists), std::end(lists)), ...);
  return all;
}

/// Whether `k` can run `p`. Throws octavo::error for a kernel that is not complete.
inline bool supports(const kernel& k, const problem& p) {
  require(k.supports, "kernel '", k.name, "' has no supports()");
  return k.supports(p);
}

/// The first of `kernels` that supports `p` and pays there, or null; of those with producers where `p` has one.
inline const kernel* find_kernel(std::span<const kernel> kernels, const problem& p) {
  for (const kernel& k : kernels)
    if (k.with_producer == (p.producer != nullptr) && supports(k, p) && (!k.pays || k.pays(p))) return &k;
  return nullptr;
}

}  // namespace octavo
