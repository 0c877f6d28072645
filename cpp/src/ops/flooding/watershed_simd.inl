// Keys of 16 and 32 bits, and the rows that need no key.
#include "ops/flooding/watershed_tiles.inl"

namespace fastcnn::FASTCNN_ISA {
namespace {

void children_row(const RowsAround<uint8_t>& parent, const Neighborhood& neighbors, int64_t width, uint8_t* child) {
  for (int64_t x = 0; x < width; x += lanes<uint8_t>) {
    Vec<uint8_t> bits{};
    for (int i = 0; i < neighbors.count; ++i) {
      const Vec<uint8_t> p = load(parent.rows[neighbors.offsets[i].row] + x + neighbors.offsets[i].dx);
      bits |= p == uint8_t(neighbors.count - 1 - i) ? splat(uint8_t(1 << i)) : Vec<uint8_t>{};
    }
    store(child + x, bits);
  }
}

template <class T>
void nonzero_row(const void* src, int64_t n, uint8_t* dst) {
  const T* values = static_cast<const T*>(src);
  int64_t x = 0;
  for (; x + lanes<T> <= n; x += lanes<T>) store_bytes<T>(dst + x, load(values + x) != 0 ? splat(T(1)) : Vec<T>{});
  for (; x < n; ++x) dst[x] = values[x] != 0;
}

/// See ordered_key.h.
template <class K>
void ordered_row(const void* src, int64_t n, K* dst) {
  constexpr K kSign = K(1) << (8 * sizeof(K) - 1);
  constexpr K kInfinity = sizeof(K) == 4 ? K(0x7f800000) : K(0x7ff0000000000000);
  const K* values = static_cast<const K*>(src);
  int64_t x = 0;
  for (; x + lanes<K> <= n; x += lanes<K>) {
    const Vec<K> bits = load(values + x), magnitude = bits & K(~kSign);
    const Vec<K> key = (bits & kSign) != 0 ? kSign - magnitude : kSign + magnitude;
    store(dst + x, magnitude > kInfinity ? splat(K((kInfinity | kSign) + 1)) : key);
  }
  for (; x < n; ++x) {
    const K magnitude = values[x] & K(~kSign);
    const K key = values[x] & kSign ? kSign - magnitude : kSign + magnitude;
    dst[x] = magnitude > kInfinity ? (kInfinity | kSign) + 1 : key;
  }
}

}  // namespace

extern const WatershedKernels watershed_kernels = {
    {sizeof(Tile<uint16_t>), relax_tile<Flood<uint16_t, 1>>, nullptr, nullptr, start_row, source_row, parent_row_any},
    {sizeof(Tile<uint32_t>), relax_tile<Flood<uint32_t, 1>>, relax_tile<Flood<uint32_t, 0>>,
     relax_tile<Spread<uint32_t>>, start_row, source_row, parent_row_any},
    children_row,
    nonzero_row<uint32_t>,
    nonzero_row<uint64_t>,
    ordered_row<uint32_t>,
    ordered_row<uint64_t>,
};

}  // namespace fastcnn::FASTCNN_ISA
