#!/bin/sh
# The application as a user meets it. Usage: classify_test.sh CLASSIFY CONVERT_IMAGES PART
#   embedded  runs the embedded network and checks table, JSON, DOT, options
#   errors    bad input gives a message that says what is wrong, and a non-zero exit
#   logits    the outputs are the same bits on every instruction set and number of threads, each run calibrating for itself
#   accuracy  real networks from $OCTAVO_DATA keep their accuracy; exit code 77 (skipped) where that is unset
set -u
classify=$1 convert=$2 part=$3
. "$(dirname "$0")/application_test.sh"

embedded() {
  expect 'first class differs' "$classify" --iterations 200 --tolerance 0.02 --json "$folder/j" --dot "$folder/d" --profile
  for key in model isa threads batch images fp32 int8 top1 top5 median_ms p90_ms images_per_s ratio flips peak_bytes weight_bytes; do
    grep -q "\"$key\"" "$folder/j" || fail "no $key in the JSON"
  done
  grep -q 'digraph "embedded as composed"' "$folder/d" || fail 'no graph before the passes'
  grep -q '+ stem.bn' "$folder/d" || fail 'no fused nodes in the graph'
  for recipe in absmax minmax percentile entropy; do
    expect "calibrated by $recipe" "$classify" --iterations 100 --calib-images 50 --calibration $recipe --tolerance 0.05
  done
  expect 'batch 7, 2 threads' "$classify" --iterations 10 --batch 7 --threads 2
  expect 'conv_f32' "$classify" --iterations 5 --keep-fp32 stem.conv,fc --profile
  OCTAVO_ISA=portable expect 'portable' "$classify" --iterations 20
}

errors() {
  refuse "unknown model 'nosuch': expected one of embedded, resnet18, resnet34, resnet50" "$classify" --model nosuch
  refuse 'needs weights' "$classify" --model resnet50 --data x --calib y
  if [ -n "${OCTAVO_DATA:-}" ]; then
    refuse 'needs images: --data' "$classify" --model cifar_resnet20 --weights "$OCTAVO_DATA/weights/cifar_resnet20.safetensors"
  fi
  refuse 'nosuch.bin' "$classify" --data "$folder/nosuch.bin"
  refuse "no calibration recipe is called 'magic'" "$classify" --calibration magic
  refuse "no such node" "$classify" --keep-fp32 nosuch
  refuse 'OCTAVO_ISA' env OCTAVO_ISA=sse "$classify"
  refuse 'batch' "$classify" --batch 65
  refuse 'allowed are' "$classify" --iterations 50 --tolerance -1
  refuse 'nosuch/logits.npy' "$classify" --iterations 1 --logits "$folder/nosuch/logits.npy"

  printf '\005\000\000\000\000\000\000\000x' > "$folder/short.bin"
  refuse '5 images of 3 x 32 x 32 need a file of 61488 bytes, found 9' "$classify" --data "$folder/short.bin"
  printf '\000\000\000\000\000\000\000\000' > "$folder/none.bin"
  refuse 'found 0' "$classify" --data "$folder/none.bin"
  mkdir "$folder/empty"
  refuse 'val_list.txt' "$classify" --images "$folder/empty"
  : > "$folder/empty/val_list.txt"
  refuse 'found none' "$classify" --images "$folder/empty"
  printf 'not a jpeg' > "$folder/empty/bad.jpg"
  echo 'bad.jpg 3' > "$folder/empty/val_list.txt"
  refuse 'bad.jpg' "$classify" --images "$folder/empty"
  refuse 'bad.jpg' "$convert" --images "$folder/empty" --out "$folder/out.bin"
  [ ! -e "$folder/out.bin" ] || fail 'a failed conversion left a file'

  printf '\377\377\377\377\000\000\000\000{}' > "$folder/long.safetensors"
  refuse 'header length' "$classify" --weights "$folder/long.safetensors"
  printf '\002\000\000\000\000\000\000\000{}' > "$folder/empty.safetensors"
  refuse "tensor 'stem.conv.weight': missing; expected f32 16x3x3x3" "$classify" --weights "$folder/empty.safetensors"
  if [ -n "${OCTAVO_DATA:-}" ]; then
    head -c 100000 "$OCTAVO_DATA/weights/cifar_resnet20.safetensors" > "$folder/cut.safetensors"
    refuse 'cut.safetensors' "$classify" --model cifar_resnet20 --weights "$folder/cut.safetensors" \
      --data "$OCTAVO_DATA/images/cifar10/cifar10_200.bin" --calib "$OCTAVO_DATA/images/cifar10/cifar10_200.bin"
    refuse "found f32 16x3x3x3\|missing" "$classify" --model resnet50 --images "$OCTAVO_DATA/images/val" \
      --calib "$OCTAVO_DATA/images/calib" --weights "$OCTAVO_DATA/weights/cifar_resnet20.safetensors"
  fi
}

