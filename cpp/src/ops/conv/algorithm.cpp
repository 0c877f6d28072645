// The choice of an algorithm: one list, best first. The first that fits and wins is taken.
#include "ops/conv/algorithm.h"

#include <cstdlib>
#include <cstring>

#include "fastcnn/error.h"
#include "ops/conv/choice.h"

namespace fastcnn::conv {
namespace {

constexpr const Algorithm* kAlgorithms[] = {
    &kReference,
};

}  // namespace

const Algorithm* algorithm_named(const char* name) {
  for (const Algorithm* algorithm : kAlgorithms)
    if (std::strcmp(algorithm->name, name) == 0) return algorithm;
  return nullptr;
}

std::string algorithm_names() {
  std::string names;
  for (const Algorithm* algorithm : kAlgorithms) names += std::string(names.empty() ? "" : ", ") + algorithm->name;
  return names;
}

}  // namespace fastcnn::conv
