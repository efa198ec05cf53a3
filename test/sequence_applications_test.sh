#!/bin/sh
# The applications on sequences as a user meets them.
# Usage: sequence_applications_test.sh FOLDER_OF_PROGRAMS MAKE_SEQUENCE_DATA PART
#   random    random weights: what they print, table and JSON
#   errors    bad input gives a message that says what is wrong, and a non-zero exit
#   accuracy  the published networks from $OCTAVO_DATA keep their accuracy; exit code 77 (skipped) where that is unset
set -u
programs=$1 make_data=$2 part=$3
. "$(dirname "$0")/application_test.sh"

# What the programs are given; a test may change one of them.
dictionary=$folder/lac_dict text=$folder/text.txt calib=$folder/text.txt
model=kws_gru_s features=$folder/features.npy labels=$folder/labels.npy calib_features=$folder/features.npy
characters=$folder/dictionary.txt images=$folder/images

segment() {
  "$programs/segment_text" --weights "$folder/lac.safetensors" --dictionary "$dictionary" --text "$text" \
    --calib "$calib" --warmup 0 "$@"
}

spot() {
  "$programs/spot_keywords" --model "$model" --weights "$folder/${weights:-$model}.safetensors" \
    --features "$features" --labels "$labels" --calib "$calib_features" --warmup 0 "$@"
}

recognize() {
  "$programs/recognize" --weights "$folder/crnn.safetensors" --dictionary "$characters" --images "$images" \
    --calib "$folder/images" --warmup 0 "$@"
}

# refuse_with VARIABLE VALUE PATTERN COMMAND...: refuse PATTERN COMMAND where the variable has that value
refuse_with() {
  variable=$1
  eval "kept=\${$1:-}; $1=\$2"
  shift 2
  refuse "$@"
  eval "$variable=\$kept"
}

# json KEYS...: all of them are in $folder/j
json() {
  for key in model isa threads batch items fp32 int8 median_ms items_per_s ratio flips "$@"; do
    grep -q "\"$key\"" "$folder/j" || fail "no $key in the JSON of $(grep model "$folder/j")"
  done
}

random() {
  "$make_data" "$folder" || fail 'the data were not made'
  expect 'other words on [0-9]* of 12 sentences' segment --json "$folder/j" --out "$folder/words" --profile
  json
  ! grep -q accuracy "$folder/j" || fail 'an accuracy without gold words'
  [ "$(tr -d ' ' < "$folder/words")" = "$(cat "$folder/text.txt")" ] || fail 'other characters than in the text'
  for batch in 5 12; do
    expect 'sentences per second' segment --out "$folder/words.$batch" --batch $batch --threads 2 --repeat 3
    cmp "$folder/words" "$folder/words.$batch" || fail "other words in batches of $batch"
  done
  expect '^F1 of words *[0-9.]* % *100.00 %' segment --gold "$folder/words" --json "$folder/j"
  json accuracy precision recall
  expect "^$(head -n 1 "$folder/words")\$" segment
  expect '^precision' segment --gold "$folder/gold.txt"

  expect '^top-1 *97.80 %' "$programs/spot_keywords" --tolerance 0.01 --json "$folder/j" --batch 7
  json top1
  for model in kws_gru_s kws_lstm_s; do
    expect 'the first class differs on' spot --json "$folder/j" \
      --logits "$folder/logits.$model" --batch 7
    json top1
    [ "$(wc -c < "$folder/logits.$model")" -eq $((128 + 4 * 20 * 12)) ] || fail "the size of the logits of $model"
  done

  expect 'another text on' recognize --out "$folder/texts" --json "$folder/j" --batch 2
  json
  [ "$(cut -f 1 "$folder/texts")" = "$(cut -f 1 "$folder/labels.tsv")" ] || fail 'other images than there are'
  awk -v OFS='\t' -F '\t' '{ print $1, 60, $2 }' "$folder/texts" > "$folder/read.tsv"
  expect '^all read right .* 100.00 %' recognize --labels "$folder/read.tsv" --json "$folder/j"
  json accuracy exact
  expect 'letters read right' recognize --labels "$folder/labels.tsv" --quantize-all --iterations 1
}

