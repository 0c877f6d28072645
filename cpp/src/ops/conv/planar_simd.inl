// Vectors run along a plane; a tile of filters x vectors, or of filters x terms, stays in registers. 4 x 6 of AVX-512
// take 10 loads for 24 fused multiply-adds, 4 x 3 of the others 7 for 12.
#include "core/simd.h"
#include "ops/conv/planar_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kWide = 6;
#else
constexpr int kWide = 3;  // 16 registers
#endif
constexpr int kFilters = conv::kPlanarFilters;

template <class T, int filters, int vectors>
void forward_tile(const T* x, const int64_t* offsets, int64_t terms, const T* weights, const T* bias, T* dst,
                  int64_t dst_pitch) {
  Vec<T> sum[filters][vectors];
#pragma GCC unroll 4
  for (int f = 0; f < filters; ++f)
#pragma GCC unroll 6
    for (int v = 0; v < vectors; ++v) sum[f][v] = splat(bias ? bias[f] : T(0));
  for (int64_t t = 0; t < terms; ++t) {
    const T* at = x + offsets[t];
    Vec<T> value[vectors];
#pragma GCC unroll 6
    for (int v = 0; v < vectors; ++v) value[v] = load(at + v * lanes<T>);
#pragma GCC unroll 4
    for (int f = 0; f < filters; ++f) {
      const Vec<T> weight = splat(weights[t * kFilters + f]);
#pragma GCC unroll 6
      for (int v = 0; v < vectors; ++v) sum[f][v] += weight * value[v];
    }
  }
#pragma GCC unroll 4
  for (int f = 0; f < filters; ++f)
#pragma GCC unroll 6
    for (int v = 0; v < vectors; ++v) store(dst + f * dst_pitch + v * lanes<T>, sum[f][v]);
}

template <class T, int filters>
void forward_rows(const T* x, const int64_t* offsets, int64_t terms, const T* weights, const T* bias, int64_t vectors,
                  T* dst, int64_t dst_pitch) {
  int64_t v = 0;
  for (; v + kWide <= vectors; v += kWide)
    forward_tile<T, filters, kWide>(x + v * lanes<T>, offsets, terms, weights, bias, dst + v * lanes<T>, dst_pitch);
  for (; v < vectors; ++v)
    forward_tile<T, filters, 1>(x + v * lanes<T>, offsets, terms, weights, bias, dst + v * lanes<T>, dst_pitch);
}

template <class T>
void forward(const T* x, const int64_t* offsets, int64_t terms, const T* weights, const T* bias, int filters,
             int64_t vectors, T* dst, int64_t dst_pitch) {
  if (filters == 4) return forward_rows<T, 4>(x, offsets, terms, weights, bias, vectors, dst, dst_pitch);
  if (filters == 3) return forward_rows<T, 3>(x, offsets, terms, weights, bias, vectors, dst, dst_pitch);
  if (filters == 2) return forward_rows<T, 2>(x, offsets, terms, weights, bias, vectors, dst, dst_pitch);
  forward_rows<T, 1>(x, offsets, terms, weights, bias, vectors, dst, dst_pitch);
}

template <class T, int filters, int terms>
void grad_tile(const T* x, int64_t x_image, const int64_t* offsets, const T* grad, int64_t grad_image,
               int64_t grad_pitch, int64_t images, int64_t vectors, T* sums, int64_t sums_pitch) {
  Vec<T> sum[filters][terms] = {};
  for (int64_t n = 0; n < images; ++n)
    for (int64_t v = 0; v < vectors; ++v) {
      const T* at = x + n * x_image + v * lanes<T>;
      const T* row = grad + n * grad_image + v * lanes<T>;
      Vec<T> value[filters];
#pragma GCC unroll 4
      for (int f = 0; f < filters; ++f) value[f] = load(row + f * grad_pitch);
#pragma GCC unroll 6
      for (int t = 0; t < terms; ++t) {
        const Vec<T> seen = load(at + offsets[t]);
#pragma GCC unroll 4
        for (int f = 0; f < filters; ++f) sum[f][t] += value[f] * seen;
      }
    }
#pragma GCC unroll 4
  for (int f = 0; f < filters; ++f)
#pragma GCC unroll 6
    for (int t = 0; t < terms; ++t) {
      T* to = sums + f * sums_pitch + t * lanes<T>;
      store(to, load(to) + sum[f][t]);
    }
}

template <class T, int filters>
void grad_rows(const T* x, int64_t x_image, const int64_t* offsets, int64_t terms, const T* grad, int64_t grad_image,
               int64_t grad_pitch, int64_t images, int64_t vectors, T* sums, int64_t sums_pitch) {
  int64_t t = 0;
  for (; t + kWide <= terms; t += kWide)
    grad_tile<T, filters, kWide>(x, x_image, offsets + t, grad, grad_image, grad_pitch, images, vectors,
                                 sums + t * lanes<T>, sums_pitch);
  for (; t < terms; ++t)
    grad_tile<T, filters, 1>(x, x_image, offsets + t, grad, grad_image, grad_pitch, images, vectors,
                             sums + t * lanes<T>, sums_pitch);
}

template <class T>
void weight_grad(const T* x, int64_t x_image, const int64_t* offsets, int64_t terms, const T* grad, int64_t grad_image,
                 int64_t grad_pitch, int filters, int64_t images, int64_t vectors, T* sums, int64_t sums_pitch) {
  const auto rows = filters == 4   ? grad_rows<T, 4>
                    : filters == 3 ? grad_rows<T, 3>
                    : filters == 2 ? grad_rows<T, 2>
                                   : grad_rows<T, 1>;
  rows(x, x_image, offsets, terms, grad, grad_image, grad_pitch, images, vectors, sums, sums_pitch);
}

}  // namespace

extern const conv::PlanarKernels planar_kernels = {{lanes<float>, forward<float>, weight_grad<float>},
                                                   {lanes<double>, forward<double>, weight_grad<double>}};

}  // namespace fastcnn::FASTCNN_ISA
