// Votes take a fixed number of steps per pixel, which compilers vectorise. The arc tangent is Cephes' atanf (Moshier,
// 1989), accurate to 2e-7. Sums use one weighted vector of votes per pixel, without a lookup of bins.
#include <stdint.h>

#include "core/simd.h"
#include "ops/features/hog_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

constexpr int kChunk = 64;
constexpr float kPi = 3.14159265358979323846f;
using V = Vec<float>;
using I = Vec<int32_t>;

/// The angle of a direction and its opposite, in [0, pi].
FASTCNN_INLINE V angle_of(V x, V y) {
  const V zero = {}, ax = x < zero ? -x : x, ay = y < zero ? -y : y;
  const auto steep = ay > ax;
  const V longer = steep ? ay : ax, shorter = steep ? ax : ay;
  const V ratio = shorter / vmax(longer, splat(1e-30f));
  const auto upper = ratio > 0.4142135623730950f;
  const V t = upper ? (ratio - 1.0f) / (ratio + 1.0f) : ratio, z = t * t;
  V angle = (((8.05374449538e-2f * z - 1.38776856032e-1f) * z + 1.99777106478e-1f) * z - 3.33329491539e-1f) * z * t + t;
  angle = upper ? angle + 0.78539816339744830962f : angle;
  angle = steep ? 1.57079632679489661923f - angle : angle;
  // Opposite signs mean the second quadrant. On an axis the angle is 0 or pi / 2.
  const auto second = ((x < zero) ^ (y < zero)) & (ay > zero);
  return second ? kPi - angle : angle;
}

void votes(const float* gx, const float* gy, int64_t n, int64_t bins, int64_t stride, float* to) {
  const float scale = float(bins) / kPi;
  for (int64_t first = 0; first < n; first += kChunk) {
    const int count = n - first < kChunk ? int(n - first) : kChunk;
    float x[kChunk] = {}, y[kChunk] = {}, length[kChunk], upper[kChunk];
    int32_t bin[kChunk];
    for (int i = 0; i < count; ++i) x[i] = gx[first + i], y[i] = gy[first + i];
    for (int i = 0; i < kChunk; ++i) length[i] = __builtin_sqrtf(x[i] * x[i] + y[i] * y[i]);
    for (int i = 0; i < kChunk; i += lanes<float>) {
      const V place = angle_of(load(x + i), load(y + i)) * scale + 0.5f;         // at least 0.5
      const I whole = __builtin_convertvector(place == place ? place : V{}, I);  // NaN has no integer
      store(bin + i, whole - 1);
      store(upper + i, place - __builtin_convertvector(whole, V));
    }
    for (int i = 0; i < count; ++i) {
      float* pixel = to + (first + i) * stride;
      for (int64_t k = 0; k < stride; k += lanes<float>) store(pixel + k, V{});
      // NaN: any bin will do, the votes are NaN.
      const int64_t low = bin[i] < 0 || bin[i] > bins ? bins - 1 : bin[i] < bins ? bin[i] : bin[i] - bins;
      const int64_t high = low + 1 < bins ? low + 1 : 0;
      pixel[low] += length[i] * (1.0f - upper[i]);
      pixel[high] += length[i] * upper[i];
    }
  }
}

void bins(double* gx, double* gy, int64_t n, const double* sine, const double* cosine, int64_t borders, double* length,
          double* bin) {
  for (int64_t x = 0; x < n; ++x) length[x] = __builtin_sqrt(gx[x] * gx[x] + gy[x] * gy[x]);
  for (int64_t x = 0; x < n; ++x) {
    const bool lower = (gy[x] < 0) | ((gy[x] == 0) & (gx[x] < 0));
    gx[x] = lower ? -gx[x] : gx[x];
    gy[x] = lower ? -gy[x] : gy[x];
    bin[x] = 0;
  }
  for (int64_t k = 0; k < borders; ++k) {
    const double s = sine[k], c = cosine[k];
    for (int64_t x = 0; x < n; ++x) bin[x] += c * gy[x] - s * gx[x] >= 0 ? 1.0 : 0.0;
  }
}

void sum(const float* const* line, int64_t rows, int64_t columns, const float* weights, int64_t stride, float* to) {
  constexpr int kVectors = int(features::kVotes) / lanes<float>;
  for (int64_t part = 0; part < stride; part += features::kVotes) {
    Vec<float> sums[2][kVectors] = {};
    const float* weight = weights;
    for (int64_t i = 0; i < rows; ++i, weight += columns) {
      const float* pixel = line[i] + part;
      int64_t j = 0;
      for (; j + 2 <= columns; j += 2, pixel += 2 * stride)
        for (int k = 0; k < kVectors; ++k) {
          sums[0][k] += splat(weight[j]) * load(pixel + k * lanes<float>);
          sums[1][k] += splat(weight[j + 1]) * load(pixel + stride + k * lanes<float>);
        }
      if (j < columns)
        for (int k = 0; k < kVectors; ++k) sums[0][k] += splat(weight[j]) * load(pixel + k * lanes<float>);
    }
    for (int k = 0; k < kVectors; ++k) store(to + part + k * lanes<float>, sums[0][k] + sums[1][k]);
  }
}

}  // namespace

extern const HogKernels hog_kernels = {bins, votes, sum};

}  // namespace fastcnn::FASTCNN_ISA
