// The first axis of edt_bands: gaps, which are the numbers of steps to the nearest zero along it.
#pragma once

#include "core/dispatch.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn {

/// This gap and larger ones mean that there is no zero. It leaves room for the same number of further steps, so that
/// counting never wraps round.
template <class Gap>
inline constexpr Gap kNoZero = static_cast<Gap>(Gap{1} << (8 * sizeof(Gap) - 1));

/// Indices: [gaps of 16 or 32 bits], [log2 of the mask's bytes].
struct EdtGapKernels {
  /// Per column of a band, the gap from its last slice back to a zero, and from its first slice forward.
  void (*scan_band[2][4])(const EdtPlan&, int64_t band);
  /// Converts these to `above` and `below` of EdtPlan, for columns [begin, end). Returns true if a zero was found.
  bool (*link_bands[2])(const EdtPlan&, int64_t begin, int64_t end);
  /// The gaps of a band's pixels to the last zero at or before them.
  void (*sweep_band[2][4])(const EdtPlan&, int64_t band, void* gaps);
  /// Updates n gaps to the next zero from the slice behind to this slice. Slices are processed from last to first.
  void (*step_below[2])(const void* gaps, void* below, int64_t n);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(EdtGapKernels, edt_gap_kernels)
