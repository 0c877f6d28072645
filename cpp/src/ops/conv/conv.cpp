// Convolution and transposed convolution: checks, choice of the algorithm, packing, and the run of each part.
#include "fastcnn/ops/conv.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/dtypes.h"
#include "ops/conv/choice.h"
#include "ops/conv/planar.h"
#include "ops/conv/staging.h"

namespace fastcnn {
namespace {

using namespace conv;
using Sizes = std::vector<int64_t>;

Sizes shape_of(const TensorView& view) { return {view.shape, view.shape + view.ndim}; }

void check_tensor(const TensorView& view, const TensorView& input, const Sizes& shape, const std::string& op,
                  const char* argument) {
  FASTCNN_CHECK_TYPE(view.device.type == kCpu, op, ": expected ", argument, " on the CPU");
  FASTCNN_CHECK_TYPE(dtype_of(view) == dtype_of(input), op, ": expected ", argument, " of the input's dtype ",
                     name_of(dtype_of(input)), ", got ", name_of(dtype_of(view)));
  TensorView wanted = view;
  wanted.ndim = static_cast<int32_t>(shape.size());
  wanted.shape = shape.data();
  FASTCNN_CHECK(shape_of(view) == shape, op, ": expected ", argument, " of shape ", shape_text(wanted), ", got ",
                shape_text(view));
}

void check_input(const TensorView& input, const std::string& op) {
  FASTCNN_CHECK_TYPE(input.device.type == kCpu, op, ": expected input on the CPU");
  visit(FloatTypes{}, input, op.c_str(), "input", [](auto) {});
}

void check_epilogue(const ConvEpilogue& e, const TensorView& input, const Sizes& dst, const std::string& op) {
  if (e.bias) check_tensor(*e.bias, input, {dst[1]}, op, "bias");
  if (e.residual) check_tensor(*e.residual, input, dst, op, "residual");
  if (e.scale) check_tensor(*e.scale, input, {dst[0], dst[1]}, op, "scale");
  if (e.input_scale) check_tensor(*e.input_scale, input, {input.shape[0], input.shape[1]}, op, "input_scale");
}

/// Converts a small tensor of any strides and dtype to a dense one of type T; null stays null.
template <class T>
const T* dense_vector(const TensorView* view, Scratch& scratch) {
  if (!view) return nullptr;
  if (dtype_of(*view) == TypeToDType<T>::value && is_dense(*view)) return view->as<const T>();
  T* values = scratch.get<T>(view->numel());
  const int64_t rows = view->ndim == 2 ? view->shape[0] : 1, columns = view->shape[view->ndim - 1];
  const int64_t row_stride = view->ndim == 2 ? view->stride(0) : 0, stride = view->stride(view->ndim - 1);
  visit(FloatTypes{}, dtype_of(*view), [&](auto tag) {
    using From = typename decltype(tag)::type;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        values[r * columns + c] = static_cast<T>(view->as<const From>()[r * row_stride + c * stride]);
  });
  return values;
}

/// The weight as packing reads it: of type T, with any strides.
template <class T>
struct WeightSource {
  WeightSource(const TensorView& view, const ConvWeight& weight, Scratch& scratch) : transposed(weight.transposed) {
    const int64_t count = view.numel();
    if (dtype_of(view) == TypeToDType<T>::value) {
      data = view.as<const T>();
      for (int32_t i = 0; i < view.ndim; ++i) strides[i] = view.stride(i);
    } else {
      T* values = scratch.get<T>(count);
      int64_t stride = count;
      for (int32_t i = 0; i < view.ndim; ++i) strides[i] = stride /= view.shape[i];
      visit(FloatTypes{}, dtype_of(view), [&](auto tag) {
        using From = typename decltype(tag)::type;
        for (int64_t i = 0; i < count; ++i) {
          int64_t rest = i, offset = 0;
          for (int32_t d = view.ndim - 1; d >= 0; --d) {
            offset += rest % view.shape[d] * view.stride(d);
            rest /= view.shape[d];
          }
          values[i] = static_cast<T>(view.as<const From>()[offset]);
        }
      });
      data = values;
    }
    spatial_dims = view.ndim - 2;
  }

