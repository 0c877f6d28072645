// The work of the blocks and threads of the CUDA kernels, for host and device. The kernels of erosion.cu are loops
// around it, and cpp/tests/test_morphology_cuda_emulation.cpp runs it block by block on the CPU.
//
// A Block runs f(thread) for each of its threads; each() ends in a barrier.
#pragma once

#include <cstdint>

#include "ops/morphology/border.h"
#include "ops/morphology/extremum_plan.h"
#include "ops/morphology/order_key.h"

#if defined(__CUDA_ARCH__)
#define FASTCNN_UNROLL _Pragma("unroll")
#else
#define FASTCNN_UNROLL
#endif

namespace fastcnn {

/// Converts the dtype's bits to keys and back. The kernels search for the minimum key.
template <class K>
struct Keys {
  K bias, mask, outside, neutral;
  bool floats, encode, decode;
  Border border;

  FASTCNN_HOST_DEVICE K key(K bits) const {
    if (!encode) return bits;
    return static_cast<K>((floats ? key_of_bits(bits, bias) : bits) ^ mask);
  }
  FASTCNN_HOST_DEVICE K value(K key) const {
    if (!decode) return key;
    const K unmasked = static_cast<K>(key ^ mask);
    return floats ? bits_of_key(unmasked, bias) : unmasked;
  }
};

template <class K>
Keys<K> make_keys(const ExtremumPlan& plan, const PlanStep& step) {
  return {static_cast<K>(plan.bias),
          static_cast<K>(plan.mask),
          static_cast<K>(plan.outside),
          static_cast<K>(plan.neutral),
          plan.floats,
          step.encode,
          step.decode,
          plan.border};
}

template <class K>
FASTCNN_HOST_DEVICE K minimum(K a, K b) {
  return b < a ? b : a;
}

/// Same as continued(), but without divisions if one reflection is sufficient.
FASTCNN_HOST_DEVICE inline int64_t folded(int64_t i, int64_t n, Border border) {
  if (i >= 0 && i < n) return i;
  if (border == Border::reflect || border == Border::mirror) {
    const int64_t edge = border == Border::reflect ? 1 : 0, once = i < 0 ? -edge - i : 2 * (n - 1) + edge - i;
    if (once >= 0 && once < n) return once;
  }
  return continued(i, n, border);
}

/// The (row, column) positions that one thread handles; positions are dealt to the threads in turn.
struct Places {
  int row, column;
  FASTCNN_HOST_DEVICE Places(int thread, int threads, int columns)
      : row(thread / columns),
        column(thread % columns),
        columns_(columns),
        row_step_(threads / columns),
        column_step_(threads % columns) {}
  FASTCNN_HOST_DEVICE void advance() {
    row += row_step_;
    column += column_step_;
    if (column >= columns_) {
      column -= columns_;
      ++row;
    }
  }

 private:
  int columns_, row_step_, column_step_;
};

/// An image plane seen beyond its borders.
template <class K>
struct PlaneSource {
  const K* data;
  int64_t height, width;

  FASTCNN_HOST_DEVICE bool holds(int64_t y, int64_t x, int rows, int columns) const {
    return y >= 0 && x >= 0 && y + rows <= height && x + columns <= width;
  }
  FASTCNN_HOST_DEVICE K sample(const Keys<K>& keys, int64_t y, int64_t x) const {
    y = folded(y, height, keys.border);
    x = folded(x, width, keys.border);
    return y < 0 || x < 0 ? keys.outside : keys.key(data[y * width + x]);
  }

  /// Loads the keys of rows x columns pixels, starting at (y, x).
  template <class Block>
  FASTCNN_HOST_DEVICE void load(Block& block, const Keys<K>& keys, int64_t y, int64_t x, int rows, int columns,
                                int pitch, K* tile) const {
    block.each([&](int thread) {
      Places at(thread, kBlockThreads, columns);
      if (!holds(y, x, rows, columns)) {
        for (; at.row < rows; at.advance()) tile[at.row * pitch + at.column] = sample(keys, y + at.row, x + at.column);
        return;
      }
      // Each thread issues several loads at once. Otherwise small dtypes would not hide the memory latency.
      constexpr int kBatch = sizeof(K) <= 2 ? 8 : 4;
      const K* corner = data + y * width + x;
      while (at.row < rows) {
        K bits[kBatch] = {};
        int to[kBatch];
        FASTCNN_UNROLL
        for (int i = 0; i < kBatch; ++i) {
          to[i] = -1;
          if (at.row < rows) {
            to[i] = at.row * pitch + at.column;
            bits[i] = corner[at.row * width + at.column];
          }
          at.advance();
        }
        FASTCNN_UNROLL
        for (int i = 0; i < kBatch; ++i)
          if (to[i] >= 0) tile[to[i]] = keys.key(bits[i]);
      }
    });
  }
};

/// Calls put(i, min of at(i) ... at(i + window - 1)) for n results in a row, where n <= window. The elements common to
/// all windows are reduced once.
template <class K, int n, class At, class Put>
FASTCNN_HOST_DEVICE void shared_windows(int window, const At& at, const Put& put) {
  K before[n];
  before[n - 1] = at(n - 1);
  for (int i = n; i < window; ++i) before[n - 1] = minimum(before[n - 1], at(i));
  FASTCNN_UNROLL
  for (int i = n - 2; i >= 0; --i) before[i] = i == n - 2 ? at(i) : minimum(before[i + 1], at(i));
  K rest = before[n - 1];
  FASTCNN_UNROLL
  for (int i = 0; i < n; ++i) {
    if (i > 0) rest = minimum(rest, at(window - 1 + i));
    put(i, i < n - 1 ? minimum(before[i], rest) : rest);
  }
}

template <class K, int n, class At, class Put>
FASTCNN_HOST_DEVICE void eight_in_parts(int window, const At& at, const Put& put) {
  FASTCNN_UNROLL
  for (int part = 0; part < 8; part += n)
    shared_windows<K, n>(window, [&](int i) { return at(part + i); }, [&](int i, K key) { put(part + i, key); });
}

/// The minima of eight windows in a row.
template <class K, class At, class Put>
FASTCNN_HOST_DEVICE void eight_windows(int window, const At& at, const Put& put) {
  if (window >= 8)
    eight_in_parts<K, 8>(window, at, put);
  else if (window >= 4)
    eight_in_parts<K, 4>(window, at, put);
  else if (window >= 2)
    eight_in_parts<K, 2>(window, at, put);
  else
    eight_in_parts<K, 1>(window, at, put);
}

FASTCNN_HOST_DEVICE inline int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ---- boxes, in tiles
// -------------------------------------------------------------------------------------------------

/// Row pitch in shared memory, for access patterns where each thread of a warp reads another row. An odd number of
/// banks avoids conflicts.
FASTCNN_HOST_DEVICE inline int bank_free_pitch(int columns, int element) {
  const int bank = element < 4 ? 4 : element;
  return ((columns * element + bank - 1) / bank | 1) * bank / element;
}
FASTCNN_HOST_DEVICE inline int64_t box_shared_bytes(const BoxPass& p, int element) {
  const int64_t rows = p.tile_rows + p.rows - 1;
  return rows * element *
         (bank_free_pitch(p.tile_columns + p.columns - 1, element) + bank_free_pitch(p.tile_columns, element));
}
FASTCNN_HOST_DEVICE inline int64_t box_tiles(const BoxPass& p) {
  return p.planes * ceil_divide(p.height, p.tile_rows) * ceil_divide(p.width, p.tile_columns);
}

/// Processes one tile: first the minima along rows, then the minima of these along columns. `shared` holds
/// box_shared_bytes.
template <class K, class Block>
FASTCNN_HOST_DEVICE void box_tile(Block& block, int64_t tile, const K* src, K* dst, const Keys<K>& keys,
                                  const BoxPass& p, K* shared) {
  const int64_t across = ceil_divide(p.width, p.tile_columns), down = ceil_divide(p.height, p.tile_rows);
  const int64_t x = tile % across * p.tile_columns, y = tile / across % down * p.tile_rows,
                plane = tile / across / down;
  const int rows = static_cast<int>(minimum<int64_t>(p.tile_rows, p.height - y));
  const int columns = static_cast<int>(minimum<int64_t>(p.tile_columns, p.width - x));
  const int source_rows = rows + p.rows - 1, source_columns = columns + p.columns - 1;
  const int pitch = bank_free_pitch(p.tile_columns + p.columns - 1, sizeof(K)),
            minima_pitch = bank_free_pitch(p.tile_columns, sizeof(K));
  K* const minima = shared + (p.tile_rows + p.rows - 1) * pitch;

  const int64_t area = p.height * p.width;
  PlaneSource<K>{src + plane * area, p.height, p.width}.load(block, keys, y - p.before_rows, x - p.before_columns,
                                                             source_rows, source_columns, pitch, shared);
  // Each thread computes eight results. Results beyond the tile's columns are not used.
  block.each([&](int thread) {
    const int eights = (columns + 7) / 8;
    for (Places at(thread, kBlockThreads, source_rows); at.row < eights; at.advance()) {
      const K* from = shared + at.column * pitch + at.row * 8;
      K* to = minima + at.column * minima_pitch + at.row * 8;
      eight_windows<K>(p.columns, [&](int i) { return from[i]; }, [&](int i, K key) { to[i] = key; });
    }
  });
  block.each([&](int thread) {
    for (Places at(thread, kBlockThreads, columns); at.row * 8 < rows; at.advance()) {
      const int top = at.row * 8;
      const K* from = minima + top * minima_pitch + at.column;
      K* to = dst + plane * area + (y + top) * p.width + x + at.column;
      eight_windows<K>(
          p.rows, [&](int i) { return from[i * minima_pitch]; },
          [&](int i, K key) {
            if (top + i < rows) to[i * p.width] = keys.value(key);
          });
    }
  });
}

// ---- boxes, along one axis
// -------------------------------------------------------------------------------------------

inline constexpr int kAxisRun = 16;

FASTCNN_HOST_DEVICE inline int64_t axis_threads(const AxisPass& p) {
  return p.outer * ceil_divide(p.n, p.segment) * p.stride;
}

/// One segment of one line.
template <class K>
FASTCNN_HOST_DEVICE void axis_segment(int64_t thread, const K* src, K* dst, const Keys<K>& keys, const AxisPass& p) {
  const int64_t segments = ceil_divide(p.n, p.segment);
  const int64_t inner = thread % p.stride, begin = thread / p.stride % segments * p.segment,
                outer = thread / p.stride / segments;
  const int64_t line = outer * p.n * p.stride + inner, count = minimum(p.segment, p.n - begin),
                first = begin - p.before;
  const auto at = [&](int64_t i) {
    i = folded(i, p.n, keys.border);
    return i < 0 ? keys.outside : keys.key(src[line + i * p.stride]);
  };
  K* to = dst + line + begin * p.stride;

  if (p.direct) {
    const int window = static_cast<int>(p.window);
    if (first >= 0 && first + kAxisRun + window - 1 <= p.n) {
      const K* from = src + line + first * p.stride;
      for (int half = 0; half < kAxisRun; half += 8)
        eight_windows<K>(
            window, [&](int i) { return keys.key(from[(half + i) * p.stride]); },
            [&](int i, K key) { to[(half + i) * p.stride] = keys.value(key); });
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      K key = at(first + i);
      for (int k = 1; k < window; ++k) key = minimum(key, at(first + i + k));
      to[i * p.stride] = keys.value(key);
    }
    return;
  }

  // van Herk (1992), Gil and Werman (1993): a window that starts in this segment ends in the next one. Its minimum is
  // that of two parts: from its start to the end of this segment (already stored in dst), and the first pixels of the
  // next segment.
  K run = keys.neutral;
  for (int64_t i = p.window - 1; i >= 0; --i) {
    run = minimum(run, at(first + i));
    if (i < count) to[i * p.stride] = run;
  }
  run = keys.neutral;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) run = minimum(run, at(first + p.window - 1 + i));
    to[i * p.stride] = keys.value(minimum(run, to[i * p.stride]));
  }
}

