#include "core/image_batch.h"

namespace fastcnn {

void check_spatial_dims(int spatial_dims, const char* op) {
  FASTCNN_CHECK(spatial_dims == 2 || spatial_dims == 3, op, ": expected spatial_dims 2 or 3, got ", spatial_dims);
}

BatchShape::BatchShape(const TensorView& view, int spatial_dims, const char* op, const char* argument) {
  check_spatial_dims(spatial_dims, op);
  FASTCNN_CHECK_TYPE(view.device.type == kCpu, op, ": expected ", argument, " on the CPU");
  FASTCNN_CHECK(view.ndim >= spatial_dims, op, ": expected ", argument, " of shape ",
                spatial_dims == 2 ? "(..., H, W)" : "(..., D, H, W)", ", got ", shape_text(view));
  const int first = view.ndim - spatial_dims;
  for (int i = 0; i < first; ++i) count *= view.shape[i];
  if (spatial_dims == 3) extent.depth = view.shape[first];
  extent.height = view.shape[view.ndim - 2];
  extent.width = view.shape[view.ndim - 1];
  if (extent.size() == 0) count = 0;  // nothing to do
}

void check_same_shape(const TensorView& expected, const TensorView& got, const char* op, const char* argument) {
  bool same = expected.ndim == got.ndim;
  for (int i = 0; same && i < got.ndim; ++i) same = expected.shape[i] == got.shape[i];
  FASTCNN_CHECK(same, op, ": expected ", argument, " of shape ", shape_text(expected), ", got ", shape_text(got));
}

void check_dtype(const TensorView& view, DType dtype, const char* op, const char* argument) {
  FASTCNN_CHECK_TYPE(dtype_of(view) == dtype, op, ": expected ", argument, " of dtype ", name_of(dtype), ", got ",
                     name_of(dtype_of(view)));
}

void check_output(const TensorView& view, DType dtype, const char* op, const char* argument) {
  check_dtype(view, dtype, op, argument);
  FASTCNN_CHECK_TYPE(view.device.type == kCpu, op, ": expected ", argument, " on the CPU");
  FASTCNN_CHECK(is_dense(view), op, ": expected ", argument, " to be dense");
}

ImageSource::ImageSource(const TensorView& view, int spatial_dims)
    : view_(view), spatial_dims_(spatial_dims), size_(1), dense_(is_dense(view)) {
  for (int i = view.ndim - spatial_dims; i < view.ndim; ++i) size_ *= view.shape[i];
}

namespace {
template <class T>
void pack_rows(const T* src, T* dst, const int64_t* shape, const int64_t* strides) {
  for (int64_t z = 0; z < shape[0]; ++z)
    for (int64_t y = 0; y < shape[1]; ++y) {
      const T* row = src + z * strides[0] + y * strides[1];
      if (strides[2] == 1) {
        std::memcpy(dst, row, static_cast<size_t>(shape[2]) * sizeof(T));
      } else {
        for (int64_t x = 0; x < shape[2]; ++x) dst[x] = row[x * strides[2]];
      }
      dst += shape[2];
    }
}
}  // namespace

void ImageSource::pack(int64_t i, void* dst) const {
  const int first = view_.ndim - spatial_dims_;
  int64_t offset = 0;
  for (int d = first - 1; d >= 0; --d) {
    offset += (i % view_.shape[d]) * view_.stride(d);
    i /= view_.shape[d];
  }
  const bool volume = spatial_dims_ == 3;
  const int64_t shape[3] = {volume ? view_.shape[first] : 1, view_.shape[view_.ndim - 2], view_.shape[view_.ndim - 1]};
  const int64_t strides[3] = {volume ? view_.stride(first) : 0, view_.stride(view_.ndim - 2),
                              view_.stride(view_.ndim - 1)};
  switch (view_.dtype.bits) {
    case 8: return pack_rows(view_.as<uint8_t>() + offset, static_cast<uint8_t*>(dst), shape, strides);
    case 16: return pack_rows(view_.as<uint16_t>() + offset, static_cast<uint16_t*>(dst), shape, strides);
    case 32: return pack_rows(view_.as<uint32_t>() + offset, static_cast<uint32_t*>(dst), shape, strides);
    default: return pack_rows(view_.as<uint64_t>() + offset, static_cast<uint64_t*>(dst), shape, strides);
  }
}

}  // namespace fastcnn
