// Regional maxima in two steps. The first step tests every pixel separately: no neighbour is higher. The second step
// handles plateaus: a plateau with a pixel that has a higher neighbour is not a maximum, and is removed by flooding
// from those pixels. O(pixels). Scratch memory: up to 8 bytes per pixel if the whole image consists of plateaus.
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/comparable.h"
#include "core/connectivity.h"
#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/peaks.h"

namespace fastcnn {
namespace {

struct Offset {
  int64_t z, y, x;
};

struct Neighbors {
  Neighbors(int rank, int spatial_dims) {
    for (int64_t z = spatial_dims == 3 ? -1 : 0; z <= (spatial_dims == 3 ? 1 : 0); ++z)
      for (int64_t y = -1; y <= 1; ++y)
        for (int64_t x = -1; x <= 1; ++x) {
          const int64_t moved = z * z + y * y + x * x;
          if (moved > 0 && moved <= rank) offsets[count++] = {z, y, x};
        }
  }
  int count = 0;
  Offset offsets[26];
};

template <bool maxima, class T>
bool beats(T neighbor, T pixel) {
  return maxima ? neighbor > pixel : neighbor < pixel;
}

// dst = 1 if no neighbour is higher than the pixel, otherwise 0.
template <bool maxima, class T>
void candidates(const T* src, Extent e, const Neighbors& neighbors, int64_t z, int64_t y, uint8_t* dst) {
  const T* row = src + (z * e.height + y) * e.width;
  for (int64_t x = 0; x < e.width; ++x) dst[x] = row[x] == row[x];  // not NaN
  for (int k = 0; k < neighbors.count; ++k) {
    const Offset o = neighbors.offsets[k];
    if (z + o.z < 0 || z + o.z >= e.depth || y + o.y < 0 || y + o.y >= e.height) continue;
    const T* other = row + (o.z * e.height + o.y) * e.width + o.x;
    const int64_t first = std::max<int64_t>(0, -o.x), last = e.width - std::max<int64_t>(0, o.x);
    for (int64_t x = first; x < last; ++x) dst[x] &= static_cast<uint8_t>(!beats<maxima>(other[x], row[x]));
  }
}

template <bool maxima, class T>
void extrema(const Context& context, const T* src, Extent e, const Neighbors& neighbors, uint8_t* dst) {
  const int64_t rows = e.depth * e.height;
  std::atomic<bool> beaten{false};
  context.parallel_for(0, rows, 16, [&](int64_t from, int64_t to) {
    bool some = false;
    for (int64_t r = from; r < to; ++r) {
      uint8_t* out = dst + r * e.width;
      candidates<maxima>(src, e, neighbors, r / e.height, r % e.height, out);
      for (int64_t x = 0; x < e.width; ++x) some |= !out[x];
    }
    if (some) beaten = true;
  });
  // No pixel is higher than a neighbour, and no pixel is NaN: the image is constant.
  if (!beaten) {
    std::fill_n(dst, e.size(), 0);
    return;
  }

  Scratch scratch(context);
  int64_t capacity = std::min<int64_t>(e.size(), 1 << 16), top = 0;
  auto* stack = scratch.get<int64_t>(capacity);
  const auto each_equal = [&](int64_t p, const auto& visit) {
    const int64_t x = p % e.width, y = p / e.width % e.height, z = p / e.width / e.height;
    for (int k = 0; k < neighbors.count; ++k) {
      const Offset o = neighbors.offsets[k];
      if (z + o.z < 0 || z + o.z >= e.depth || y + o.y < 0 || y + o.y >= e.height || x + o.x < 0 || x + o.x >= e.width)
        continue;
      const int64_t q = p + (o.z * e.height + o.y) * e.width + o.x;
      if (src[q] == src[p]) visit(q);
    }
  };
  const auto take_out = [&](int64_t q) {
    if (!dst[q]) return;
    dst[q] = 0;
    if (top == capacity) {  // each pixel is pushed once: the last size holds all
      const int64_t larger = std::min(e.size(), capacity * 8);
      auto* moved = scratch.get<int64_t>(larger);
      std::copy_n(stack, top, moved);
      stack = moved;
      capacity = larger;
    }
    stack[top++] = q;
  };
  for (int64_t p = 0; p < e.size(); ++p) {
    if (!dst[p]) continue;
    // A candidate beside an eliminated pixel of the same value starts the flood of its plateau.
    bool beside = false;
    each_equal(p, [&](int64_t q) { beside = beside || !dst[q]; });
    if (beside) take_out(p);
    while (top > 0) each_equal(stack[--top], take_out);
  }
}

template <bool maxima>
void run(const char* op, const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
         const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, op, "image");
  const Neighbors neighbors(connectivity_rank(connectivity, spatial_dims, op), spatial_dims);
  check_same_shape(src, dst, op, "result");
  check_output(dst, DType::boolean, op, "result");
  const ImageSource source(src, spatial_dims);
  visit(AllTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const auto* image = comparable<T>(source, i, batch.extent.size(), scratch);
      extrema<maxima>(inner, image, batch.extent, neighbors, dst.as<uint8_t>() + i * batch.extent.size());
    });
  });
}

}  // namespace

void local_maxima(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                  const TensorView& dst) {
  run<true>("local_maxima", context, src, connectivity, spatial_dims, dst);
}

void local_minima(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                  const TensorView& dst) {
  run<false>("local_minima", context, src, connectivity, spatial_dims, dst);
}

}  // namespace fastcnn
