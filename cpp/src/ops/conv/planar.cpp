#include "ops/conv/planar.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "ops/conv/planar_simd.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kImagesBytes = int64_t{4} << 20;  // planes of images that a gradient sums up together
constexpr int64_t kForwardBytes = int64_t{1} << 17, kGradientBytes = int64_t{1} << 21;  // of an image's planes
constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kVectorsInRegisters = 128;  // before sums go to memory, which bounds the rounding error

template <class T>
const PlanarRoutines<T>& kernels() {
  return in_type<T>(FASTCNN_SELECT(planar_kernels));
}

/// Result (y, x) is at y * pitch + x of a line. The input for a tap has the same position plus the tap's offset in a
/// plane.
struct Planes {
  Planes(const Shape& s, int64_t lanes)
      : pitch(s.out[2] + (s.kernel[2] - 1) * s.dilation[2]),
        rows(s.out[1] + (s.kernel[1] - 1) * s.dilation[1]),
        vectors(ceil_div((s.out[1] - 1) * pitch + s.out[2], lanes)),
        line(vectors * lanes),
        plane(rows * pitch + lanes),  // the last vector reaches over the end
        terms(s.channels * s.taps()) {}

  int64_t offset(const Shape& s, int64_t term) const {
    const int64_t tap = term % s.taps();
    return term / s.taps() * plane + tap / s.kernel[2] * s.dilation[1] * pitch + tap % s.kernel[2] * s.dilation[2];
  }

  int64_t pitch, rows, vectors, line, plane, terms;
};

int64_t* offsets_of(const Shape& s, const Planes& p, Scratch& scratch) {
  int64_t* offsets = scratch.get<int64_t>(p.terms);
  for (int64_t t = 0; t < p.terms; ++t) offsets[t] = p.offset(s, t);
  return offsets;
}

/// Copies rows of an image's channel to a plane, pixel (0, 0) to (pad_y, pad_x); zeros elsewhere.
template <class T>
void copy_plane(const Image& from, int64_t channel, int64_t height, int64_t width, int64_t pad_y, int64_t pad_x,
                int64_t rows, int64_t pitch, int64_t size, T* to) {
  std::fill_n(to, size, T(0));
  const int64_t begin = std::clamp<int64_t>(pad_x, 0, pitch), end = std::clamp<int64_t>(width + pad_x, begin, pitch);
  visit(FloatTypes{}, from.dtype, [&](auto tag) {
    using From = typename decltype(tag)::type;
    const From* pixels = reinterpret_cast<const From*>(from.data) + channel * from.channel_stride;
    for (int64_t r = std::max<int64_t>(pad_y, 0); r < std::min(rows, height + pad_y); ++r) {
      if (begin == end) break;
      const From* row = pixels + (r - pad_y) * from.stride[1] + (begin - pad_x) * from.stride[2];
      T* at = to + r * pitch + begin;
      if (std::is_same_v<From, T> && from.stride[2] == 1)
        std::memcpy(at, row, static_cast<size_t>(end - begin) * sizeof(T));
      else
        for (int64_t i = 0; i < end - begin; ++i) at[i] = static_cast<T>(row[i * from.stride[2]]);
    }
  });
}

template <class T>
void copy_planes(const Shape& s, const Planes& p, const Image& src, int64_t n, T* to) {
  const Image image = src.at(n, {0, 0, 0});
  for (int64_t c = 0; c < s.channels; ++c)
    copy_plane(image, c, s.in[1], s.in[2], s.pad[1], s.pad[2], p.rows, p.pitch, p.plane, to + c * p.plane);
}

/// Copies a line of results to an image's channel.
template <class T>
void copy_line(const Shape& s, const Planes& p, const T* line, const Image& to, int64_t channel) {
  visit(FloatTypes{}, to.dtype, [&](auto tag) {
    using To = typename decltype(tag)::type;
    To* pixels = reinterpret_cast<To*>(to.data) + channel * to.channel_stride;
    for (int64_t y = 0; y < s.out[1]; ++y) {
      To* row = pixels + y * to.stride[1];
      if (std::is_same_v<To, T> && to.stride[2] == 1)
        std::memcpy(row, line + y * p.pitch, static_cast<size_t>(s.out[2]) * sizeof(T));
      else
        for (int64_t x = 0; x < s.out[2]; ++x) row[x * to.stride[2]] = converted<To>(line[y * p.pitch + x]);
    }
  });
}

}  // namespace

bool planar_fits(const Shape& s) {
  return s.groups == 1 && s.in[0] == 1 && s.kernel[0] == 1 && s.out[0] == 1 && s.pad[0] == 0 && s.stride[1] == 1 &&
         s.stride[2] == 1 && s.out_pixels() > 0 && s.channels * s.taps() > 0;
}

// Measured with 3 x 3, 5 x 5 and 7 x 7 taps on 8 x 8 to 400 x 400 pixels, 1 to 32 channels and filters, in both
// layouts.
bool planar_wins(const Shape& s) {
  if (!planar_fits(s) || s.batch < 8) return false;
  const Planes p(s, 16);
  return s.taps() > 1 && s.channels <= 16 && s.filters <= 16 && s.channels * s.filters <= (s.taps() >= 16 ? 128 : 16) &&
         p.pitch <= 2 * s.out[2] && (s.channels * p.plane + kPlanarFilters * p.line) * kFloat <= kForwardBytes;
}

