// Batches of images: (..., H, W) with spatial_dims = 2, (..., D, H, W) with 3. A 2-D image is a volume of depth 1.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fastcnn {

struct Extent {
  int64_t depth = 1, height = 0, width = 0;
  int64_t size() const { return depth * height * width; }
  bool operator==(const Extent& o) const { return depth == o.depth && height == o.height && width == o.width; }
};

/// The batch and its images' extent. Checks the number of dimensions, and that the view lies on the CPU.
struct BatchShape {
  BatchShape(const TensorView& view, int spatial_dims, const char* op, const char* argument);
  int64_t count = 1;
  Extent extent;
};

void check_spatial_dims(int spatial_dims, const char* op);
void check_same_shape(const TensorView& expected, const TensorView& got, const char* op, const char* argument);
void check_dtype(const TensorView& view, DType dtype, const char* op, const char* argument);
/// Checks for a result as the bindings allocate it: dense, on the CPU, of this dtype.
void check_output(const TensorView& view, DType dtype, const char* op, const char* argument);

/// Reads the images of a batch with any strides as dense images: in place if they are dense, otherwise packed into
/// scratch memory one at a time.
class ImageSource {
 public:
  ImageSource(const TensorView& view, int spatial_dims);
  template <class T>
  const T* image(int64_t i, Scratch& scratch) const {
    if (dense_) return view_.as<T>() + i * size_;
    T* packed = scratch.get<T>(size_);
    pack(i, packed);
    return packed;
  }

 private:
  void pack(int64_t i, void* dst) const;
  TensorView view_;
  int spatial_dims_;
  int64_t size_;
  bool dense_;
};

/// The host, or a serial one if there is too little work to justify waking threads.
inline const Context& worth_threads(const Context& context, int64_t pixels, int64_t minimum) {
  return pixels < minimum ? serial_context() : context;
}

/// Calls body(context, i) for every image. If there are at least as many images as threads, each thread takes whole
/// images and `context` is serial. Otherwise images are processed one after the other with all threads.
template <class F>
void for_each_image(const Context& context, int64_t count, const F& body) {
  if (count > 1 && count >= context.num_threads()) {
    std::atomic<int64_t> next{0};
    context.parallel_for(0, context.num_threads(), 1, [&](int64_t, int64_t) {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(serial_context(), i);
    });
  } else {
    for (int64_t i = 0; i < count; ++i) body(context, i);
  }
}

}  // namespace fastcnn
