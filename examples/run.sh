#!/bin/sh
# Installs what is missing, builds two examples and runs them: each quantizes a small network that is part of the
# program and compares FP32 with INT8, one on sequences, one on images. The latter's graphs before and after quantization
# go to build/release/embedded.dot, drawn as SVG where Graphviz is there. Arguments are passed on to that.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_dependencies.sh

install_dependencies
cmake --preset release
cmake --build --preset release --target classify spot_keywords

build/release/bin/spot_keywords
graphs=build/release/embedded.dot
build/release/bin/classify --model embedded --dot "$graphs" "$@"
if command -v dot > /dev/null; then
  dot -Tsvg -O "$graphs"  # embedded.dot.svg and embedded.dot.2.svg
fi
