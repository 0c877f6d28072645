// A queue of waiting tiles; the tile with the minimum pending key is first. Not thread-safe.
#pragma once

#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "ops/flooding/watershed_simd.h"

namespace fastcnn {

/// The tiles of an image.
struct TileGrid {
  explicit TileGrid(const Extent& e)
      : depth((e.depth + kTileDepth - 1) / kTileDepth),
        height((e.height + kTileSide - 1) / kTileSide),
        width((e.width + kTileSide - 1) / kTileSide) {}
  int64_t count() const { return depth * height * width; }
  TilePlace place(int64_t tile) const { return {tile / width / height, tile / width % height, tile % width}; }
  int64_t depth, height, width;

  /// Calls body(neighbour's index, position 0..26) for the neighbours that exist.
  template <class F>
  void for_neighbors(int64_t tile, const F& body) const {
    const TilePlace p = place(tile);
    for (int64_t dz = p.z > 0 ? -1 : 0; dz <= (p.z + 1 < depth ? 1 : 0); ++dz)
      for (int64_t dy = p.y > 0 ? -1 : 0; dy <= (p.y + 1 < height ? 1 : 0); ++dy)
        for (int64_t dx = p.x > 0 ? -1 : 0; dx <= (p.x + 1 < width ? 1 : 0); ++dx)
          if (dz || dy || dx) body(tile + (dz * height + dy) * width + dx, static_cast<int>(9 * dz + 3 * dy + dx + 13));
  }
};

/// A binary heap that records the position of each tile, so that keys can decrease. Tiles beside a taken tile are
/// skipped, because they share pixels.
template <class K>
class TileQueue {
 public:
  TileQueue(Scratch& scratch, const TileGrid& grid) : grid_(grid) {
    const int64_t n = grid.count();
    key_ = scratch.get<K>(n);
    heap_ = scratch.get<int64_t>(n);
    place_ = scratch.get<int64_t>(n);
    beside_ = scratch.get<uint8_t>(n);
    for (int64_t i = 0; i < n; ++i) {
      key_[i] = kNothing;
      place_[i] = kOut;
      beside_[i] = 0;
    }
  }

  /// Adds tile `tile` with the minimum of `key` and its current key.
  void wait(int64_t tile, K key) {
    if (key >= key_[tile]) return;
    const bool parked = key_[tile] != kNothing && place_[tile] == kOut;
    key_[tile] = key;
    if (parked) return;
    if (place_[tile] == kOut) insert(tile);
    rise(place_[tile]);
  }

  /// Takes the waiting tile with the minimum key that is not beside a taken tile; returns -1 if there is none. Tiles
  /// beside a taken tile are removed from the heap until their neighbours are returned.
  int64_t take() {
    while (size_ > 0) {
      const int64_t tile = heap_[0];
      remove_first();
      if (beside_[tile]) continue;
      key_[tile] = kNothing;
      ++taken_;
      grid_.for_neighbors(tile, [&](int64_t other, int) { ++beside_[other]; });
      return tile;
    }
    return -1;
  }
  /// The tile that take() would check first, or -1.
  int64_t peek() const { return size_ ? heap_[0] : -1; }

  void give_back(int64_t tile) {
    --taken_;
    grid_.for_neighbors(tile, [&](int64_t other, int) {
      if (--beside_[other] > 0 || key_[other] == kNothing || place_[other] != kOut) return;
      insert(other);
      rise(place_[other]);
    });
  }

  bool any_taken() const { return taken_ > 0; }

 private:
  static constexpr K kNothing = static_cast<K>(~K(0));
  static constexpr int64_t kOut = -1;

  bool less(int64_t a, int64_t b) const { return key_[a] != key_[b] ? key_[a] < key_[b] : a < b; }
  void put(int64_t place, int64_t tile) {
    heap_[place] = tile;
    place_[tile] = place;
  }
  void rise(int64_t place) {
    const int64_t tile = heap_[place];
    for (; place > 0 && less(tile, heap_[(place - 1) / 2]); place = (place - 1) / 2) put(place, heap_[(place - 1) / 2]);
    put(place, tile);
  }
  void sink(int64_t place) {
    const int64_t tile = heap_[place];
    for (int64_t child; (child = 2 * place + 1) < size_; place = child) {
      if (child + 1 < size_ && less(heap_[child + 1], heap_[child])) ++child;
      if (!less(heap_[child], tile)) break;
      put(place, heap_[child]);
    }
    put(place, tile);
  }
  void insert(int64_t tile) { put(size_++, tile); }
  void remove_first() {
    place_[heap_[0]] = kOut;
    if (--size_ == 0) return;
    put(0, heap_[size_]);
    sink(0);
  }

  TileGrid grid_;
  K* key_;
  int64_t* heap_;
  int64_t* place_;
  uint8_t* beside_;  // taken neighbours
  int64_t size_ = 0, taken_ = 0;
};

}  // namespace fastcnn
