// Calls of kernels, recorded once and replayed without dispatch or conversion of arguments, which cost as much as the
// small layers of a network.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "fastcnn/view.h"

namespace fastcnn::torch_bridge {

class Program {
 public:
  /// The program that this thread is recording, or null. An op that can be recorded checks it before it runs.
  static Program* recording();

  /// A copy of a view that lives as long as the program. The memory behind it is the caller's to keep.
  const TensorView* keep(const TensorView& view);
  const TensorView* keep(const std::optional<TensorView>& view) { return view ? keep(*view) : nullptr; }
  void add(std::function<void()> call) { calls_.push_back(std::move(call)); }
  void run() const {
    for (const auto& call : calls_) call();
  }

 private:
  std::vector<std::function<void()>> calls_;
  std::deque<TensorView> views_;
  std::deque<std::vector<int64_t>> sizes_;
};

}  // namespace fastcnn::torch_bridge
