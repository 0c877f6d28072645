#include <vector>

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/label_values.h"
#include "ops/labeling/labeling_checks.h"

namespace fastcnn {
namespace {

/// Calls body(tag, context, scratch, image, size, dst, inverse, N) for every image, which returns the count.
template <class Body>
void relabel_images(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst,
                    const TensorView& inverse, const TensorView& counts, const Body& body) {
  constexpr const char* kOp = "relabel_sequential";
  const BatchShape batch(src, spatial_dims, kOp, "labels");
  visit(LabelTypes{}, src, kOp, "labels", [](auto) {});
  check_output(dst, dtype_of(src), kOp, "dst");
  check_same_shape(src, dst, kOp, "dst");
  FASTCNN_CHECK(inverse.ndim > 0 && inverse.shape[inverse.ndim - 1] > 0, kOp, ": expected max_labels of at least 0");
  const int64_t maximum = inverse.shape[inverse.ndim - 1] - 1, size = batch.extent.size();
  check_per_image(src, spatial_dims, inverse, dtype_of(src), kOp, "inverse_map", maximum + 1);
  check_per_image(src, spatial_dims, counts, DType::int32, kOp, "count");
  check_not_negative(context, src, spatial_dims, kOp, "labels");
  fill<int32_t>(counts, 0);
  std::fill_n(inverse.as<char>(), inverse.numel() * static_cast<int64_t>(size_of(dtype_of(src))), char{0});
  const ImageSource images(src, spatial_dims);
  // Values that are not negative are their own bits.
  visit_bits(LabelTypes{}, src, kOp, "labels", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = images.image<T>(i, scratch);
      counts.as<int32_t>()[i] = static_cast<int32_t>(
          body(inner, scratch, image, size, dst.as<T>() + i * size, inverse.as<T>() + i * (maximum + 1), maximum));
    });
  });
}

}  // namespace

void relabel_sequential(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst,
                        const TensorView& inverse, const TensorView& counts) {
  relabel_images(context, src, spatial_dims, dst, inverse, counts,
                 [](const Context& inner, Scratch& scratch, const auto* image, int64_t size, auto* out, auto* old,
                    int64_t maximum) {
                   using T = std::decay_t<decltype(*out)>;
                   const LabelValues<T> values(inner, scratch, image, size);
                   values.for_each([&](int64_t rank, T value) {
                     if (rank <= maximum) old[rank] = value;
                   });
                   inner.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
                     for_each_stretch(image, begin, end, [&](int64_t first, int64_t last, T value) {
                       std::fill(out + first, out + last, static_cast<T>(values.rank(value)));
                     });
                   });
                   return values.count();
                 });
}

void relabel_sequential_ref(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst,
                            const TensorView& inverse, const TensorView& counts) {
  relabel_images(context, src, spatial_dims, dst, inverse, counts,
                 [](const Context&, Scratch&, const auto* image, int64_t size, auto* out, auto* old, int64_t maximum) {
                   using T = std::decay_t<decltype(*out)>;
                   std::vector<T> values(image, image + size);
                   values.push_back(0);
                   std::sort(values.begin(), values.end());
                   values.erase(std::unique(values.begin(), values.end()), values.end());
                   const auto count = static_cast<int64_t>(values.size()) - 1;
                   for (int64_t p = 0; p < size; ++p)
                     out[p] = static_cast<T>(std::lower_bound(values.begin(), values.end(), image[p]) - values.begin());
                   for (int64_t n = 1; n <= std::min(count, maximum); ++n) old[n] = values[static_cast<size_t>(n)];
                   return count;
                 });
}

}  // namespace fastcnn
