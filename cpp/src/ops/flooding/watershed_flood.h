// Computes level and generation of every pixel from image, markers and mask.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "ops/flooding/ordered_key.h"
#include "ops/flooding/row_window.h"
#include "ops/flooding/tile_queue.h"
#include "ops/flooding/watershed_simd.h"

namespace fastcnn {

/// Rows of truth values, from any dtype.
class TruthRows {
 public:
  using Row = void (*)(const void* src, int64_t n, uint8_t* dst);
  TruthRows() = default;
  template <class T>
  explicit TruthRows(const T* image) : TruthRows(image, read<T>) {}
  template <class T>
  TruthRows(const T* image, Row row) : image_(reinterpret_cast<const char*>(image)), item_(sizeof(T)), row_(row) {}
  /// The n values from `first` on; all true without an image.
  void get(int64_t first, int64_t n, uint8_t* dst) const {
    if (row_) return row_(image_ + first * item_, n, dst);
    std::memset(dst, 1, static_cast<size_t>(n));
  }
  explicit operator bool() const { return row_ != nullptr; }

 private:
  template <class T>
  static void read(const void* src, int64_t n, uint8_t* dst) {
    const T* values = static_cast<const T*>(src);
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
        dst[i] = (values[i].bits & 0x7fff) != 0;
      else
        dst[i] = values[i] != T(0);
    }
  }
  const char* image_ = nullptr;
  int64_t item_ = 0;
  Row row_ = nullptr;
};

/// Rows of an image's ordered keys, from any dtype. Later steps depend only on the key size.
class KeyRows {
 public:
  template <class T>
  KeyRows(const T* image, const WatershedKernels& kernels)
      : bytes(sizeof(T)), integral(!is_floating<T>), image_(reinterpret_cast<const char*>(image)) {
    if constexpr (sizeof(T) == 1) rows_.of16 = read<T, uint16_t>;
    if constexpr (sizeof(T) <= 4) rows_.of32 = std::is_same_v<T, float> ? kernels.ordered_float : read<T, uint32_t>;
    if constexpr (sizeof(T) == 8) rows_.of64 = std::is_same_v<T, double> ? kernels.ordered_double : read<T, uint64_t>;
  }
  template <class K>
  void get(int64_t first, int64_t n, K* dst) const {
    const char* src = image_ + first * bytes;
    if constexpr (sizeof(K) == 2) rows_.of16(src, n, dst);
    if constexpr (sizeof(K) == 4) rows_.of32(src, n, dst);
    if constexpr (sizeof(K) == 8) rows_.of64(src, n, dst);
  }
  const int bytes;
  const bool integral;

 private:
  template <class T, class K>
  static void read(const void* src, int64_t n, K* dst) {
    for (int64_t i = 0; i < n; ++i) dst[i] = ordered_key(static_cast<const T*>(src)[i]);
  }
  const char* image_;
  struct {
    void (*of16)(const void*, int64_t, uint16_t*) = nullptr;
    void (*of32)(const void*, int64_t, uint32_t*) = nullptr;
    void (*of64)(const void*, int64_t, uint64_t*) = nullptr;
  } rows_;
};

