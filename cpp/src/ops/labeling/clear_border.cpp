#include <cstring>

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/label_ref.h"
#include "ops/labeling/labeling_checks.h"
#include "ops/labeling/runs.h"

namespace fastcnn {
namespace {

constexpr const char* kOp = "clear_border";

BatchShape check(const TensorView& src, int spatial_dims, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, kOp, "labels");
  visit(LabelTypes{}, src, kOp, "labels", [](auto) {});
  check_output(dst, dtype_of(src), kOp, "dst");
  check_same_shape(src, dst, kOp, "dst");
  check_run_count(batch.extent, kOp);
  return batch;
}

/// Clears what is reachable from the border through equal labels, row stretch by row stretch (Smith, Tint Fill, 1979):
/// the work is linear in the number of cleared pixels. A stretch is cleared when it is found, so that each is on the
/// stack at most once.
template <class T>
class BorderFlood {
 public:
  BorderFlood(const Extent& extent, int spatial_dims, Scratch& scratch, T* image)
      : extent_(extent), spatial_dims_(spatial_dims), image_(image), stack_(scratch.get<Stretch>(extent.size())) {}

  void run() {
    const int64_t rows = extent_.depth * extent_.height, width = extent_.width;
    for (int64_t row = 0; row < rows; ++row) {
      if (on_border(extent_, spatial_dims_, row * width + width / 2)) {
        for (int64_t x = 0; x < width; ++x) flood(row * width + x);
      } else {
        flood(row * width);
        flood(row * width + width - 1);
      }
    }
  }

 private:
  struct Stretch {
    int64_t first, last;
  };

  void flood(int64_t p) {
    const T value = image_[p];
    if (value == 0) return;
    find(p, value);
    while (top_ > 0) {
      const Stretch here = stack_[--top_];
      const int64_t row = here.first / extent_.width, y = row % extent_.height, z = row / extent_.height;
      const int64_t left = here.first % extent_.width, right = here.last % extent_.width;
      for (int64_t dz = z > 0 ? -1 : 0; dz <= (z + 1 < extent_.depth ? 1 : 0); ++dz)
        for (int64_t dy = y > 0 ? -1 : 0; dy <= (y + 1 < extent_.height ? 1 : 0); ++dy) {
          const int64_t base = (row + dz * extent_.height + dy) * extent_.width;
          for (int64_t x = left > 0 ? left - 1 : 0; x <= right + 1 && x < extent_.width; ++x)
            if (image_[base + x] == value) x = find(base + x, value) % extent_.width;
        }
    }
  }

  /// Clears the stretch around a pixel; returns its last one.
  int64_t find(int64_t p, T value) {
    const int64_t begin = p - p % extent_.width, end = begin + extent_.width;
    int64_t first = p, last = p;
    while (first > begin && image_[first - 1] == value) --first;
    while (last + 1 < end && image_[last + 1] == value) ++last;
    std::fill(image_ + first, image_ + last + 1, T{0});
    stack_[top_++] = {first, last};
    return last;
  }

  const Extent extent_;
  const int spatial_dims_;
  T* image_;
  Stretch* stack_;
  int64_t top_ = 0;
};

}  // namespace

void clear_border(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst) {
  const BatchShape batch = check(src, spatial_dims, dst);
  const Extent& extent = batch.extent;
  const ImageSource images(src, spatial_dims);
  for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    if (dtype_of(src) == DType::boolean) {
      RunComponents components(inner, scratch, extent, spatial_dims, spatial_dims);
      components.scan(images.image<bool>(i, scratch), DType::boolean, false, RunMeasure::border);
      components.write_mask({0, true, false}, dst.as<uint8_t>() + i * extent.size());
      return;
    }
    visit_bits(LabelTypes{}, src, kOp, "labels", [&](auto tag) {
      using T = typename decltype(tag)::type;
      T* out = dst.as<T>() + i * extent.size();
      const T* image = images.image<T>(i, scratch);
      inner.parallel_for(0, extent.size(), 1 << 16, [&](int64_t begin, int64_t end) {
        std::memcpy(out + begin, image + begin, static_cast<size_t>(end - begin) * sizeof(T));
      });
      BorderFlood<T>(extent, spatial_dims, scratch, out).run();
    });
  });
}

void clear_border_ref(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst) {
  const BatchShape batch = check(src, spatial_dims, dst);
  const int64_t size = batch.extent.size();
  const ImageSource images(src, spatial_dims);
  visit_bits(LabelTypes{}, src, kOp, "labels", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = images.image<T>(i, scratch);
      auto* labels = scratch.get<int32_t>(size);
      const int32_t count = flood_components(
          batch.extent, spatial_dims, scratch, [=](int64_t p) { return image[p] != 0; },
          [=](int64_t p, int64_t q) { return image[p] == image[q]; }, labels);
      auto* touches = scratch.get<bool>(count + 1);
      std::fill_n(touches, count + 1, false);
      for (int64_t p = 0; p < size; ++p)
        if (on_border(batch.extent, spatial_dims, p)) touches[labels[p]] = true;
      for (int64_t p = 0; p < size; ++p) dst.as<T>()[i * size + p] = touches[labels[p]] ? T{0} : image[p];
    });
  });
}

}  // namespace fastcnn
