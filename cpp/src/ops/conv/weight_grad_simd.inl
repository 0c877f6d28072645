// The weight gradient as outer products: a tile of channels x filters stays in registers during the loop over pixels. 8
// x 2 vectors of AVX-512 take 10 loads for 16 fused multiply-adds, 6 x 2 of AVX2 take 8 for 12, so the multiply-adds
// are the limit.
#include "core/simd.h"
#include "ops/conv/weight_grad_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kChannels = 8;
#else
constexpr int kChannels = 6;  // 16 registers
#endif

template <class T>
void accumulate(const T* x, const int64_t* offsets, int64_t x_step, const T* grad, int64_t rows, int64_t width,
                bool fresh, T* tile) {
  constexpr int n = lanes<T>;
  Vec<T> sum[kChannels][2] = {};
  for (int64_t r = 0; r < rows; ++r) {
    if (offsets[r] < 0) continue;
    const T* pixel = x + offsets[r];
    const T* row = grad + r * width * 2 * n;
    for (int64_t i = 0; i < width; ++i) {
      const Vec<T> low = load(row), high = load(row + n);
#pragma GCC unroll 8
      for (int c = 0; c < kChannels; ++c) {
        const Vec<T> value = splat(pixel[c]);
        sum[c][0] += value * low;
        sum[c][1] += value * high;
      }
      pixel += x_step;
      row += 2 * n;
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      T* at = tile + (2 * c + half) * n;
      store(at, fresh ? sum[c][half] : load(at) + sum[c][half]);
    }
}

template <class T, int block>
void pack(const T* from, int64_t step, int64_t count, int64_t panels, int64_t panel, T* to) {
  for (int64_t i = 0; i < count; ++i, from += step, to += block)
    for (int64_t p = 0; p < panels; ++p)
#pragma GCC unroll 32
      for (int c = 0; c < block; ++c) to[p * panel + c] = from[p * block + c];
}

template <class T>
void depthwise(const T* x, int64_t x_step, const T* grad, int64_t grad_step, int64_t width, int64_t channels, T* sum) {
  constexpr int n = lanes<T>;
  int64_t c = 0;
  for (; c + n <= channels; c += n) {
    Vec<T> even = {}, odd = {};
    int64_t i = 0;
    for (; i + 1 < width; i += 2) {
      even += load(x + i * x_step + c) * load(grad + i * grad_step + c);
      odd += load(x + (i + 1) * x_step + c) * load(grad + (i + 1) * grad_step + c);
    }
    if (i < width) even += load(x + i * x_step + c) * load(grad + i * grad_step + c);
    store(sum + c, load(sum + c) + even + odd);
  }
  for (; c < channels; ++c) {
    T total = 0;
    for (int64_t i = 0; i < width; ++i) total += x[i * x_step + c] * grad[i * grad_step + c];
    sum[c] += total;
  }
}

template <class T>
constexpr WeightGradKernels<T> table = {kChannels,          2 * lanes<T>,          accumulate<T>,
                                        pack<T, kChannels>, pack<T, 2 * lanes<T>>, depthwise<T>};

}  // namespace

extern const WeightGradKernels<float> weight_grad_f32 = table<float>;
extern const WeightGradKernels<double> weight_grad_f64 = table<double>;

}  // namespace fastcnn::FASTCNN_ISA
