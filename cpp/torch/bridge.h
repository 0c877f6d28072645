// From torch's stable ABI to the core: contexts, views, results and errors. Only cpp/torch includes torch.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fastcnn::torch_bridge {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

/// Runs kernels on torch's own threads, so that torch.set_num_threads applies and there is only one pool.
const Context& context();

/// A view of a tensor; valid while the tensor lives.
TensorView view(const Tensor& tensor);
/// A dense uninitialised result on the input's device.
Tensor new_result(const Tensor& like, const std::vector<int64_t>& shape, DType dtype, bool channels_last);
bool is_channels_last(const TensorView& view);

/// The text that python/fastcnn/_errors.py turns back into an exception of the right type.
std::string marked(const Error& error);

/// TORCH_BOX with the core's errors marked.
template <auto kernel>
void boxed(StableIValue* stack, uint64_t inputs, uint64_t outputs) {
  try {
    TORCH_BOX(kernel)(stack, inputs, outputs);
  } catch (const Error& error) {
    throw std::runtime_error(marked(error));
  }
}

}  // namespace fastcnn::torch_bridge

#define FASTCNN_BOX(kernel) ::fastcnn::torch_bridge::boxed<(kernel)>
