#include "core/dtypes.h"
#include "core/order_twin.h"
#include "fastcnn/error.h"
#include "ops/pooling/pool.h"
#include "ops/pooling/window.h"

namespace fastcnn {
namespace {

/// float16 and bfloat16 are compared in float, small integers in int32 (see pool_index_simd.inl).
int64_t wide_size(DType dtype) { return size_of(dtype) == 8 ? 8 : 4; }

struct IndexPlan {
  IndexPlan(const TensorView& src, PoolGeometry& geometry, const PoolLayout& layout, const std::string& op)
      : kernels(FASTCNN_SELECT(pool_index_kernels)), dtype(dtype_of(src)) {
    geometry.describe(job);
    job.inner = layout.inner;
    const int64_t size = elements(job.z, job.y, job.x);
    FASTCNN_CHECK(wide_size(dtype) == 8 || size < INT32_MAX, op, ": expected planes of fewer than 2**31 elements, got ",
                  size);
    rows = job.z.out * job.y.out;
    work = layout.inner * std::max(size / rows, job.x.out);
    bytes = kernels.buffer_bytes(job);
  }
  /// Room for one row's values and indices, with the kernels' slack.
  char* line(int64_t channels, Scratch& scratch) const {
    return scratch.get<char>((job.x.out + 64) * channels * wide_size(dtype));
  }
  static constexpr int64_t kBlock = 64;  // channels: four vectors of floats
  const PoolIndexKernels& kernels;
  DType dtype;
  PoolJob job;
  int64_t rows, work, bytes;
};

struct Checked {
  Checked(const TensorView& src, const Pooling& pooling)
      : rank(pooling.rank()),
        base(pooling.output_size.empty() ? "max_pool" : "adaptive_max_pool"),
        op(pooling_name(base, rank)),
        geometry((check_pooling_input(src, rank, op, "input"), src.shape + (src.ndim - rank)), pooling, base) {
    visit(AllTypes{}, src, op.c_str(), "input", [](auto) {});
  }
  int rank;
  const char* base;
  std::string op;
  PoolGeometry geometry;
};

}  // namespace

void max_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst) {
  Checked checked(src, pooling);
  check_dtype(dst, dtype_of(src), checked.op.c_str(), "result");
  with_order_twin(context, src, dst, [&](const TensorView& from, const TensorView& to) {
    const PoolLayout layout(to, {&from}, checked.rank, checked.op.c_str());
    checked.geometry.merge_full_axes();
    pool_windows(context, from, checked.geometry, PoolFold::max, layout, checked.rank, to);
  });
}

namespace {
void pool_with_indices(const Context& context, const TensorView& src, Checked& checked, const TensorView& dst,
                       const TensorView& indices) {
  const PoolLayout layout(dst, {&src}, checked.rank, checked.op.c_str());
  checked.geometry.merge_full_axes();
  const IndexPlan plan(src, checked.geometry, layout, checked.op);
  const PlaneSource source(src, checked.rank, layout);
  const auto kind = static_cast<int>(plan.dtype);
  const auto item = static_cast<int64_t>(size_of(plan.dtype));
  for_each_piece(context, layout, plan.rows, plan.kBlock, plan.work, false, [&](const auto& next) {
    Scratch scratch(serial_context());
    char* buffer = scratch.get<char>(plan.bytes);
    char* values = plan.line(layout.inner, scratch);
    char* places = plan.line(layout.inner, scratch);
    for (PoolPiece piece; next(piece);) {
      Scratch packed(serial_context());
      const void* plane = source.plane(piece.plane, packed);
      const int64_t channels = piece.c1 - piece.c0, width = plan.job.x.out;
      for (int64_t row = piece.first; row < piece.last; ++row) {
        plan.kernels.row[kind](plan.job, plane, row, piece.c0, piece.c1, buffer, values, places);
        const int64_t at = (piece.plane * plan.rows + row) * width * layout.inner + piece.c0;
        char* to = static_cast<char*>(dst.bytes()) + at * item;
        int64_t* to_indices = indices.as<int64_t>() + at;
        if (channels == layout.inner) {
          plan.kernels.store[kind](values, places, width * channels, to, to_indices);
        } else {
          const int64_t step = channels * wide_size(plan.dtype);
          for (int64_t x = 0; x < width; ++x)
            plan.kernels.store[kind](values + x * step, places + x * step, channels, to + x * layout.inner * item,
                                     to_indices + x * layout.inner);
        }
      }
    }
  });
}
}  // namespace

