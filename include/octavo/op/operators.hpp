// The operators that come with Octavo, and finding one by its name, as files have it.
#pragma once

#include "octavo/base/compiled.hpp"
#include "octavo/base/nearest_name.hpp"
#include "octavo/op/attention.hpp"
#include "octavo/op/batch_norm.hpp"
#include "octavo/op/binary.hpp"
#include "octavo/op/box_decode.hpp"
#include "octavo/op/concat.hpp"
#include "octavo/op/constant.hpp"
#include "octavo/op/conv1d.hpp"
#include "octavo/op/conv2d.hpp"
#include "octavo/op/conv3d.hpp"
#include "octavo/op/conv_transpose2d.hpp"
#include "octavo/op/crf_decode.hpp"
#include "octavo/op/ctc_beam_decode.hpp"
#include "octavo/op/ctc_greedy_decode.hpp"
#include "octavo/op/elementwise.hpp"
#include "octavo/op/embedding.hpp"
#include "octavo/op/expand.hpp"
#include "octavo/op/fake_quantize.hpp"
#include "octavo/op/fc.hpp"
#include "octavo/op/gather.hpp"
#include "octavo/op/gru.hpp"
#include "octavo/op/interp2d.hpp"
#include "octavo/op/layer_norm.hpp"
#include "octavo/op/lstm.hpp"
#include "octavo/op/matmul.hpp"
#include "octavo/op/multiclass_nms.hpp"
#include "octavo/op/operation.hpp"
#include "octavo/op/pad.hpp"
#include "octavo/op/pool2d.hpp"
#include "octavo/op/prior_box.hpp"
#include "octavo/op/reduce.hpp"
#include "octavo/op/reshape.hpp"
#include "octavo/op/reverse_sequence.hpp"
#include "octavo/op/scale.hpp"
#include "octavo/op/sequence_pool.hpp"
#include "octavo/op/slice.hpp"
#include "octavo/op/softmax.hpp"
#include "octavo/op/space_to_depth.hpp"
#include "octavo/op/top_k.hpp"
#include "octavo/op/transpose.hpp"
#include "octavo/op/unary.hpp"

namespace octavo {

/// Operators with their default attributes, by name.
using operator_set = std::map<std::string, operation, std::less<>>;

/// `set` with more operators of these types in it. Throws octavo::error where one has the name of another.
template <operator_description... T>
operator_set with_operators(operator_set set) {
  (require(set.emplace(T::name, T{}).second, "there is an operator '", T::name, "' already"), ...);
  return set;
}

// Every operator that comes with Octavo is one line here.
// clang-format off
#define OCTAVO_FOR_EACH_OPERATOR(X) \
  X(input) \
  X(constant) \
  X(conv1d) \
  X(conv2d) \
  X(conv3d) \
  X(conv_transpose2d) \
  X(fc) \
  X(matmul) \
  X(attention) \
  X(batch_norm) \
  X(layer_norm) \
  X(activate) \
  X(bias_add) \
  X(add) \
  X(sub) \
  X(mul) \
  X(div) \
  X(min) \
  X(max) \
  X(scale) \
  X(prelu) \
  X(reduce) \
  X(argmax) \
  X(argmin) \
  X(top_k) \
  X(log_softmax) \
  X(pool2d) \
  X(concat) \
  X(softmax) \
  X(reshape) \
  X(convert) \
  X(fake_quantize) \
  X(dynamic_fake_quantize) \
  X(slice) \
  X(transpose) \
  X(pad) \
  X(gather) \
  X(embedding) \
  X(gru) \
  X(lstm) \
  X(expand) \
  X(tile) \
  X(shuffle_channel) \
  X(space_to_depth) \
  X(depth_to_space) \
  X(interp2d) \
  X(leaky_relu) \
  X(thresholded_relu) \
  X(elu) \
  X(selu) \
  X(sigmoid) \
  X(hard_sigmoid) \
  X(swish) \
  X(hard_swish) \
  X(mish) \
  X(gelu) \
  X(softplus) \
  X(softsign) \
  X(tanh) \
  X(erf) \
  X(exp) \
  X(log) \
  X(pow) \
  X(sqrt) \
  X(square) \
  X(reciprocal) \
  X(abs) \
  X(neg) \
  X(sign) \
  X(floor) \
  X(ceil) \
  X(round) \
  X(prior_box) \
  X(box_decode) \
  X(multiclass_nms) \
  X(crf_decode) \
  X(ctc_greedy_decode) \
  X(ctc_beam_decode) \
  X(sequence_pool) \
  X(reverse_sequence)
// clang-format on

// What forgets their types, and so their virtual functions with the reference evaluations, is compiled once where that
// is asked for. Not the class templates themselves: a declaration of those costs a unit most of their compile time.
#if !OCTAVO_BODIES
#define OCTAVO_DECLARE_OPERATOR(name) \
  extern template std::unique_ptr<detail::any_operator> detail::forget_type(op::name);
OCTAVO_FOR_EACH_OPERATOR(OCTAVO_DECLARE_OPERATOR)
#undef OCTAVO_DECLARE_OPERATOR
#elif defined(OCTAVO_COMPILING)
#define OCTAVO_DEFINE_OPERATOR(name) template std::unique_ptr<detail::any_operator> detail::forget_type(op::name);
OCTAVO_FOR_EACH_OPERATOR(OCTAVO_DEFINE_OPERATOR)
#undef OCTAVO_DEFINE_OPERATOR
#endif

/// The operators that come with Octavo. To add one of your own to those that files may name:
/// with_operators<my_operator>(builtin_operators()).
OCTAVO_COMPILED_IF_USED const operator_set& builtin_operators();

/// The operator of that name with these attributes. Throws octavo::error, naming operator and attribute, where there is
/// no such one.
inline operation make_operation(std::string_view name, const attribute_map& attributes, const operator_set& known) {
  const auto found = known.find(name);
  if (found == known.end()) {
    std::vector<std::string_view> names;
    for (const auto& entry : known) names.push_back(entry.first);
    fail("there is no operator '", name, "'", did_you_mean(name, names));
  }
  operation o = found->second;
  try {
    o.set(attributes);
  } catch (const error& e) {
    fail("operator '", name, "': ", e.what());
  }
  return o;
}

/// The same of builtin_operators().
OCTAVO_COMPILED_IF_USED operation make_operation(std::string_view name, const attribute_map& attributes);

}  // namespace octavo

#if OCTAVO_BODIES

namespace octavo {

OCTAVO_BODY_IF_USED const operator_set& builtin_operators() {
#define OCTAVO_ADD_OPERATOR(name) set = with_operators<op::name>(std::move(set));
  static const operator_set all = [] {
    operator_set set;
    OCTAVO_FOR_EACH_OPERATOR(OCTAVO_ADD_OPERATOR)
    return set;
  }();
#undef OCTAVO_ADD_OPERATOR
  return all;
}

OCTAVO_BODY_IF_USED operation make_operation(std::string_view name, const attribute_map& attributes) {
  return make_operation(name, attributes, builtin_operators());
}

}  // namespace octavo

#endif
