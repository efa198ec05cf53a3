// A primitive with the memory that it works on.
#pragma once

#include <span>

#include "octavo/backends/onednn/node_primitive.hpp"

namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE {

/// The arguments of a primitive, for one thread at a time.
class bound_primitive {
 public:
  /// `p` is made of l.primitive.
  bound_primitive(const node_primitive& l, const dnnl::primitive& p) : primitive_(p), stream_(cpu()) {
    const auto add = [&](int argument, const dnnl::memory& m) {
      operands_.push_back(m);
      arguments_.push_back({argument, m.get()});
    };
    add(DNNL_ARG_DST, dnnl::memory(l.layout_of(DNNL_ARG_DST), cpu(), nullptr));
    add(DNNL_ARG_SCRATCHPAD, dnnl::memory(l.primitive.scratchpad_desc(), cpu(), nullptr));
    for (int argument : l.src) add(argument, dnnl::memory(l.layout_of(argument), cpu(), nullptr));
    for (const auto& [argument, m] : l.constants) add(argument, m);
    sources_ = l.src.size();
  }

  /// Sets where the operands lie. `src` begins with those of node_primitive::src.
  void bind(std::span<const void* const> src, void* dst, void* scratchpad) noexcept {
    operands_[0].set_data_handle(dst);
    operands_[1].set_data_handle(scratchpad);
    for (std::size_t i = 0; i < sources_; ++i) operands_[2 + i].set_data_handle(const_cast<void*>(src[i]));
  }

  void run() noexcept {
    // It fails only for want of memory, as a new-expression would here: noexcept ends the process then.
    const int count = static_cast<int>(arguments_.size());
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream_.get(), count, arguments_.data()),
                            "oneDNN: cannot execute a primitive");
    stream_.wait();
  }

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> operands_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::size_t sources_ = 0;
};

}  // namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE
