// Integers use exact sums over the block, which moves down by one row at a time: the difference of the entering and the
// leaving row is summed along x and added. All arithmetic uses the narrowest integer type that holds it.
//
// Floats do not use a running sum, because it would accumulate all rounding errors and keep a NaN forever. Rows are
// summed along x in a tree; down the columns, rows are grouped into runs as long as the block, and every block is the
// end of one run plus the start of the next (van Herk, Pattern Recognition Letters 13, 1992, with + in place of max).
// The runs start at fixed rows, so that the rounding does not depend on the threads.
#include "ops/thresholding/local_mean.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/border.h"
#include "core/dtypes.h"
#include "ops/filtering/separable_simd.h"
#include "ops/thresholding/local_mean_simd.h"

namespace fastcnn {
namespace {

constexpr int64_t kGrain = 32768;  // pixels that are worth a thread
constexpr int64_t kSpare = 64;     // elements behind a buffer that the kernels may touch

/// A block along one axis: the sum over [i + first, i + first + size) of the reflected line, plus `periods` times the
/// sum over one period, which is twice the line. Blocks longer than a period are brought below that.
struct Window {
  Window(int64_t block_size, int64_t n) : first(-(block_size / 2)), size(block_size) {
    const int64_t period = 2 * n;
    periods = size / period;
    if (periods == 0) return;
    size %= period;
    first %= period;  // in (-period, 0]
  }
  int64_t before() const { return -first; }
  int64_t after() const { return std::max<int64_t>(0, first + size - 1); }

  int64_t first, size, periods;
};

SumPlan plan_of(int64_t size) {
  SumPlan best{size, 1, 1, size, 0, 0};
  int64_t minimum = size;
  for (int64_t inner = 2; inner <= 32; ++inner)
    for (int64_t outer = 1; outer <= 32; ++outer) {
      const int64_t unit = inner * outer;
      if (unit > size) break;
      const SumPlan plan{size, inner, outer, size / unit, size % unit / inner, size % inner};
      const int64_t passes = outer > 1 ? 2 : 1;  // each costs about one more addition, in loads and stores
      const int64_t cost = inner + (outer > 1 ? outer : 0) + plan.whole + plan.middle + plan.single + passes;
      if (cost < minimum) {
        minimum = cost;
        best = plan;
      }
    }
  return best;
}

/// A row with its border on both sides, for sums along x.
template <class R>
class PaddedRow {
 public:
  PaddedRow(const Window& window, int64_t width, const SumPlan& plan, Scratch& scratch)
      : window_(window), width_(width), plan_(plan) {
    const int64_t before = window.before(), after = window.after(), length = before + width + after + kSpare;
    outside_ = scratch.get<int64_t>(before + after);
    for (int64_t k = 0; k < before; ++k) outside_[k] = continued(k - before, width, Border::reflect);
    for (int64_t k = 0; k < after; ++k) outside_[before + k] = continued(width + k, width, Border::reflect);
    data_ = scratch.get<R>(length);
    std::fill_n(data_, length, R(0));
    for (R*& buffer : buffers_) {
      buffer = scratch.get<R>(length);
      std::fill_n(buffer, length, R(0));
    }
  }
  R* pixels() const { return data_ + window_.before(); }

  /// dst[x] = the sum over the window at x without the whole periods. Their sum is the return value; it is the same for
  /// every x.
  R sum(SumKernel<R> kernel, R* dst) const {
    R* row = pixels();
    const int64_t before = window_.before(), after = window_.after();
    for (int64_t k = 0; k < before; ++k) data_[k] = row[outside_[k]];
    for (int64_t k = 0; k < after; ++k) row[width_ + k] = row[outside_[before + k]];
    kernel(data_, plan_, width_, buffers_, dst);
    if (window_.periods == 0) return R(0);
    R line(0);
    for (int64_t x = 0; x < width_; ++x) line = static_cast<R>(line + row[x]);
    return static_cast<R>(line * static_cast<R>(2 * window_.periods));
  }

