// What all of the backend needs of oneDNN itself: the engine, one thread, memory in its terms. Written for oneDNN 2.6
// and 3, whose differences stay in this folder.
#pragma once

#include <dnnl.hpp>

#include "octavo/base/arch_namespace.hpp"
#include "octavo/op/signature.hpp"

#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
#include <omp.h>
#endif

namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE {

/// The CPU, on which all primitives run.
inline const dnnl::engine& cpu() {
  static const dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

/// While it lives, oneDNN uses the calling thread alone: who runs a session chooses its threads, and oneDNN must not
/// add its own. OpenMP's number is one of each thread, so others see nothing of it. For a oneDNN built for TBB it does
/// nothing: limit that by tbb::global_control.
class one_thread {
 public:
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
  one_thread() : threads_(omp_get_max_threads()) {
    if (threads_ != 1) omp_set_num_threads(1);
  }
  ~one_thread() {
    if (threads_ != 1) omp_set_num_threads(threads_);
  }
#else
  one_thread() {}
#endif
  one_thread(const one_thread&) = delete;
  one_thread& operator=(const one_thread&) = delete;

 private:
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
  int threads_;
#endif
};

inline dnnl::memory::data_type data_type_of(element e) {
  using type = dnnl::memory::data_type;
  return e == element::u8 ? type::u8 : e == element::s8 ? type::s8 : type::f32;
}

/// A dense tensor: images as (N, C, H, W) in the order N, H, W, C, others as (rows, C).
inline dnnl::memory::desc memory_of(const tensor_type& t) {
  const dims& e = t.extents;
  const auto type = data_type_of(t.type);
  const std::ptrdiff_t c = e.back();
  if (e.rank != 4) return {{static_cast<dnnl::memory::dim>(e.rows()), c}, type, {c, 1}};
  return {{e[0], c, e[1], e[2]}, type, {e[1] * e[2] * c, 1, e[2] * c, c}};
}

}  // namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE
