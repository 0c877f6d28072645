// A footprint in the form that the kernels need: its window around the pixel, and its rows as chords.
#pragma once

#include <cstdint>
#include <vector>

#include "core/image_batch.h"
#include "fastcnn/ops/morphology.h"
#include "ops/morphology/erosion_simd.h"

namespace fastcnn {

/// One axis of the window: for output pixel i it covers the pixels [i - before, i + after].
struct Span {
  int64_t before = 0, after = 0;
  int64_t size() const { return before + 1 + after; }
};

/// The footprint without members that have no effect, reflected for dilation. The window always contains its own pixel.
struct Window {
  Span z, y, x;
  bool box = true;               ///< every place in the window is a member
  std::vector<uint8_t> members;  ///< else: which are, in C order
  bool empty = false;            ///< no member ever meets the image
};

/// Throws where the footprint has no member at all.
Window make_window(const Footprint& footprint, bool maximum, Border border, const Extent& extent, const char* op);

/// The chords of one plane of the window.
struct ChordTable {
  std::vector<ChordLength> lengths;
  std::vector<Chord> chords;
  int64_t rows_kept = 0;  ///< over all lengths
};
ChordTable make_chords(const Window& window, int64_t plane);

}  // namespace fastcnn
