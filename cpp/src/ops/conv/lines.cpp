#include "ops/conv/lines.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/conv/grouped_simd.h"
#include "ops/conv/lines_simd.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kRingBytes = int64_t{256} << 10;  // lines that are kept for later rows
constexpr int64_t kMaxColumns = int64_t{1} << 20;   // between a kernel's first column and its last

template <class T>
const LineRoutines<T>& kernels() {
  return in_type<T>(FASTCNN_SELECT(line_kernels));
}

bool lines_fit(const Shape& s) {
  return s.channels == 1 && s.filters == 1 && s.stride[2] <= 4 && (s.kernel[2] - 1) * s.dilation[2] < kMaxColumns;
}

/// One thread's rows.
template <class T>
class Rows {
 public:
  Rows(const Context& context, const LineWork<T>& lines, const T* packed)
      : l_(lines), s_(lines.work.shape), packed_(packed), scratch_(context) {
    columns_ = (s_.out[2] - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2] + 1;
    pitch_ = (ceil_div(columns_, s_.stride[2]) * s_.groups + kLineSlack + 15) / 16 * 16;
    line_ = pitch_ * std::min(s_.stride[2], columns_);
    const int64_t extent = (s_.kernel[1] - 1) * s_.dilation[1] + 1, bytes = line_ * static_cast<int64_t>(sizeof(T));
    ring_ = s_.kernel[0] == 1 && extent <= std::max<int64_t>(s_.kernel[1], kRingBytes / bytes);
    slots_ = ring_ ? extent : s_.kernel[0] * s_.kernel[1];
    buffer_ = scratch_.template get<T>(slots_ * line_);
    std::fill_n(buffer_, slots_ * line_, T(0));  // the slack too: subnormal numbers there would be slow
    held_ = scratch_.template get<int64_t>(slots_);
    period_ = static_cast<int>(s_.groups / std::gcd(s_.groups, kernels<T>().lanes));
    pattern_ = period_ * kernels<T>().lanes;
    weights_ = scratch_.template get<T>(s_.taps() * pattern_);
    factor_ = scratch_.template get<T>(pattern_);
    bias_ = scratch_.template get<T>(pattern_);
    src_ = scratch_.template get<const T*>(s_.taps());
    used_ = scratch_.template get<const T*>(s_.taps());
    length_ = s_.out[2] * s_.groups;
    const Epilogue<T>& e = lines.work.epilogue;
    if (lines.work.dst.stride[2] != s_.groups) result_ = scratch_.template get<T>(length_);
    if (e.residual.data && e.residual.stride[2] != s_.groups) residual_ = scratch_.template get<T>(length_);
    if (e.scale) scale_ = scratch_.template get<T>(length_);
  }