 private:
  const Window& window_;
  int64_t width_;
  SumPlan plan_;
  int64_t* outside_;  // which pixels lie there
  R* data_;
  R* buffers_[2];
};

/// Compares rows of pixels with rows of thresholds.
template <class S>
class RowMask {
 public:
  RowMask(DType dtype, int64_t width, Scratch& scratch) : width_(width) {
    const auto& rows = FASTCNN_SELECT(separable_kernels);
    if constexpr (std::is_same_v<S, float>) {
      load_ = rows.f32.load[static_cast<int>(dtype)];
      above_ = FASTCNN_SELECT(local_mean_kernels).above32;
    } else {
      load_ = rows.f64.load[static_cast<int>(dtype)];
      above_ = FASTCNN_SELECT(local_mean_kernels).above64;
    }
    converted_ = load_ ? scratch.get<S>(width) : nullptr;
  }
  void operator()(const void* pixels, const S* threshold, S offset, uint8_t* mask) const {
    if (load_) load_(pixels, width_, converted_);
    above_(load_ ? converted_ : static_cast<const S*>(pixels), threshold, width_, offset, mask);
  }

 private:
  int64_t width_;
  void (*load_)(const void*, int64_t, S*);
  void (*above_)(const S*, const S*, int64_t, S, uint8_t*);
  S* converted_;
};

/// True if, for every pixel and sum of a narrow uint8 block, "pixel > float(sum) / float(area) - offset" equals the
/// integer comparison sum < pixel * area + bound. The test is monotonic in the sum, so checking the two sums at the
/// edge is sufficient.
bool integer_bound(int64_t area, double offset, int32_t* bound) {
  const auto divisor = static_cast<float>(area), subtracted = static_cast<float>(offset);
  const double exact = std::ceil(static_cast<double>(subtracted) * static_cast<double>(area));
  if (!(std::abs(exact) < 0x1p29)) return false;
  *bound = static_cast<int32_t>(exact);
  const int64_t maximum = 255 * area;
  const auto above = [&](int64_t pixel, int64_t sum) {
    return static_cast<float>(pixel) > static_cast<float>(sum) / divisor - subtracted;
  };
  for (int64_t pixel = 0; pixel < 256; ++pixel) {
    const int64_t edge = pixel * area + *bound;
    if (edge > 0 && !above(pixel, std::min(edge - 1, maximum))) return false;
    if (edge <= maximum && above(pixel, std::max<int64_t>(edge, 0))) return false;
  }
  return true;
}

template <class T, class R, class C, class S>
void integer_mean(const Context& context, const IntegerMeanKernels<T, R, C, S>& kernels, const T* src, DType dtype,
                  const Extent& e, const LocalMean& mean) {
  const int64_t width = e.width, height = e.height, area = mean.block_size * mean.block_size;
  const Window across(mean.block_size, width), down(mean.block_size, height);
  const SumPlan plan = plan_of(across.size);
  const auto offset = static_cast<S>(mean.offset);
  int32_t bound = 0;
  const bool narrow = std::is_same_v<R, int16_t> && mean.mask && integer_bound(area, mean.offset, &bound);
  const auto row = [&](int64_t y) { return src + continued(y, height, Border::reflect) * width; };

  const int64_t grain = std::max<int64_t>(mean.block_size, (kGrain + width - 1) / width);
  context.parallel_for(0, height, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    const PaddedRow<R> change(across, width, plan, scratch);
    R* changes = scratch.get<R>(width + kSpare);
    C* column = scratch.get<C>(width + kSpare);
    S* threshold = scratch.get<S>(width);
    const RowMask<S> compare(dtype, width, scratch);
    {
      Scratch local(context);
      const PaddedRow<C> start(across, width, plan, local);
      if (down.periods > 0) {
        for (int64_t y = 0; y < height; ++y) kernels.accumulate(src + y * width, width, start.pixels());
        for (int64_t x = 0; x < width; ++x) start.pixels()[x] *= static_cast<C>(2 * down.periods);
      }
      for (int64_t y = begin + down.first; y < begin + down.first + down.size; ++y)
        kernels.accumulate(row(y), width, start.pixels());
      const C all = start.sum(kernels.sum_column, column);
      for (int64_t x = 0; x < width; ++x) column[x] += all;
    }
    for (int64_t y = begin;;) {
      if (!mean.mask) {
        kernels.threshold(column, width, static_cast<double>(area), offset,
                          static_cast<S*>(mean.threshold) + y * width);
      } else if (narrow) {
        if constexpr (std::is_same_v<R, int16_t>)
          FASTCNN_SELECT(local_mean_kernels)
              .above8(column, src + y * width, width, static_cast<int32_t>(area), bound, mean.mask + y * width);
      } else {
        kernels.threshold(column, width, static_cast<double>(area), offset, threshold);
        compare(src + y * width, threshold, S(0), mean.mask + y * width);
      }
      if (++y == end) break;
      kernels.difference(row(y + down.first + down.size - 1), row(y + down.first - 1), width, change.pixels());
      const R all = change.sum(kernels.sum_row, changes);
      kernels.advance(changes, all, width, column);
    }
  });
}

template <class A>
bool all_finite(const A* values, int64_t n) {
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) finite &= std::abs(values[i]) <= std::numeric_limits<A>::max();
  return finite;
}

