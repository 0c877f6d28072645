// Convolution, transposed convolution and the weight's gradient, 1-D to 3-D, in the conventions of
// torch.nn.functional. float64 is computed in float64; float32, bfloat16 and float16 in float32.
//
// The three are closed under differentiation: the input gradient of a convolution is a transposed convolution of the
// result's gradient, and vice versa. `convolution_weight_grad` is the weight gradient of both.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The activation that a convolution can apply to its result. `alpha` is the slope of leaky_relu, the scale of elu and
/// the upper bound of clamp (relu6 is clamp with 6).
enum class Activation : int32_t {
  none,
  relu,
  clamp,        ///< min(max(x, 0), alpha)
  leaky_relu,   ///< x > 0 ? x : alpha x
  elu,          ///< x > 0 ? x : alpha (exp(x) - 1)
  silu,         ///< x sigmoid(x)
  hardswish,    ///< x min(max(x + 3, 0), 6) / 6
  hardsigmoid,  ///< min(max(x + 3, 0), 6) / 6
  sigmoid,
  tanh,
  softplus,  ///< log(1 + exp(x)); x itself above 20, like torch
};
/// From "none", "relu", …; the error names `op`.
FASTCNN_API Activation activation_from(const char* name, const char* op);

/// Only the first `spatial_dims` values of each array are used, outermost dimension first.
struct ConvGeometry {
  int spatial_dims = 2;  ///< 1 to 3
  std::array<int64_t, 3> stride{1, 1, 1};
  std::array<int64_t, 3> padding{};        ///< zeros before the first value
  std::array<int64_t, 3> padding_after{};  ///< zeros behind the last one
  std::array<int64_t, 3> dilation{1, 1, 1};
  int64_t groups = 1;
};
/// Takes lists with one value per dimension. padding has two per dimension: all values before the image, then all
/// behind it.
FASTCNN_API ConvGeometry conv_geometry(const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
                                       const std::vector<int64_t>& dilation, int64_t groups);

/// result = activation(convolution(input * input_scale) + bias + residual) * scale. Null terms are omitted.
struct ConvEpilogue {
  const TensorView* bias = nullptr;         ///< (K)
  const TensorView* residual = nullptr;     ///< of the result's shape; if it shares the result's memory, it is copied
  const TensorView* scale = nullptr;        ///< (N, K)
  const TensorView* input_scale = nullptr;  ///< (N, C): squeeze-excite
  Activation activation = Activation::none;
  double alpha = 0;
};

/// The shape (N, K, spatial...) of a convolution's result. Checks all arguments.
FASTCNN_API std::vector<int64_t> convolution_shape(const std::vector<int64_t>& input,
                                                   const std::vector<int64_t>& weight, const ConvGeometry& geometry);
/// The same for a transposed convolution, with the requested spatial size (a stride allows several sizes:
/// output_padding).
FASTCNN_API std::vector<int64_t> convolution_transpose_shape(const std::vector<int64_t>& input,
                                                             const std::vector<int64_t>& weight,
                                                             const std::vector<int64_t>& output_size,
                                                             const ConvGeometry& geometry);

/// input (N, C, spatial...), weight (K, C / groups, kernel...), dst (N, K, spatial...), all of one floating dtype and
/// any strides; channels-last is fastest, other layouts are converted in bands.
FASTCNN_API void convolution(const Context& context, const TensorView& input, const TensorView& weight,
                             const ConvEpilogue& epilogue, const ConvGeometry& geometry, const TensorView& dst);
/// input (N, C, spatial...), weight (C, K / groups, kernel...), dst (N, K, spatial...).
FASTCNN_API void convolution_transpose(const Context& context, const TensorView& input, const TensorView& weight,
                                       const ConvEpilogue& epilogue, const ConvGeometry& geometry,
                                       const TensorView& dst);
/// grad (N, K, spatial...), input (N, C, spatial...), dst (K, C / groups, kernel...).
FASTCNN_API void convolution_weight_grad(const Context& context, const TensorView& grad, const TensorView& input,
                                         const ConvGeometry& geometry, const TensorView& dst);

/// A weight's shape and the convolution that it is for.
struct ConvWeight {
  std::vector<int64_t> shape;
  ConvGeometry geometry;
  bool transposed = false;
  DType dtype = DType::float32;
};

/// Process-wide setting: "auto", "direct" (no Winograd), "winograd" (wherever it fits), or the name of an algorithm,
/// which is then used wherever it fits. FASTCNN_CONV_ALGORITHM sets the initial value.
FASTCNN_API void set_conv_algorithm(const std::string& name);
FASTCNN_API std::string get_conv_algorithm();
/// The names of the algorithms, in the order in which they are tried.
FASTCNN_API std::vector<std::string> conv_algorithms();
/// The algorithm for an input of this shape. output_size is for a transposed convolution. `packed`: the weights are
/// packed once, not in every call. `finite`: all weights are finite.
FASTCNN_API std::string choose_conv_algorithm(const ConvWeight& weight, const std::vector<int64_t>& input,
                                              const std::vector<int64_t>& output_size, bool packed, int threads,
                                              bool finite = true);
/// The whole list with the criteria: "auto" takes the first algorithm that fits and wins.
struct ConvCandidate {
  std::string name;
  bool fits = false;  ///< can compute this convolution
  bool wins = false;  ///< is the best for this shape among those that follow
};
FASTCNN_API std::vector<ConvCandidate> conv_candidates(const ConvWeight& weight, const std::vector<int64_t>& input,
                                                       const std::vector<int64_t>& output_size, bool packed,
                                                       int threads);

/// The number of elements (float64 for a float64 weight, otherwise float32) of a weight packed for an algorithm. The
/// layout is the same on every machine and works for images of any size.
FASTCNN_API int64_t packed_conv_size(const ConvWeight& weight, const std::string& algorithm);
FASTCNN_API void pack_convolution(const Context& context, const TensorView& weight, const ConvWeight& properties,
                                  const std::string& algorithm, const TensorView& packed);
FASTCNN_API void packed_convolution(const Context& context, const TensorView& input, const TensorView& packed,
                                    const ConvWeight& weight, const std::string& algorithm,
                                    const ConvEpilogue& epilogue, const TensorView& dst);

}  // namespace fastcnn