// ---- any footprint
// ---------------------------------------------------------------------------------------------------

template <class K>
inline constexpr int kChordResults = chord_tile_rows(sizeof(K)) * kChordTileColumns / kBlockThreads;

FASTCNN_HOST_DEVICE inline int64_t chord_tiles(const ChordPass& p, int element) {
  return p.images * p.depth * ceil_divide(p.height, chord_tile_rows(element)) * ceil_divide(p.width, kChordTileColumns);
}

/// Processes one tile. The minima of runs of 1, 2, 4, ... pixels are written alternately to two buffers; a chord is the
/// minimum of two of them (Urbach and Wilkinson, IEEE Trans. Image Process. 17(1), 2008). Threads keep their results in
/// registers; results outside the image are computed from arbitrary values and not stored. `shared` holds two tiles of
/// chord_tile_size.
template <class K, class Block>
FASTCNN_HOST_DEVICE void chord_tile(Block& block, int64_t tile, const K* src, K* dst, const Keys<K>& keys,
                                    const ChordPass& p, K* shared) {
  constexpr int kRows = chord_tile_rows(sizeof(K)), kResults = kChordResults<K>,
                kRowStep = kBlockThreads / kChordTileColumns;
  const int64_t across = ceil_divide(p.width, kChordTileColumns), down = ceil_divide(p.height, kRows);
  const int64_t x = tile % across * kChordTileColumns, y = tile / across % down * kRows, plane = tile / across / down;
  const int64_t z = plane % p.depth, area = p.height * p.width;
  const K* const volume = src + (plane - z) * area;
  K* const result = dst + plane * area;

  typename Block::template Registers<K, kResults> registers;
  block.each([&](int thread) {
    K* best = registers.of(thread);
    const int64_t column = x + thread % kChordTileColumns, top = y + thread / kChordTileColumns;
    FASTCNN_UNROLL
    for (int i = 0; i < kResults; ++i) {
      const int64_t row = top + i * kRowStep;
      best[i] = p.accumulate && column < p.width && row < p.height ? result[row * p.width + column] : keys.neutral;
    }
  });

  for (int g = 0; g < p.group_count; ++g) {
    const ChordGroup& group = p.groups[g];
    const int64_t source_z = folded(z + group.z, p.depth, keys.border);
    if (source_z < 0) {
      block.each([&](int thread) {
        K* best = registers.of(thread);
        FASTCNN_UNROLL
        for (int i = 0; i < kResults; ++i) best[i] = minimum(best[i], keys.outside);
      });
      continue;
    }
    const int rows = static_cast<int>(minimum<int64_t>(kRows, p.height - y)) + group.rows - 1;
    const int columns = static_cast<int>(minimum<int64_t>(kChordTileColumns, p.width - x)) + group.columns - 1;
    K *from = shared, *to = shared + chord_tile_size(sizeof(K));
    PlaneSource<K>{volume + source_z * area, p.height, p.width}.load(block, keys, y + group.y, x + group.x, rows,
                                                                     columns, kChordPitch, from);
    for (int level = 0; group.first[level] < group.first[kChordLevels]; ++level) {
      block.each([&](int thread) {
        K* best = registers.of(thread);
        const K* own = from + thread / kChordTileColumns * kChordPitch + thread % kChordTileColumns;
        for (int c = group.first[level]; c < group.first[level + 1]; ++c) {
          const DeviceChord chord = p.chords[c];
          const K* begin = own + chord.row * kChordPitch + chord.column;
          FASTCNN_UNROLL
          for (int i = 0; i < kResults; ++i) best[i] = minimum(best[i], begin[i * kRowStep * kChordPitch]);
          if (chord.shift == 0) continue;
          FASTCNN_UNROLL
          for (int i = 0; i < kResults; ++i)
            best[i] = minimum(best[i], begin[i * kRowStep * kChordPitch + chord.shift]);
        }
        if (group.first[level + 1] == group.first[kChordLevels]) return;
        const int length = 1 << level;
        for (Places at(thread, kBlockThreads, columns - 2 * length + 1); at.row < rows; at.advance()) {
          const int place = at.row * kChordPitch + at.column;
          to[place] = minimum(from[place], from[place + length]);
        }
      });
      K* const swapped = from;
      from = to;
      to = swapped;
    }
  }

  block.each([&](int thread) {
    const K* best = registers.of(thread);
    const int64_t column = x + thread % kChordTileColumns, top = y + thread / kChordTileColumns;
    FASTCNN_UNROLL
    for (int i = 0; i < kResults; ++i) {
      const int64_t row = top + i * kRowStep;
      if (column < p.width && row < p.height) result[row * p.width + column] = keys.value(best[i]);
    }
  });
}

}  // namespace fastcnn
