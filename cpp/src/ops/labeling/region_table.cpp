#include <algorithm>

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/labeling_checks.h"
#include "ops/labeling/region_table_checks.h"
#include "ops/labeling/stretches.h"

namespace fastcnn {
namespace {

// Limit of the scratch memory for partial tables, in bytes per pixel. If there are many labels, they are measured in
// several passes.
constexpr int64_t kTableBytes = 8;
constexpr int64_t kMaxParts = 16;
constexpr int64_t kMinPart = 1 << 15;  // pixels

/// The measurements of one label so far.
struct Region {
  int64_t area, sum_x, sum_y, sum_z;
  int32_t x1, y1, z1, x2, y2, z2;  // half-open
};

/// Sums of integers are exact in 64 bits; other sums are computed in double.
template <class V>
using SumOf = std::conditional_t<std::is_integral_v<V> && sizeof(V) < 8, int64_t, double>;

template <class V>
struct Intensity {
  SumOf<V> sum;
  V minimum, maximum;
  int64_t argmin, argmax;
};

/// NaN is both the minimum and the maximum, and the first NaN is kept.
template <class V>
bool comes_before(V a, V b) {
  return a < b || (a != a && b == b);
}
template <class V>
bool comes_after(V a, V b) {
  return a > b || (a != a && b == b);
}

/// Equal positive labels side by side in a row.
struct Stretch {
  int64_t label;
  int32_t x1, x2;
};

/// Finds the stretches of the row that begins at pixel `base`.
using RowReader = FunctionRef<int64_t(int64_t base, Stretch* stretches)>;

/// One pass over an image's rows for labels first + 1..first + n; no intensity where that is null.
template <class V>
class RegionPass {
 public:
  RegionPass(const Extent& extent, RowReader read_row, const V* intensity, int64_t first, int64_t n)
      : extent_(extent), read_row_(read_row), intensity_(intensity), first_(first), n_(n) {}

  /// Returns the largest label found. `stretches` has room for a row.
  int64_t measure(int64_t row_begin, int64_t row_end, Stretch* stretches, Region* regions, Intensity<V>* values) const {
    std::fill_n(regions, n_, Region{});
    int64_t largest = 0;
    for (int64_t row = row_begin; row < row_end; ++row) {
      const int64_t base = row * extent_.width, y = row % extent_.height, z = row / extent_.height;
      const int64_t found = read_row_(base, stretches);
      for (int64_t i = 0; i < found; ++i) {
        const Stretch& s = stretches[i];
        largest = std::max(largest, s.label);
        if (s.label <= first_ || s.label - first_ > n_) continue;
        const int64_t index = s.label - first_ - 1;
        Region& region = regions[index];
        if (intensity_) add_values(base + s.x1, base + s.x2, region.area == 0, values[index]);
        add_stretch(s.x1, s.x2, y, z, region);
      }
    }
    return largest;
  }

 private:
  static void add_stretch(int32_t x1, int32_t x2, int64_t y, int64_t z, Region& r) {
    const auto row = static_cast<int32_t>(y), slice = static_cast<int32_t>(z);
    if (r.area == 0) {
      r.x1 = x1, r.x2 = x2, r.y1 = row, r.z1 = slice;
    } else {
      r.x1 = std::min(r.x1, x1), r.x2 = std::max(r.x2, x2), r.y1 = std::min(r.y1, row);
    }
    r.y2 = std::max(r.y2, row + 1), r.z2 = slice + 1;  // slices are visited in increasing order
    const int64_t n = x2 - x1;
    r.area += n;
    r.sum_x += n * (int64_t{x1} + x2 - 1) / 2;
    r.sum_y += n * y;
    r.sum_z += n * z;
  }

  void add_values(int64_t begin, int64_t end, bool fresh, Intensity<V>& into) const {
    if (fresh) into = {0, intensity_[begin], intensity_[begin], begin, begin};
    // Four partial sums, the same ones on every machine.
    SumOf<V> sums[4] = {};
    V minimum = into.minimum, maximum = into.maximum;
    int64_t argmin = into.argmin, argmax = into.argmax;
    for (int64_t i = begin; i < end; ++i) {
      const V value = intensity_[i];
      sums[(i - begin) & 3] += static_cast<SumOf<V>>(value);
      if (comes_before(value, minimum)) minimum = value, argmin = i;
      if (comes_after(value, maximum)) maximum = value, argmax = i;
    }
    into = {into.sum + ((sums[0] + sums[1]) + (sums[2] + sums[3])), minimum, maximum, argmin, argmax};
  }