/// One bit per pixel: the markers inside the mask.
class Roots {
 public:
  Roots(Scratch& scratch, const Extent& e) : stride_((e.width + 7) / 8) {
    bits_ = scratch.get<uint8_t>(stride_ * e.depth * e.height);
  }
  /// 0 or 1 per pixel; readable and writable up to the next multiple of 8.
  void set(int64_t row, const uint8_t* root) {
    for (int64_t i = 0; i < stride_; ++i) {
      uint64_t eight;
      std::memcpy(&eight, root + 8 * i, 8);
      bits_[row * stride_ + i] = static_cast<uint8_t>(eight * 0x0102040810204080u >> 56);  // byte k becomes bit k
    }
  }
  void get(int64_t row, uint8_t* root) const {
    constexpr uint64_t k7f = 0x7f7f7f7f7f7f7f7f;
    for (int64_t i = 0; i < stride_; ++i) {
      const uint64_t spread =
          (bits_[row * stride_ + i] * uint64_t{0x0101010101010101}) & 0x8040201008040201u;  // byte k: bit k
      const uint64_t eight = (((spread & k7f) + k7f) | spread) >> 7 & uint64_t{0x0101010101010101};
      std::memcpy(root + 8 * i, &eight, 8);
    }
  }
  /// Calls body(x) for each in a row.
  template <class F>
  void for_each(int64_t row, const F& body) const {
    for (int64_t i = 0; i < stride_; ++i)
      for (uint32_t bits = bits_[row * stride_ + i]; bits; bits &= bits - 1) body(8 * i + __builtin_ctz(bits));
  }

 private:
  int64_t stride_;
  uint8_t* bits_;
};

/// The state of one image. Combined keys hold level << shift | generation and leave `generation` null.
template <class K>
struct Flooded {
  K* level = nullptr;
  K* generation = nullptr;
};

/// Relaxes tiles in order of the minimum pending key until no key can decrease. Every order reaches the same fixed
/// point. This order visits each tile 1.5 to 4 times; rounds over all tiles need up to 60. Returns false if a
/// generation reached its limit.
template <class K>
bool flood_to_rest(const Context& context, TileKernel<K> kernel, int64_t workspace_bytes, const FloodField<K>& field,
                   const TileGrid& grid, TileQueue<K>& queue) {
  Scratch scratch(context);
  const int64_t workers = std::max<int64_t>(1, std::min<int64_t>(context.num_threads(), grid.count() / 4));
  char* workspaces = scratch.get<char>(workers * workspace_bytes);
  std::mutex mutex;
  std::atomic<int64_t> returned{0};  // number of returned tiles: a worker without work waits for a change
  bool overflow = false;
  context.parallel_for(0, workers, 1, [&](int64_t worker, int64_t) {
    TileReport<K> report;
    std::unique_lock<std::mutex> lock(mutex);
    while (!overflow) {
      const int64_t tile = queue.take();
      if (tile < 0) {
        if (!queue.any_taken()) return;
        const int64_t seen = returned.load(std::memory_order_relaxed);
        lock.unlock();
        while (returned.load(std::memory_order_relaxed) == seen) std::this_thread::yield();
        lock.lock();
        continue;
      }
      const int64_t next = std::max<int64_t>(queue.peek(), 0);
      lock.unlock();
      kernel(field, grid.place(tile), grid.place(next), workspaces + worker * workspace_bytes, &report);
      lock.lock();
      overflow |= report.overflow;
      grid.for_neighbors(tile, [&](int64_t other, int position) { queue.wait(other, report.offer[position]); });
      queue.give_back(tile);
      returned.fetch_add(1, std::memory_order_relaxed);
    }
  });
  return !overflow;
}

/// Calls body(z0, z1, y0, y1, first tile) for each row of tiles, in parallel.
template <class F>
void for_tile_rows(const Context& context, const Extent& e, const TileGrid& grid, const F& body) {
  context.parallel_for(0, grid.depth * grid.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t z0 = row / grid.height * kTileDepth, y0 = row % grid.height * kTileSide;
      body(z0, std::min(z0 + kTileDepth, e.depth), y0, std::min(y0 + kTileSide, e.height), row * grid.width);
    }
  });
}

