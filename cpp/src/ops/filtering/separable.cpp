// The passes run strip by strip: a block of rows is filtered down the columns into a buffer that stays in cache, then
// each of its rows along x. Borders cost nothing in the interior: rows outside the image are pointers to the rows that
// they repeat, and the ends of the buffer are filled before the x pass.
//
// Transposed: out[i] = sum_k w[k] in[c(i + k)], with c the border rule, turns into g[e] = sum_k w[k] in[e - k] on the
// extended line, with zeros outside, and out[j] = sum of g[e] over all e with c(e) = j.
#include "ops/filtering/separable.h"

#include <algorithm>
#include <cstring>

#include "core/border.h"
#include "core/dtypes.h"
#include "ops/filtering/separable_simd.h"

namespace fastcnn {
namespace {

constexpr int64_t kBlock = 8;          // rows filtered together down the columns
constexpr int64_t kGrain = 16384;      // pixels that are worth a thread
constexpr int64_t kVectorPad = 128;    // bytes that the row kernel may read past the end
constexpr int64_t kChunk = 256 << 10;  // elements of a volume's chunk of columns, to stay in the L2 cache

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

template <class A>
const SeparableRows<A>& kernels_of() {
  if constexpr (std::is_same_v<A, float>)
    return FASTCNN_SELECT(separable_kernels).f32;
  else
    return FASTCNN_SELECT(separable_kernels).f64;
}

/// One axis of the filter, with the taps as the kernels take them.
template <class A>
struct Line {
  Line(const Taps& given, int64_t length, Border border, bool adjoint, Scratch& scratch)
      : n(length), border(border), adjoint(adjoint) {
    const Taps bounded = folded(given, length, border);
    identity = bounded.identity();
    size = bounded.size();
    first = adjoint ? -bounded.last() : bounded.first;
    before = std::max<int64_t>(0, -bounded.first);
    after = std::max<int64_t>(0, bounded.last());
    A* w = scratch.get<A>(size);
    for (int64_t k = 0; k < size; ++k)
      w[k] = static_cast<A>(bounded.weights[static_cast<size_t>(adjoint ? size - 1 - k : k)]);
    taps = w;
  }

  /// The index of the element at coordinate e; -1 for a zero.
  int64_t source(int64_t e) const { return continued(e, n, adjoint ? Border::constant : border); }
  /// Transposed: the element to which the sum at e, outside the line, is added.
  int64_t target(int64_t e) const { return continued(e, n, border); }

  const A* taps;
  int64_t size, first, n, before, after;
  Border border;
  bool identity, adjoint;
};

template <class A>
void add_to(A* dst, const A* src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] += src[i];
}

/// Filters down the columns: outputs [y, y + count) of the line, rows of `width` elements. row(i) gives element i of
/// the line; `pointers` has room for size + count - 1, `spare` for one row.
template <class A, class RowAt>
void filter_columns(const SeparableRows<A>& kernels, const Line<A>& line, const RowAt& row, const A* zeros, int64_t y,
                    int64_t count, int64_t width, const A** pointers, A* spare, A* dst, int64_t stride) {
  if (line.identity) {
    for (int64_t j = 0; j < count; ++j)
      std::memcpy(dst + j * stride, row(y + j), static_cast<size_t>(width) * sizeof(A));
    return;
  }
  const auto gather = [&](int64_t e, int64_t outputs) {
    for (int64_t t = 0; t < line.size + outputs - 1; ++t) {
      const int64_t i = line.source(e + line.first + t);
      pointers[t] = i < 0 ? zeros : row(i);
    }
  };
  gather(y, count);
  kernels.columns(pointers, line.taps, line.size, count, width, dst, stride);
  if (!line.adjoint) return;
  const auto fold = [&](int64_t e) {
    const int64_t j = line.target(e) - y;
    if (j < 0 || j >= count) return;
    gather(e, 1);
    kernels.columns(pointers, line.taps, line.size, 1, width, spare, width);
    add_to(dst + j * stride, spare, width);
  };
  for (int64_t e = -line.before; e < 0; ++e) fold(e);
  for (int64_t e = line.n; e < line.n + line.after; ++e) fold(e);
}

/// Filters along x. The rows to filter are written into a buffer with room for the border.
template <class A>
class RowFilter {
 public:
  RowFilter(const Line<A>& line, Scratch& scratch) : line_(line) {
    // The transposed filter computes the extended line, with zeros as wide as the taps around it.
    const int64_t extension = line.adjoint ? line.before + line.after : 0;
    constexpr int64_t kAlign = 64 / static_cast<int64_t>(sizeof(A));
    left_ = round_up(line.before + extension, kAlign);
    right_ = line.after + extension;
    pitch_ = round_up(left_ + line.n + right_ + kVectorPad / static_cast<int64_t>(sizeof(A)), kAlign);
    outside_ = scratch.get<int64_t>(line.before + line.after);
    for (int64_t k = 0; k < line.before; ++k) outside_[k] = line.target(k - line.before);
    for (int64_t k = 0; k < line.after; ++k) outside_[line.before + k] = line.target(line.n + k);
  }

