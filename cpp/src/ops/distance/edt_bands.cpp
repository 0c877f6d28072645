// Exact Euclidean distances, one axis after the other.
// A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance transforms in linear time", 2000.
//
// First axis: computes the gap to the nearest zero along it. The axis is cut into bands. One pass over the mask records
// the first and the last zero of each band and column. These give the distance from a band to the zeros outside it. A
// second pass then completes a band while it is in the second-level cache. No intermediate image is stored.
//
// Other axes: d(x) = min over u of f(u) + (x - u)^2. If all distances of 64 pixels are small, it is computed directly
// in 16-bit vectors (edt_near.inl), otherwise by the monotonicity of the minimising u (edt_envelope.inl). O(n log n) in
// the worst case, but the logarithmic part is small and vectorised.
//
// Scratch memory: a few bytes per pixel of the bands in progress, and lines. The number of threads is limited by 24
// bytes per pixel of the image, which matters only if one axis is very short. If coordinates are requested, the planes
// of a volume use the memory of the coordinates.
#include <algorithm>
#include <atomic>

#include "core/dispatch.h"
#include "ops/distance/edt_gaps_simd.h"
#include "ops/distance/edt_image.h"
#include "ops/distance/edt_lines_simd.h"
#include "ops/distance/edt_squares.h"

namespace fastcnn {
namespace {

constexpr int64_t kBandBytes = int64_t{1} << 18;     // of gaps, to stay in the second-level cache
constexpr int64_t kSerialPixels = int64_t{1} << 14;  // a smaller image is not worth waking a thread for
constexpr int64_t kScratchPerPixel = 24;

class Transform {
 public:
  Transform(const Context& context, const EdtImage& image)
      : context_(image.size() < kSerialPixels ? serial_context() : context), scratch_(context) {
    const bool volume = image.dims == 3;
    const int x = image.dims - 1, y = image.dims - 2;
    plan_.dims = image.dims;
    plan_.slices = image.extent[0];
    plan_.height = volume ? image.extent[y] : 1;
    plan_.width = image.extent[x];
    plan_.length = plan_.height * plan_.width;
    plan_.mask = image.mask;
    plan_.mask_bits = image.mask_bits;
    plan_.distance = image.distance;
    plan_.squared = image.squared;
    std::copy_n(image.nearest, 3, plan_.nearest);
    plan_.spacing = image.spacing[0];
    plan_.inverse_x = 1 / image.spacing[x];
    plan_.inverse_y = 1 / image.spacing[y];

    const EdtCost cost = image.real                                 ? EdtCost::float64
                         : edt_fits_int32(image.extent, image.dims) ? EdtCost::int32
                                                                    : EdtCost::int64;
    cost_ = static_cast<int>(cost);
    cost_bytes_ = cost == EdtCost::int32 ? 4 : 8;
    wide_ = plan_.slices >= kNoZero<uint16_t>;
    slice_bytes_ = plan_.length * (wide_ ? 4 : 2);
    while (1 << mask_ != image.mask_bytes) ++mask_;
    track_ = image.nearest[0] != nullptr;
    plan_.square_x = squares(cost, plan_.width, image.spacing[x]);
    if (volume) plan_.square_y = squares(cost, plan_.height, image.spacing[y]);
  }

  EdtOutcome run() {
    make_bands();
    context_.parallel_for(0, plan_.bands, 1, [&](int64_t begin, int64_t end) {
      for (int64_t band = begin; band < end; ++band) gaps_.scan_band[wide_][mask_](plan_, band);
    });
    std::atomic<bool> found{false};
    context_.parallel_for(0, plan_.length, 1024, [&](int64_t begin, int64_t end) {
      if (gaps_.link_bands[wide_](plan_, begin, end)) found.store(true, std::memory_order_relaxed);
    });
    if (!found) return {false, true};

    // Bands run in parallel or, if there are too few, each band with all threads.
    const bool across = plan_.bands >= context_.num_threads();
    make_workers(across);
    if (across) {
      std::atomic<int64_t> next{0};
      for_each_worker(context_, [&](int64_t worker, int64_t) {
        for (int64_t band; (band = next.fetch_add(1, std::memory_order_relaxed)) < plan_.bands;)
          finish_band(serial_context(), band, worker);
      });
    } else {
      for (int64_t band = 0; band < plan_.bands; ++band) finish_band(context_, band, 0);
    }
    return {true, fits_};
  }

 private:
  struct Worker {
    EdtWorkspace lines;
    char *gaps, *plane;
  };

  const void* squares(EdtCost cost, int64_t n, double spacing) {
    switch (cost) {
      case EdtCost::int32: return edt_squares<int32_t>(scratch_, n, spacing);
      case EdtCost::int64: return edt_squares<int64_t>(scratch_, n, spacing);
      default: return edt_squares<double>(scratch_, n, spacing);
    }
  }

  void make_bands() {
    const int64_t pieces = 2 * int64_t{context_.num_threads()};
    int64_t slices = std::min(std::clamp<int64_t>(kBandBytes / slice_bytes_, 4, 64), plan_.slices);
    if (pieces > 2) slices = std::min(slices, (plan_.slices + pieces - 1) / pieces);
    plan_.band_slices = slices;
    plan_.bands = (plan_.slices + slices - 1) / slices;
    plan_.above = scratch_.get<char>(plan_.bands * slice_bytes_);
    plan_.below = scratch_.get<char>(plan_.bands * slice_bytes_);
  }

