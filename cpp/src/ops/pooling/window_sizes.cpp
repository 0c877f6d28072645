#include "ops/pooling/window_sizes.h"

#include <algorithm>

#include "fastcnn/error.h"

namespace fastcnn {
namespace {

constexpr int64_t kMax = int64_t{1} << 31;  // of kernel, stride, padding and dilation: no sum below overflows

/// Ceiling and floor division of non-negative numerators are sufficient here, except for a negative size.
int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

void check_each(const std::vector<int64_t>& values, int rank, int64_t minimum, const std::string& op,
                const char* argument) {
  FASTCNN_CHECK(static_cast<int>(values.size()) == rank, op, ": expected ", argument, " of ", rank, " values, got ",
                values.size());
  for (const int64_t v : values)
    FASTCNN_CHECK(v >= minimum && v <= kMax, op, ": expected ", argument, " of at least ", minimum, " and at most ",
                  kMax, ", got ", v);
}

/// The axis of windows that slide, checked.
PoolAxis sliding(int64_t in, const Pooling& p, size_t d, const std::string& op) {
  PoolAxis a{in, 0, nullptr, nullptr, p.kernel[d], p.stride[d], p.padding[d], p.dilation[d], true};
  const int64_t reach = a.dilation * (a.kernel - 1) + 1;
  FASTCNN_CHECK(a.padding <= a.kernel / 2, op, ": expected padding of at most half of kernel_size ", a.kernel, ", got ",
                a.padding);
  const int64_t room = in + 2 * a.padding - reach;
  a.out = floor_divide(room + (p.ceil_mode ? a.stride - 1 : 0), a.stride) + 1;
  if (p.ceil_mode && (a.out - 1) * a.stride >= in + a.padding) --a.out;
  FASTCNN_CHECK(a.out >= 1, op, ": expected input at least as large as kernel_size: an axis of ", in, " with padding ",
                a.padding, " gives an output of size ", a.out, " under a kernel that reaches over ", reach);
  // If a padded line would consist mostly of padding, each window is read separately.
  a.uniform = (a.out + 16) * a.stride + reach + a.padding <= 32 * (in + a.out) + 4096;
  return a;
}

PoolAxis adaptive(int64_t in, int64_t out) {
  const int64_t size = out > 0 && in % out == 0 ? in / out : 0;
  const int64_t maximum = out > 0 ? in / out + 2 : 1;
  return {in, out, nullptr, nullptr, size ? size : maximum, size ? size : 1, 0, 1, size != 0};
}

/// Checks every argument. Tables of windows are made later: results may be larger than memory.
std::vector<PoolAxis> pool_axes(const int64_t* shape, const Pooling& pooling, const char* base) {
  const int rank = pooling.rank();
  const std::string op = pooling_name(base, rank);
  if (pooling.output_size.empty()) {
    check_each(pooling.kernel, rank, 1, op, "kernel_size");
    check_each(pooling.stride, rank, 1, op, "stride");
    check_each(pooling.padding, rank, 0, op, "padding");
    check_each(pooling.dilation, rank, 1, op, "dilation");
  } else {
    check_each(pooling.output_size, rank, 0, op, "output_size");
  }
  FASTCNN_CHECK(pooling.divisor_override.value_or(1) != 0, op, ": expected divisor_override other than 0");
  std::vector<PoolAxis> axes;
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d)
    axes.push_back(pooling.output_size.empty() ? sliding(shape[d], pooling, d, op)
                                               : adaptive(shape[d], pooling.output_size[d]));
  return axes;
}

PoolTable sliding_windows(const PoolAxis& a, bool count_include_pad) {
  PoolTable table;
  table.axis = a;
  const int64_t reach = a.dilation * (a.kernel - 1) + 1;
  for (int64_t o = 0; o < a.out; ++o) {
    const int64_t start = o * a.stride - a.padding, stop = start + reach;
    // The first tap inside: taps are `dilation` apart.
    const int64_t begin = start < 0 ? start + (-start + a.dilation - 1) / a.dilation * a.dilation : start;
    // Dilation can step over a narrow axis. Such a window is empty, but still begins inside, so that kernels form a
    // valid pointer.
    const bool empty = begin >= std::min(stop, a.in);
    table.begin.push_back(empty ? std::min(std::max<int64_t>(begin, 0), a.in - 1) : begin);
    table.end.push_back(empty ? table.begin.back() : std::min(stop, a.in));
    const int64_t counted =
        count_include_pad ? std::min(stop, a.in + a.padding) - start : table.end.back() - table.begin.back();
    table.divisor.push_back(static_cast<double>(std::max<int64_t>(counted, 1)));
  }
  return table;
}

PoolTable adaptive_windows(const PoolAxis& a) {
  PoolTable table;
  table.axis = a;
  for (int64_t o = 0; o < a.out; ++o) {
    // o * in cannot overflow for an image that fits in memory: in * out is at most the number of elements of input
    // times output.
    table.begin.push_back(o / a.out * a.in + o % a.out * a.in / a.out);
    table.end.push_back(1 + ((o + 1) * a.in - 1) / a.out);
    table.divisor.push_back(static_cast<double>(table.end.back() - table.begin.back()));
  }
  return table;
}

PoolTable one() {
  PoolTable table;
  table.begin = {0};
  table.end = {1};
  table.divisor = {1.0};
  return table;
}

bool full(const PoolTable& t) {
  return t.axis.out == 1 && t.axis.dilation == 1 && t.begin[0] == 0 && t.end[0] == t.axis.in;
}

/// Both full: one run over outer x inner.
void merge(PoolTable& outer, PoolTable& inner) {
  if (!full(outer) || !full(inner) || outer.axis.in == 1) return;
  inner.axis.in *= outer.axis.in;
  inner.axis.kernel = inner.axis.in;
  inner.axis.stride = 1;
  inner.axis.padding = 0;
  inner.axis.uniform = false;
  inner.end[0] = inner.axis.in;
  inner.divisor[0] *= outer.divisor[0];
  outer = one();
}

}  // namespace

