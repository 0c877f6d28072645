// torch's side of cpp/bindings/front.h: views of an op's tensors, and its registration.
#pragma once

#include <type_traits>
#include <utility>

#include "bindings/front.h"
#include "bridge.h"
#include "cuda.h"
#include "program.h"

namespace fastcnn::torch_bridge {

class TorchFront {
 public:
  using Array = Tensor;

  class Result {
   public:
    explicit Result(Tensor tensor) : tensor_(std::move(tensor)), view_(torch_bridge::view(tensor_)) {}
    const TensorView& view() const { return view_; }
    const Tensor& array() const { return tensor_; }

   private:
    Tensor tensor_;
    TensorView view_;
  };

  explicit TorchFront(const char* op) : op_(op) {}

  TensorView view(const Tensor& tensor, const char* = nullptr) {
    if (!first_) first_ = &tensor;
    const TensorView result = torch_bridge::view(tensor);
    // CUDA kernels take dense images.
    if (result.device.type == kCpu || is_dense(result)) return result;
    copies_.push_back(torch::stable::contiguous(tensor));
    return torch_bridge::view(copies_.back());
  }
  std::optional<TensorView> view(const std::optional<Tensor>& tensor, const char* = nullptr) {
    if (!tensor) return std::nullopt;
    return view(*tensor);
  }
  Tensor contiguous(const Tensor& tensor) const { return torch::stable::contiguous(tensor); }

  Result result(const std::vector<int64_t>& shape, DType dtype) const {
    return Result(new_result(*first_, shape, dtype, false));
  }
  Result channels_last(const std::vector<int64_t>& shape, DType dtype) const {
    return Result(new_result(*first_, shape, dtype, true));
  }
  /// As in torch's own ops: channels_last if a 4-D or 5-D `like` is (Tensor::suggest_memory_format;
  /// torch._prims_common.suggest_memory_format in fakes), else contiguous.
  Result result_in_layout_of(const TensorView& like, const std::vector<int64_t>& shape, DType dtype) const {
    return is_channels_last(like) ? channels_last(shape, dtype) : result(shape, dtype);
  }
  static bool is_channels_last(const TensorView& view) { return torch_bridge::is_channels_last(view); }

  template <class F>
  auto run(const F& f) const {
    return f(context());
  }
  template <class F>
  void run_on_device(const F& f) const {
    if (first_->is_cuda())
      run_on_cuda(op_, *first_, f);
    else
      f(context());
  }

  /// Calls f(context, pointers to the views, null for missing ones). If this thread records a program, adds the call
  /// and a copy of each view to it instead.
  template <class F, class... Views>
  void run_or_record(F f, const Views&... views) const {
    Program* program = Program::recording();
    if (!program) return f(context(), address(views)...);
    program->add([f = std::move(f), kept = std::make_tuple(program->keep(views)...)] {
      std::apply([&](const auto*... each) { f(context(), each...); }, kept);
    });
  }

 private:
  static const TensorView* address(const TensorView& view) { return &view; }
  static const TensorView* address(const std::optional<TensorView>& view) { return bindings::pointer(view); }

  const char* op_;
  const Tensor* first_ = nullptr;
  std::vector<Tensor> copies_;
};

}  // namespace fastcnn::torch_bridge

// cpp/torch/family.cpp.in, once for each family, uses these.
#define FASTCNN_DEFINE(name, schema) m.def(#name schema);
#define FASTCNN_IMPLEMENT(name, schema) \
  m.impl(#name, FASTCNN_BOX(&::fastcnn::bindings::name<::fastcnn::torch_bridge::TorchFront>));
#define FASTCNN_NOTHING(name, schema)
