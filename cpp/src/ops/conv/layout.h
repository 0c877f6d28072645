// Images of any layout and dtype, and their conversion to and from dense channels-last pixels.
#pragma once

#include <type_traits>

#include "core/dtypes.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// An (N, C, D, H, W) image of any strides and dtype.
struct Image {
  char* data = nullptr;
  DType dtype = DType::undefined;
  int64_t channels = 0;
  int64_t batch_stride = 0, channel_stride = 1;
  int64_t stride[3] = {0, 0, 0};

  /// From a view of shape (N, C, spatial...).
  static Image of(const TensorView& view);
  template <class T>
  static Image of(const Pixels<T>& pixels, int64_t channels) {
    using Value = std::remove_const_t<T>;
    return {const_cast<char*>(reinterpret_cast<const char*>(pixels.data)),
            TypeToDType<Value>::value,
            channels,
            pixels.batch_stride,
            1,
            {pixels.stride[0], pixels.stride[1], pixels.stride[2]}};
  }
  /// Every step-th pixel from `first` on.
  Image phase(const int64_t (&first)[3], const int64_t (&step)[3]) const;
  Image at(int64_t n, const int64_t (&position)[3]) const;
  /// Pixels of adjacent values of type T.
  template <class T>
  bool is() const {
    return dtype == TypeToDType<T>::value && (channel_stride == 1 || channels == 1);
  }

  /// Rows of adjacent values of type T, a plane for each channel.
  template <class T>
  bool in_planes() const {
    return dtype == TypeToDType<T>::value && stride[2] == 1 && (channels == 1 || channel_stride != 1);
  }

  template <class T>
  Pixels<T> pixels() const {
    Pixels<T> p;
    p.data = reinterpret_cast<T*>(data);
    p.batch_stride = batch_stride;
    for (int i = 0; i < 3; ++i) p.stride[i] = stride[i];
    return p;
  }
};

/// The problem of one part on the original images. The channel vectors of the epilogue already have type T.
template <class T>
struct Request {
  Shape shape;
  Image src, dst, residual;  ///< residual.data may be null
  const T* input_scale = nullptr;
  Epilogue<T> epilogue;
};

/// Dense pixels with this number of channels.
template <class T>
Pixels<T> dense_pixels(T* data, const int64_t (&size)[3], int64_t channels) {
  Pixels<T> p;
  p.data = data;
  p.stride[2] = channels;
  p.stride[1] = size[2] * channels;
  p.stride[0] = size[1] * p.stride[1];
  p.batch_stride = size[0] * p.stride[0];
  return p;
}

/// Copies `batch` images of `size` pixels, converting dtype and layout.
template <class T>
void gather(const Context& context, const Image& from, int64_t batch, const int64_t (&size)[3], const Pixels<T>& to);
/// The pixels in place, or a copy in scratch memory if their layout or dtype differs.
template <class T>
Pixels<const T> staged_pixels(const Context& context, const Image& image, int64_t batch, const int64_t (&size)[3],
                              Scratch& scratch) {
  if (image.is<T>()) return image.pixels<const T>();
  const Pixels<T> copy =
      dense_pixels(scratch.get<T>(batch * size[0] * size[1] * size[2] * image.channels), size, image.channels);
  gather(context, image, batch, size, copy);
  return {copy.data, copy.batch_stride, {copy.stride[0], copy.stride[1], copy.stride[2]}};
}
template <class T>
void scatter(const Context& context, const Pixels<T>& from, int64_t batch, const int64_t (&size)[3], const Image& to);

/// Copy adjacent pixels of a row, from where `image` starts, to or from dense ones.
template <class T>
void read_pixels(const Image& image, int64_t width, T* to);
template <class T>
void write_pixels(const T* from, int64_t width, const Image& image);

}  // namespace fastcnn::conv