  void run(int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t y = i % s_.out[1], z = i / s_.out[1] % s_.out[0], image = i / (s_.out[1] * s_.out[0]);
      if (image != image_) enter(image);
      row(z, y);
    }
  }

 private:
  void enter(int64_t image) {
    image_ = image;
    n_ = image / l_.planes, plane_ = image % l_.planes;
    std::fill_n(held_, slots_, int64_t{-1});
    const Epilogue<T>& e = l_.work.epilogue;
    const int64_t all = s_.groups * l_.planes, first = plane_ * s_.groups;
    const T* input_scale = l_.work.input_scale ? l_.work.input_scale + n_ * all : nullptr;
    for (int64_t i = 0; i < pattern_; ++i) {
      const int64_t c = first + i % s_.groups;
      const T* w = packed_ + c / kGroupedBlock * kGroupedBlock * s_.taps() + c % kGroupedBlock;
      for (int64_t tap = 0; tap < s_.taps(); ++tap) weights_[tap * pattern_ + i] = w[tap * kGroupedBlock];
      factor_[i] = input_scale ? input_scale[c] : T(1);
      bias_[i] = e.bias ? e.bias[c] : T(0);
    }
    if (e.scale)
      for (int64_t i = 0; i < length_; ++i) scale_[i] = e.scale[n_ * all + first + i % s_.groups];
  }

  void row(int64_t z, int64_t y) {
    Line<T> line = {};
    for (int64_t j = 0; j < s_.kernel[0] * s_.kernel[1]; ++j) {
      const int64_t from_z = z * s_.stride[0] - s_.pad[0] + j / s_.kernel[1] * s_.dilation[0];
      const int64_t from_y = y * s_.stride[1] - s_.pad[1] + j % s_.kernel[1] * s_.dilation[1];
      if (from_z < 0 || from_z >= s_.in[0] || from_y < 0 || from_y >= s_.in[1]) continue;
      const T* held = fetch(from_z, from_y, j);
      for (int64_t k = 0; k < s_.kernel[2]; ++k) {
        const int64_t column = k * s_.dilation[2], first = column - s_.pad[2];
        if (first >= s_.in[2] || first + (s_.out[2] - 1) * s_.stride[2] < 0) continue;  // in the padding
        src_[line.terms] = held + column % s_.stride[2] * pitch_ + column / s_.stride[2] * s_.groups;
        used_[line.terms++] = weights_ + (j * s_.kernel[2] + k) * pattern_;
      }
    }
    const auto place = [&](const auto& pixels, int64_t plane) {
      return pixels.data + n_ * pixels.batch_stride + plane_ * plane + z * pixels.stride[0] + y * pixels.stride[1];
    };
    const Epilogue<T>& e = l_.work.epilogue;
    T* dst = place(l_.work.dst, l_.dst_plane);
    line.src = src_, line.weights = used_, line.factor = factor_, line.bias = bias_, line.period = period_,
    line.length = length_;
    line.dst = result_ ? result_ : dst;
    line.epilogue = &e;
    line.scale = scale_;
    if (e.residual.data) {
      line.residual = place(e.residual, l_.residual_plane);
      if (residual_) {
        copy(line.residual, e.residual.stride[2], residual_, s_.groups, s_.out[2]);
        line.residual = residual_;
      }
    }
    kernels<T>().line(line);
    if (result_) copy(result_, s_.groups, dst, l_.work.dst.stride[2], s_.out[2]);
  }

  void copy(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t pixels) const {
    for (int64_t i = 0; i < pixels; ++i, from += from_stride, to += to_stride) std::copy_n(from, s_.groups, to);
  }

  /// The row of the input as lines, one for each remainder of its padded columns by the stride. What lies outside the
  /// image stays zero, as the columns inside are the same for all rows.
  const T* fetch(int64_t z, int64_t y, int64_t j) {
    const int64_t slot = ring_ ? y % slots_ : j;
    T* to = buffer_ + slot * line_;
    const int64_t row = z * s_.in[1] + y;
    if (held_[slot] == row) return to;
    held_[slot] = row;
    const Pixels<const T>& src = l_.work.src;
    const T* from = src.data + n_ * src.batch_stride + plane_ * l_.src_plane + z * src.stride[0] + y * src.stride[1];
    const int64_t c = s_.groups, step = s_.stride[2];
    // Padded columns [first, last) lie inside the image.
    const int64_t first = std::clamp<int64_t>(s_.pad[2], 0, columns_);
    const int64_t last = std::clamp<int64_t>(s_.in[2] + s_.pad[2], first, columns_);
    if (last > first) from += (first - s_.pad[2]) * src.stride[2];
    if (step == 1) {
      if (src.stride[2] == c)
        std::copy_n(from, (last - first) * c, to + first * c);
      else
        copy(from, src.stride[2], to + first * c, c, last - first);
      return to;
    }
    kernels<T>().deal(from, src.stride[2], c, step, first, last, to, pitch_);
    return to;
  }

  const LineWork<T>& l_;
  const Shape& s_;
  const T* packed_;
  Scratch scratch_;
  int64_t columns_, pitch_, line_;  // padded columns under a row of the result; a remainder's line; all lines of a row
  bool ring_;                       // a row's lines are at its number modulo the slots
  int64_t slots_;
  T* buffer_;
  int64_t* held_;  // the row of the input in each slot
  int period_;
  int64_t pattern_;
  T *weights_, *factor_, *bias_;
  const T **src_, **used_;
  int64_t length_;
  T *result_ = nullptr, *residual_ = nullptr, *scale_ = nullptr;
  int64_t image_ = -1, n_ = 0, plane_ = 0;
};

}  // namespace

// Measured with 1 to 480 channels, 3 x 3 to 1 x 61 taps, strides 1 and 2 on 14 x 14 to 512 x 512 pixels (Zen 3). Eight
// channels fill a vector of AVX2, and short kernels have a tile of their own (grouped_simd.inl).
bool lines_win(const Shape& s) {
  return lines_fit(s) && s.groups < kGroupedBlock && (s.groups != 8 || s.kernel[2] > 7);
}
static bool planes_win(const Shape& s) {
  return lines_fit(s) && s.out[2] >= 16 &&
         (s.groups < 4 || (s.groups < kGroupedBlock && s.stride[2] <= 2 && s.out[2] >= 64));
}

template <class T>
void run_lines(const Context& context, const LineWork<T>& lines, const T* packed) {
  const Shape& s = lines.work.shape;
  context.parallel_for(0, s.batch * lines.planes * s.out[0] * s.out[1], 1,
                       [&](int64_t begin, int64_t end) { Rows<T>(context, lines, packed).run(begin, end); });
}

template <class T>
bool run_planes(const Context& context, const Request<T>& request, const T* packed) {
  const auto in_planes = [](const Image& image) { return image.in_planes<T>(); };
  if (!planes_win(request.shape) || !in_planes(request.src) || !in_planes(request.dst) ||
      (request.residual.data && !in_planes(request.residual)))
    return false;
  LineWork<T> lines;
  lines.work.shape = request.shape;
  lines.work.shape.groups = 1;
  lines.work.src = request.src.template pixels<const T>();
  lines.work.dst = request.dst.template pixels<T>();
  lines.work.input_scale = request.input_scale;
  lines.work.epilogue = request.epilogue;
  lines.work.epilogue.residual = request.residual.template pixels<const T>();
  lines.planes = request.shape.groups;
  lines.src_plane = request.src.channel_stride;
  lines.dst_plane = request.dst.channel_stride;
  lines.residual_plane = request.residual.channel_stride;
  run_lines(context, lines, packed);
  return true;
}

template bool run_planes(const Context&, const Request<float>&, const float*);
template bool run_planes(const Context&, const Request<double>&, const double*);
template void run_lines(const Context&, const LineWork<float>&, const float*);
template void run_lines(const Context&, const LineWork<double>&, const double*);

}  // namespace fastcnn::conv
