#!/bin/sh
# Installs what is missing, builds the example and runs it: quantizes a small network that is part of the program and
# compares FP32 with INT8. The graphs before and after quantization go to build/release/embedded.dot, drawn as SVG where
# Graphviz is there. Arguments are passed on to the example.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_dependencies.sh

install_dependencies
cmake --preset release
cmake --build --preset release --target classify

graphs=build/release/embedded.dot
build/release/bin/classify --model embedded --dot "$graphs" "$@"
if command -v dot > /dev/null; then
  dot -Tsvg -O "$graphs"  # embedded.dot.svg and embedded.dot.2.svg
fi
