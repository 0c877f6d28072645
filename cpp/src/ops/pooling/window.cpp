#include "ops/pooling/window.h"

#include "core/dtypes.h"
#include "ops/pooling/pool.h"

namespace fastcnn {
namespace {

double taps(const PoolAxis& axis, bool transposed) {
  const int64_t seen = (axis.kernel + axis.stride - 1) / axis.stride;
  return static_cast<double>(transposed ? seen : std::min(axis.kernel, axis.in));
}

/// Narrow planes of floats: rows of at most two vectors.
bool permutable(const PoolJob& job, DType dtype, const PoolWindowKernels& kernels) {
  const int64_t lanes = kernels.vector_bytes / (dtype == DType::float64 ? 8 : 4);
  const bool floats =
      dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64;
  int64_t maximum = 0;
  if (!kernels.permute || !floats || job.inner != 1 || job.x.in >= 2 * lanes || job.x.out > lanes) return false;
  for (int64_t o = 0; o < job.x.out; ++o)
    maximum = std::max(maximum, (job.x.end[o] - job.x.begin[o] + job.x.dilation - 1) / job.x.dilation);
  return maximum <= kMaxPermuted;
}

/// Chooses the path with the fewest vector operations per output (see the head of the .inl).
PoolPath cheapest(const PoolJob& job, bool transposed, int64_t vector_bytes, int64_t item) {
  const PoolAxis& x = job.x;
  const int64_t items = vector_bytes / item;
  const double lanes = static_cast<double>(items), inner = static_cast<double>(job.inner);
  const double rows = taps(job.z, transposed) * taps(job.y, transposed);
  const double stride = transposed ? 1.0 : static_cast<double>(x.stride), kernel = static_cast<double>(x.kernel);
  const double each = taps(x, transposed);
  if (job.inner == 1) {
    const double slide = stride * kernel / lanes, reduce = std::min(2.0 * each, 10.0 + each / lanes);
    return x.uniform && slide <= reduce ? PoolPath::sliding : PoolPath::reducing;
  }
  if (!x.uniform) return PoolPath::direct;
  const double vectors = std::max(inner / lanes, 1.0);
  const double partial = job.inner % (vector_bytes / item) == 0 ? 1.0 : vector_bytes == 64 ? 1.5 : 6.0;
  const double direct = 4.0 + vectors * partial * rows * each;
  const double copies = transposed || x.stride > 1 ? (inner < lanes ? 2.0 * inner : 2.0 * vectors) : 0.0;
  const double slide = copies + inner / lanes * (stride * (rows + 2.0 + kernel) + 2.0);
  return direct <= slide ? PoolPath::direct : PoolPath::sliding;
}

/// Numbers as the kernels read them, float or double; n copies of each.
const void* as_floats(const std::vector<double>& values, bool wide, int64_t copies, Scratch& scratch) {
  const auto fill = [&](auto* to) {
    for (size_t i = 0; i < values.size(); ++i)
      for (int64_t c = 0; c < copies; ++c)
        to[static_cast<int64_t>(i) * copies + c] = static_cast<std::decay_t<decltype(*to)>>(values[i]);
    return static_cast<const void*>(to);
  };
  const auto n = static_cast<int64_t>(values.size()) * copies;
  return wide ? fill(scratch.get<double>(n)) : fill(scratch.get<float>(n));
}

}  // namespace

void pool_windows(const Context& context, const TensorView& src, PoolGeometry& geometry, PoolFold fold,
                  const PoolLayout& layout, int rank, const TensorView& dst) {
  if (dst.numel() == 0) return;
  const PoolWindowKernels& kernels =
      fold == PoolFold::max ? FASTCNN_SELECT(pool_max_kernels) : FASTCNN_SELECT(pool_mean_kernels);
  const bool transposed = fold == PoolFold::transposed_mean;
  const auto dtype = static_cast<int>(dtype_of(src));
  const auto item = static_cast<int64_t>(size_of(dtype_of(src)));
  const bool wide = dtype_of(src) == DType::float64;
  const int64_t lane = fold == PoolFold::max && item != 2 ? item : wide ? 8 : std::max<int64_t>(item, 4);
  PoolJob job;
  geometry.describe(job);
  job.inner = layout.inner;
  const PoolPath path = permutable(job, dtype_of(src), kernels) ? PoolPath::permuting
                                                                : cheapest(job, transposed, kernels.vector_bytes, lane);
  Scratch scratch(context);
  if (fold != PoolFold::max) {
    job.scale_z = as_floats(geometry.z.divisor, wide, 1, scratch);
    job.scale_y = as_floats(geometry.y.divisor, wide, 1, scratch);
    const bool expanded = path == PoolPath::sliding && !transposed;
    job.scale_x = as_floats(geometry.x.divisor, wide, expanded ? layout.inner : 1, scratch);
  }
  const PoolRows rows = (transposed ? kernels.transposed : kernels.rows)[dtype];
  const int64_t count = job.z.out * job.y.out, plane_bytes = count * job.x.out * layout.inner * item;
  const int64_t bytes = kernels.buffer_bytes(job, path, transposed);
  const int64_t block = path == PoolPath::direct ? 4 * kernels.vector_bytes / lane : 0;
  const int64_t work = layout.inner * std::max(elements(job.z, job.y, job.x) / count, job.x.out);
  const PlaneSource source(src, rank, layout, path == PoolPath::direct);
  job.pitch = source.pitch();
  for_each_piece(context, layout, count, block, work, source.dense(), [&](const auto& next) {
    Scratch buffers(serial_context());
    char* buffer = buffers.get<char>(bytes);
    kernels.prepare(job, path, wide, transposed, fold == PoolFold::mean, buffer);
    for (PoolPiece piece; next(piece);) {
      Scratch packed(serial_context());
      rows(job, path, source.plane(piece.plane, packed), static_cast<char*>(dst.bytes()) + piece.plane * plane_bytes,
           piece.first, piece.last, piece.c0, piece.c1, buffer);
    }
  });
}

}  // namespace fastcnn