  void make_workers(bool across) {
    const bool volume = plan_.dims == 3, near = !track_ && cost_ == static_cast<int>(EdtCost::int32) && !volume;
    const auto padded = [](int64_t n) { return n + 2 * kEdtPad; };
    const int64_t columns =
        volume ? std::clamp<int64_t>(plan_.slices * plan_.width / 8, 1, std::min<int64_t>(kEdtBundle, plan_.width)) : 0;
    // An odd number of cache lines, so that columns do not share cache sets.
    const int64_t stride = ((padded(plan_.height) + 15) / 16 | 1) * 16;
    const int64_t line_bytes = cost_bytes_ * std::max(padded(plan_.width), columns * stride);
    const int64_t column_bytes = cost_bytes_ * columns * stride;
    const int64_t gaps_bytes = plan_.band_slices * slice_bytes_;
    const int64_t plane_bytes = volume && !track_ ? plan_.length * cost_bytes_ : 0;
    const int64_t edges = std::max(plan_.height, plan_.width) / kEdtBlock + 2;

    const int64_t band_bytes = gaps_bytes + plane_bytes;  // of a band in flight
    const int64_t shared = 2 * plan_.bands * slice_bytes_ +
                           2 * cost_bytes_ * (plan_.width + (volume ? plan_.height : 0)) + (across ? 0 : band_bytes);
    const int64_t each = (track_ ? 2 : 1) * (line_bytes + column_bytes) + 8 * edges + (near ? 3 * plan_.width : 0) +
                         (across ? band_bytes : 0);
    const int64_t budget = kScratchPerPixel * plan_.slices * plan_.length - shared;
    count_ = std::clamp<int64_t>(budget / each, 1, context_.num_threads());

    workers_ = scratch_.get<Worker>(count_);
    for (int64_t i = 0; i < count_; ++i) {
      EdtWorkspace w{};
      w.columns = columns;
      w.stride = stride;
      w.cost = scratch_.get<char>(line_bytes);
      w.rank = track_ ? scratch_.get<char>(line_bytes) : nullptr;
      if (volume) w.best = scratch_.get<char>(column_bytes);
      if (volume && track_) w.sources = scratch_.get<char>(column_bytes);
      w.edges = scratch_.get<int64_t>(edges);
      if (near) w.near_cost = scratch_.get<uint16_t>(padded(plan_.width));
      if (near) w.slack = scratch_.get<int32_t>(plan_.width / kEdtNear + 1);
      const bool own = across || i == 0;
      workers_[i] = {w, own ? scratch_.get<char>(gaps_bytes) : nullptr,
                     own && plane_bytes ? scratch_.get<char>(plane_bytes) : nullptr};
    }
  }

  /// Calls body(worker, workers) once for each worker, concurrently.
  template <class F>
  void for_each_worker(const Context& context, const F& body) const {
    const int64_t workers = std::min<int64_t>(count_, context.num_threads());
    context.parallel_for(0, workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) body(worker, workers);
    });
  }

  void note(bool fits) {
    if (!fits) fits_.store(false, std::memory_order_relaxed);
  }

  void finish_band(const Context& context, int64_t band, int64_t worker) {
    const int64_t first = band * plan_.band_slices, count = std::min(plan_.band_slices, plan_.slices - first);
    char* const gaps = workers_[worker].gaps;
    void* const below = static_cast<char*>(plan_.below) + band * slice_bytes_;
    gaps_.sweep_band[wide_][mask_](plan_, band, gaps);
    for (int64_t i = count; i-- > 0;) {
      const void* above = gaps + i * slice_bytes_;
      gaps_.step_below[wide_](above, below, plan_.length);
      if (plan_.dims == 3) {
        finish_plane(context, first + i, above, below, worker);
      } else {
        const EdtWorkspace& w = workers_[worker].lines;
        note(lines_.finish_row[cost_][wide_][track_](plan_, w, first + i, above, below));
      }
    }
  }

  /// Uses the workers from `base` on, one for each thread of the context.
  void finish_plane(const Context& context, int64_t z, const void* above, const void* below, int64_t base) {
    // A row of coordinates is large enough for a row of costs of any type.
    void* plane = workers_[base].plane;
    void* ranks = nullptr;
    int64_t pitch = plan_.width;
    if (track_) {
      ranks = plan_.nearest[0] + z * plan_.length;
      plane = plan_.nearest[1] + z * plan_.length;
      pitch = plan_.width * 8 / cost_bytes_;
    }
    const int64_t columns = workers_[base].lines.columns, bundles = (plan_.width + columns - 1) / columns;
    for_each_worker(context, [&](int64_t i, int64_t n) {
      const int64_t begin = bundles * i / n * columns, end = std::min(bundles * (i + 1) / n * columns, plan_.width);
      const EdtWorkspace& w = workers_[base + i].lines;
      lines_.plane_columns[cost_][wide_][track_](plan_, w, z, above, below, plane, ranks, pitch, begin, end);
    });
    for_each_worker(context, [&](int64_t i, int64_t n) {
      const int64_t begin = plan_.height * i / n, end = plan_.height * (i + 1) / n;
      note(lines_.plane_rows[cost_][track_](plan_, workers_[base + i].lines, z, plane, ranks, pitch, begin, end));
    });
  }

  const Context& context_;
  Scratch scratch_;
  const EdtGapKernels& gaps_ = FASTCNN_SELECT(edt_gap_kernels);
  const EdtLineKernels& lines_ = FASTCNN_SELECT(edt_line_kernels);
  EdtPlan plan_{};
  int cost_ = 0, mask_ = 0;            // indices into the tables of kernels
  bool wide_ = false, track_ = false;  // too
  int64_t cost_bytes_ = 0, slice_bytes_ = 0;
  Worker* workers_ = nullptr;
  int64_t count_ = 0;
  std::atomic<bool> fits_{true};
};

}  // namespace

EdtOutcome edt_bands(const Context& context, const EdtImage& image) { return Transform(context, image).run(); }

}  // namespace fastcnn
