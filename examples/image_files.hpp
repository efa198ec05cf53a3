// The images of a folder.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"

namespace octavo::example {

/// The JPEG and PNG files of a folder by name. Throws octavo::error where there are none.
inline std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder) {
  require(std::filesystem::is_directory(folder), folder.string(), ": expected a folder of images");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (const std::string kind = entry.path().extension().string(); kind == ".jpg" || kind == ".jpeg" || kind == ".png")
      files.push_back(entry.path());
  require(!files.empty(), folder.string(), ": expected .jpg, .jpeg or .png files, found none");
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace octavo::example
