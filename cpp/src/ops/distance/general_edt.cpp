// Any sampling, indices, and images beyond the fast path's range: the lower envelope along every axis, with the nearest
// zero carried along. O(pixels). Scratch: 16 bytes per pixel.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "core/nonzero.h"
#include "ops/distance/distance_transform_edt.h"
#include "ops/distance/envelope.h"

namespace fastcnn {
namespace {

template <class Cost>
struct Field {
  Cost* cost;
  int64_t* nearest;  ///< linear index of the nearest zero so far; -1 where there is none
};

// One line of an axis: gathered, transformed, scattered.
template <class Cost>
void line_pass(Field<Cost> field, int64_t start, int64_t step, int64_t n, Cost spacing2, Cost* cost, int64_t* nearest,
               Parabola<Cost>* stack) {
  for (int64_t i = 0; i < n; ++i) {
    cost[i] = field.cost[start + i * step];
    nearest[i] = field.nearest[start + i * step];
  }
  const int64_t count = lower_envelope<Cost>(
      n, spacing2,
      [&](int64_t s, Cost& c) {
        c = cost[s];
        return nearest[s] >= 0;
      },
      stack);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t end = k + 1 < count ? stack[k + 1].begin : n;
    for (int64_t i = stack[k].begin; i < end; ++i) {
      const auto distance = static_cast<Cost>(i - stack[k].site);
      field.cost[start + i * step] = distance * distance * spacing2 + stack[k].cost;
      field.nearest[start + i * step] = nearest[stack[k].site];
    }
  }
}

template <class Cost, class T>
bool transform(const Context& context, const T* mask, Extent e, int spatial_dims, const double* sampling,
               const EdtResult& dst) {
  Scratch scratch(context);
  const int64_t size = e.size();
  const Field<Cost> field{scratch.get<Cost>(size), scratch.get<int64_t>(size)};
  context.parallel_for(0, size, 1 << 14, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      field.cost[i] = 0;
      field.nearest[i] = is_nonzero(mask[i]) ? -1 : i;
    }
  });

  // y, x, z: the order decides which of equally near zeros is taken.
  struct Axis {
    int64_t length, step, lines;
    double spacing;
  };
  const auto spacing = [&](int axis) { return sampling ? sampling[spatial_dims - 3 + axis] : 1.0; };
  const Axis axes[] = {{e.height, e.width, e.depth * e.width, spacing(1)},
                       {e.width, 1, e.depth * e.height, spacing(2)},
                       {e.depth, e.height * e.width, e.height * e.width, spatial_dims == 3 ? spacing(0) : 1.0}};
  for (const Axis& axis : axes) {
    if (axis.length == 1) continue;
    const auto spacing2 = static_cast<Cost>(axis.spacing * axis.spacing);
    context.parallel_for(0, axis.lines, 16, [&](int64_t from, int64_t to) {
      Scratch line(context);
      auto* cost = line.get<Cost>(axis.length);
      auto* nearest = line.get<int64_t>(axis.length);
      auto* stack = line.get<Parabola<Cost>>(axis.length);
      for (int64_t i = from; i < to; ++i) {
        const int64_t start =
            axis.step == 1 ? i * axis.length : i / axis.step * axis.step * axis.length + i % axis.step;
        line_pass(field, start, axis.step, axis.length, spacing2, cost, nearest, stack);
      }
    });
  }

  std::atomic<bool> fits{true};
  context.parallel_for(0, size, 1 << 14, [&](int64_t from, int64_t to) {
    for (int64_t p = from; p < to; ++p) {
      const int64_t q = field.nearest[p];
      const int64_t there[] = {q < 0 ? -1 : q / (e.height * e.width), q < 0 ? -1 : q / e.width % e.height,
                               q < 0 ? -1 : q % e.width};
      double square = std::numeric_limits<double>::infinity();
      if (q >= 0) {
        // From the coordinates, not from the sum of the passes: as SciPy does, to the last bit.
        const int64_t here[] = {p / (e.height * e.width), p / e.width % e.height, p % e.width};
        square = 0;
        for (int axis = 3 - spatial_dims; axis < 3; ++axis) {
          const double d = static_cast<double>(here[axis] - there[axis]) * spacing(axis);
          square += d * d;
        }
      }
      if (!write_square(square, dst, p)) fits = false;
      for (int axis = 0; dst.indices && axis < spatial_dims; ++axis)
        dst.indices[axis * size + p] = there[3 - spatial_dims + axis];
    }
  });
  return fits;
}

}  // namespace

template <class T>
bool general_edt(const Context& context, const T* mask, Extent e, int spatial_dims, const double* sampling,
                 const EdtResult& dst) {
  return sampling ? transform<double>(context, mask, e, spatial_dims, sampling, dst)
                  : transform<int64_t>(context, mask, e, spatial_dims, sampling, dst);
}

#define FASTCNN_INSTANTIATE(T) \
  template bool general_edt<T>(const Context&, const T*, Extent, int, const double*, const EdtResult&);
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
