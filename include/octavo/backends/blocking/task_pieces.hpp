// Where the work of a dense kernel is cut into tasks, and how tasks are put together again.
#pragma once

#include <algorithm>
#include <cstdint>

#include "octavo/backends/native/task_count.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Where part `i` of `parts` begins when n things are cut evenly.
constexpr int cut(int n, int i, int parts) { return static_cast<int>(static_cast<std::int64_t>(n) * i / parts); }

/// Rows in `sets` times columns in `parts`: a task for each, those of a set one after the other. Calls
/// body(first, last, from, to) with rows [first, last) and columns [from, to) until tasks [begin, end) are done. Whole
/// sets that follow one another are one call.
template <class Body>
void for_each_piece(int begin, int end, int rows, int sets, int columns, int parts, Body&& body) {
  while (begin < end) {
    const int set = begin / parts, part = begin % parts;
    const int together = part == 0 ? std::max(1, (end - begin) / parts) : 1;
    const int across = std::min(parts - part, end - begin);
    body(cut(rows, set, sets), cut(rows, set + together, sets), cut(columns, part, parts),
         cut(columns, part + across, parts));
    begin += together > 1 ? together * parts : across;
  }
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
