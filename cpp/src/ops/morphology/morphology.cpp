// Erosion, dilation and the operations composed of them.
#include "fastcnn/ops/morphology.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "ops/morphology/erosion_cuda.h"
#include "ops/morphology/extremum.h"

namespace fastcnn {

namespace {

struct Arguments {
  const TensorView& src;
  int spatial_dims;
  const Footprint& footprint;
  Border border;
  double value;
  const TensorView& dst;
};

/// Checks, then calls body(context, src, pixels, dst) for every image, with the pixels' bits or their type.
template <bool typed, class F>
void each_image(const char* op, const Context& context, const Arguments& a, const F& body) {
  const BatchShape batch(a.src, a.spatial_dims, op, "image");
  check_same_shape(a.src, a.dst, op, "result");
  check_output(a.dst, dtype_of(a.src), op, "result");
  const ImageSource source(a.src, a.spatial_dims);
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      body(inner, source.image<T>(i, scratch), batch.extent.size(), a.dst.as<T>() + i * batch.extent.size());
    });
  };
  if constexpr (typed)
    visit(AllTypes{}, a.src, op, "image", run);
  else
    visit_bits(AllTypes{}, a.src, op, "image", run);
}

/// The plan is made before the loop over images and checks the footprint. An empty batch has no extent to plan for.
Extremum plan(const char* op, bool maximum, const Arguments& a) {
  const BatchShape batch(a.src, a.spatial_dims, op, "image");
  Extent extent = batch.extent;
  extent.depth = std::max<int64_t>(1, extent.depth);
  extent.height = std::max<int64_t>(1, extent.height);
  extent.width = std::max<int64_t>(1, extent.width);
  return Extremum(op, maximum, dtype_of(a.src), extent, a.footprint, a.border, a.value);
}

void on_cuda(const char* op, bool maximum, const Context& context, const Arguments& a) {
  const auto launch = erosion_launch.get(op);
  FASTCNN_CHECK(is_dense(a.src), op, ": expected a dense image on the GPU");
  const ExtremumPlan plan = plan_extremum(op, maximum, a.src, a.spatial_dims, a.footprint, a.border, a.value);
  const auto bytes = static_cast<size_t>(a.src.numel()) * size_of(dtype_of(a.src));
  void* const scratch = plan.needs_scratch ? context.allocate(bytes) : nullptr;
  launch(plan, a.src.bytes(), a.dst.bytes(), scratch, a.src.device.id, context.stream);
  if (scratch) context.release(scratch);
}

void one_pass(const char* op, bool maximum, const Context& context, const Arguments& a) {
  if (a.src.device.type == kCuda) return on_cuda(op, maximum, context, a);
  const Extremum extremum = plan(op, maximum, a);
  each_image<false>(op, context, a,
                    [&](const Context& inner, const auto* src, int64_t, auto* dst) { extremum.run(inner, src, dst); });
}

void two_passes(const char* op, bool maximum_first, const Context& context, const Arguments& a) {
  const Extremum first = plan(op, maximum_first, a), second = plan(op, !maximum_first, a);
  each_image<false>(op, context, a, [&](const Context& inner, const auto* src, int64_t n, auto* dst) {
    Scratch scratch(inner);
    auto* between = scratch.get<std::remove_pointer_t<decltype(dst)>>(n);
    first.run(inner, src, between);
    second.run(inner, between, dst);
  });
}

template <class T>
T difference(T a, T b) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return T::from(static_cast<float>(a) - static_cast<float>(b));
  } else if constexpr (std::is_floating_point_v<T>) {
    return a - b;
  } else if constexpr (std::is_same_v<T, bool>) {
    return a && !b;
  } else if constexpr (std::is_unsigned_v<T>) {
    return a > b ? static_cast<T>(a - b) : T(0);
  } else {
    using U = std::make_unsigned_t<T>;
    constexpr T largest = std::numeric_limits<T>::max(), smallest = std::numeric_limits<T>::min();
    const T wrapped = static_cast<T>(static_cast<U>(static_cast<U>(a) - static_cast<U>(b)));
    if (a >= b) return wrapped < 0 ? largest : wrapped;
    return wrapped >= 0 ? smallest : wrapped;
  }
}

}  // namespace

CudaLaunch<LaunchErosion> erosion_launch;

void erosion(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint, Border border,
             double value, const TensorView& dst) {
  one_pass("erosion", false, context, {src, spatial_dims, footprint, border, value, dst});
}

void dilation(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
              Border border, double value, const TensorView& dst) {
  one_pass("dilation", true, context, {src, spatial_dims, footprint, border, value, dst});
}

void opening(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint, Border border,
             double value, const TensorView& dst) {
  two_passes("opening", false, context, {src, spatial_dims, footprint, border, value, dst});
}

void closing(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint, Border border,
             double value, const TensorView& dst) {
  two_passes("closing", true, context, {src, spatial_dims, footprint, border, value, dst});
}

void morphological_gradient(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                            Border border, double value, const TensorView& dst) {
  const char* op = "morphological_gradient";
  const Arguments a{src, spatial_dims, footprint, border, value, dst};
  const Extremum dilated = plan(op, true, a), eroded = plan(op, false, a);
  each_image<true>(op, context, a, [&](const Context& inner, const auto* image, int64_t n, auto* result) {
    Scratch scratch(inner);
    auto* smallest = scratch.get<std::remove_pointer_t<decltype(result)>>(n);
    dilated.run(inner, image, result);
    eroded.run(inner, image, smallest);
    inner.parallel_for(0, n, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) result[i] = difference(result[i], smallest[i]);
    });
  });
}

}  // namespace fastcnn
