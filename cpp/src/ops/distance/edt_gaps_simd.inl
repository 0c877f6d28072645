#include "core/simd.h"
#include "ops/distance/edt_gaps_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

FASTCNN_INLINE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }

// Columns are independent, so vectors run across them. The number of columns at a time is chosen so that the running
// gaps stay in the first-level cache.
constexpr int64_t kColumns = 4096;

template <class Mask, class Gap>
void scan_band(const EdtPlan& plan, int64_t band) {
  const int64_t begin = band * plan.band_slices, n = minimum(plan.band_slices, plan.slices - begin);
  const Mask bits = static_cast<Mask>(plan.mask_bits);
  for (int64_t x0 = 0; x0 < plan.length; x0 += kColumns) {
    const int64_t columns = minimum(kColumns, plan.length - x0);
    Gap* __restrict last = static_cast<Gap*>(plan.above) + band * plan.length + x0;
    Gap* __restrict first = static_cast<Gap*>(plan.below) + band * plan.length + x0;
    for (int64_t x = 0; x < columns; ++x) first[x] = last[x] = kNoZero<Gap>;
    for (int64_t i = 0; i < n; ++i) {
      const Mask* __restrict mask = static_cast<const Mask*>(plan.mask) + (begin + i) * plan.length + x0;
      const Gap here = static_cast<Gap>(i);
      for (int64_t x = 0; x < columns; ++x) {
        const bool object = (mask[x] & bits) != 0;
        const Gap found = object ? kNoZero<Gap> : here;
        first[x] = first[x] < found ? first[x] : found;
        last[x] = object ? static_cast<Gap>(last[x] + 1) : Gap{0};
      }
    }
  }
}

template <class Gap>
bool link_bands(const EdtPlan& plan, int64_t begin, int64_t end) {
  Gap* const above = static_cast<Gap*>(plan.above);
  Gap* const below = static_cast<Gap*>(plan.below);
  Gap nearest = kNoZero<Gap>;
  for (int64_t x0 = begin; x0 < end; x0 += kColumns) {
    const int64_t columns = minimum(kColumns, end - x0);
    Gap carry[kColumns];
    for (int64_t x = 0; x < columns; ++x) carry[x] = kNoZero<Gap>;
    for (int64_t band = 0; band < plan.bands; ++band) {
      Gap* __restrict row = above + band * plan.length + x0;
      const Gap n = static_cast<Gap>(minimum(plan.band_slices, plan.slices - band * plan.band_slices));
      for (int64_t x = 0; x < columns; ++x) {
        const Gap through = static_cast<Gap>(carry[x] + n), own = row[x];
        row[x] = carry[x];
        carry[x] = own < through ? own : through;
      }
    }
    for (int64_t x = 0; x < columns; ++x) nearest = carry[x] < nearest ? carry[x] : nearest;
    for (int64_t x = 0; x < columns; ++x) carry[x] = kNoZero<Gap>;
    for (int64_t band = plan.bands; band-- > 0;) {
      Gap* __restrict row = below + band * plan.length + x0;
      const Gap n = static_cast<Gap>(minimum(plan.band_slices, plan.slices - band * plan.band_slices));
      for (int64_t x = 0; x < columns; ++x) {
        const Gap through = static_cast<Gap>(carry[x] + n), own = row[x];
        row[x] = carry[x];
        carry[x] = own < through ? own : through;
      }
    }
  }
  return nearest < kNoZero<Gap>;
}

template <class Mask, class Gap>
void sweep_band(const EdtPlan& plan, int64_t band, void* gaps) {
  const int64_t begin = band * plan.band_slices, n = minimum(plan.band_slices, plan.slices - begin);
  const Mask bits = static_cast<Mask>(plan.mask_bits);
  for (int64_t x0 = 0; x0 < plan.length; x0 += kColumns) {
    const int64_t columns = minimum(kColumns, plan.length - x0);
    const Gap* __restrict previous = static_cast<const Gap*>(plan.above) + band * plan.length + x0;
    for (int64_t i = 0; i < n; ++i) {
      const Mask* __restrict mask = static_cast<const Mask*>(plan.mask) + (begin + i) * plan.length + x0;
      Gap* __restrict row = static_cast<Gap*>(gaps) + i * plan.length + x0;
      for (int64_t x = 0; x < columns; ++x) row[x] = (mask[x] & bits) ? static_cast<Gap>(previous[x] + 1) : Gap{0};
      previous = row;
    }
  }
}

/// Updates the gaps to the next zero for this slice.
template <class Gap>
void step_below(const void* gaps, void* gaps_below, int64_t n) {
  const Gap* __restrict above = static_cast<const Gap*>(gaps);
  Gap* __restrict below = static_cast<Gap*>(gaps_below);
  for (int64_t x = 0; x < n; ++x) below[x] = above[x] ? static_cast<Gap>(below[x] + 1) : Gap{0};
}

}  // namespace

#define FASTCNN_EDT_MASKS(function, Gap) \
  {function<uint8_t, Gap>, function<uint16_t, Gap>, function<uint32_t, Gap>, function<uint64_t, Gap>}

extern const EdtGapKernels edt_gap_kernels = {
    {FASTCNN_EDT_MASKS(scan_band, uint16_t), FASTCNN_EDT_MASKS(scan_band, uint32_t)},
    {link_bands<uint16_t>, link_bands<uint32_t>},
    {FASTCNN_EDT_MASKS(sweep_band, uint16_t), FASTCNN_EDT_MASKS(sweep_band, uint32_t)},
    {step_below<uint16_t>, step_below<uint32_t>},
};

}  // namespace fastcnn::FASTCNN_ISA