  const Extent extent_;
  const RowReader read_row_;
  const V* intensity_;
  const int64_t first_, n_;
};

void append(const Region& part, Region& total) {
  if (part.area == 0) return;
  if (total.area == 0) {
    total = part;
    return;
  }
  total.area += part.area, total.sum_x += part.sum_x, total.sum_y += part.sum_y, total.sum_z += part.sum_z;
  total.x1 = std::min(total.x1, part.x1), total.x2 = std::max(total.x2, part.x2);
  total.y1 = std::min(total.y1, part.y1), total.y2 = std::max(total.y2, part.y2);
  total.z2 = part.z2;
}

template <class V>
void append(const Intensity<V>& part, Intensity<V>& total) {
  total.sum += part.sum;
  if (comes_before(part.minimum, total.minimum)) total.minimum = part.minimum, total.argmin = part.argmin;
  if (comes_after(part.maximum, total.maximum)) total.maximum = part.maximum, total.argmax = part.argmax;
}

/// Row `at` of the result.
void write(const Region& region, int spatial_dims, const RegionTableViews& dst, int64_t at) {
  dst.area.as<int64_t>()[at] = region.area;
  float* box = dst.bbox.as<float>() + at * 2 * spatial_dims;
  const int32_t corners[] = {region.x1, region.y1, region.z1, region.x2, region.y2, region.z2};
  for (int k = 0; k < spatial_dims; ++k) {
    box[k] = static_cast<float>(corners[k]);
    box[spatial_dims + k] = static_cast<float>(corners[3 + k]);
  }
  const int64_t sums[] = {region.sum_z, region.sum_y, region.sum_x};
  float* centroid = dst.centroid.as<float>() + at * spatial_dims;
  for (int k = 0; k < spatial_dims; ++k)
    centroid[k] =
        region.area
            ? static_cast<float>(static_cast<double>(sums[3 - spatial_dims + k]) / static_cast<double>(region.area))
            : 0.0f;
}

template <class V>
void write(const Intensity<V>* value, int64_t area, const RegionTableViews& dst, int64_t at) {
  using Mean = MeanOf<V>;
  dst.intensity_mean.as<Mean>()[at] =
      value ? from_double<Mean>(static_cast<double>(value->sum) / static_cast<double>(area)) : Mean{};
  dst.intensity_min.as<V>()[at] = value ? value->minimum : V{};
  dst.intensity_max.as<V>()[at] = value ? value->maximum : V{};
  dst.argmin.as<int64_t>()[at] = value ? value->argmin : -1;
  dst.argmax.as<int64_t>()[at] = value ? value->argmax : -1;
}

/// Float sums are computed for parts of the image that depend only on its size and the number of labels, so that they
/// are the same for any number of threads.
template <class V>
int32_t measure_image(const Context& context, Scratch& scratch, const Extent& extent, int spatial_dims,
                      RowReader read_row, const V* intensity, int64_t maximum, const RegionTableViews& dst,
                      int64_t at) {
  const int64_t size = extent.size(), rows = extent.depth * extent.height;
  const auto bytes = static_cast<int64_t>(sizeof(Region) + (intensity ? sizeof(Intensity<V>) : 0));
  const int64_t room = std::max<int64_t>(1024, size * kTableBytes / bytes);
  const int64_t block = std::clamp<int64_t>(maximum, 1, room);
  const int64_t parts =
      std::clamp<int64_t>(std::min(room / block, size / kMinPart), 1, std::min<int64_t>(kMaxParts, rows));
  auto* regions = scratch.get<Region>(parts * block);
  auto* values = scratch.get<Intensity<V>>(intensity ? parts * block : 0);
  auto* stretches = scratch.get<Stretch>(parts * extent.width);
  auto* largest = scratch.get<int64_t>(parts);

  int64_t count = 0, first = 0;
  do {
    const int64_t n = std::min(block, maximum - first);
    const RegionPass<V> pass(extent, read_row, intensity, first, n);
    context.parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        largest[i] = pass.measure(rows * i / parts, rows * (i + 1) / parts, stretches + i * extent.width,
                                  regions + i * block, values + i * block);
    });
    count = *std::max_element(largest, largest + parts);
    context.parallel_for(0, n, 1 << 12, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        Region& total = regions[k];
        for (int64_t i = 1; i < parts; ++i) {
          const Region& part = regions[i * block + k];
          if (part.area == 0) continue;
          if (intensity && total.area == 0)
            values[k] = values[i * block + k];
          else if (intensity)
            append(values[i * block + k], values[k]);
          append(part, total);
        }
        write(total, spatial_dims, dst, at + first + k);
        if (intensity) write(total.area ? values + k : nullptr, total.area, dst, at + first + k);
      }
    });
    first += n;
  } while (first < std::min(count, maximum));
  for (; first < maximum; ++first) {  // beyond the largest label
    write(Region{}, spatial_dims, dst, at + first);
    if (intensity) write<V>(nullptr, 0, dst, at + first);
  }
  return static_cast<int32_t>(std::min<int64_t>(count, INT32_MAX));
}

template <class T>
int64_t stretches_of_row(const T* row, int64_t width, Stretch* stretches) {
  int64_t found = 0;
  for_each_stretch(row, 0, width, [&](int64_t x1, int64_t x2, T label) {
    if (label > 0) {
      const auto n = static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(label), INT64_MAX));
      stretches[found++] = {n, static_cast<int32_t>(x1), static_cast<int32_t>(x2)};
    }
  });
  return found;
}

}  // namespace

void region_table(const Context& context, const TensorView& labels, const TensorView* intensity, int spatial_dims,
                  const RegionTableViews& dst) {
  const RegionTableCall call(labels, intensity, spatial_dims, dst);
  const ImageSource images(labels, spatial_dims);
  for_each_image(context, call.batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    const Extent& extent = call.batch.extent;
    const void* image = pixels_of(images, labels, i, scratch);
    const auto read_row = [&](int64_t base, Stretch* stretches) {
      int64_t found = 0;
      visit(LabelTypes{}, labels, kRegionTable, "labels", [&](auto tag) {
        found =
            stretches_of_row(static_cast<const typename decltype(tag)::type*>(image) + base, extent.width, stretches);
      });
      return found;
    };
    const auto measure = [&](const auto* values) {
      dst.count.as<int32_t>()[i] =
          measure_image(inner, scratch, extent, spatial_dims, read_row, values, call.maximum, dst, i * call.maximum);
    };
    if (!intensity) return measure(static_cast<const uint8_t*>(nullptr));
    const ImageSource intensities(*intensity, spatial_dims);
    visit(AllTypes{}, *intensity, kRegionTable, "intensity",
          [&](auto tag) { measure(intensities.image<typename decltype(tag)::type>(i, scratch)); });
  });
}

}  // namespace fastcnn