  Weights<T> of(const Phase& phase) const {
    Weights<T> w;
    w.data = data;
    w.filter_stride = strides[transposed ? 1 : 0];
    w.channel_stride = strides[transposed ? 0 : 1];
    w.group_stride = (transposed ? phase.shape.channels : phase.shape.filters) * strides[0];
    for (int i = 0; i < spatial_dims; ++i) {
      const int to = i + 3 - spatial_dims;
      w.data += phase.first_tap[to] * strides[i + 2];
      w.tap_stride[to] = phase.tap_step[to] * strides[i + 2];
    }
    return w;
  }

  /// True if all values are finite. Scans all memory between the first and the last value. With unusual strides it may
  /// contain foreign values: a NaN there costs time but does not change the result.
  bool finite(const Context& context, const TensorView& view) const {
    int64_t before = 0, behind = 0;
    for (int32_t i = 0; i < view.ndim; ++i) (strides[i] < 0 ? before : behind) += (view.shape[i] - 1) * strides[i];
    std::atomic<bool> all{true};
    context.parallel_for(0, behind - before + 1, int64_t{1} << 15, [&](int64_t begin, int64_t end) {
      bool good = true;
      for (int64_t i = begin; i < end; ++i) good &= std::abs(data[before + i]) <= std::numeric_limits<T>::max();
      if (!good) all = false;
    });
    return all;
  }

