// Compares erosion and dilation with their definition, on random sizes, footprints, borders, dtypes and values.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "fastcnn/error.h"
#include "fastcnn/ops/morphology.h"

using namespace fastcnn;

namespace {

constexpr DType kDTypes[] = {DType::boolean, DType::uint8,   DType::uint16,   DType::int16,   DType::int32,
                             DType::int64,   DType::float16, DType::bfloat16, DType::float32, DType::float64};

std::mt19937_64 random_bits(1);
int64_t below(int64_t n) { return static_cast<int64_t>(random_bits() % static_cast<uint64_t>(n)); }

/// Random bits are NaN, infinite, subnormal and negative zero often enough in the 16-bit floats; elsewhere few values,
/// so that there are ties, or the special ones.
void fill(std::vector<uint8_t>& bytes, DType dtype, bool special) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_bits());
  const size_t n = bytes.size() / size_of(dtype);
  for (size_t i = 0; i < n; ++i) {
    if (dtype == DType::boolean) bytes[i] &= 1;
    constexpr float kSpecial[] = {0.0f, -0.0f, 1.0f, -1.0f, HUGE_VALF, -HUGE_VALF, NAN, -NAN, 1e-40f};
    const float f = special ? kSpecial[below(9)] : static_cast<float>(below(12)) - 6;
    const double d = static_cast<double>(f);
    if (dtype == DType::float32) std::memcpy(&bytes[4 * i], &f, 4);
    if (dtype == DType::float64) std::memcpy(&bytes[8 * i], &d, 8);
  }
}

/// True for equal bits, or if both are NaN.
bool same(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, DType dtype) {
  const size_t size = size_of(dtype);
  for (size_t i = 0; i < a.size(); i += size) {
    if (std::memcmp(&a[i], &b[i], size) == 0) continue;
    uint64_t x = 0, y = 0;
    std::memcpy(&x, &a[i], size);
    std::memcpy(&y, &b[i], size);
    const auto is_nan = [&](uint64_t v) {
      switch (dtype) {
        case DType::float16: return (v & 0x7fff) > 0x7c00;
        case DType::bfloat16: return (v & 0x7fff) > 0x7f80;
        case DType::float32: return (v & 0x7fffffff) > 0x7f800000;
        case DType::float64: return (v & 0x7fffffffffffffff) > 0x7ff0000000000000;
        default: return false;
      }
    };
    if (!is_nan(x) || !is_nan(y)) return false;
  }
  return true;
}

/// Buffers of exactly the right size on the heap, so that AddressSanitizer detects a read or write past the end.
int check(int round) {
  const int dims = below(3) == 0 ? 3 : 2;
  const bool wide = below(8) == 0;
  const int64_t depth = dims == 3 ? 1 + below(9) : 1, height = 1 + below(wide ? 150 : 40),
                width = 1 + below(wide ? 1500 : 150);
  Footprint footprint;
  const int64_t largest = below(6) == 0 ? 50 : 9;
  footprint.depth = dims == 3 ? 1 + below(5) : 1;
  footprint.height = 1 + below(largest);
  footprint.width = 1 + below(dims == 3 ? 9 : largest);
  std::vector<uint8_t> mask;
  if (below(3) > 0) {
    mask.resize(static_cast<size_t>(footprint.depth * footprint.height * footprint.width));
    const int64_t share = 1 + below(10);
    for (uint8_t& member : mask) member = below(10) < share;
    mask[static_cast<size_t>(below(static_cast<int64_t>(mask.size())))] = 1;
    footprint.mask = mask.data();
  }
  const Border border = static_cast<Border>(below(5));
  const DType dtype = kDTypes[below(10)];
  const double value = static_cast<double>(below(2));
  const bool maximum = below(2) == 0;

  const int64_t shape[] = {depth, height, width};
  std::vector<uint8_t> src(static_cast<size_t>(depth * height * width) * size_of(dtype)), fast(src.size()),
      ref(src.size());
  fill(src, dtype, below(3) == 0);
  TensorView s, d, r;
  s.ndim = d.ndim = r.ndim = dims;
  s.shape = d.shape = r.shape = shape + (3 - dims);
  s.dtype = d.dtype = r.dtype = data_type(dtype);
  s.data = src.data();
  d.data = fast.data();
  r.data = ref.data();
  (maximum ? dilation : erosion)(default_context(), s, dims, footprint, border, value, d);
  (maximum ? dilation_ref : erosion_ref)(default_context(), s, dims, footprint, border, value, r);
  if (same(fast, ref, dtype)) return 0;
  std::printf("round %d: %s %s (%ld, %ld, %ld), footprint %s (%ld, %ld, %ld), border %d\n", round,
              maximum ? "dilation" : "erosion", name_of(dtype), long(depth), long(height), long(width),
              footprint.mask ? "mask" : "box", long(footprint.depth), long(footprint.height), long(footprint.width),
              static_cast<int>(border));
  return 1;
}

/// For a footprint larger than the image, the positions of the values are the same as for one that just covers it, and
/// the time is too.
int check_huge_footprint() {
  const int64_t shape[] = {9, 11};
  std::vector<double> src(99);
  for (double& v : src) v = static_cast<double>(below(20));
  std::vector<int64_t> index(99), expected(99);
  TensorView s, d;
  s.ndim = d.ndim = 2;
  s.shape = d.shape = shape;
  s.dtype = data_type(DType::float64), d.dtype = data_type(DType::int64);
  s.data = src.data();
  for (const bool maximum : {false, true}) {
    const auto run = [&](int64_t size, std::vector<int64_t>& result) {
      Footprint footprint;
      footprint.height = footprint.width = size;
      d.data = result.data();
      (maximum ? dilation_index : erosion_index)(serial_context(), s, 2, footprint, Border::geodesic, 0, d);
    };
    run(int64_t{1} << 40, index);
    run(23, expected);
    if (index == expected) continue;
    std::printf("%s_index under a huge footprint differs\n", maximum ? "dilation" : "erosion");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1500;
  set_num_threads(3);
  int failures = check_huge_footprint();
  for (int i = 0; i < rounds && failures < 10; ++i) failures += check(i);
  return failures != 0;
}
