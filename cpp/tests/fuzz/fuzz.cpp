#include "fuzz.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

namespace fuzz {

void fail(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::abort();
}

uint64_t Random::bits() {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t Input::below(int64_t n) {
  int64_t value = byte();
  for (int64_t reach = 256; reach < n && reach < int64_t{1} << 24; reach *= 256) value = value * 256 + byte();
  return value % n;
}

int64_t Input::size(int64_t maximum) {
  const int64_t kind = below(16);
  if (kind == 15) return below(4) ? 1 : 0;
  if (kind >= 12) return std::min(maximum, any_of<int64_t>({7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65}));
  if (kind == 11) return 1 + below(maximum);
  return std::min(maximum, 1 + below(kind < 8 ? 12 : 40));
}

int64_t Input::number(int64_t low, int64_t high) {
  if (wild && one_in(6)) {
    const int64_t large = int64_t{1} << below(63);
    return any_of<int64_t>({0, -1, -large, large, large - 1, std::numeric_limits<int64_t>::max(),
                            std::numeric_limits<int64_t>::min(), high + 1, low - 1});
  }
  return low + below(high - low + 1);
}

double Input::real(double low, double high) {
  if (wild && one_in(6)) {
    const double infinity = std::numeric_limits<double>::infinity();
    return any_of<double>({0.0, -0.0, -1.0, infinity, -infinity, std::nan(""), 1e300, -1e300, 1e-310, 1e18, 0x1p31});
  }
  const int64_t steps = one_in(2) ? 8 : 65535;
  return low + (high - low) * static_cast<double>(below(steps + 1)) / static_cast<double>(steps);
}

bool is_float(DType dtype) { return dtype >= DType::float16; }

double epsilon(DType dtype) {
  switch (dtype) {
    case DType::float16: return 0x1p-10;
    case DType::bfloat16: return 0x1p-7;
    case DType::float32: return 0x1p-23;
    case DType::float64: return 0x1p-52;
    default: return 0;
  }
}

int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<int64_t>());
}

Sizes image_shape(Input& in, int spatial_dims, int64_t maximum) {
  Sizes shape;
  for (int64_t leading = in.below(4) / 2 + (in.one_in(16) ? 1 : 0); leading > 0; --leading)
    shape.push_back(in.one_in(32) ? 0 : 1 + in.below(3));
  for (int d = 0; d < spatial_dims; ++d) shape.push_back(in.size(spatial_dims == 3 ? 40 : maximum / 8));
  while (product(shape) > maximum) *std::max_element(shape.begin(), shape.end()) /= 2;
  return shape;
}

Tensor::Tensor(DType dtype, Sizes shape) : dtype_(dtype), shape_(std::move(shape)) {
  Sizes strides(shape_.size());
  int64_t stride = 1;
  for (size_t d = shape_.size(); d-- > 0;) {
    strides[d] = stride;
    // Without elements, the product of the other sizes is arbitrary.
    if (__builtin_mul_overflow(stride, shape_[d], &stride)) stride = 0;
  }
  allocate(std::move(strides), false);
}

Tensor::Tensor(DType dtype, Sizes shape, Input& in, bool shared) : dtype_(dtype), shape_(std::move(shape)) {
  const int64_t kind = in.below(4);  // half of them dense, with strides or without
  const size_t n = shape_.size();
  std::vector<size_t> order(n);
  std::iota(order.rbegin(), order.rend(), size_t{0});  // the innermost first
  Sizes strides(n);
  if (kind < 2) {
    int64_t stride = 1;
    for (const size_t d : order) strides[d] = stride, stride *= shape_[d];
    if (kind == 1)
      for (size_t d = 0; d < n; ++d)
        if (shape_[d] == 1) strides[d] = in.any_of<int64_t>({1, 0, 7, -3, 1 << 20});  // it means nothing
    allocate(std::move(strides), kind == 1);
    return;
  }
  if (in.one_in(2))
    for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[static_cast<size_t>(in.below(int64_t(i)))]);
  int64_t stride = 1;
  const int64_t gap = in.below(4);
  for (const size_t d : order) {
    const int64_t how = in.below(8);
    if (how == 7 && shared) continue;  // broadcast: stride 0
    strides[d] = stride * (how == 6 ? 2 : 1) * (how == 5 ? -1 : 1);
    stride = std::abs(strides[d]) * std::max<int64_t>(1, shape_[d]) + (gap == 1 ? 3 : 0);
  }
  allocate(std::move(strides), true);
}

