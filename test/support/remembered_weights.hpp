// Random weights that can be written to a file: for applications where there are no published ones.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "octavo/io/safetensors.hpp"
#include "octavo/tensor/random_weights.hpp"

namespace octavo::test {

/// Random weights, all of which it remembers.
class remembered_weights : public weight_source {
 public:
  constant find(const std::string& name, const dims& expected) const override {
    constant& t = given_[name];
    if (!t) t = make(name, expected);
    return t;
  }
  std::string description() const override { return "random weights"; }

  /// Writes those that were asked for.
  void save(const std::filesystem::path& path) const {
    std::vector<named_constant> list;
    for (const auto& [name, t] : given_) list.push_back({name, t});
    save_safetensors(path, list);
  }

 protected:
  virtual constant make(const std::string& name, const dims& expected) const { return random_.find(name, expected); }

 private:
  random_weights random_{1};
  mutable std::map<std::string, constant> given_;
};

}  // namespace octavo::test