  const T* data;
  int64_t strides[5] = {};
  int spatial_dims = 0;
  bool transposed;
};

/// Packed parts start on cache lines.
template <class T>
int64_t packed_size(const Algorithm& algorithm, const Phase& phase) {
  constexpr int64_t kLine = 64 / sizeof(T);
  if (phase.empty()) return 0;
  return ceil_div(serving(algorithm, phase).routines<T>().packed_size(phase.shape), kLine) * kLine;
}

template <class T>
int64_t packed_size(const Algorithm& algorithm, const std::vector<Phase>& phases) {
  int64_t size = 0;
  for (const Phase& phase : phases) size += packed_size<T>(algorithm, phase);
  return size;
}

template <class T>
void pack_phases(const Context& context, const Algorithm& algorithm, const std::vector<Phase>& phases,
                 const TensorView& view, const ConvWeight& weight, T* packed) {
  Scratch scratch(context);
  const WeightSource<T> source(view, weight, scratch);
  for (const Phase& phase : phases) {
    if (phase.empty()) continue;
    serving(algorithm, phase).routines<T>().pack(context, phase.shape, source.of(phase), packed);
    packed += packed_size<T>(algorithm, phase);
  }
}

/// True if two tensors of one dtype have memory in common, or might have: channels beside each other in a pixel do not.
bool share_memory(const TensorView& a, const TensorView& b) {
  const auto range = [](const TensorView& view) {
    const auto item = static_cast<int64_t>(size_of(dtype_of(view)));
    int64_t before = 0, behind = item;
    for (int32_t i = 0; i < view.ndim; ++i)
      (view.stride(i) < 0 ? before : behind) += (view.shape[i] - 1) * view.stride(i) * item;
    const auto* data = static_cast<const char*>(view.bytes());
    return std::pair(data + before, data + behind);
  };
  const auto [a_begin, a_end] = range(a);
  const auto [b_begin, b_end] = range(b);
  if (a_end <= b_begin || b_end <= a_begin) return false;
  // Where all strides are multiples of a pixel, an address modulo the pixel tells the channel.
  const auto item = static_cast<int64_t>(size_of(dtype_of(a)));
  const int64_t pixel = a.stride(a.ndim - 1) * item, filters = a.shape[1] * item;
  bool alike = pixel > 0 && a.stride(1) == 1 && b.stride(1) == 1;
  for (int32_t i = 0; i < a.ndim && alike; ++i)
    alike = i == 1 || (a.stride(i) * item % pixel == 0 && b.stride(i) * item % pixel == 0);
  if (!alike) return true;
  const int64_t apart =
      ((static_cast<const char*>(b.bytes()) - static_cast<const char*>(a.bytes())) % pixel + pixel) % pixel;
  return apart < filters || apart + filters > pixel;
}

template <class T>
void run_phases(const Context& context, const Algorithm& algorithm, const std::vector<Phase>& phases, const T* packed,
                const TensorView& input, const ConvEpilogue& e, const TensorView& dst) {
  Scratch scratch(context);
  Request<T> request;
  request.src = Image::of(input);
  request.input_scale = dense_vector<T>(e.input_scale, scratch);
  request.epilogue.bias = dense_vector<T>(e.bias, scratch);
  request.epilogue.scale = dense_vector<T>(e.scale, scratch);
  request.epilogue.activation = e.activation;
  request.epilogue.alpha = static_cast<T>(e.alpha);
  const Image whole = Image::of(dst);
  Image residual = e.residual ? Image::of(*e.residual) : Image();
  if (e.residual && share_memory(*e.residual, dst)) {  // it is read after the sums have been written
    int64_t size[3] = {1, 1, 1};
    for (int32_t i = 2; i < dst.ndim; ++i) size[i + 3 - dst.ndim] = dst.shape[i];
    const Pixels<T> copy = dense_pixels(scratch.get<T>(dst.numel()), size, dst.shape[1]);
    gather(context, residual, dst.shape[0], size, copy);
    residual = Image::of(copy, dst.shape[1]);
  }
  for (const Phase& phase : phases) {
    const Routines<T>& routines = serving(algorithm, phase).template routines<T>();
    request.shape = phase.shape;
    request.dst = whole.phase(phase.first_out, phase.out_step);
    if (e.residual) request.residual = residual.phase(phase.first_out, phase.out_step);
    if (phase.shape.out_pixels() > 0) {
      if (routines.run_any)
        routines.run_any(context, request, packed);
      else
        run_staged(context, routines, packed, request);
    }
    packed += packed_size<T>(algorithm, phase);
  }
}

/// The type in which a dtype is computed: float or double.
template <class F>
void with_arithmetic(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(TypeTag<double>{});
  else
    f(TypeTag<float>{});
}

void convolve(const Context& context, const TensorView& input, const TensorView& view, const ConvEpilogue& epilogue,
              const ConvGeometry& geometry, bool transposed, const TensorView& dst) {
  const std::string op = op_name(geometry, transposed);
  check_input(input, op);
  const ConvWeight weight{shape_of(view), geometry, transposed, dtype_of(input)};
  check_tensor(view, input, weight.shape, op, "weight");
  const Sizes in = shape_of(input), out = shape_of(dst);
  const Sizes expected =
      transposed ? convolution_transpose_shape(in, weight.shape,
                                               {out.begin() + std::min<ptrdiff_t>(2, dst.ndim), out.end()}, geometry)
                 : convolution_shape(in, weight.shape, geometry);
  check_tensor(dst, input, expected, op, "dst");
  check_epilogue(epilogue, input, expected, op);
  if (dst.numel() == 0) return;
  const std::vector<Phase> phases = phases_of(weight, in, out);
  with_arithmetic(weight.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const bool finite = [&] {
      Scratch narrow(context);  // a copy for half precision, freed before the convolution runs
      return WeightSource<T>(view, weight, narrow).finite(context, view);
    }();
    Scratch scratch(context);
    if (!epilogue.residual && !epilogue.scale && !epilogue.input_scale && epilogue.activation == Activation::none &&
        finite && phases.size() == 1 && get_conv_algorithm() == "auto" && planar_wins(phases[0].shape)) {
      const Phase& phase = phases[0];
      const WeightSource<T> source(view, weight, scratch);
      return planar_convolution<T>(context, phase.shape, Image::of(input), source.of(phase),
                                   dense_vector<T>(epilogue.bias, scratch), Image::of(dst));
    }
    const Algorithm& algorithm = finite ? choose(phases, weight.dtype == DType::float64, false, context.num_threads())
                                        : choose_not_finite(transposed);
    T* packed = scratch.get<T>(packed_size<T>(algorithm, phases));
    pack_phases(context, algorithm, phases, view, weight, packed);
    run_phases<T>(context, algorithm, phases, packed, input, epilogue, dst);
  });
}

/// Packing needs no image, so this uses the parts for the smallest one.
std::vector<Phase> packing_phases(const ConvWeight& w, const std::string& op) {
  check_weight(op, w.shape, w.geometry);
  Sizes input{1, w.transposed ? w.shape[0] : w.shape[1] * w.geometry.groups}, dst{1, 0};
  for (int i = 0; i < w.geometry.spatial_dims; ++i) {
    const auto d = static_cast<size_t>(i);
    input.push_back(kernel_extent(op, w.shape[d + 2], w.geometry.dilation[d]));
    dst.push_back(1);
  }
  return phases_of(w, input, dst);
}

}  // namespace

