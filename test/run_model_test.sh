#!/bin/sh
# run_model as a user meets it.
# Usage: run_model_test.sh RUN_MODEL CORPUS PART
#   random  small files (fuzz/corpus) on random inputs: graphs, JSON, saving and loading again
#   errors  bad input gives a message that says what is wrong, and a non-zero exit
#   models  third-party networks from $OCTAVO_DATA come out as they should; exit code 77 (skipped) where that is unset
set -u
run_model=$1 corpus=$2 part=$3
. "$(dirname "$0")/application_test.sh"

# The number that JSON has at KEY, in FP32 or in INT8: number fp32 median_ms
number() {
  tr -d ' \n' < "$folder/j" | sed -n "s/.*\"$1\":{\([^}]*}\)*[^}]*\"$2\":\([0-9.e+-]*\).*/\2/p"
}

random() {
  cp "$corpus/onnx/conv" "$folder/conv.onnx"
  cp "$corpus/onnx/qdq" "$folder/qdq.onnx"
  cp "$corpus/network/int8" "$folder/net.safetensors"
  expect '^c: f32\[1x4x4x2\] = conv2d' "$run_model" "$folder/conv.onnx" --json "$folder/j" --dot "$folder/dot"
  grep -q digraph "$folder/dot" || fail 'no graph'
  [ -n "$(number fp32 median_ms)" ] || fail 'no FP32 time in JSON'
  expect '^x: f32\[2x3x4x4\] = input' "$run_model" "$folder/conv.onnx" --shape x=2,3,4,4 --iterations 1
  expect 'INT8 is [0-9.]* times as fast' "$run_model" "$folder/qdq.onnx" --int8 --save "$folder/saved.safetensors"
  expect 'by kernel' "$run_model" "$folder/saved.safetensors" --profile
  expect '^INT8: [0-9.e-]* ms' "$run_model" "$folder/net.safetensors" --quiet --json "$folder/j"
  [ -n "$(number int8 median_ms)" ] || fail 'no INT8 time in JSON'
  ! grep -q fp32 "$folder/j" || fail 'an FP32 result of a network that is INT8'
}

errors() {
  cp "$corpus/onnx/conv" "$folder/conv.onnx"
  cp "$corpus/onnx/qdq" "$folder/qdq.onnx"
  head -c 100 "$folder/conv.onnx" > "$folder/cut.onnx"
  : > "$folder/empty.npy"
  refuse 'cut.onnx: .*ends within' "$run_model" "$folder/cut.onnx"
  refuse 'no.onnx' "$run_model" "$folder/no.onnx"
  refuse 'expected .onnx, .safetensors, .pdmodel' "$run_model" "$folder/empty.npy"
  refuse "expected NAME=FILE, found 'x'" "$run_model" "$folder/conv.onnx" --input x
  refuse 'empty.npy' "$run_model" "$folder/conv.onnx" --input x="$folder/empty.npy"
  refuse "expected numbers of at least 1" "$run_model" "$folder/conv.onnx" --shape x=1,3,0,4
  refuse 'brings no scales along' "$run_model" "$folder/conv.onnx" --int8
  refuse 'give --int8 too' "$run_model" "$folder/qdq.onnx" --calib x="$folder"
  refuse 'expected .npy files, found none' "$run_model" "$folder/conv.onnx" --int8 --calib x="$corpus/image"
  refuse 'no node .*nope\|no such node' "$run_model" "$folder/qdq.onnx" --int8 --keep-fp32 nope
}

# model FOLDER OPTIONS...: runs a network of $OCTAVO_DATA/models on the first set of its inputs
model() {
  model_folder=$OCTAVO_DATA/models/$1
  shift
  "$run_model" "$model_folder${file:-}" --quiet --iterations 2 --json "$folder/j" "$@"
}

models() {
  if [ -z "${OCTAVO_DATA:-}" ]; then
    echo 'skipped: OCTAVO_DATA is unset'
    exit 77
  fi
  data=$OCTAVO_DATA/models
  resnet=$data/onnx/cifar_resnet20_float
  file=/model.onnx
  expect 'output .*: largest difference' model onnx/cifar_resnet20_float --input input="$resnet/input_0_input.npy" \
    --expect output="$resnet/output_0_output.npy" --tolerance 1e-4 \
    --int8 --calib input="$resnet/input_0_input.npy" --int8-tolerance 2 --save "$folder/net.safetensors"
  expect 'INT8 is' model onnx/cifar_resnet20_qdq --input input="$resnet/input_0_input.npy" \
    --expect output="$data/onnx/cifar_resnet20_qdq/output_0_output.npy" --tolerance 0.6 --int8 --int8-tolerance 0.6
  file=
  expect '^INT8: [0-9.]* ms' "$run_model" "$folder/net.safetensors" --input input="$resnet/input_0_input.npy" \
    --expect output="$resnet/output_0_output.npy" --int8-tolerance 2
  refuse "away from what is expected" "$run_model" "$folder/net.safetensors" \
    --input input="$resnet/input_0_input.npy" --expect output="$resnet/output_0_output.npy" --int8-tolerance 1e-9
  cls=$data/paddle/ppocr_cls
  expect 'linear_1.tmp_1 .*: largest' model paddle/ppocr_cls --input x="$cls/input_1_x.npy" \
    --expect linear_1.tmp_1="$cls/output_1_linear_1.tmp_1.npy" --tolerance 1e-4 \
    --int8 --calib x="$cls/input_1_x.npy" --int8-tolerance 3
}

$part
[ $failures -eq 0 ]
