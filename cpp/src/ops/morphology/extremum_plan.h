// How erosion and dilation run on a device: the passes over the batch. They are planned on the host, where the plan can
// be tested.
#pragma once

#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "fastcnn/ops/morphology.h"
#include "fastcnn/view.h"

namespace fastcnn {

inline constexpr int kBlockThreads = 256;
/// The shared memory that a block has on every device without a special request.
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

/// A horizontal run of members: the minimum of two positions at a distance of `shift` in the rows of its level.
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

/// For every dtype and both operations the kernels compute one minimum of signed integers: a float's key (order_key.h)
/// or the integer itself, xor `mask`. The mask converts unsigned order to signed order and reverses the order for
/// dilation.
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

/// Runs the same checks as erosion and dilation. Ignores the data, device and strides of src: kernels take dense
/// images.
FASTCNN_API ExtremumPlan plan_extremum(const char* op, bool maximum, const TensorView& src, int spatial_dims,
                                       const Footprint& footprint, Border border, double value);

static_assert(std::is_trivially_copyable_v<ChordPass> && sizeof(ChordPass) < 3500, "kernel arguments hold 4096 bytes");

}  // namespace fastcnn