void max_pool_with_indices(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst,
                           const TensorView& indices) {
  Checked checked(src, pooling);
  check_dtype(dst, dtype_of(src), checked.op.c_str(), "result");
  check_dtype(indices, DType::int64, checked.op.c_str(), "indices");
  if (dst.numel() == 0) return;
  with_order_twin(context, src, dst, [&](const TensorView& from, const TensorView& to) {
    pool_with_indices(context, from, checked, to, indices);
  });
}

void max_pool_backward(const Context& context, const TensorView& grad, const TensorView& src, const Pooling& pooling,
                       const TensorView& dst) {
  Checked checked(src, pooling);
  visit(FloatTypes{}, src, checked.op.c_str(), "input", [](auto) {});
  check_dtype(grad, dtype_of(src), checked.op.c_str(), "grad");
  check_dtype(dst, dtype_of(src), checked.op.c_str(), "result");
  check_same_shape(src, dst, checked.op.c_str(), "result");
  bool same = grad.ndim == src.ndim;
  for (int d = 0; same && d < grad.ndim; ++d) {
    const int axis = d - (grad.ndim - checked.rank);
    same = grad.shape[d] == (axis < 0 ? src.shape[d] : checked.geometry.out[static_cast<size_t>(axis)]);
  }
  FASTCNN_CHECK(same, checked.op, ": expected grad of the pooled shape, got ", shape_text(grad));
  if (dst.numel() == 0) return;
  const PoolLayout layout(dst, {&src, &grad}, checked.rank, checked.op.c_str());
  const auto item = static_cast<int64_t>(size_of(dtype_of(src)));
  if (grad.numel() == 0) {
    std::memset(dst.bytes(), 0, static_cast<size_t>(dst.numel() * item));
    return;
  }
  checked.geometry.merge_full_axes();
  const IndexPlan plan(src, checked.geometry, layout, checked.op);
  const PlaneSource source(src, checked.rank, layout), grads(grad, checked.rank, layout);
  const auto kind = static_cast<int>(plan.dtype);
  const int64_t size = elements(plan.job.z, plan.job.y, plan.job.x) * layout.inner, width = plan.job.x.out;
  // Each piece is whole planes, because windows overlap: sums follow the order of the rows for any number of threads.
  for_each_piece(context, layout, 1, plan.kBlock, size, false, [&](const auto& next) {
    Scratch scratch(serial_context());
    char* buffer = scratch.get<char>(plan.bytes);
    char* values = plan.line(layout.inner, scratch);
    char* places = plan.line(layout.inner, scratch);
    const bool narrow = item == 2;
    float* sums = narrow ? scratch.get<float>(size) : nullptr;
    for (PoolPiece piece; next(piece);) {
      Scratch packed(serial_context());
      const void* plane = source.plane(piece.plane, packed);
      const char* from = static_cast<const char*>(grads.plane(piece.plane, packed));
      char* to = static_cast<char*>(dst.bytes()) + piece.plane * size * item;
      char* into = narrow ? reinterpret_cast<char*>(sums) : to;
      const int64_t wide = narrow ? 4 : item, channels = piece.c1 - piece.c0;
      const int64_t line = plan.job.x.in * layout.inner, lines = size / line;
      // f(offset, elements) for the piece's part of lines [from, to).
      const auto parts = [&](int64_t begin, int64_t end, const auto& f) {
        if (channels == layout.inner) return f(begin * line, (end - begin) * line);
        for (int64_t p = begin * plan.job.x.in; p < end * plan.job.x.in; ++p) f(p * layout.inner + piece.c0, channels);
      };
      // Lines are zeroed just before the first window reaches them, while they are in cache.
      int64_t zeroed = 0;
      const auto zero = [&](int64_t up_to) {
        if (up_to <= zeroed) return;
        parts(zeroed, up_to,
              [&](int64_t at, int64_t n) { std::memset(into + at * wide, 0, static_cast<size_t>(n * wide)); });
        zeroed = up_to;
      };
      for (int64_t row = 0; row < plan.rows; ++row) {
        const int64_t oz = row / plan.job.y.out, oy = row % plan.job.y.out;
        zero((plan.job.z.end[oz] - 1) * plan.job.y.in + plan.job.y.end[oy]);
        plan.kernels.back[kind](plan.job, plane, from + row * width * layout.inner * item, row, piece.c0, piece.c1,
                                buffer, values, places, into);
      }
      zero(lines);
      if (narrow)
        parts(0, lines, [&](int64_t at, int64_t n) { plan.kernels.narrow[kind](sums + at, n, to + at * item); });
    }
  });
}

}  // namespace fastcnn
