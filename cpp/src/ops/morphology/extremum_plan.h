// How erosion and dilation run on a device: the passes over the batch, resolved on the host, where this is tested.
#pragma once

#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "fastcnn/ops/morphology.h"
#include "fastcnn/view.h"

namespace fastcnn {

inline constexpr int kBlockThreads = 256;
/// What a block has without asking for more, on every device.
inline constexpr int kSharedBytes = 48 << 10;

/// The minimum over a box of rows x columns, a tile at a time in shared memory.
struct BoxPass {
  int64_t planes, height, width;
  int32_t rows, columns;  ///< of the window
  int32_t before_rows, before_columns;
  int32_t tile_rows, tile_columns;  ///< of the result, multiples of 8
};

/// The minimum along one axis of any length, in global memory. Element i of line (outer, inner) lies at
/// (outer * n + i) * stride + inner; a thread computes `segment` results of a line.
struct AxisPass {
  int64_t outer, n, stride;
  int64_t window, before;
  int64_t segment;
  bool direct;  ///< a short window: the segments overlap; else van Herk's algorithm, whose segments are windows long
};

/// A horizontal run of members: the minimum of two places `shift` apart in the rows of its level.
struct DeviceChord {
  uint8_t row, column, shift, unused;
};
inline constexpr int kChordLevels = 6;  ///< runs of 1, 2, 4, ... 32 pixels
inline constexpr int kChordTileColumns = 64;
inline constexpr int kChordRows = 17, kChordColumns = 33;  ///< of a group, at most
inline constexpr int kChordPitch = kChordTileColumns + kChordColumns - 1;
constexpr int chord_tile_rows(int element) { return element == 8 ? 16 : 32; }
constexpr int chord_tile_size(int element) { return (chord_tile_rows(element) + kChordRows - 1) * kChordPitch; }

/// The members in one part of one plane of the window.
struct ChordGroup {
  int64_t z, y, x;  ///< where the part begins, from the pixel
  uint8_t rows, columns;
  int16_t first[kChordLevels + 1];  ///< the chords of each level
};

/// The minimum over the members in some parts of the window. Kernel arguments carry all of it, so that a launch needs
/// neither a copy nor a device buffer; a window with more chords takes several passes.
struct ChordPass {
  static constexpr int kGroups = 24, kChords = 448;
  int64_t images, depth, height, width;
  int32_t group_count;
  bool accumulate;  ///< onto the keys in dst
  ChordGroup groups[kGroups];
  DeviceChord chords[kChords];
};

struct PlanStep {
  enum Buffer : uint8_t { image, scratch, result };
  std::variant<BoxPass, AxisPass, ChordPass> pass;
  Buffer from, to;
  bool encode, decode;  ///< whether the buffers hold the dtype's values, or keys as between two passes
};

/// Every dtype and both operations are one minimum of signed integers: a float's key (order_key.h) or the integer
/// itself, xor `mask`, which turns unsigned order into signed, and the order round for dilation.
struct ExtremumPlan {
  const char* op;
  int element;  ///< bytes
  bool floats;
  int64_t bias, mask;
  int64_t outside, neutral;  ///< keys; what is outside is neutral where nothing is
  Border border;
  bool needs_scratch;           ///< as large as the image
  std::vector<PlanStep> steps;  ///< none: the result is empty
};

/// Checks as erosion and dilation do. src's data and device are not looked at, and its strides ignored: kernels take
/// dense images.
FASTCNN_API ExtremumPlan plan_extremum(const char* op, bool maximum, const TensorView& src, int spatial_dims,
                                       const Footprint& footprint, Border border, double value);

static_assert(std::is_trivially_copyable_v<ChordPass> && sizeof(ChordPass) < 3500, "kernel arguments hold 4096 bytes");

}  // namespace fastcnn
