// Convolutions of few channels, such as a network's first layer: the sum is short, so that the work around it decides.
//
// A thread copies each row of the input once to a buffer, with zeros beside the image, whatever its layout. Then no
// pixel is special, and register tiles of constant size (few_channels_simd.inl) follow one another. If the result is
// channels last, the buffer has the channels side by side; if it is in planes, a line for each channel and remainder of
// the column by the stride. Results of other dtypes or layouts are converted chunk by chunk, while they are in cache.
#include <algorithm>

#include "ops/conv/algorithm.h"
#include "ops/conv/few_channels_simd.h"
#include "ops/conv/layout.h"
#include "ops/conv/lines_simd.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kMaxTerms = 256;  // of one sum, which limits the rounding error
constexpr int64_t kMaxStride = 8;
constexpr int64_t kMaxColumns = 1024;             // under the kernel
constexpr int64_t kStretch = 10 * kFewPixels;     // pixels of a row that are computed at a time
constexpr int64_t kRingBytes = int64_t{1} << 18;  // rows that are kept for later rows

template <class T>
const FewRoutines<T>& kernels() {
  return in_type<T>(FASTCNN_SELECT(few_channels_kernels));
}
template <class T>
const LineRoutines<T>& line_routines() {
  return in_type<T>(FASTCNN_SELECT(line_kernels));
}

int64_t pitch_of(const Shape& s) { return ceil_div(s.filters, kFewFilters) * kFewFilters; }

template <class T>
int64_t packed_size(const Shape& s) {
  return s.channels * s.taps() * pitch_of(s);
}

template <class T>
void pack(const Context&, const Shape& s, const Weights<T>& w, T* packed) {
  const int64_t pitch = pitch_of(s), plane = s.kernel[1] * s.kernel[2];
  std::fill_n(packed, packed_size<T>(s), T(0));
  for (int64_t term = 0; term < s.channels * s.taps(); ++term) {
    const int64_t tap = term / s.channels;
    const T* from = w.data + term % s.channels * w.channel_stride + tap / plane * w.tap_stride[0] +
                    tap / s.kernel[2] % s.kernel[1] * w.tap_stride[1] + tap % s.kernel[2] * w.tap_stride[2];
    for (int64_t f = 0; f < s.filters; ++f) packed[term * pitch + f] = from[f * w.filter_stride];
  }
}

/// One thread's rows.
template <class T>
class Rows {
 public:
  Rows(const Context& context, const Request<T>& request, const T* packed)
      : r_(request), s_(request.shape), epilogue_(request.epilogue), packed_(packed), scratch_(context) {
    epilogue_.residual = request.residual.template pixels<const T>();  // tells the kernel that there is one
    extent_ = (s_.kernel[2] - 1) * s_.dilation[2] + 1;
    pixels_ = std::min(kStretch, s_.out[2]);
    const int64_t whole = ceil_div(pixels_, kFewPixels) * kFewPixels;
    planes_ = r_.dst.template in_planes<T>() && (!r_.residual.data || r_.residual.template in_planes<T>());
    line_ = whole + extent_ / s_.stride[2] + 1;
    row_ = planes_ ? s_.channels * s_.stride[2] * line_ : ((whole - 1) * s_.stride[2] + extent_) * s_.channels;
    const int64_t rows = (s_.kernel[1] - 1) * s_.dilation[1] + 1;
    ring_ = s_.kernel[0] == 1 && rows <= std::max<int64_t>(s_.kernel[1], kRingBytes / (row_ * kBytes));
    slots_ = ring_ ? rows : s_.kernel[0] * s_.kernel[1];
    buffer_ = scratch_.template get<T>(slots_ * row_);
    std::fill_n(buffer_, slots_ * row_, T(0));  // behind the row too: subnormal numbers there would be slow
    held_ = scratch_.template get<int64_t>(slots_);
    runs_ = scratch_.template get<FewRun<T>>(s_.taps() * s_.channels);
    if (planes_) {
      if (r_.src.dtype != TypeToDType<T>::value)
        pixels_of_row_ = scratch_.template get<T>(((whole - 1) * s_.stride[2] + extent_) * s_.channels);
      return;
    }
    if (!r_.dst.template is<T>()) result_ = scratch_.template get<T>(kFewPixels * s_.filters);
    if (r_.residual.data && !r_.residual.template is<T>())
      residual_ = scratch_.template get<T>(kFewPixels * s_.filters);
  }