  /// Distance between buffered rows, and where the image starts in each.
  int64_t pitch() const { return pitch_; }
  int64_t left() const { return left_; }
  /// Elements of scratch that filter() needs.
  int64_t extended() const { return line_.adjoint ? line_.before + line_.n + line_.after : 0; }

  /// row: the buffered row's first pixel.
  void filter(const SeparableRows<A>& kernels, A* row, A* extended, A* dst) const {
    const int64_t n = line_.n, before = line_.before, after = line_.after;
    if (line_.adjoint) {
      std::fill(row - left_, row, A(0));
      std::fill(row + n, row + n + right_, A(0));
      kernels.row(row - before + line_.first, line_.taps, line_.size, before + n + after, extended);
      A* inside = extended + before;
      for (int64_t k = 0; k < before; ++k) fold(inside, outside_[k], extended[k]);
      for (int64_t k = 0; k < after; ++k) fold(inside, outside_[before + k], inside[n + k]);
      std::memcpy(dst, inside, static_cast<size_t>(n) * sizeof(A));
    } else {
      for (int64_t k = 0; k < before; ++k) row[k - before] = at(row, outside_[k]);
      for (int64_t k = 0; k < after; ++k) row[n + k] = at(row, outside_[before + k]);
      kernels.row(row + line_.first, line_.taps, line_.size, n, dst);
    }
  }

 private:
  static A at(const A* row, int64_t i) { return i < 0 ? A(0) : row[i]; }
  static void fold(A* row, int64_t i, A value) {
    if (i >= 0) row[i] += value;
  }

  const Line<A>& line_;
  int64_t left_, right_, pitch_;
  int64_t* outside_;
};

/// The rows of one plane as A, converted on demand; the last `capacity` rows are kept.
template <class A>
class RowWindow {
 public:
  RowWindow(void (*load)(const void*, int64_t, A*), int64_t item, int64_t capacity, int64_t width, Scratch& scratch)
      : load_(load),
        item_(item),
        capacity_(capacity),
        width_(width),
        // Not a multiple of 4 KiB, which would map all rows to the same lines of the L1 cache.
        pitch_(round_up(width, 16) + 16),
        rows_(scratch.get<A>(capacity * pitch_)) {}

  void start(const char* plane, int64_t e) {
    plane_ = plane;
    next_ = e;
  }
  /// Provides the rows before coordinate `end`.
  void advance(const Line<A>& line, int64_t end) {
    for (; next_ < end; ++next_) {
      const int64_t i = line.source(next_);
      if (i < 0)
        std::fill_n(slot(next_), width_, A(0));
      else
        load_(plane_ + i * width_ * item_, width_, slot(next_));
    }
  }
  A* slot(int64_t e) const { return rows_ + ((e % capacity_) + capacity_) % capacity_ * pitch_; }

 private:
  void (*load_)(const void*, int64_t, A*);
  int64_t item_, capacity_, width_, pitch_;
  A* rows_;
  const char* plane_ = nullptr;
  int64_t next_ = 0;
};

/// The z pass, in which planes are the "rows". It processes chunks of columns, so that the planes of a chunk stay in
/// cache.
template <class A>
void filter_planes(const Context& context, const char* src, int64_t item, void (*load)(const void*, int64_t, A*),
                   int64_t plane, const Line<A>& line, A* dst) {
  const auto& kernels = kernels_of<A>();
  const int64_t maximum = std::clamp<int64_t>(kChunk / line.n / 64 * 64, 64, 8192);
  const int64_t chunk = std::min(maximum, plane), chunks = (plane + chunk - 1) / chunk;
  const int64_t grain = std::max<int64_t>(1, kGrain / (chunk * line.n));
  context.parallel_for(0, chunks, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    const A** pointers = scratch.get<const A*>(line.size + kBlock);
    A* spare = scratch.get<A>(chunk);
    A* zeros = scratch.get<A>(chunk);
    std::fill_n(zeros, chunk, A(0));
    A* converted = load ? scratch.get<A>(chunk * line.n) : nullptr;
    for (int64_t c = begin; c < end; ++c) {
      const int64_t x = c * chunk, width = std::min(chunk, plane - x);
      if (load)
        for (int64_t z = 0; z < line.n; ++z) load(src + (z * plane + x) * item, width, converted + z * chunk);
      const auto row = [&](int64_t z) {
        return load ? converted + z * chunk : reinterpret_cast<const A*>(src) + z * plane + x;
      };
      for (int64_t z = 0; z < line.n; z += kBlock)
        filter_columns(kernels, line, row, zeros, z, std::min(kBlock, line.n - z), width, pointers, spare,
                       dst + z * plane + x, plane);
    }
  });
}

}  // namespace

