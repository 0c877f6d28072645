// The other axes of edt_bands.
#pragma once

#include "core/dispatch.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn {

/// Indices: [EdtCost], [gaps of 16 or 32 bits], [1 if coordinates are requested]. EdtCost::int32 is used with 16-bit
/// gaps.
struct EdtLineKernels {
  /// Completes a row of an image from the gaps of sweep_band and those in `below`. Returns false if a square did not
  /// fit.
  bool (*finish_row[3][2][2])(const EdtPlan&, const EdtWorkspace&, int64_t row, const void* above, const void* below);

  /// Computes the costs of a plane along y for columns [begin, end), and the position of the nearest zero: z and y in
  /// one number. Row y begins at y * pitch.
  void (*plane_columns[3][2][2])(const EdtPlan&, const EdtWorkspace&, int64_t z, const void* above, const void* below,
                                 void* cost, void* rank, int64_t pitch, int64_t begin, int64_t end);
  /// Completes the rows [begin, end) of a plane. Returns false if a square did not fit.
  bool (*plane_rows[3][2])(const EdtPlan&, const EdtWorkspace&, int64_t z, const void* cost, const void* rank,
                           int64_t pitch, int64_t begin, int64_t end);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(EdtLineKernels, edt_line_kernels)
