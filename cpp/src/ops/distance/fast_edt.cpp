// The exact integer transform. Columns first, in 16 bits and vectors over x; then rows: a min-plus pass over the near
// neighbours, which ends as soon as no farther one can matter, and the lower envelope for the stretches where distances
// are larger; in volumes the same along the depth. O(pixels), and the time does not grow with the distances.
// Scratch: 2 bytes per pixel of the slices in flight.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/dispatch.h"
#include "core/nonzero.h"
#include "ops/distance/distance_transform_edt.h"
#include "ops/distance/distance_transform_edt_simd.h"
#include "ops/distance/envelope.h"

namespace fastcnn {

bool fits_fast_edt(Extent e) {
  const auto fits = [](int64_t n) { return n < (int64_t{1} << 15); };
  return e.height < kNoZero && fits(e.depth) && fits(e.height) && fits(e.width) &&
         e.depth * e.depth + e.height * e.height + e.width * e.width < kFar;
}

namespace {

// Columns of a strip stay in a core's L2 between the pass down and the pass up.
constexpr int64_t kStrip = 256;

template <class T>
void column_pass(const Context& context, const DistanceKernels& kernels, const T* mask, int64_t height, int64_t width,
                 uint16_t* columns, int64_t stride) {
  context.parallel_for(0, (width + kStrip - 1) / kStrip, 1, [&](int64_t from, int64_t to) {
    Scratch scratch(context);
    for (int64_t strip = from; strip < to; ++strip) {
      const int64_t x = strip * kStrip, n = std::min(kStrip, width - x);
      if constexpr (sizeof(T) == 1) {
        kernels.columns(reinterpret_cast<const uint8_t*>(mask) + x, width, columns + x, stride, height, n);
      } else {
        Scratch bytes(context);
        auto* packed = bytes.get<uint8_t>(height * kStrip);
        for (int64_t y = 0; y < height; ++y) nonzero_bytes(mask + y * width + x, n, packed + y * kStrip);
        kernels.columns(packed, kStrip, columns + x, stride, height, n);
      }
    }
  });
}

// Squared distances of one row; kFar where the slice holds no zero.
class RowPass {
 public:
  RowPass(const DistanceKernels& kernels, Scratch& scratch, int64_t width)
      : kernels_(kernels),
        width_(width),
        squares_(scratch.get<uint16_t>(width + 2 * kRowPad) + kRowPad),
        near_(scratch.get<uint16_t>(width + kRowPad)),
        certain_(scratch.get<uint8_t>(width / kRowPad + 1)),
        wide_(scratch.get<int32_t>(width + kRowPad)),
        stack_(scratch.get<Parabola<int32_t>>(width)) {}

  void run(const uint16_t* column, float* distance, int32_t* squared) {
    kernels_.squares(column, squares_, width_);
    if (kernels_.min_plus(squares_, near_, certain_, width_)) {
      if (distance) kernels_.root16(near_, distance, width_);
      if (squared) kernels_.widen(near_, squared, width_);
      return;
    }
    int32_t* row = squared ? squared : wide_;
    kernels_.widen(near_, row, width_);
    for (int64_t from = 0; from < width_;) {
      if (certain_[from / kRowPad]) {
        from += kRowPad;
        continue;
      }
      int64_t to = from + kRowPad;
      while (to < width_ && !certain_[to / kRowPad]) to += kRowPad;
      to = std::min(to, width_);
      envelope(column, from, to, row);
      from = to;
    }
    if (distance) kernels_.root32(row, distance, width_);
  }

 private:
  // Only sites within the largest column distance of the stretch can be nearest to one of its pixels.
  void envelope(const uint16_t* column, int64_t from, int64_t to, int32_t* row) {
    const int64_t reach = *std::max_element(column + from, column + to);
    const int64_t first = reach == kNoZero ? 0 : std::max<int64_t>(0, from - reach);
    const int64_t last = reach == kNoZero ? width_ : std::min(width_, to + reach);
    const uint16_t* sites = column + first;
    const int64_t n = lower_envelope<int32_t>(
        last - first, 1,
        [&](int64_t s, int32_t& cost) {
          if (sites[s] == kNoZero) return false;
          cost = int32_t{sites[s]} * sites[s];
          return true;
        },
        stack_);
    if (n == 0) std::fill(row + from, row + to, kFar);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t begin = std::max(from, first + stack_[i].begin);
      const int64_t end = std::min(to, i + 1 < n ? first + stack_[i + 1].begin : last);
      const auto site = static_cast<int32_t>(first + stack_[i].site);
      for (int64_t x = begin; x < end; ++x) {
        const int32_t dx = static_cast<int32_t>(x) - site;
        row[x] = dx * dx + stack_[i].cost;
      }
    }
  }

