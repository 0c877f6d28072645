// The further axes of edt_bands.
#pragma once

#include "core/dispatch.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn {

/// Indices: [EdtCost], [gaps of 16 or 32 bits], [whether coordinates are asked]. EdtCost::int32 goes with 16-bit gaps.
struct EdtLineKernels {
  /// Finishes an image's row, from the gaps of sweep_band and those in `below`. False where a square did not fit.
  bool (*finish_row[3][2][2])(const EdtPlan&, const EdtWorkspace&, int64_t row, const void* above, const void* below);

  /// A plane's costs along y for columns [begin, end), and where the nearest zero lies: z and y in one number. Row y
  /// begins at y * pitch.
  void (*plane_columns[3][2][2])(const EdtPlan&, const EdtWorkspace&, int64_t z, const void* above, const void* below,
                                 void* cost, void* rank, int64_t pitch, int64_t begin, int64_t end);
  /// Finishes the rows [begin, end) of a plane. False where a square did not fit.
  bool (*plane_rows[3][2])(const EdtPlan&, const EdtWorkspace&, int64_t z, const void* cost, const void* rank,
                           int64_t pitch, int64_t begin, int64_t end);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(EdtLineKernels, edt_line_kernels)
