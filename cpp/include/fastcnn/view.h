// A non-owning tensor view, laid out like DLPack's DLTensor so that one converts into the other for free.
// https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "fastcnn/version.h"

namespace fastcnn {

struct Device {
  int32_t type = 1;  ///< DLDeviceType: 1 CPU, 2 CUDA
  int32_t id = 0;
};
inline constexpr int32_t kCpu = 1;
inline constexpr int32_t kCuda = 2;

/// DLDataType: code 0 signed integer, 1 unsigned integer, 2 float, 4 bfloat, 5 complex, 6 bool, from 7 on 8-bit floats.
struct DataType {
  uint8_t code = 0;
  uint8_t bits = 0;
  uint16_t lanes = 1;
};

/// The dtypes that kernels support. `undefined` stands for all others. Tables are in this order: append only.
enum class DType : uint8_t {
  undefined,
  boolean,
  uint8,
  uint16,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
  int8,
  uint32,
  uint64,
};

struct TensorView {
  void* data = nullptr;
  Device device;
  int32_t ndim = 0;
  DataType dtype;
  const int64_t* shape = nullptr;
  const int64_t* strides = nullptr;  ///< in elements; null means dense in C order
  uint64_t byte_offset = 0;

  int64_t numel() const {
    int64_t n = 1;
    for (int32_t i = 0; i < ndim; ++i) n *= shape[i];
    return n;
  }
  int64_t stride(int32_t dim) const {
    if (strides) return strides[dim];
    int64_t s = 1;
    for (int32_t i = ndim - 1; i > dim; --i) s *= shape[i];
    return s;
  }
  void* bytes() const { return static_cast<char*>(data) + byte_offset; }
  template <class T>
  T* as() const {
    return static_cast<T*>(bytes());
  }
};

FASTCNN_API DType dtype_of(DataType type);
FASTCNN_API DataType data_type(DType dtype);
FASTCNN_API const char* name_of(DType dtype);
/// The dtype's name, such as "complex64", for error texts. Also names dtypes that kernels do not support.
FASTCNN_API std::string name_of(DataType type);
FASTCNN_API size_t size_of(DType dtype);
inline DType dtype_of(const TensorView& view) { return dtype_of(view.dtype); }

/// "(2, 64, 64)", for error texts.
FASTCNN_API std::string shape_text(const TensorView& view);
/// True where the elements lie in C order without gaps.
FASTCNN_API bool is_dense(const TensorView& view);

}  // namespace fastcnn