  const DistanceKernels& kernels_;
  int64_t width_;
  uint16_t *squares_, *near_;
  uint8_t* certain_;
  int32_t* wide_;
  Parabola<int32_t>* stack_;
};

template <class T>
void slice_pass(const Context& context, const DistanceKernels& kernels, const T* mask, int64_t height, int64_t width,
                float* distance, int32_t* squared) {
  Scratch scratch(context);
  const int64_t stride = (width + kRowPad - 1) / kRowPad * kRowPad;
  auto* columns = scratch.get<uint16_t>(height * stride);
  column_pass(context, kernels, mask, height, width, columns, stride);
  context.parallel_for(0, height, 8, [&](int64_t from, int64_t to) {
    Scratch rows(context);
    RowPass pass(kernels, rows, width);
    for (int64_t y = from; y < to; ++y)
      pass.run(columns + y * stride, distance ? distance + y * width : nullptr,
               squared ? squared + y * width : nullptr);
  });
}

// In place: a tile of kRowPad pixels of one row at a time, through the whole depth.
void depth_pass(const Context& context, const DistanceKernels& kernels, int32_t* volume, Extent e) {
  // A longer reach costs more than the envelope does.
  const int reach = 32;
  context.parallel_for(0, e.height, 1, [&](int64_t from, int64_t to) {
    Scratch scratch(context);
    auto* tile = scratch.get<int32_t>(e.depth * kRowPad);
    auto* result = scratch.get<int32_t>(e.depth * kRowPad);
    auto* stack = scratch.get<Parabola<int32_t>>(e.depth);
    for (int64_t y = from; y < to; ++y)
      for (int64_t x = 0; x < e.width; x += kRowPad) {
        const int64_t n = std::min(kRowPad, e.width - x);
        for (int64_t z = 0; z < e.depth; ++z) {
          const int32_t* row = volume + (z * e.height + y) * e.width + x;
          std::fill(std::copy(row, row + n, tile + z * kRowPad), tile + (z + 1) * kRowPad, 0);
        }
        if (!kernels.min_plus_depth(tile, result, e.depth, reach)) {
          for (int64_t i = 0; i < n; ++i) {
            const int64_t count = lower_envelope<int32_t>(
                e.depth, 1,
                [&](int64_t s, int32_t& cost) {
                  cost = tile[s * kRowPad + i];
                  return cost != kFar;
                },
                stack);
            for (int64_t k = 0; k < count; ++k) {
              const int64_t end = k + 1 < count ? stack[k + 1].begin : e.depth;
              for (int64_t z = stack[k].begin; z < end; ++z) {
                const auto dz = static_cast<int32_t>(z - stack[k].site);
                result[z * kRowPad + i] = dz * dz + stack[k].cost;
              }
            }
          }
        }
        for (int64_t z = 0; z < e.depth; ++z)
          std::copy_n(result + z * kRowPad, n, volume + (z * e.height + y) * e.width + x);
      }
  });
}

}  // namespace

template <class T>
bool fast_edt(const Context& context, const T* mask, Extent e, const EdtResult& dst) {
  const DistanceKernels& kernels = FASTCNN_SELECT(distance_kernels);
  if (e.depth == 1) {
    slice_pass(context, kernels, mask, e.height, e.width, dst.distance, dst.squared);
  } else {
    // Squares are as wide as distances: they are worked out in the result itself.
    int32_t* volume = dst.squared ? dst.squared : reinterpret_cast<int32_t*>(dst.distance);
    for_each_image(context, e.depth, [&](const Context& inner, int64_t z) {
      const int64_t offset = z * e.height * e.width;
      slice_pass(inner, kernels, mask + offset, e.height, e.width, nullptr, volume + offset);
    });
    depth_pass(context, kernels, volume, e);
  }
  if (dst.squared) return dst.squared[0] < kFar;
  if (e.depth > 1) {
    auto* volume = reinterpret_cast<int32_t*>(dst.distance);
    const bool none = volume[0] >= kFar;
    constexpr int64_t kPiece = 1024;
    context.parallel_for(0, (e.size() + kPiece - 1) / kPiece, 8, [&](int64_t from, int64_t to) {
      alignas(64) float roots[kPiece];
      for (int64_t i = from * kPiece; i < std::min(to * kPiece, e.size()); i += kPiece) {
        const int64_t n = std::min(kPiece, e.size() - i);
        if (none)
          std::fill_n(roots, n, INFINITY);
        else
          kernels.root32(volume + i, roots, n);
        std::copy_n(roots, n, dst.distance + i);
      }
    });
  } else if (dst.distance[0] >= 32768.f) {  // sqrt(kFar): no pixel has a zero, or all have one
    std::fill_n(dst.distance, e.size(), INFINITY);
  }
  return true;
}

#define FASTCNN_INSTANTIATE(T) template bool fast_edt<T>(const Context&, const T*, Extent, const EdtResult&);
FASTCNN_INSTANTIATE(bool)
FASTCNN_INSTANTIATE(uint8_t)
FASTCNN_INSTANTIATE(uint16_t)
FASTCNN_INSTANTIATE(int16_t)
FASTCNN_INSTANTIATE(int32_t)
FASTCNN_INSTANTIATE(int64_t)
FASTCNN_INSTANTIATE(Float16)
FASTCNN_INSTANTIATE(BFloat16)
FASTCNN_INSTANTIATE(float)
FASTCNN_INSTANTIATE(double)
#undef FASTCNN_INSTANTIATE

}  // namespace fastcnn