/// Returns false if a threshold is not finite.
template <class A>
bool float_mean(const Context& context, const FloatMeanKernels<A>& kernels, const void* src, DType dtype,
                const Extent& e, const LocalMean& mean) {
  const int64_t width = e.width, height = e.height;
  const Window across(mean.block_size, width), down(mean.block_size, height);
  const SumPlan plan = plan_of(across.size);
  const auto block = static_cast<double>(mean.block_size);
  const auto scale = static_cast<A>(1 / (block * block)), offset = static_cast<A>(mean.offset);
  const auto& rows = FASTCNN_SELECT(separable_kernels);
  void (*load)(const void*, int64_t, A*);
  if constexpr (std::is_same_v<A, float>)
    load = rows.f32.load[static_cast<int>(dtype)];
  else
    load = rows.f64.load[static_cast<int>(dtype)];
  const auto* bytes = static_cast<const char*>(src);
  const int64_t row_bytes = width * static_cast<int64_t>(size_of(dtype)), run = down.size;

  std::atomic<bool> finite{true};
  // A thread keeps one run of rows, and first sums another one.
  const int64_t grain = std::max<int64_t>(run, (kGrain + width - 1) / width);
  context.parallel_for(0, height, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    const PaddedRow<A> line(across, width, plan, scratch);
    const int64_t pitch = width + kSpare;
    A* ring = scratch.get<A>(run * pitch);
    A* prefix = scratch.get<A>(pitch);  // of the next run, up to the block's last row
    A* periods = scratch.get<A>(pitch);
    A* threshold = scratch.get<A>(width);
    const RowMask<A> compare(dtype, width, scratch);

    const auto sum_row = [&](int64_t y, A* dst) {
      const char* pixels = bytes + continued(y, height, Border::reflect) * row_bytes;
      if (load)
        load(pixels, width, line.pixels());
      else
        std::memcpy(line.pixels(), pixels, static_cast<size_t>(width) * sizeof(A));
      const A all = line.sum(kernels.sum_row, dst);
      if (across.periods > 0)
        for (int64_t x = 0; x < width; ++x) dst[x] += all;
    };
    if (down.periods > 0) {
      std::fill_n(periods, width, A(0));
      for (int64_t y = 0; y < height; ++y) {
        sum_row(y, ring);
        kernels.add(periods, ring, width, periods);
      }
      for (int64_t x = 0; x < width; ++x) periods[x] *= static_cast<A>(2 * down.periods);
    }

    // Row t of the reflected image, counted from the first block's first row, lies in slot t % run of the ring: as its
    // own sum while its run is incomplete, then as the sum from it to the run's end.
    const auto slot = [&](int64_t t) { return ring + t % run * pitch; };
    const auto extend = [&](int64_t t) {
      sum_row(t + down.first, slot(t));
      if (t % run == 0)
        std::memcpy(prefix, slot(t), static_cast<size_t>(width) * sizeof(A));
      else
        kernels.add(prefix, slot(t), width, prefix);
    };
    const auto complete = [&](int64_t from, int64_t to) {  // [from, to) ends with a run
      for (int64_t t = to - 2; t >= from; --t) kernels.add(slot(t), slot(t + 1), width, slot(t));
    };
    const int64_t boundary = (begin + run - 1) / run * run;
    for (int64_t t = begin; t < boundary; ++t) sum_row(t + down.first, slot(t));
    complete(begin, boundary);
    for (int64_t t = boundary; t < begin + run - 1; ++t) extend(t);
    for (int64_t y = begin; y < end; ++y) {
      extend(y + run - 1);
      const bool aligned = y % run == 0;
      if (aligned) {
        complete(y, y + run);
        std::fill_n(prefix, width, A(0));
      }
      if (down.periods > 0) kernels.add(slot(y), periods, width, slot(y));
      A* out = mean.mask ? threshold : static_cast<A*>(mean.threshold) + y * width;
      kernels.threshold(slot(y), prefix, width, scale, offset, out);
      if (!all_finite(out, width)) finite.store(false, std::memory_order_relaxed);
      if (mean.mask) compare(bytes + y * row_bytes, threshold, A(0), mean.mask + y * width);
    }
  });
  return finite;
}

}  // namespace