  /// Rows of stretches: the rows of one stretch follow one another.
  void run(int64_t begin, int64_t end) {
    const int64_t rows = s_.out[0] * s_.out[1];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t stretch = i / rows;
      if (stretch != stretch_) {
        stretch_ = stretch;
        n_ = stretch / stretches(s_);
        x_ = stretch % stretches(s_) * kStretch;
        std::fill_n(held_, slots_, int64_t{-1});
        if (planes_ && stretches(s_) > 1) std::fill_n(buffer_, slots_ * row_, T(0));
      }
      row(i % rows / s_.out[1], i % s_.out[1]);
    }
  }
  static int64_t stretches(const Shape& s) { return ceil_div(s.out[2], kStretch); }

 private:
  static constexpr int64_t kBytes = static_cast<int64_t>(sizeof(T));

  void row(int64_t z, int64_t y) {
    FewChunk<T> chunk = {};
    chunk.runs = runs_;
    for (int64_t j = 0; j < s_.kernel[0] * s_.kernel[1]; ++j) {
      const int64_t from_z = z * s_.stride[0] - s_.pad[0] + j / s_.kernel[1] * s_.dilation[0];
      const int64_t from_y = y * s_.stride[1] - s_.pad[1] + j % s_.kernel[1] * s_.dilation[1];
      if (from_z < 0 || from_z >= s_.in[0] || from_y < 0 || from_y >= s_.in[1]) continue;
      chunk.num_runs = add_runs(fetch(from_z, from_y, j), j, chunk.num_runs);
    }
    chunk.step = planes_ ? 1 : s_.stride[2] * s_.channels;
    chunk.filters = s_.filters;
    chunk.pitch = pitch_of(s_);
    chunk.epilogue = &epilogue_;
    chunk.scale = r_.epilogue.scale ? r_.epilogue.scale + n_ * s_.filters : nullptr;
    const int64_t end = std::min(s_.out[2], x_ + kStretch);
    for (int64_t x = x_; x < end; x += kFewPixels) {
      chunk.pixels = std::min(kFewPixels, end - x);
      const Image dst = r_.dst.at(n_, {z, y, x});
      const auto stride = [&](const Image& image) { return planes_ ? image.channel_stride : image.stride[2]; };
      chunk.dst = result_ ? result_ : reinterpret_cast<T*>(dst.data);
      chunk.dst_stride = result_ ? s_.filters : stride(dst);
      if (r_.residual.data) {
        const Image residual = r_.residual.at(n_, {z, y, x});
        if (residual_) read_pixels(residual, chunk.pixels, residual_);
        chunk.residual = residual_ ? residual_ : reinterpret_cast<const T*>(residual.data);
        chunk.residual_stride = residual_ ? s_.filters : stride(residual);
      }
      (planes_ ? kernels<T>().planes : kernels<T>().pixels)(chunk);
      if (result_) write_pixels(result_, chunk.pixels, dst);
      for (int64_t i = 0; i < chunk.num_runs; ++i) runs_[i].src += kFewPixels * chunk.step;
    }
  }

  /// Appends the terms of the kernel's row j, in the order of the packed weights.
  int64_t add_runs(const T* held, int64_t j, int64_t count) {
    const int64_t c = s_.channels, pitch = pitch_of(s_), step = s_.stride[2];
    const T* weights = packed_ + j * s_.kernel[2] * c * pitch;
    if (!planes_ && s_.dilation[2] == 1) {
      runs_[count++] = {held, weights, s_.kernel[2] * c};
      return count;
    }
    for (int64_t k = 0; k < s_.kernel[2]; ++k) {
      const int64_t column = k * s_.dilation[2];
      if (!planes_) {
        runs_[count++] = {held + column * c, weights + k * c * pitch, c};
        continue;
      }
      for (int64_t i = 0; i < c; ++i)
        runs_[count++] = {held + (i * step + column % step) * line_ + column / step, weights + (k * c + i) * pitch, 1};
    }
    return count;
  }

  /// The row of the input under the stretch.
  const T* fetch(int64_t z, int64_t y, int64_t j) {
    const int64_t slot = ring_ ? y % slots_ : j, id = z * s_.in[1] + y;
    T* to = buffer_ + slot * row_;
    if (held_[slot] == id) return to;
    held_[slot] = id;
    const int64_t c = s_.channels, left = x_ * s_.stride[2] - s_.pad[2];
    const int64_t columns = (std::min(pixels_, s_.out[2] - x_) - 1) * s_.stride[2] + extent_;
    // Columns [first, last) lie inside the image.
    const int64_t first = std::clamp<int64_t>(-left, 0, columns);
    const int64_t last = std::clamp<int64_t>(s_.in[2] - left, first, columns);
    const T* scale = r_.input_scale ? r_.input_scale + n_ * c : nullptr;
    if (!planes_) {
      std::fill_n(to, first * c, T(0));
      std::fill_n(to + last * c, (columns - last) * c, T(0));
    }
    if (last == first) return to;
    const Image from = r_.src.at(n_, {z, y, left + first});
    if (planes_) {
      fill_planes(from, scale, first, last, to);
      return to;
    }
    read_pixels(from, last - first, to + first * c);
    if (scale)
      for (int64_t i = first; i < last; ++i)
        for (int64_t k = 0; k < c; ++k) to[i * c + k] *= scale[k];
    return to;
  }

  /// Columns [first, last), `from` being the first. All else is zero already.
  void fill_planes(const Image& from, const T* scale, int64_t first, int64_t last, T* to) {
    const int64_t c = s_.channels, step = s_.stride[2];
    if (pixels_of_row_) read_pixels(from, last - first, pixels_of_row_);
    for (int64_t i = 0; i < c; ++i, to += step * line_) {
      const T* values =
          pixels_of_row_ ? pixels_of_row_ + i : reinterpret_cast<const T*>(from.data) + i * from.channel_stride;
      const int64_t stride = pixels_of_row_ ? c : from.stride[2];
      if (step == 1)
        for (int64_t q = first; q < last; ++q) to[q] = values[(q - first) * stride];
      else
        line_routines<T>().deal(values, stride, 1, step, first, last, to, line_);
      if (scale)
        for (int64_t q = first; q < last; ++q) to[q % step * line_ + q / step] *= scale[i];  // not the padding
    }
  }

  const Request<T>& r_;
  const Shape& s_;
  Epilogue<T> epilogue_;
  const T* packed_;
  Scratch scratch_;
  int64_t extent_;        // columns under the kernel
  int64_t pixels_, row_;  // of a stretch; values of a row in the buffer
  bool ring_;             // a row is at its number modulo the slots
  int64_t slots_;
  T* buffer_;
  int64_t* held_;  // the row of the input in each slot
  FewRun<T>* runs_;
  bool planes_;   // the result is in planes
  int64_t line_;  // values of a channel's columns with the same remainder
  T *pixels_of_row_ = nullptr, *result_ = nullptr, *residual_ = nullptr;
  int64_t stretch_ = -1, n_ = 0, x_ = 0;
};