Tensor Tensor::channels_last(DType dtype, Sizes shape) {
  Tensor tensor(dtype, Sizes{});
  tensor.shape_ = std::move(shape);
  Sizes strides(tensor.shape_.size());
  int64_t stride = tensor.shape_[1];
  strides[1] = 1;
  for (size_t d = strides.size(); d-- > 0;)
    if (d != 1) strides[d] = stride, stride *= tensor.shape_[d];
  tensor.allocate(std::move(strides), true);
  return tensor;
}

Tensor::~Tensor() = default;

void Tensor::allocate(Sizes strides, bool with_strides) {
  strides_ = std::move(strides);
  int64_t low = 0, high = 1;
  if (numel() == 0) high = 0;
  for (size_t d = 0; d < shape_.size() && high > 0; ++d)
    (strides_[d] < 0 ? low : high) += (shape_[d] - 1) * strides_[d];
  const auto size = static_cast<size_t>(high - low) * size_of(dtype_);
  memory_.reset(new char[size]);
  std::memset(memory_.get(), dtype_ == DType::boolean ? 1 : 0x5a, size);
  first_ = memory_.get() - low * static_cast<int64_t>(size_of(dtype_));
  view_ = TensorView();
  view_.dtype = data_type(dtype_);
  // Reversed views reach their first element through the offset in bytes.
  view_.data = low < 0 ? memory_.get() : first_;
  view_.byte_offset = static_cast<uint64_t>(first_ - static_cast<char*>(view_.data));
  view_.ndim = static_cast<int32_t>(shape_.size());
  dense_ = !with_strides;
  offsets_.clear();
  if (dense_) return;
  offsets_.resize(static_cast<size_t>(numel()));
  for (size_t i = 0; i < offsets_.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    for (size_t d = shape_.size(); d-- > 0; rest /= shape_[d]) offsets_[i] += rest % shape_[d] * strides_[d];
  }
}

const TensorView& Tensor::view() const {
  view_.shape = shape_.data();
  view_.strides = dense_ ? nullptr : strides_.data();
  return view_;
}

int64_t Tensor::numel() const { return product(shape_); }
int64_t Tensor::offset(int64_t i) const { return dense_ ? i : offsets_[static_cast<size_t>(i)]; }

double Tensor::operator[](int64_t i) const {
  double value = 0;
  visit(AllTypes{}, dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_arithmetic_v<T>)
      value = static_cast<double>(at<T>(i));
    else
      value = static_cast<double>(static_cast<float>(at<T>(i)));
  });
  return value;
}

void Tensor::set(int64_t i, double value) {
  visit(AllTypes{}, dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>)
      at<T>(i) = value > 0;
    else if constexpr (std::is_integral_v<T>)
      at<T>(i) = value != value                                                ? T(0)
                 : value >= static_cast<double>(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max()
                 : value <= static_cast<double>(std::numeric_limits<T>::min()) ? std::numeric_limits<T>::min()
                                                                               : static_cast<T>(value);
    else
      at<T>(i) = converted<T>(value);
  });
}

void Tensor::fill(Input& in) {
  const int64_t kind = in.below(6);
  Random random = in.random();
  const int64_t few = 1 + in.below(kind == 0 ? 4 : 200);
  const double infinity = std::numeric_limits<double>::infinity();
  const double strange[] = {0.0,  -0.0,    1.0,   -1.0,         infinity, -infinity, std::nan(""), 1e-40,
                            3e38, -3.4e38, 65504, 2147483647.0, 1e300,    -1e19,     0.5};
  const int64_t n = numel();
  for (int64_t i = 0; i < n; ++i) switch (kind) {
      case 0:  // ties
      case 1: set(i, static_cast<double>(random.below(few) - (is_float(dtype_) ? few / 2 : 0))); break;
      case 2: set(i, strange[random.below(15)]); break;
      case 3: set(i, random.below(16) ? static_cast<double>(random.below(few)) : strange[random.below(15)]); break;
      case 4: set(i, static_cast<double>(in.byte()) - (is_float(dtype_) ? 100 : 0)); break;
      default:
        visit(AllTypes{}, dtype_, [&](auto tag) {
          using T = typename decltype(tag)::type;
          const uint64_t bits = random.bits();
          if constexpr (std::is_same_v<T, bool>)
            at<T>(i) = bits & 1;
          else
            std::memcpy(&at<T>(i), &bits, sizeof(T));
        });
    }
}