PoolTable PoolTable::transposed() const {
  PoolTable result;
  result.axis = axis;
  std::swap(result.axis.in, result.axis.out);
  result.begin.resize(static_cast<size_t>(axis.in));
  result.end.resize(static_cast<size_t>(axis.in));
  size_t first = 0, last = 0;  // windows [first, last) contain pixel i: their ends and beginnings never decrease
  for (int64_t i = 0; i < axis.in; ++i) {
    while (first < end.size() && end[first] <= i) ++first;
    while (last < begin.size() && begin[last] <= i) ++last;
    result.begin[static_cast<size_t>(i)] = static_cast<int64_t>(first);
    result.end[static_cast<size_t>(i)] = static_cast<int64_t>(std::max(first, last));
  }
  for (const double d : divisor) result.divisor.push_back(1.0 / d);
  return result;
}

PoolGeometry::PoolGeometry(const int64_t* shape, const Pooling& pooling, const char* base)
    : z(one()), y(one()), x(one()) {
  const std::vector<PoolAxis> axes = pool_axes(shape, pooling, base);
  PoolTable* tables[] = {&z, &y, &x};
  for (size_t d = 0; d < axes.size(); ++d) {
    *tables[3 - axes.size() + d] =
        pooling.output_size.empty() ? sliding_windows(axes[d], pooling.count_include_pad) : adaptive_windows(axes[d]);
    out.push_back(axes[d].out);
  }
  if (pooling.divisor_override) {
    for (PoolTable* table : tables) std::fill(table->divisor.begin(), table->divisor.end(), 1.0);
    std::fill(y.divisor.begin(), y.divisor.end(), static_cast<double>(*pooling.divisor_override));
  }
}

void PoolGeometry::merge_full_axes() {
  merge(y, x);
  merge(z, y.axis.in == 1 && y.axis.out == 1 ? x : y);
}

void PoolGeometry::describe(PoolJob& job) const {
  const PoolTable* tables[] = {&z, &y, &x};
  PoolAxis* axes[] = {&job.z, &job.y, &job.x};
  for (int d = 0; d < 3; ++d) {
    *axes[d] = tables[d]->axis;
    axes[d]->begin = tables[d]->begin.data();
    axes[d]->end = tables[d]->end.data();
  }
}

std::string pooling_name(const char* op, int rank) { return op + std::to_string(rank) + "d"; }

void check_pooling_input(const TensorView& view, int rank, const std::string& op, const char* argument) {
  constexpr const char* kShapes[] = {"(..., C, L)", "(..., C, H, W)", "(..., C, D, H, W)"};
  FASTCNN_CHECK_TYPE(view.device.type == kCpu, op, ": expected ", argument, " on the CPU");
  FASTCNN_CHECK(rank >= 1 && rank <= 3 && view.ndim > rank, op, ": expected ", argument, " of shape ",
                kShapes[rank < 1 || rank > 3 ? 1 : rank - 1], ", got ", shape_text(view));
  for (int d = view.ndim - rank - 1; d < view.ndim; ++d)
    FASTCNN_CHECK(view.shape[d] > 0, op, ": expected ", argument, " with no empty dimension but the batch, got ",
                  shape_text(view));
}

std::vector<int64_t> pooled_shape(const TensorView& src, const Pooling& pooling, const char* op) {
  const int rank = pooling.rank();
  check_pooling_input(src, rank, pooling_name(op, rank), "input");
  std::vector<int64_t> shape(src.shape, src.shape + src.ndim);
  const std::vector<PoolAxis> axes = pool_axes(src.shape + (src.ndim - rank), pooling, op);
  for (size_t d = 0; d < axes.size(); ++d) shape[shape.size() - axes.size() + d] = axes[d].out;
  return shape;
}

}  // namespace fastcnn