template <class A>
void separable_filter(const Context& context, const void* src, DType dtype, const Extent& e,
                      const SeparableFilter& filter, A* dst, RowSink<A> sink) {
  const auto& kernels = kernels_of<A>();
  Scratch scratch(context);
  const Line<A> z(filter.z, e.depth, filter.border, filter.adjoint, scratch);
  const Line<A> y(filter.y, e.height, filter.border, filter.adjoint, scratch);
  const Line<A> x(filter.x, e.width, filter.border, filter.adjoint, scratch);
  const RowFilter<A> along(x, scratch);

  const auto* bytes = static_cast<const char*>(src);
  auto item = static_cast<int64_t>(size_of(dtype));
  auto* load = dtype == TypeToDType<A>::value ? nullptr : kernels.load[static_cast<int>(dtype)];
  const int64_t width = e.width, blocks = (e.height + kBlock - 1) / kBlock;
  const int64_t count = std::min(kBlock, e.height), window = y.size + count - 1;
  const int64_t pieces = std::min<int64_t>(context.num_threads(), e.depth * blocks);

  if (!z.identity) {
    A* filtered = scratch.get<A>(e.size());
    filter_planes(context, bytes, item, load, e.height * width, z, filtered);
    bytes = reinterpret_cast<const char*>(filtered);
    load = nullptr;
    item = sizeof(A);
  } else if (load && (filter.adjoint || window * pieces >= e.depth * e.height)) {
    A* converted = scratch.get<A>(e.size());
    const int64_t grain = std::max<int64_t>(1, kGrain / width);
    context.parallel_for(0, e.depth * e.height, grain, [&](int64_t begin, int64_t end) {
      load(bytes + begin * width * item, (end - begin) * width, converted + begin * width);
    });
    bytes = reinterpret_cast<const char*>(converted);
    load = nullptr;
    item = sizeof(A);
  }

  const int64_t grain = std::max<int64_t>(1, kGrain / (width * kBlock));
  context.parallel_for(0, e.depth * blocks, grain, [&](int64_t begin, int64_t end) {
    Scratch local(context);
    const A** pointers = local.get<const A*>(window);
    A* spare = local.get<A>(filter.adjoint ? width : 0);
    A* zeros = local.get<A>(width);
    std::fill_n(zeros, width, A(0));
    A* extended = local.get<A>(along.extended() + kVectorPad / static_cast<int64_t>(sizeof(A)));
    A* finished = local.get<A>(width);
    // Uninitialised padding does not affect results, but may contain NaN or slow denormal values.
    A* buffer = local.get<A>(count * along.pitch());
    std::fill_n(buffer, count * along.pitch(), A(0));
    RowWindow<A> loaded(load, item, load ? window : 0, width, local);

    for (int64_t block = begin; block < end; ++block) {
      const int64_t plane = block / blocks, first = block % blocks * kBlock, rows = std::min(kBlock, e.height - first);
      const int64_t index = plane * e.height + first;
      A* out = dst ? dst + index * width : nullptr;
      const bool direct = dst && x.identity;
      A* columns = direct ? out : buffer + along.left();
      const int64_t stride = direct ? width : along.pitch();
      const char* pixels = bytes + plane * e.height * width * item;
      if (load) {
        if (block == begin || first == 0) loaded.start(pixels, first + y.first);
        loaded.advance(y, first + rows + y.first + y.size - 1);
        for (int64_t t = 0; t < y.size + rows - 1; ++t) pointers[t] = loaded.slot(first + y.first + t);
        if (y.identity)
          for (int64_t j = 0; j < rows; ++j)
            std::memcpy(columns + j * stride, pointers[j], static_cast<size_t>(width) * sizeof(A));
        else
          kernels.columns(pointers, y.taps, y.size, rows, width, columns, stride);
      } else {
        const auto row = [&](int64_t i) { return reinterpret_cast<const A*>(pixels) + i * width; };
        filter_columns(kernels, y, row, zeros, first, rows, width, pointers, spare, columns, stride);
      }
      for (int64_t j = 0; j < rows; ++j) {
        if (direct) break;
        A* values = columns + j * stride;
        A* target = out ? out + j * width : finished;
        if (x.identity)
          target = values;
        else
          along.filter(kernels, values, extended, target);
        if (!out) sink(index + j, target);
      }
    }
  });
}

template void separable_filter<float>(const Context&, const void*, DType, const Extent&, const SeparableFilter&, float*,
                                      RowSink<float>);
template void separable_filter<double>(const Context&, const void*, DType, const Extent&, const SeparableFilter&,
                                       double*, RowSink<double>);

}  // namespace fastcnn
