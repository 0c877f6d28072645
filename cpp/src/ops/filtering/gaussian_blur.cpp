#include "ops/filtering/gaussian_blur.h"
#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/filtering.h"
#include "ops/filtering/separable.h"
#include "ops/filtering/separable_simd.h"

namespace fastcnn {

SeparableFilter checked_gaussian(const char* op, const char* argument, const TensorView& src, const GaussianBlur& blur,
                                 const TensorView& dst) {
  FASTCNN_CHECK(blur.sigma.size() == 2 || blur.sigma.size() == 3, op, ": expected sigma of 2 or 3 values, got ",
                blur.sigma.size());
  FASTCNN_CHECK(blur.border != Border::geodesic, op, ": expected border constant, reflect, mirror or replicate, got ",
                "geodesic");
  const BatchShape shape(src, static_cast<int>(blur.sigma.size()), op, argument);
  check_same_shape(src, dst, op, "result");
  check_output(dst, dtype_of(src), op, "result");
  SeparableFilter filter;
  filter.border = blur.border;
  const size_t axes = blur.sigma.size();
  filter.x = gaussian_taps(blur.sigma[axes - 1], blur.truncate, op);
  filter.y = gaussian_taps(blur.sigma[axes - 2], blur.truncate, op);
  if (axes == 3) filter.z = gaussian_taps(blur.sigma[0], blur.truncate, op);
  return filter;
}

namespace {

template <class Types>
void filter_batch(Types, const char* op, const char* argument, const Context& context, const TensorView& src,
                  const GaussianBlur& blur, const TensorView& dst, bool transposed) {
  SeparableFilter filter = checked_gaussian(op, argument, src, blur, dst);
  // Symmetric taps are their own transpose if the border continues both sides of an edge in the same way.
  filter.adjoint = transposed && (blur.border == Border::mirror || blur.border == Border::replicate);
  const int spatial_dims = static_cast<int>(blur.sigma.size());
  const BatchShape batch(src, spatial_dims, op, argument);
  const ImageSource source(src, spatial_dims);
  const bool copy = filter.z.identity() && filter.y.identity() && filter.x.identity();
  visit(Types{}, src, op, argument, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const DType dtype = TypeToDType<T>::value;
    const int64_t size = batch.extent.size(), width = batch.extent.width;
    const Context& host = worth_threads(context, batch.count * size, 16384);
    for_each_image(host, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = source.image<T>(i, scratch);
      T* result = dst.as<T>() + i * size;
      if (copy) {
        std::memcpy(result, image, static_cast<size_t>(size) * sizeof(T));
      } else if constexpr (std::is_same_v<T, A>) {
        separable_filter<A>(inner, image, dtype, batch.extent, filter, result, [](int64_t, const A*) {});
      } else {
        auto* const store = FASTCNN_SELECT(separable_kernels).f32.store[static_cast<int>(dtype)];
        separable_filter<A>(inner, image, dtype, batch.extent, filter, nullptr,
                            [&](int64_t row, const A* values) { store(values, width, result + row * width); });
      }
    });
  });
}

}  // namespace

void gaussian_blur(const Context& context, const TensorView& src, const GaussianBlur& blur, const TensorView& dst) {
  filter_batch(SmoothTypes{}, "gaussian_blur", "image", context, src, blur, dst, false);
}

void gaussian_blur_backward(const Context& context, const TensorView& grad, const GaussianBlur& blur,
                            const TensorView& dst) {
  filter_batch(FloatTypes{}, "_gaussian_blur_backward", "grad", context, grad, blur, dst, true);
}

}  // namespace fastcnn