/// A wide integer image may use every key, but the flood needs one that means "not reached". By the pigeonhole
/// principle some key in 0..pixels is unused, and the keys above it move down by one. Returns that key, or ~0 if
/// nothing has to move.
template <class K>
K unused_key(const Context& context, const KeyRows& image, const Extent& e) {
  constexpr K kAll = static_cast<K>(~K(0));
  const int64_t rows = e.depth * e.height;
  std::atomic<bool> taken{false};
  context.parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    K* keys = scratch.get<K>(e.width);
    K maximum = 0;
    for (int64_t row = begin; row < end; ++row) {
      image.get(row * e.width, e.width, keys);
      for (int64_t x = 0; x < e.width; ++x) maximum = std::max(maximum, keys[x]);
    }
    if (maximum == kAll) taken = true;
  });
  if (!taken) return kAll;
  Scratch scratch(context);
  const int64_t words = e.size() / 64 + 1;
  uint64_t* used = scratch.get<uint64_t>(words);
  K* keys = scratch.get<K>(e.width);
  std::fill(used, used + words, uint64_t{0});
  for (int64_t row = 0; row < rows; ++row) {
    image.get(row * e.width, e.width, keys);
    for (int64_t x = 0; x < e.width; ++x)
      if (keys[x] <= static_cast<uint64_t>(e.size())) used[keys[x] / 64] |= uint64_t{1} << keys[x] % 64;
  }
  K key = 0;
  while (used[key / 64] >> key % 64 & 1) ++key;
  return key;
}

/// Keys and fixed values before the flood, and the tiles that have markers.
template <class K>
void start_flood(const Context& context, const FloodKernels<K>& kernels, const Extent& e, const TileGrid& grid,
                 const KeyRows& image, const Roots& roots, const TruthRows& mask, int shift, K gap, K far, K* fixed,
                 K* key, TileQueue<K>& queue) {
  Scratch scratch(context);
  K* minimum = scratch.get<K>(grid.count());
  std::fill(minimum, minimum + grid.count(), far);
  for_tile_rows(context, e, grid, [&](int64_t z0, int64_t z1, int64_t y0, int64_t y1, int64_t tile) {
    Scratch rows(context);
    uint8_t* root = rows.get<uint8_t>(e.width);
    uint8_t* inside = rows.get<uint8_t>(e.width);
    K* values = rows.get<K>(e.width);
    for (int64_t z = z0; z < z1; ++z)
      for (int64_t y = y0; y < y1; ++y) {
        const int64_t row = z * e.height + y, first = row * e.width;
        image.get(first, e.width, values);
        roots.get(row, root);
        mask.get(first, e.width, inside);
        kernels.start(values, root, inside, shift, gap, far, e.width, fixed + first, key + first, minimum + tile);
      }
  });
  for (int64_t t = 0; t < grid.count(); ++t)
    if (minimum[t] < far) queue.wait(t, minimum[t]);
}

/// Sets generation 0 for markers and for pixels with a neighbour of a lower level. Tiles with other pixels are queued.
template <class K>
void start_spread(const Context& context, const FloodKernels<K>& kernels, const Extent& e, const TileGrid& grid,
                  const Neighborhood& neighbors, const Roots& roots, const K* level, K* generation,
                  TileQueue<K>& queue) {
  Scratch scratch(context);
  uint8_t* open = scratch.get<uint8_t>(grid.count());
  std::fill(open, open + grid.count(), uint8_t{0});
  for_tile_rows(context, e, grid, [&](int64_t z0, int64_t z1, int64_t y0, int64_t y1, int64_t tile) {
    Scratch rows(context);
    uint8_t* root = rows.get<uint8_t>(e.width);
    K* generations = rows.get<K>(e.width);
    RowWindow<K> levels(rows, level, e, static_cast<K>(~K(0)));
    for (int64_t z = z0; z < z1; ++z)
      for (int64_t y = y0; y < y1; ++y) {
        const int64_t row = z * e.height + y;
        roots.get(row, root);
        kernels.source(levels.at(z, y), neighbors, root, e.width, generations, open + tile);
        std::memcpy(generation + row * e.width, generations, static_cast<size_t>(e.width) * sizeof(K));
      }
  });
  for (int64_t t = 0; t < grid.count(); ++t)
    if (open[t]) queue.wait(t, 0);
}

}  // namespace fastcnn