template <class T>
void run_any(const Context& context, const Request<T>& request, const T* packed) {
  const Shape& s = request.shape;
  context.parallel_for(0, s.batch * Rows<T>::stretches(s) * s.out[0] * s.out[1], 1,
                       [&](int64_t begin, int64_t end) { Rows<T>(context, request, packed).run(begin, end); });
}

template <class T>
void run(const Context& context, const WorkItem<T>& work, const T* packed) {
  const int64_t channels = work.shape.channels, filters = work.shape.filters;
  run_any(context,
          Request<T>{work.shape, Image::of(work.src, channels), Image::of(work.dst, filters),
                     Image::of(work.epilogue.residual, filters), work.input_scale, work.epilogue},
          packed);
}

template <class T>
Routines<T> routines() {
  return {packed_size<T>, pack<T>, run<T>, run_any<T>};
}

bool fits(const Shape& s) {
  return s.groups == 1 && s.channels * s.taps() <= kMaxTerms && s.stride[2] <= kMaxStride &&
         (s.kernel[2] - 1) * s.dilation[2] < kMaxColumns;
}

}  // namespace

const Algorithm kFewChannels = {"few_channels", fits,
                                [](const Shape& s, int) { return s.channels <= 4 && s.taps() > 1; }, routines<float>(),
                                routines<double>()};

}  // namespace fastcnn::conv
