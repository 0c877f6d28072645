// A phase of a transposed convolution without taps: its result is the epilogue of zero. Not in the list of algorithms.
#include <algorithm>

#include "ops/conv/activation.h"
#include "ops/conv/algorithm.h"

namespace fastcnn::conv {
namespace {

template <class T>
void run(const Context& context, const WorkItem<T>& work, const T* packed) {
  const Shape& s = work.shape;
  const Epilogue<T>& e = work.epilogue;
  // With a residual or a scale, every pixel is different.
  if (e.residual.data || e.scale) return kReference.routines<T>().run(context, work, packed);
  const int64_t filters = s.groups * s.filters;
  Scratch scratch(context);
  T* pixel = scratch.get<T>(filters);
  for (int64_t k = 0; k < filters; ++k)
    pixel[k] = static_cast<T>(
        activate(e.activation, e.bias ? static_cast<double>(e.bias[k]) : 0.0, static_cast<double>(e.alpha)));
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, s.out[2] * filters));
  context.parallel_for(0, s.batch * s.out[0] * s.out[1], grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* row = work.dst.data + i / (s.out[0] * s.out[1]) * work.dst.batch_stride +
               i / s.out[1] % s.out[0] * work.dst.stride[0] + i % s.out[1] * work.dst.stride[1];
      for (int64_t x = 0; x < s.out[2]; ++x) std::copy(pixel, pixel + filters, row + x * work.dst.stride[2]);
    }
  });
}

}  // namespace

const Algorithm kEmpty = {"empty",
                          [](const Shape& s) { return s.taps() == 0; },
                          [](const Shape&, int) { return true; },
                          {nullptr, nullptr, run<float>},
                          {nullptr, nullptr, run<double>}};

}  // namespace fastcnn::conv
