#include "ops/conv/staging.h"

#include <algorithm>

#include "core/dtypes.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kBytesPerThread = 3 << 20;

template <class T>
bool usable(const Image& image) {
  return image.dtype == TypeToDType<T>::value && image.channels_last();
}

/// Where the band's first result pixel stands, and its shape.
struct Band {
  int64_t n = 0, out[3] = {0, 0, 0}, in[3] = {0, 0, 0};
  Shape shape;
};

/// The part of the input that results [first, first + count) see along one dimension.
void restrict_to(Band& band, const Shape& whole, int d, int64_t first, int64_t count) {
  const int64_t begin = first * whole.stride[d] - whole.pad[d];
  const int64_t end = begin + (count - 1) * whole.stride[d] + (whole.kernel[d] - 1) * whole.dilation[d] + 1;
  band.out[d] = first;
  band.shape.out[d] = count;
  band.in[d] = std::clamp<int64_t>(begin, 0, whole.in[d]);
  band.shape.in[d] = std::clamp<int64_t>(end, band.in[d], whole.in[d]) - band.in[d];
  band.shape.pad[d] = band.in[d] - begin;
}

/// How many images, planes and rows of the result a band holds: as many as the limit allows, at least one row.
struct Steps {
  int64_t images, depth, rows;
};
Steps plan(const Shape& s, int64_t limit, int64_t in_bytes, int64_t out_bytes) {
  const auto bytes = [&](int64_t images, int64_t depth, int64_t rows) {
    Band band;
    band.shape = s;
    restrict_to(band, s, 0, 0, depth);
    restrict_to(band, s, 1, 0, rows);
    const int64_t* in = band.shape.in;
    // A band in the middle sees no border: count what the padding hides.
    return images * (std::min(in[0] + band.shape.pad[0], s.in[0]) * std::min(in[1] + band.shape.pad[1], s.in[1]) *
                         s.in[2] * in_bytes +
                     depth * rows * s.out[2] * out_bytes);
  };
  Steps steps{s.batch, s.out[0], s.out[1]};
  while (steps.images > 1 && bytes(steps.images, steps.depth, steps.rows) > limit)
    steps.images = (steps.images + 1) / 2;
  while (steps.depth > 1 && bytes(steps.images, steps.depth, steps.rows) > limit) steps.depth = (steps.depth + 1) / 2;
  while (steps.rows > 1 && bytes(steps.images, steps.depth, steps.rows) > limit) {
    steps.rows = (steps.rows + 1) / 2;
    if (steps.rows > 4) steps.rows = (steps.rows + 3) / 4 * 4;  // whole Winograd tiles
  }
  return steps;
}

}  // namespace

template <class T>
void run_staged(const Context& context, const Routines<T>& routines, const T* packed, const Request<T>& request) {
  const Shape& s = request.shape;
  const bool stage_src = !usable<T>(request.src), stage_dst = !usable<T>(request.dst);
  const bool add = request.residual.data != nullptr, stage_residual = add && !usable<T>(request.residual);
  Task<T> task;
  task.shape = s;
  task.src = request.src.template pixels<const T>();
  task.input_scale = request.input_scale;
  task.epilogue = request.epilogue;
  if (add) task.epilogue.residual = request.residual.template pixels<const T>();
  task.dst = request.dst.template pixels<T>();
  if (!stage_src && !stage_dst && !stage_residual) return routines.run(context, task, packed);

  const int64_t channels = s.groups * s.channels, filters = s.groups * s.filters;
  const int64_t value = static_cast<int64_t>(sizeof(T));
  const Steps steps = plan(s, kBytesPerThread * context.num_threads(), stage_src ? channels * value : 0,
                           (stage_dst + stage_residual) * filters * value);
  for (int64_t n = 0; n < s.batch; n += steps.images)
    for (int64_t z = 0; z < s.out[0]; z += steps.depth)
      for (int64_t y = 0; y < s.out[1]; y += steps.rows) {
        Band band;
        band.n = n;
        band.shape = s;
        band.shape.batch = std::min(steps.images, s.batch - n);
        restrict_to(band, s, 0, z, std::min(steps.depth, s.out[0] - z));
        restrict_to(band, s, 1, y, std::min(steps.rows, s.out[1] - y));
        const Shape& b = band.shape;
        task.shape = b;

        Scratch scratch(context);
        const Image src = request.src.at(n, band.in), dst = request.dst.at(n, band.out);
        const int64_t result_values = b.batch * b.out_pixels() * filters;
        task.src = src.template pixels<const T>();
        task.dst = dst.template pixels<T>();
        if (stage_src) {
          const Pixels<T> staged = dense_pixels(scratch.get<T>(b.batch * b.in_pixels() * channels), b.in, channels);
          gather(context, src, b.batch, b.in, staged);
          task.src = {staged.data, staged.batch_stride, {staged.stride[0], staged.stride[1], staged.stride[2]}};
        }
        if (add) {
          const Image residual = request.residual.at(n, band.out);
          task.epilogue.residual = residual.template pixels<const T>();
          if (stage_residual) {
            const Pixels<T> staged = dense_pixels(scratch.get<T>(result_values), b.out, filters);
            gather(context, residual, b.batch, b.out, staged);
            task.epilogue.residual = {
                staged.data, staged.batch_stride, {staged.stride[0], staged.stride[1], staged.stride[2]}};
          }
        }
        if (request.input_scale) task.input_scale = request.input_scale + n * channels;
        if (request.epilogue.scale) task.epilogue.scale = request.epilogue.scale + n * filters;
        if (stage_dst) task.dst = dense_pixels(scratch.get<T>(result_values), b.out, filters);
        routines.run(context, task, packed);
        if (stage_dst) scatter(context, task.dst, b.batch, b.out, dst);
      }
}

template void run_staged(const Context&, const Routines<float>&, const float*, const Request<float>&);
template void run_staged(const Context&, const Routines<double>&, const double*, const Request<double>&);

}  // namespace fastcnn::conv
