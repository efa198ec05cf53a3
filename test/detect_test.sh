#!/bin/sh
# The detector as a user meets it. Usage: detect_test.sh DETECT MAKE_DETECTION_DATA PART
#   random    random weights and drawn images: table, JSON, pictures; what INT8 finds is right where it is the truth
#   errors    bad input gives a message that says what is wrong, and a non-zero exit
#   accuracy  the published network from $OCTAVO_DATA keeps its accuracy; exit code 77 (skipped) where that is unset
set -u
detect=$1 make_data=$2 part=$3
. "$(dirname "$0")/application_test.sh"

run_on_random() {
  "$detect" --weights "$folder/weights.safetensors" --images "$folder/images" --calib "$folder/images" --warmup 0 "$@"
}

random() {
  "$make_data" "$folder" || fail 'the data were not made'
  expect 'best detection differs on [0-3] of 3 images' run_on_random --out "$folder/drawn" --json "$folder/j" \
    --dot "$folder/d" --profile
  for key in model isa threads batch items fp32 int8 median_ms items_per_s ratio flips; do
    grep -q "\"$key\"" "$folder/j" || fail "no $key in the JSON"
  done
  ! grep -q accuracy "$folder/j" || fail 'an accuracy without a truth'
  grep -q 'digraph "mobilenet_v1_ssd as quantized"' "$folder/d" || fail 'no graph after the passes'
  for i in 0 1 2; do
    [ "$(head -c 4 "$folder/drawn/box$i.png" | tail -c 3)" = PNG ] || fail "no picture of box$i"
    ! cmp -s "$folder/drawn/box$i.png" "$folder/images/box$i.png" || fail "nothing was drawn into box$i"
  done
  [ "$(cut -f 1 "$folder/drawn/detections.tsv" | sort -u | wc -l)" -eq 3 ] || fail 'an image without detections'

  awk -v OFS='\t' '{ print $1, $3, $4, $5, $6, $7 }' "$folder/drawn/detections.tsv" > "$folder/truth.tsv"
  expect '^mAP@0.5 .* 100.00 %$' run_on_random --truth "$folder/truth.tsv" --batch 3 --threads 2 --json "$folder/j"
  grep -q '"accuracy": 1.0' "$folder/j" || fail 'no accuracy in the JSON'
  refuse 'points of mAP@0.5, allowed are' run_on_random --truth "$folder/truth.tsv" --tolerance -1.5
  expect '^mAP' run_on_random --truth "$folder/truth.tsv" --quantize-heads --iterations 2
}

errors() {
  refuse 'weights is required' "$detect"
  refuse 'nosuch.safetensors' "$detect" --weights "$folder/nosuch.safetensors" --images x --calib y
  mkdir "$folder/empty"
  "$make_data" "$folder" || fail 'the data were not made'
  refuse 'expected .jpg, .jpeg or .png files, found none' "$detect" --weights "$folder/weights.safetensors" \
    --images "$folder/empty" --calib "$folder/images"
  refuse 'nosuch: expected a folder of images' "$detect" --weights "$folder/weights.safetensors" \
    --images "$folder/images" --calib "$folder/nosuch"
  refuse 'needs to know what is in the images' run_on_random --tolerance 0.01
  refuse 'nosuch.tsv: cannot be read' run_on_random --truth "$folder/nosuch.tsv"
  printf 'box0.png\t1\t0\t0\t1\t1\nbox1.png\t1\t0\tx\n' > "$folder/bad.tsv"
  refuse 'bad.tsv: line 2: expected name, class, ymin' run_on_random --truth "$folder/bad.tsv"
  printf 'box9.png\t1\t0\t0\t1\t1\n' > "$folder/bad.tsv"
  refuse "bad.tsv: line 1: there is no image 'box9.png'" run_on_random --truth "$folder/bad.tsv"
}

accuracy() {
  if [ -z "${OCTAVO_DATA:-}" ]; then
    echo 'OCTAVO_DATA is not set: skipped'
    exit 77
  fi
  ssd=$OCTAVO_DATA/ssd
  expect '^mAP@0.5 *51.38 %' "$detect" --weights "$ssd/ssd_mobilenet_v1.safetensors" --images "$ssd/images" \
    --calib "$ssd/images" --truth "$ssd/ground_truth.tsv" --tolerance 0.01 --threads 2 --warmup 1
  tail -n 12 "$folder/out"
}

$part
[ $failures -eq 0 ]