void Tensor::fill_finite(Input& in, double maximum) {
  const int64_t kind = in.below(4);
  Random random = in.random();
  const int64_t few = 1 + in.below(9), n = numel();
  for (int64_t i = 0; i < n; ++i) {
    const double unit = kind == 0   ? static_cast<double>(random.below(few)) / static_cast<double>(few)
                        : kind == 1 ? 2 * random.unit() - 1
                        : kind == 2 ? (random.below(20) ? 0.0 : 2 * random.unit() - 1)
                                    : static_cast<double>(in.byte()) / 128 - 1;
    set(i, unit * maximum);
  }
}

void Tensor::fill_labels(Input& in, int64_t maximum) {
  Random random = in.random();
  const int64_t zero = in.below(8), stretch = 1 + in.below(8), n = numel();
  int64_t value = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (random.below(stretch) == 0) value = random.below(8) < zero ? 0 : random.below(maximum + 1);
    set(i, static_cast<double>(value));
  }
}

void Tensor::copy(const Tensor& o) {
  const int64_t n = numel();
  for (int64_t i = 0; i < n; ++i)
    visit(AllTypes{}, dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      at<T>(i) = o.at<T>(i);
    });
}

Tensor Tensor::dense() const {
  Tensor result(dtype_, shape_);
  result.copy(*this);
  return result;
}

double Tensor::largest() const {
  double maximum = 0;
  const int64_t n = numel();
  for (int64_t i = 0; i < n; ++i) maximum = std::max(maximum, std::abs((*this)[i]));
  return maximum;
}

std::string Tensor::text() const {
  std::string text = std::string(name_of(dtype_)) + " " + shape_text(view());
  if (!dense_) {
    text += " strides";
    for (const int64_t stride : strides_) text += " " + std::to_string(stride);
  }
  return text;
}

Pieces::Pieces(Input& in) : Pieces(static_cast<int>(1 + in.below(6)), static_cast<uint64_t>(in.byte())) {}

void Pieces::parallel_for(int64_t begin, int64_t end, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) const {
  const int64_t n = end - begin;
  if (n <= 0) return;
  const int64_t pieces = std::min<int64_t>(num_threads(), std::max<int64_t>(1, n / std::max<int64_t>(1, grain)));
  if (pieces == 1) return body(begin, end);
  std::vector<int64_t> order(static_cast<size_t>(pieces));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = pieces; i > 1; --i)
    std::swap(order[static_cast<size_t>(i - 1)], order[static_cast<size_t>(random_.below(i))]);
  inside_ = true;
  for (const int64_t i : order) body(begin + n * i / pieces, begin + n * (i + 1) / pieces);
  inside_ = false;
}

void* Pieces::allocate(size_t bytes) const {
  void* memory = Context::allocate(bytes);
  std::memset(memory, static_cast<int>(random_.bits() & 0xff), std::min<size_t>(bytes, 1 << 16));
  return memory;
}

namespace {
void differ(const char* what, const Tensor& got, int64_t i, double value, double expected) {
  char numbers[200];
  std::snprintf(numbers, sizeof numbers, ": at %lld %.17g, expected %.17g, ", static_cast<long long>(i), value,
                expected);
  fail(what + std::string(numbers) + got.text());
}
void expect_alike(const char* what, const Tensor& got, const Tensor& expected) {
  if (got.shape() != expected.shape() || got.dtype() != expected.dtype())
    fail(std::string(what) + ": " + got.text() + " and " + expected.text());
}
}  // namespace

void expect_same(const char* what, const Tensor& got, const Tensor& expected) {
  expect_alike(what, got, expected);
  const int64_t n = got.numel();
  for (int64_t i = 0; i < n; ++i)
    visit(AllTypes{}, got.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (std::memcmp(&got.at<T>(i), &expected.at<T>(i), sizeof(T)) == 0) return;
      const double a = got[i], b = expected[i];
      if (a == a || b == b) differ(what, got, i, a, b);
    });
}

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) sum += a[i] * b[i];
  return sum;
}

void expect_close(const char* what, const Tensor& got, const Tensor& expected, double absolute, double relative) {
  expect_alike(what, got, expected);
  const int64_t n = got.numel();
  for (int64_t i = 0; i < n; ++i) {
    const double a = got[i], b = expected[i];
    if (a == b || (a != a && b != b) || std::abs(a - b) <= absolute + relative * std::abs(b)) continue;
    differ(what, got, i, a, b);
  }
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  fuzz::run(in);
  return 0;
}
