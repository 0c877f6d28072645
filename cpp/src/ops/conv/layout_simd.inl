// Transposition through registers: log2(n) rounds of interleaving n rows of n values.
#include "core/simd.h"
#include "ops/conv/layout_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

typedef Vec<float> V;
constexpr int kLanes = lanes<float>;

// The lower (upper) halves of two vectors, interleaved.
template <int half>
struct Interleaved {
  static constexpr int at(int i) { return half * kLanes / 2 + i / 2 + i % 2 * kLanes; }
};

// Interleaving row i with row i + n/2, log2(n) times, is a transposition (a perfect shuffle of the address bits).
FASTCNN_INLINE void transpose_square(V (&rows)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    V next[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = shuffle<Interleaved<0>>(rows[i], rows[i + kLanes / 2]);
      next[2 * i + 1] = shuffle<Interleaved<1>>(rows[i], rows[i + kLanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

void transpose(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to, int64_t to_stride) {
  int64_t r = 0;
  for (; r + kLanes <= rows; r += kLanes) {
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      V square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = load(from + (r + i) * from_stride + c);
      transpose_square(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store(to + (c + i) * to_stride + r, square[i]);
    }
    for (; c < columns; ++c)
      for (int i = 0; i < kLanes; ++i) to[c * to_stride + r + i] = from[(r + i) * from_stride + c];
  }
  for (; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
}

}  // namespace

extern const LayoutKernels layout_kernels = {transpose};

}  // namespace fastcnn::FASTCNN_ISA