# check MODEL FP32_TOP1 TOLERANCE IMAGES...: FP32 is what the weights are known for, INT8 within the tolerance
check() {
  model=$1 top1=$2 tolerance=$3
  shift 3
  expect "^top-1 *$top1 %" "$classify" --model "$model" --weights "$OCTAVO_DATA/weights/$model.safetensors" \
    --tolerance "$tolerance" --threads 2 --warmup 1 "$@"
  tail -n 12 "$folder/out"
}

# same_logits IMAGES CLASSES OPTIONS...: --logits writes the same file on all instruction sets that this CPU has
same_logits() {
  images=$1 classes=$2
  shift 2
  compared=0
  for isa in portable avx2 avx_vnni avx512_vnni amx; do
    for threads in 1 2; do
      OCTAVO_ISA=$isa expect "$images images, batch" "$classify" --warmup 0 --threads $threads --logits "$folder/$isa.$threads" "$@"
      if ! grep -q " $isa, calibrated by" "$folder/out"; then continue; fi  # this CPU does not have it
      compared=$((compared + 1))
      cmp "$folder/portable.1" "$folder/$isa.$threads" || fail "other logits from $isa with $threads threads: $*"
    done
  done
  [ $compared -ge 2 ] || fail "$compared runs compared: $*"
  head -c 128 "$folder/portable.1" | grep -q "'<f4', 'fortran_order': False, 'shape': ($images, $classes)" ||
    fail "the header of the logits: $*"
  [ "$(wc -c < "$folder/portable.1")" -eq $((128 + 4 * images * classes)) ] || fail "the size of the logits: $*"
}

logits() {
  same_logits 300 10 --iterations 300 --calib-images 50
  expect 'by absmax' "$classify" --iterations 300 --calib-images 50 --calibration absmax --logits "$folder/absmax"
  ! cmp -s "$folder/portable.1" "$folder/absmax" || fail 'calibration does not change the logits'
  same_logits 30 10 --iterations 5 --batch 6 --calib-images 20 --calibration entropy
  if [ -n "${OCTAVO_DATA:-}" ]; then
    cifar=$OCTAVO_DATA/images/cifar10/cifar10_200.bin
    same_logits 20 10 --model cifar_resnet20 --weights "$OCTAVO_DATA/weights/cifar_resnet20.safetensors" \
      --data "$cifar" --calib "$cifar" --iterations 20 --calib-images 20
    same_logits 2 1000 --model mobilenet_v2 --weights "$OCTAVO_DATA/weights/mobilenet_v2.safetensors" \
      --images "$OCTAVO_DATA/images/val" --calib "$OCTAVO_DATA/images/calib" --iterations 2 --calib-images 4
  fi
}

accuracy() {
  if [ -z "${OCTAVO_DATA:-}" ]; then
    echo 'OCTAVO_DATA is not set: skipped'
    exit 77
  fi
  cifar=$OCTAVO_DATA/images/cifar10/cifar10_200.bin
  check cifar_resnet20 90.00 0.01 --data "$cifar" --calib "$cifar"
  check cifar_resnet56 91.00 0.01 --data "$cifar" --calib "$cifar"
  val=$OCTAVO_DATA/images/val calib=$OCTAVO_DATA/images/calib
  check mobilenet_v1_0.75 78.00 0.012 --images "$val" --calib "$calib"
  check mobilenet_v2 78.77 0.012 --images "$val" --calib "$calib"
  check resnet50 78.31 0.007 --images "$val" --calib "$calib"
}

$part
[ $failures -eq 0 ]
