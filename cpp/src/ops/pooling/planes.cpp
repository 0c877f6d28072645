#include "ops/pooling/planes.h"

#include <cstring>

#include "fastcnn/error.h"

namespace fastcnn {

bool is_channels_last(const TensorView& view, int rank) {
  if (view.ndim != rank + 2) return false;
  int64_t shape[5], strides[5];
  for (int i = 0; i < view.ndim; ++i) {
    const int from = i == 0 ? 0 : i == view.ndim - 1 ? 1 : i + 1;
    shape[i] = view.shape[from];
    strides[i] = view.stride(from);
  }
  TensorView permuted = view;
  permuted.shape = shape;
  permuted.strides = strides;
  return is_dense(permuted);
}

PoolLayout::PoolLayout(const TensorView& dst, std::initializer_list<const TensorView*> sources, int rank,
                       const char* op) {
  const bool last = is_channels_last(dst, rank), planar = is_dense(dst);
  FASTCNN_CHECK(last || planar, op, ": expected result to be dense or channels_last");
  const TensorView& source = **sources.begin();
  channels_last = last && (!planar || (is_channels_last(source, rank) && !is_dense(source)));
  const int first = dst.ndim - rank;
  for (int i = 0; i < first; ++i) planes *= dst.shape[i];
  if (channels_last) {
    inner = dst.shape[1];
    planes = dst.shape[0];
  }
}

namespace {
/// The distance between pixels if their channels are adjacent and their rows contiguous; otherwise 0.
int64_t pixel_pitch(const TensorView& view, int rank) {
  if (view.shape[1] > 1 && view.stride(1) != 1) return 0;
  int64_t pitch = 0, next = 0;
  for (int d = view.ndim - 1; d >= view.ndim - rank; --d) {
    if (view.shape[d] == 1) continue;
    if (view.stride(d) == 0) return 0;  // expanded
    if (pitch == 0)
      pitch = view.stride(d), next = pitch;
    else if (view.stride(d) != next)
      return 0;
    next *= view.shape[d];
  }
  return pitch == 0 ? view.shape[1] : pitch;
}
}  // namespace

PlaneSource::PlaneSource(const TensorView& view, int rank, const PoolLayout& layout, bool pitched)
    : view_(view),
      rank_(rank),
      channels_last_(layout.channels_last),
      dense_(layout.channels_last ? is_channels_last(view, rank) : is_dense(view)),
      item_(view.dtype.bits / 8) {
  for (int i = view.ndim - rank; i < view.ndim; ++i) size_ *= view.shape[i];
  if (channels_last_) size_ *= view.shape[1];
  in_place_ = dense_;
  distance_ = size_;
  pitch_ = layout.inner;
  if (!pitched || dense_ || !channels_last_) return;
  if (const int64_t pitch = pixel_pitch(view, rank); pitch >= view.shape[1]) {
    in_place_ = true;
    distance_ = view.stride(0);
    pitch_ = pitch;
  }
}

namespace {
template <class T>
void pack(const T* src, T* dst, const int64_t* shape, const int64_t* strides) {
  for (int64_t z = 0; z < shape[0]; ++z)
    for (int64_t y = 0; y < shape[1]; ++y)
      for (int64_t x = 0; x < shape[2]; ++x) {
        const T* from = src + z * strides[0] + y * strides[1] + x * strides[2];
        if (strides[3] == 1)
          std::memcpy(dst, from, static_cast<size_t>(shape[3]) * sizeof(T));
        else
          for (int64_t c = 0; c < shape[3]; ++c) dst[c] = from[c * strides[3]];
        dst += shape[3];
      }
}
}  // namespace

const void* PlaneSource::packed(int64_t i, Scratch& scratch) const {
  char* dst = scratch.get<char>(size_ * item_);
  // The innermost axis is the last one: x, or the channels.
  int64_t shape[4] = {1, 1, 1, 1}, strides[4] = {0, 0, 0, 0};
  int at = 4;
  if (channels_last_) {
    shape[--at] = view_.shape[1];
    strides[at] = view_.stride(1);
  }
  for (int d = view_.ndim - 1; d >= view_.ndim - rank_; --d) {
    shape[--at] = view_.shape[d];
    strides[at] = view_.stride(d);
  }
  int64_t offset = 0;
  for (int d = channels_last_ ? 0 : view_.ndim - rank_ - 1; d >= 0; --d) {
    offset += i % view_.shape[d] * view_.stride(d);
    i /= view_.shape[d];
  }
  switch (item_) {
    case 1: pack(view_.as<uint8_t>() + offset, reinterpret_cast<uint8_t*>(dst), shape, strides); break;
    case 2: pack(view_.as<uint16_t>() + offset, reinterpret_cast<uint16_t*>(dst), shape, strides); break;
    case 4: pack(view_.as<uint32_t>() + offset, reinterpret_cast<uint32_t*>(dst), shape, strides); break;
    default: pack(view_.as<uint64_t>() + offset, reinterpret_cast<uint64_t*>(dst), shape, strides);
  }
  return dst;
}

}  // namespace fastcnn