namespace {

/// Means of floats. If a block's sum overflows, the computation is repeated on the image divided by a power of two,
/// which does not change any other bit.
template <class A>
void safe_mean(const Context& context, const FloatMeanKernels<A>& kernels, const void* src, DType dtype,
               const Extent& e, const LocalMean& mean) {
  if (float_mean(context, kernels, src, dtype, e, mean)) return;
  Scratch scratch(context);
  const int64_t n = e.size();
  A* scaled = scratch.get<A>(n);
  visit(FloatTypes{}, dtype, [&](auto tag) {
    const auto* pixels = static_cast<const typename decltype(tag)::type*>(src);
    std::transform(pixels, pixels + n, scaled, [](auto v) { return static_cast<A>(v); });
  });
  A maximum = 0;
  for (int64_t i = 0; i < n; ++i)
    if (std::abs(scaled[i]) <= std::numeric_limits<A>::max()) maximum = std::max(maximum, std::abs(scaled[i]));
  const int bits = 2 * (std::ilogb(static_cast<double>(mean.block_size)) + 1);
  if (maximum == 0 || std::ilogb(maximum) + bits < std::numeric_limits<A>::max_exponent - 1)
    return;  // NaN or infinities
  for (int64_t i = 0; i < n; ++i) scaled[i] = std::ldexp(scaled[i], -bits);
  A* const threshold = mean.mask ? scratch.get<A>(n) : static_cast<A*>(mean.threshold);
  float_mean(context, kernels, scaled, TypeToDType<A>::value, e,
             {mean.block_size, std::ldexp(mean.offset, -bits), threshold, nullptr});
  for (int64_t i = 0; i < n; ++i) threshold[i] = std::ldexp(threshold[i], bits);
  // Uses the original pixels, because some of the divided ones are 0.
  if (mean.mask)
    visit(FloatTypes{}, dtype, [&](auto tag) {
      const auto* pixels = static_cast<const typename decltype(tag)::type*>(src);
      for (int64_t i = 0; i < n; ++i) mean.mask[i] = static_cast<A>(pixels[i]) > threshold[i];
    });
}

}  // namespace

void local_mean(const Context& context, const void* src, DType dtype, const Extent& extent, const LocalMean& mean) {
  const LocalMeanKernels& kernels = FASTCNN_SELECT(local_mean_kernels);
  switch (dtype) {
    case DType::uint8:
      if (mean.block_size <= 128)
        return integer_mean(context, kernels.narrow8, static_cast<const uint8_t*>(src), dtype, extent, mean);
      return integer_mean(context, kernels.u8, static_cast<const uint8_t*>(src), dtype, extent, mean);
    case DType::uint16:
      return integer_mean(context, kernels.u16, static_cast<const uint16_t*>(src), dtype, extent, mean);
    case DType::int16: return integer_mean(context, kernels.i16, static_cast<const int16_t*>(src), dtype, extent, mean);
    case DType::int32: return integer_mean(context, kernels.i32, static_cast<const int32_t*>(src), dtype, extent, mean);
    case DType::float64: return safe_mean(context, kernels.f64, src, dtype, extent, mean);
    default: return safe_mean(context, kernels.f32, src, dtype, extent, mean);
  }
}

}  // namespace fastcnn