errors() {
  "$make_data" "$folder" || fail 'the data were not made'
  refuse 'weights is required' "$programs/segment_text"
  refuse 'needs to know the words' segment --tolerance 0.1
  refuse_with text "$folder/nosuch" 'nosuch' segment
  printf 'a\n\344\270\n' > "$folder/bad"
  refuse_with text "$folder/bad" 'bad: line 2: byte 0: expected a character of UTF-8, found 0xe4' segment
  head -c 600 /dev/zero | tr '\0' 'a' > "$folder/long"
  refuse_with text "$folder/long" 'long: line 1: expected at most 512 characters, found 600' segment
  printf '\n\n' > "$folder/empty"
  refuse_with calib "$folder/empty" 'empty: expected lines of text' segment
  sed '2s/^./x/' "$folder/gold.txt" > "$folder/bad"
  refuse "bad: line 2: expected words that make '" segment --gold "$folder/bad"
  head -n 3 "$folder/gold.txt" > "$folder/bad"
  refuse 'bad: expected 12 lines, found 3' segment --gold "$folder/bad"
  cp "$folder/lac_dict/word.dic" "$folder/word.dic"
  for edit in 's/^3\t/8224\t/:word.dic: line 4: expected a number from 0 to 8223, found .8224' \
    's/^3\t/3 /:word.dic: line 4: expected id and character, separated by one tab' \
    '/OOV/d:expected an id of .OOV'; do
    sed "${edit%%:*}" "$folder/word.dic" > "$folder/lac_dict/word.dic"
    refuse "${edit#*:}" segment
  done
  cp "$folder/word.dic" "$folder/lac_dict/word.dic"
  printf '0\t-B\n1\t-I\n3\t-S\n' > "$folder/lac_dict/tag.dic"
  refuse 'tag.dic: expected a tag 2, found none' segment

  refuse "'kws_gru_s' needs weights: --weights" "$programs/spot_keywords" --model kws_gru_s
  set -- "$programs/spot_keywords" --model kws_gru_s --weights "$folder/kws_gru_s.safetensors"
  refuse "'kws_gru_s' needs clips: --features" "$@"
  refuse "'kws_gru_s' needs clips to calibrate with: --calib" "$@" --features "$features" --labels "$labels"
  refuse 'features requires --labels' "$@" --features "$features"
  refuse_with model x "unknown model 'x': expected one of embedded, kws_gru_s, kws_lstm_s, kwt1" spot
  refuse_with features "$folder/labels.npy" \
    'labels.npy: expected float32 features of (clips, 25, 10) for kws_gru_s, found s32 of 20' spot
  refuse_with labels "$folder/features.npy" 'features.npy: expected int32 or int64 of 20' spot
  refuse_with calib_features "$folder/text.txt" 'text.txt: does not begin as a .npy file does' spot
  { head -c 128 "$folder/labels.npy"; head -c 80 /dev/zero | tr '\0' '\1'; } > "$folder/bad.npy"
  refuse_with labels "$folder/bad.npy" 'bad.npy: clip 0: expected a class from 0 to 11, found 16843009' spot
  refuse_with weights kws_lstm_s "tensor 'gru.weight_ih': missing; expected f32 462x10" spot

  refuse 'needs to know what is in the images' recognize --tolerance 0.1
  head -n 100 "$folder/dictionary.txt" > "$folder/bad"
  refuse_with characters "$folder/bad" 'bad: expected 6624 lines, a character each, found 100' recognize
  sed '7s/$/x/' "$folder/dictionary.txt" > "$folder/bad"
  refuse_with characters "$folder/bad" 'bad: line 7: expected one character, found' recognize
  head -n 2 "$folder/labels.tsv" > "$folder/bad"
  refuse "bad: expected a line for 'word2.png', found none" recognize --labels "$folder/bad"
  printf 'word0.png 60 x\n' > "$folder/bad"
  refuse 'bad: line 1: expected name, width and text' recognize --labels "$folder/bad"
  refuse_with images "$folder/bad" 'expected a folder of images' recognize
  printf 'not a png' > "$folder/images/word9.png"
  refuse 'word9.png' recognize
}

accuracy() {
  if [ -z "${OCTAVO_DATA:-}" ]; then
    echo 'OCTAVO_DATA is not set: skipped'
    exit 77
  fi
  texts=$OCTAVO_DATA/text weights=$OCTAVO_DATA/weights speech=$OCTAVO_DATA/speech ocr=$OCTAVO_DATA/ocr
  expect '^F1 of words *88.19 %' "$programs/segment_text" --weights "$weights/lac_seg.safetensors" \
    --dictionary "$texts/lac_dict" --text "$texts/msr200.txt" --gold "$texts/msr200.gold.txt" --calib "$texts/msr200.txt" \
    --calib-sentences 50 --tolerance 0.003 --batch 50 --threads 2 --out "$folder/words"
  tail -n 12 "$folder/out"
  for kind in gru:85.67 lstm:85.50; do
    expect "^top-1 *${kind#*:} %" "$programs/spot_keywords" --model "kws_${kind%:*}_s" \
      --weights "$weights/kws_${kind%:*}_s.safetensors" --features "$speech/kws_mfcc.npy" \
      --labels "$speech/labels.npy" --calib "$speech/kws_mfcc.npy" --calib-clips 200 --tolerance 0.004
    tail -n 10 "$folder/out"
  done
  expect '^top-1 *92.33 %' "$programs/spot_keywords" --model kwt1 --weights "$weights/kwt1.safetensors" \
    --features "$speech/kwt1_mfcc.npy" --labels "$speech/labels.npy" --calib "$speech/kwt1_mfcc.npy" \
    --calib-clips 200 --tolerance 0.01 --threads 2
  tail -n 10 "$folder/out"
  expect '^letters read right *72.38 %' "$programs/recognize" --weights "$ocr/crnn_mobile.safetensors" \
    --dictionary "$ocr/dictionary.txt" --images "$ocr/images" --labels "$ocr/labels.tsv" --calib "$ocr/images" \
    --calib-images 40 --tolerance 0.02 --threads 2 --out "$folder/texts"
  tail -n 11 "$folder/out"
}

$part
[ $failures -eq 0 ]
