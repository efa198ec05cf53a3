// What somebody may have meant by a name that is unknown.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// How many letters must be put in, left out or replaced to make `b` of `a`: Levenshtein's distance.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // from the letters of `a` so far to each beginning of `b`
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j] ? 1 : 0);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The end of a message about the unknown `name`: "; did you mean 'conv1'?" where one of `known` is near, or nothing.
template <class Names>
std::string did_you_mean(std::string_view name, const Names& known) {
  std::size_t least = name.size() / 3 + 2;  // more changes than that make another name
  std::string_view nearest;
  for (const auto& each : known) {
    const std::string_view candidate(each);
    const std::size_t lengths = std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (lengths >= least) continue;
    if (const std::size_t distance = edit_distance(name, candidate); distance < least)
      least = distance, nearest = candidate;
  }
  return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

}  // namespace octavo