void convolution(const Context& context, const TensorView& input, const TensorView& weight,
                 const ConvEpilogue& epilogue, const ConvGeometry& geometry, const TensorView& dst) {
  convolve(context, input, weight, epilogue, geometry, false, dst);
}

void convolution_transpose(const Context& context, const TensorView& input, const TensorView& weight,
                           const ConvEpilogue& epilogue, const ConvGeometry& geometry, const TensorView& dst) {
  convolve(context, input, weight, epilogue, geometry, true, dst);
}

int64_t packed_conv_size(const ConvWeight& weight, const std::string& name) {
  const std::string op = op_name(weight.geometry, weight.transposed);
  const bool f64 = weight.dtype == DType::float64;
  const Algorithm& algorithm = algorithm_named(name, f64, op);
  const std::vector<Phase> phases = packing_phases(weight, op);
  FASTCNN_CHECK(computes(algorithm, phases, f64), op, ": algorithm ", name, " does not fit this weight");
  return f64 ? packed_size<double>(algorithm, phases) : packed_size<float>(algorithm, phases);
}

void pack_convolution(const Context& context, const TensorView& view, const ConvWeight& weight, const std::string& name,
                      const TensorView& packed) {
  const std::string op = op_name(weight.geometry, weight.transposed);
  const int64_t size = packed_conv_size(weight, name);
  check_input(view, op);
  FASTCNN_CHECK(packed.numel() == size && is_dense(packed), op, ": expected packed weights of ", size, " values, got ",
                packed.numel());
  with_arithmetic(weight.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    FASTCNN_CHECK_TYPE(dtype_of(packed) == TypeToDType<T>::value, op, ": expected packed weights of dtype ",
                       name_of(TypeToDType<T>::value));
    std::fill_n(packed.as<T>(), packed.numel(), T(0));  // elements that no part writes are saved to files too
    pack_phases(context, algorithm_named(name, weight.dtype == DType::float64, op), packing_phases(weight, op), view,
                weight, packed.as<T>());
  });
}

void packed_convolution(const Context& context, const TensorView& input, const TensorView& packed,
                        const ConvWeight& weight, const std::string& name, const ConvEpilogue& epilogue,
                        const TensorView& dst) {
  const std::string op = op_name(weight.geometry, weight.transposed);
  check_input(input, op);
  const Sizes in = shape_of(input), out = shape_of(dst);
  const Sizes expected =
      weight.transposed
          ? convolution_transpose_shape(in, weight.shape, {out.begin() + std::min<ptrdiff_t>(2, dst.ndim), out.end()},
                                        weight.geometry)
          : convolution_shape(in, weight.shape, weight.geometry);
  check_tensor(dst, input, expected, op, "dst");
  check_epilogue(epilogue, input, expected, op);
  const Algorithm& algorithm = algorithm_named(name, weight.dtype == DType::float64, op);
  const std::vector<Phase> phases = phases_of(weight, in, out);
  FASTCNN_CHECK(computes(algorithm, phases, weight.dtype == DType::float64), op, ": algorithm ", name,
                " does not fit this weight");
  with_arithmetic(weight.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t size = packed_size<T>(algorithm, phases);
    FASTCNN_CHECK_TYPE(dtype_of(packed) == TypeToDType<T>::value, op, ": expected weights packed as ",
                       name_of(TypeToDType<T>::value), " for input of dtype ", name_of(dtype_of(input)), ", got ",
                       name_of(dtype_of(packed)));
    FASTCNN_CHECK(packed.numel() == size && is_dense(packed), op, ": expected packed weights of ", size,
                  " values, got ", packed.numel());
    if (dst.numel() > 0) run_phases<T>(context, algorithm, phases, packed.as<const T>(), input, epilogue, dst);
  });
}

}  // namespace fastcnn
