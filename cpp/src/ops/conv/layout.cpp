#include "ops/conv/layout.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/dtypes.h"
#include "ops/conv/layout_simd.h"

namespace fastcnn::conv {
namespace {

/// to[c * to_c + x * to_x] = from[c * from_c + x * from_x], in blocks that stay in the first-level cache.
template <class From, class To>
void copy_row(const From* from, int64_t from_x, int64_t from_c, To* to, int64_t to_x, int64_t to_c, int64_t width,
              int64_t channels) {
  if constexpr (std::is_same_v<From, float> && std::is_same_v<To, float>) {
    if (from_x == 1 && to_c == 1)
      return FASTCNN_SELECT(layout_kernels).transpose(from, from_c, channels, width, to, to_x);
    if (from_c == 1 && to_x == 1)
      return FASTCNN_SELECT(layout_kernels).transpose(from, from_x, width, channels, to, to_c);
  }
  constexpr int64_t kBlock = 16;
  for (int64_t x0 = 0; x0 < width; x0 += kBlock)
    for (int64_t c0 = 0; c0 < channels; c0 += kBlock)
      for (int64_t x = x0; x < std::min(x0 + kBlock, width); ++x)
        for (int64_t c = c0; c < std::min(c0 + kBlock, channels); ++c)
          to[x * to_x + c * to_c] = converted<To>(from[x * from_x + c * from_c]);
}

/// Calls row(n, z, y) in parallel.
template <class Row>
void each_row(const Context& context, int64_t batch, const int64_t (&size)[3], int64_t values_per_row, const Row& row) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, values_per_row));
  context.parallel_for(0, batch * size[0] * size[1], grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(i / (size[0] * size[1]), i / size[1] % size[0], i % size[1]);
  });
}

template <class P>
int64_t row_offset(const P& image, int64_t n, int64_t z, int64_t y) {
  return n * image.batch_stride + z * image.stride[0] + y * image.stride[1];
}

}  // namespace

Image Image::of(const TensorView& view) {
  Image image;
  image.data = static_cast<char*>(view.bytes());
  image.dtype = dtype_of(view);
  image.channels = view.shape[1];
  image.batch_stride = view.stride(0);
  image.channel_stride = view.stride(1);
  for (int32_t i = 2; i < view.ndim; ++i) image.stride[i + 3 - view.ndim] = view.stride(i);
  return image;
}

Image Image::at(int64_t n, const int64_t (&position)[3]) const {
  Image image = *this;
  int64_t offset = n * batch_stride;
  for (int i = 0; i < 3; ++i) offset += position[i] * stride[i];
  image.data += offset * static_cast<int64_t>(size_of(dtype));
  return image;
}

Image Image::phase(const int64_t (&first)[3], const int64_t (&step)[3]) const {
  Image image = at(0, first);
  for (int i = 0; i < 3; ++i) image.stride[i] *= step[i];
  return image;
}

template <class T>
void gather(const Context& context, const Image& from, int64_t batch, const int64_t (&size)[3], const Pixels<T>& to) {
  visit(FloatTypes{}, from.dtype, [&](auto tag) {
    using From = typename decltype(tag)::type;
    each_row(context, batch, size, size[2] * from.channels, [&](int64_t n, int64_t z, int64_t y) {
      copy_row(reinterpret_cast<const From*>(from.data) + row_offset(from, n, z, y), from.stride[2],
               from.channel_stride, to.data + row_offset(to, n, z, y), to.stride[2], 1, size[2], from.channels);
    });
  });
}

template <class T>
void scatter(const Context& context, const Pixels<T>& from, int64_t batch, const int64_t (&size)[3], const Image& to) {
  visit(FloatTypes{}, to.dtype, [&](auto tag) {
    using To = typename decltype(tag)::type;
    each_row(context, batch, size, size[2] * to.channels, [&](int64_t n, int64_t z, int64_t y) {
      copy_row(from.data + row_offset(from, n, z, y), from.stride[2], 1,
               reinterpret_cast<To*>(to.data) + row_offset(to, n, z, y), to.stride[2], to.channel_stride, size[2],
               to.channels);
    });
  });
}

template <class T>
void read_pixels(const Image& image, int64_t width, T* to) {
  visit(FloatTypes{}, image.dtype, [&](auto tag) {
    using From = typename decltype(tag)::type;
    const From* from = reinterpret_cast<const From*>(image.data);
    if (std::is_same_v<From, T> && image.is<T>() && image.stride[2] == image.channels)
      std::memcpy(to, from, static_cast<size_t>(width * image.channels) * sizeof(T));
    else
      copy_row(from, image.stride[2], image.channel_stride, to, image.channels, 1, width, image.channels);
  });
}

template <class T>
void write_pixels(const T* from, int64_t width, const Image& image) {
  visit(FloatTypes{}, image.dtype, [&](auto tag) {
    copy_row(from, image.channels, 1, reinterpret_cast<typename decltype(tag)::type*>(image.data), image.stride[2],
             image.channel_stride, width, image.channels);
  });
}

template void read_pixels(const Image&, int64_t, float*);
template void read_pixels(const Image&, int64_t, double*);
template void write_pixels(const float*, int64_t, const Image&);
template void write_pixels(const double*, int64_t, const Image&);
template void gather(const Context&, const Image&, int64_t, const int64_t (&)[3], const Pixels<float>&);
template void gather(const Context&, const Image&, int64_t, const int64_t (&)[3], const Pixels<double>&);
template void scatter(const Context&, const Pixels<float>&, int64_t, const int64_t (&)[3], const Image&);
template void scatter(const Context&, const Pixels<double>&, int64_t, const int64_t (&)[3], const Image&);

}  // namespace fastcnn::conv
