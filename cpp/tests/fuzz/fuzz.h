// Shared by the fuzz targets: conversion of bytes to shapes, strides, dtypes, values and parameters; tensors with the
// minimum memory; a host that divides work into pieces and runs them in any order; comparisons that stop the program.
// One target per family, fuzz_<family>.cpp, defines fuzz::run.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fuzz {

using namespace fastcnn;
using Sizes = std::vector<int64_t>;

/// Prints the text and aborts: the input is a finding.
[[noreturn]] void fail(const std::string& text);

/// Numbers from a seed (splitmix64).
struct Random {
  uint64_t state = 0;
  uint64_t bits();
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
};

/// Reads the bytes from the front; returns zeros after the last.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  uint8_t byte() { return data_ < end_ ? *data_++ : uint8_t{0}; }
  /// 0..n-1
  int64_t below(int64_t n);
  bool one_in(int64_t n) { return below(n) == n - 1; }
  template <class T>
  T any_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }
  DType dtype(std::initializer_list<DType> dtypes) { return any_of(dtypes); }
  /// A length: small, near the widths of vectors, sometimes 0 or up to `maximum`.
  int64_t size(int64_t maximum);
  /// A number in [low, high], or sometimes any number if arguments may be wrong.
  int64_t number(int64_t low, int64_t high);
  double real(double low, double high);
  Random random() { return {static_cast<uint64_t>(below(65536)) * 0x9e3779b97f4a7c15u}; }

  /// Set by a target: number() and real() may leave their range.
  bool wild = false;

 private:
  const uint8_t *data_, *end_;
};

inline constexpr std::initializer_list<DType> kAll = {DType::boolean, DType::uint8,  DType::uint16,  DType::int16,
                                                      DType::int32,   DType::int64,  DType::float16, DType::bfloat16,
                                                      DType::float32, DType::float64};
inline constexpr std::initializer_list<DType> kSmooth = {DType::uint8,   DType::uint16,  DType::int16,
                                                         DType::int32,   DType::float16, DType::bfloat16,
                                                         DType::float32, DType::float64};
inline constexpr std::initializer_list<DType> kLabels = {DType::boolean, DType::uint8, DType::uint16,
                                                         DType::int16,   DType::int32, DType::int64};
inline constexpr std::initializer_list<DType> kIntegers = {DType::uint8, DType::uint16, DType::int16, DType::int32,
                                                           DType::int64};
inline constexpr std::initializer_list<DType> kFloats = {DType::float16, DType::bfloat16, DType::float32,
                                                         DType::float64};

bool is_float(DType dtype);
/// The distance from 1 to the next number; 0 for integers.
double epsilon(DType dtype);

/// A tensor that owns its memory, which ends with its last element. Elements are counted in C order.
class Tensor {
 public:
  /// Dense, with arbitrary bytes.
  Tensor(DType dtype, Sizes shape);
  /// Any strides: permuted, reversed, with gaps, and, if `shared`, with some axes broadcast.
  Tensor(DType dtype, Sizes shape, Input& in, bool shared = true);
  /// (N, C, spatial...), the channels innermost.
  static Tensor channels_last(DType dtype, Sizes shape);
  Tensor(const Tensor&) = delete;
  Tensor(Tensor&& o) = default;
  ~Tensor();

  const TensorView& view() const;
  DType dtype() const { return dtype_; }
  const Sizes& shape() const { return shape_; }
  int64_t numel() const;
  template <class T>
  T& at(int64_t i) const {
    return reinterpret_cast<T*>(first_)[offset(i)];
  }
  double operator[](int64_t i) const;
  /// Rounded and saturated.
  void set(int64_t i, double value);

  /// Values of every kind that the dtype has: ties, extremes, NaN, infinities.
  void fill(Input& in);
  /// Finite numbers for arithmetic, with a magnitude of at most `maximum`.
  void fill_finite(Input& in, double maximum = 1);
  /// Integers in [0, most], with stretches of zeros.
  void fill_labels(Input& in, int64_t maximum);
  /// As another tensor of the same shape.
  void copy(const Tensor& o);
  Tensor dense() const;
  double largest() const;

  std::string text() const;

 private:
  void allocate(Sizes strides, bool with_strides);
  int64_t offset(int64_t i) const;

  DType dtype_;
  Sizes shape_, strides_;
  std::vector<int64_t> offsets_;
  std::unique_ptr<char[]> memory_;
  char* first_ = nullptr;
  bool dense_ = true;
  mutable TensorView view_;
};

/// A shape (..., [D,] H, W) of at most `maximum` elements.
Sizes image_shape(Input& in, int spatial_dims, int64_t maximum);
int64_t product(const Sizes& sizes);

/// A host of several threads that runs one piece after the other in its own order. Results that depend on the division
/// or the order differ, and every run is reproducible. Scratch memory contains arbitrary bytes.
class Pieces final : public Context {
 public:
  explicit Pieces(Input& in);
  Pieces(int threads, uint64_t seed) : threads_(threads), random_{seed} {}
  int num_threads() const override { return inside_ ? 1 : threads_; }
  void parallel_for(int64_t begin, int64_t end, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) const override;
  void* allocate(size_t bytes) const override;

 private:
  int threads_;
  mutable Random random_;
  mutable bool inside_ = false;
};

/// Returns false if f throws fastcnn::Error; any other exception is a finding.
template <class F>
bool runs(const F& f) {
  try {
    f();
    return true;
  } catch (const Error&) {
    return false;
  }
}
/// The same for two functions; it is a finding if only one of them throws.
template <class F, class G>
bool both_run(const char* what, const F& fast, const G& reference) {
  const bool a = runs(fast), b = runs(reference);
  if (a != b) fail(std::string(what) + (a ? ": only the reference refuses" : ": the reference takes it"));
  return a;
}
/// For valid arguments: an Error is a finding.
template <class F>
void must_run(const char* what, const F& f) {
  try {
    f();
  } catch (const Error& error) {
    fail(std::string(what) + " refuses: " + error.what());
  }
}

/// Compares bit for bit; all NaNs are equal.
void expect_same(const char* what, const Tensor& got, const Tensor& expected);
/// The sum of products.
double dot(const Tensor& a, const Tensor& b);
/// Equal as numbers, or with a difference below absolute + relative * |expected|; NaN equals only NaN.
void expect_close(const char* what, const Tensor& got, const Tensor& expected, double absolute, double relative = 0);
template <class T>
void expect_equal(const char* what, const T& got, const T& expected) {
  if (!(got == expected)) fail(std::string(what) + ": differs");
}

/// The family's target.
void run(Input& in);

}  // namespace fuzz