bool planar_weight_grad_wins(const Shape& s) {
  if (!planar_fits(s)) return false;
  const Planes p(s, 16);
  return s.taps() > 1 && s.channels <= 16 && s.filters <= 16 && s.channels * s.filters <= (s.taps() >= 16 ? 128 : 96) &&
         p.pitch <= 2 * s.out[2] && (s.channels * p.plane + s.filters * p.line) * kFloat <= kGradientBytes;
}

template <class T>
void planar_convolution(const Context& context, const Shape& s, const Image& src, const Weights<T>& weights,
                        const T* bias, const Image& dst) {
  const PlanarRoutines<T>& k = kernels<T>();
  const Planes p(s, k.lanes);
  Scratch shared(context);
  const int64_t* offsets = offsets_of(s, p, shared);
  const int64_t blocks = ceil_div(s.filters, kPlanarFilters);
  T* packed = shared.get<T>(blocks * p.terms * kPlanarFilters);
  for (int64_t f = 0; f < s.filters; ++f)
    for (int64_t t = 0; t < p.terms; ++t) {
      const int64_t tap = t % s.taps();
      packed[(f / kPlanarFilters * p.terms + t) * kPlanarFilters + f % kPlanarFilters] =
          weights.data[f * weights.filter_stride + t / s.taps() * weights.channel_stride +
                       tap / s.kernel[2] * weights.tap_stride[1] + tap % s.kernel[2] * weights.tap_stride[2]];
    }
  context.parallel_for(0, s.batch, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    T* planes = scratch.get<T>(s.channels * p.plane);
    T* lines = scratch.get<T>(kPlanarFilters * p.line);
    for (int64_t n = begin; n < end; ++n) {
      copy_planes(s, p, src, n, planes);
      const Image result = dst.at(n, {0, 0, 0});
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = block * kPlanarFilters;
        const int count = static_cast<int>(std::min<int64_t>(kPlanarFilters, s.filters - first));
        k.forward(planes, offsets, p.terms, packed + first * p.terms, bias ? bias + first : nullptr, count, p.vectors,
                  lines, p.line);
        for (int f = 0; f < count; ++f) copy_line(s, p, lines + f * p.line, result, first + f);
      }
    }
  });
}

template <class T>
bool planar_weight_grad(const Context& context, const Shape& s, const Image& x, const Image& grad, T* dst) {
  const PlanarRoutines<T>& k = kernels<T>();
  const Planes p(s, k.lanes);
  Scratch scratch(context);
  const int64_t* offsets = offsets_of(s, p, scratch);
  const int64_t x_image = s.channels * p.plane, grad_image = s.filters * p.line;
  const int64_t bytes = (x_image + grad_image) * static_cast<int64_t>(sizeof(T));
  const int64_t images = std::clamp<int64_t>(kImagesBytes / bytes, 1, s.batch);
  T* planes = scratch.get<T>(images * x_image);
  T* lines = scratch.get<T>(images * grad_image);
  T* sums = scratch.get<T>(s.filters * p.terms * k.lanes);
  std::fill_n(sums, s.filters * p.terms * k.lanes, T(0));
  // A tile belongs to one thread, and its sum does not depend on the number of threads.
  constexpr int64_t kTerms = 12;
  const int64_t filter_blocks = ceil_div(s.filters, kPlanarFilters), term_blocks = ceil_div(p.terms, kTerms);
  const int64_t together = std::max<int64_t>(1, kVectorsInRegisters / p.vectors);
  for (int64_t first = 0; first < s.batch; first += images) {
    const int64_t count = std::min(images, s.batch - first);
    context.parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        copy_planes(s, p, x, first + n, planes + n * x_image);
        const Image image = grad.at(first + n, {0, 0, 0});
        for (int64_t f = 0; f < s.filters; ++f)
          copy_plane(image, f, s.out[1], s.out[2], 0, 0, s.out[1], p.pitch, p.line,
                     lines + n * grad_image + f * p.line);
      }
    });
    context.parallel_for(0, filter_blocks * term_blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = 0; n < count; n += together)
        for (int64_t tile = begin; tile < end; ++tile) {
          const int64_t f = tile / term_blocks * kPlanarFilters, t = tile % term_blocks * kTerms;
          k.weight_grad(planes + n * x_image, x_image, offsets + t, std::min(kTerms, p.terms - t),
                        lines + n * grad_image + f * p.line, grad_image, p.line,
                        static_cast<int>(std::min<int64_t>(kPlanarFilters, s.filters - f)),
                        std::min(together, count - n), p.vectors, sums + (f * p.terms + t) * k.lanes,
                        p.terms * k.lanes);
        }
    });
  }
  bool finite = true;
  for (int64_t i = 0; i < s.filters * p.terms; ++i) {
    T sum = 0;
    for (int64_t lane = 0; lane < k.lanes; ++lane) sum += sums[i * k.lanes + lane];
    dst[i] = sum;
    finite = finite && std::isfinite(sum);
  }
  return finite;
}

template FASTCNN_API void planar_convolution(const Context&, const Shape&, const Image&, const Weights<float>&,
                                             const float*, const Image&);
template FASTCNN_API void planar_convolution(const Context&, const Shape&, const Image&, const Weights<double>&,
                                             const double*, const Image&);
template FASTCNN_API bool planar_weight_grad(const Context&, const Shape&, const Image&, const Image&, float*);
template FASTCNN_API bool planar_weight_grad(const Context&, const Shape&, const Image&, const Image&, double*);

}  // namespace fastcnn::conv
