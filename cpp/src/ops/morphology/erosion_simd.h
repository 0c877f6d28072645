// The kernels of flat erosion and dilation: the window's extremum over rows of integer keys.
//
// Floats are compared as integers (order_key.h), so there are five key types, and the same bits come out on every ISA.
// Erosion and dilation are one kernel with minimum or maximum. The host has already resolved the border into maps of
// rows and columns; nothing here depends on its kind.
#pragma once

#include <stdint.h>

#include "core/dispatch.h"

namespace fastcnn {

enum KeyType { kKeyU8, kKeyU16, kKeyI16, kKeyI32, kKeyI64, kKeyTypes };

/// Rows seen through a window of `rows` x `columns` whose origin is at column `left`. The row map determines the number
/// of rows.
struct WindowPlane {
  const void* src;
  void* dst;
  int64_t src_pitch, dst_pitch;  ///< elements from row to row
  int64_t width;
  int64_t rows, columns, left;
  const int64_t* row_map;     ///< the source row that row i of the window meets at output row y is row_map[y + i]
  const int64_t* column_map;  ///< source columns of the padding: `left` of them before the row, the rest behind it
  bool pads_outside;          ///< the whole padding is outside
  int64_t outside;            ///< key of what is outside, which the maps call -1
  int64_t key_bias;           ///< of float keys
  bool floats;                ///< src and dst hold floats, of which the keys are made
  int64_t panel;              ///< number of columns processed at a time, so that the active rows stay in the cache
};

/// A row of extrema over `length` columns, made of a shorter one: C[x] = extremum(F[x], F[x + shift]).
struct ChordLength {
  int64_t length;
  int64_t shift;
  int64_t depth;  ///< rows kept for later output rows; 0: this length is only a step towards longer ones
  int64_t align;  ///< the column of the first chord of this length: its reads are aligned
  int32_t from;   ///< index of the shorter length; the first entry is the source row itself, of length 1
};
struct Chord {
  int64_t row, column;  ///< in the window
  int32_t length;       ///< index
};
/// Bytes that the kernel needs per chord length, in addition to its rows and a pointer per chord.
inline constexpr int64_t kChordRingBytes = 40;
struct ChordPlane {
  WindowPlane plane;
  const ChordLength* lengths;
  const Chord* chords;
  int64_t length_count, chord_count;
  bool accumulate;  ///< start from what is in dst
};

/// The output rows [begin, end), with `scratch` of box_scratch or chords_scratch bytes. [key type]
struct BoxKernels {
  void (*run[kKeyTypes])(const WindowPlane&, int64_t begin, int64_t end, void* scratch);
};
/// Likewise. [minimum, maximum][key type]
struct ChordKernels {
  void (*run[2][kKeyTypes])(const ChordPlane&, int64_t begin, int64_t end, void* scratch);
};

/// Windows with at most this many rows are reduced directly, taller ones by van Herk's algorithm.
inline constexpr int64_t kDirectRows = 12;
/// Maximum number of result rows that are computed together.
inline constexpr int64_t kDirectResults = 8;
/// Scratch rows of the box kernel besides those that van Herk's algorithm keeps.
inline constexpr int64_t kBoxRows = kDirectResults + 5;
/// The horizontal pass processes rows in pieces of this many bytes.
inline constexpr int64_t kChunkBytes = 2048;

/// Row pitch in elements of the scratch rows for a panel of n columns: includes padding and vector tails, rounded up to
/// whole cache lines. (static: each ISA's file keeps its own copy.)
static constexpr int64_t scratch_row(int64_t n, int64_t columns, int64_t element) {
  const int64_t line = 64 / element;
  return (n + columns + 3 * line - 1) / line * line;
}

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(BoxKernels, erosion_box_kernels)
FASTCNN_DECLARE_KERNELS(BoxKernels, dilation_box_kernels)
FASTCNN_DECLARE_KERNELS(ChordKernels, chord_kernels)
