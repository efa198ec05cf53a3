// A recurrent layer as a primitive of oneDNN, for times only: its weights are zeros, which are as quick as others.
#pragma once

#include <unordered_map>

#include "octavo/backends/onednn/node_primitive.hpp"

namespace octavo::bench {

/// A gru or lstm of `steps` x `batch` sequences of `hidden` inputs and units, from u8 to u8 or in FP32, with weights in
/// the order that oneDNN likes best. Throws dnnl::error where it has no such primitive.
class onednn_recurrent {
 public:
  onednn_recurrent(bool is_lstm, int steps, int batch, int hidden, bool int8) : stream_(onednn::cpu()) {
    using namespace dnnl;
    using type = memory::data_type;
    using tag = memory::format_tag;
    const type t = int8 ? type::u8 : type::f32, w = int8 ? type::s8 : type::f32;
    const int gates = is_lstm ? 4 : 3;
    const memory::desc x({steps, batch, hidden}, t, tag::tnc), none,
        weights({1, 1, hidden, gates, hidden}, w, tag::any), bias({1, 1, gates, hidden}, type::f32, tag::ldgo);
    primitive_attr attr = onednn::detail::make_attributes();
    if (int8) {
      attr.set_rnn_data_qparams(127.0f, 128.0f);
      attr.set_rnn_weights_qparams((1 << 3) | (1 << 4),
                                   std::vector<float>(static_cast<std::size_t>(gates * hidden), 127.0f));
    }
    const auto kind = prop_kind::forward_inference;
    const auto along = rnn_direction::unidirectional_left2right;
    const primitive_desc_base d = is_lstm ? onednn::detail::describe_primitive<lstm_forward>(
                                                attr, kind, along, x, none, none, weights, weights, bias, x, none, none)
                                          : onednn::detail::describe_primitive<gru_forward>(
                                                attr, kind, along, x, none, weights, weights, bias, x, none);
    add(DNNL_ARG_SRC_LAYER, d.query_md(query::exec_arg_md, DNNL_ARG_SRC_LAYER));
    add(DNNL_ARG_WEIGHTS_LAYER, d.query_md(query::exec_arg_md, DNNL_ARG_WEIGHTS_LAYER));
    add(DNNL_ARG_WEIGHTS_ITER, d.query_md(query::exec_arg_md, DNNL_ARG_WEIGHTS_ITER));
    add(DNNL_ARG_BIAS, d.query_md(query::exec_arg_md, DNNL_ARG_BIAS));
    add(DNNL_ARG_DST_LAYER, d.query_md(query::exec_arg_md, DNNL_ARG_DST_LAYER));
    add(DNNL_ARG_SCRATCHPAD, d.scratchpad_desc());
    primitive_ =
        is_lstm ? primitive(lstm_forward::primitive_desc(d.get())) : primitive(gru_forward::primitive_desc(d.get()));
    implementation_ = d.impl_info_str();
  }

  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }
  const std::string& implementation() const { return implementation_; }

 private:
  void add(int argument, const dnnl::memory::desc& d) {
    dnnl::memory m(d, onednn::cpu());
    if (d.get_size() > 0) std::memset(m.get_data_handle(), 0, d.get_size());
    arguments_.emplace(argument, std::move(m));
  }

  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  std::string implementation_;
};

}  // namespace octavo::bench
