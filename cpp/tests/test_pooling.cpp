// Compares every pooling op with the oracles on random tensors: rank, dtype, layout, window, stride, one thread and
// several; and unpooling with its definition.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/pooling.h"

using namespace fastcnn;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }

template <class T>
double wide(T v) {
  if constexpr (std::is_arithmetic_v<T>)
    return static_cast<double>(v);
  else
    return static_cast<double>(static_cast<float>(v));
}

/// Few distinct values, for ties; occasionally NaN or an infinity.
template <class T>
T random_value(bool odd) {
  const double v = static_cast<double>(below(13)) - (std::is_unsigned_v<T> ? 0 : 6);
  if constexpr (std::is_integral_v<T>) {
    return below(40) == 0 ? std::numeric_limits<T>::min() : static_cast<T>(v);
  } else {
    const double infinity = std::numeric_limits<double>::infinity();
    const double value = !odd || below(20) ? v / 2 : below(2) ? -infinity : std::nan("");
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(value);
    else
      return T::from(static_cast<float>(value));
  }
}

/// A tensor that owns its memory: dense, or channels-last, or with every second element of the memory.
template <class T>
struct Values {
  enum Kind { dense, last, spread };
  Values(std::vector<int64_t> sizes, Kind kind) : shape(std::move(sizes)), strides(shape.size()) {
    int64_t step = kind == spread ? 2 : 1;
    const size_t n = shape.size();
    if (kind == last) {
      strides[1] = 1;
      step = shape[1];
    }
    for (size_t d = n; d-- > 0;) {
      if (kind == last && d == 1) continue;
      strides[d] = step;
      step *= shape[d];
    }
    memory.resize(static_cast<size_t>(step) + 1);
    tensor.data = memory.data();
    tensor.ndim = static_cast<int32_t>(n);
    tensor.dtype = data_type(TypeToDType<T>::value);
  }
  const TensorView& view() {
    tensor.shape = shape.data();
    tensor.strides = strides.data();
    tensor.data = memory.data();
    return tensor;
  }
  /// Element i in C order.
  T& at(int64_t i) {
    int64_t offset = 0;
    for (size_t d = shape.size(); d-- > 0; i /= shape[d]) offset += i % shape[d] * strides[d];
    return memory[static_cast<size_t>(offset)];
  }
  std::vector<int64_t> shape, strides;
  std::vector<T> memory;
  TensorView tensor;
};

template <class T, class Assign>
void assign(Values<T>& to, const Assign& value) {
  const int64_t n = to.view().numel();
  for (int64_t i = 0; i < n; ++i) to.at(i) = value(i);
}

template <class T>
void compare(const char* what, int round, Values<T>& got, Values<T>& expected, double tolerance) {
  const int64_t n = got.view().numel();
  for (int64_t i = 0; i < n; ++i) {
    const double a = wide(got.at(i)), b = wide(expected.at(i));
    if ((std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= tolerance * (1 + std::abs(b))) continue;
    std::printf("round %d: %s of %s %s: %g at %lld, not %g\n", round, what, name_of(dtype_of(got.view())),
                shape_text(got.view()).c_str(), a, static_cast<long long>(i), b);
    ++failures;
    return;
  }
}

Pooling random_pooling(int rank, bool mean) {
  Pooling p;
  if (below(3) == 0) {
    for (int d = 0; d < rank; ++d) p.output_size.push_back(1 + below(7));
    return p;
  }
  for (int d = 0; d < rank; ++d) {
    const int64_t k = 1 + below(below(4) ? 3 : 11);
    p.kernel.push_back(k);
    p.stride.push_back(1 + below(4));
    p.padding.push_back(below(k / 2 + 1));
    p.dilation.push_back(mean || below(3) ? 1 : 2);
  }
  p.ceil_mode = below(2);
  p.count_include_pad = below(2);
  if (mean && below(4) == 0) p.divisor_override = 3;
  return p;
}

template <class T>
void round_of(int round) {
  const int rank = 1 + round % 3;
  std::vector<int64_t> shape{1 + below(2), 1 + below(below(2) ? 4 : 70)};
  for (int d = 0; d < rank; ++d) shape.push_back(1 + below(rank == 1 ? 400 : rank == 2 ? 45 : 12));
  if (round % 17 == 0 && rank == 1) shape.back() = 9000;
  constexpr bool kFloat = !std::is_integral_v<T>;
  const Pooling pooling = random_pooling(rank, false), mean = random_pooling(rank, true);
  set_num_threads(static_cast<int>(1 + below(5)));
  using Kind = typename Values<T>::Kind;
  const bool last = below(2);
  const Kind kind = last ? Kind::last : Kind::dense, from = below(3) ? kind : Kind::spread;
  Values<T> src(shape, from), plain(shape, Kind::dense);
  const bool odd = below(3) == 0;
  assign(src, [&](int64_t) { return random_value<T>(odd); });
  assign(plain, [&](int64_t i) { return src.at(i); });
  const double rounding = std::is_same_v<T, double> ? 1e-13 : std::is_same_v<T, float> ? 2e-6 : 2e-2;
  const Context& context = default_context();

  const auto fits = [&](const Pooling& p) {
    try {
      pooled_shape(src.view(), p, "pool");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  if (fits(pooling)) {
    const auto out = pooled_shape(src.view(), pooling, "max_pool");
    Values<T> got(out, kind), expected(out, Kind::dense), alone(out, kind);
    Values<int64_t> where(out, static_cast<Values<int64_t>::Kind>(kind)), place(out, Values<int64_t>::dense);
    max_pool_ref(plain.view(), pooling, expected.view(), place.view());
    max_pool(context, src.view(), pooling, alone.view());
    compare("max_pool", round, alone, expected, 0);
    max_pool_with_indices(context, src.view(), pooling, got.view(), where.view());
    compare("max_pool_with_indices", round, got, expected, 0);
    bool whole = true;  // every window holds an element
    for (int64_t i = 0; i < place.view().numel(); ++i) whole = whole && place.at(i) >= 0;
    compare("indices", round, where, place, 0);
    {
      Values<T> full(shape, kind), back(out, kind);
      if (whole && pooling.output_size.empty() && below(2)) {
        max_unpool(context, got.view(), where.view(), rank, false, full.view());
        pool_gather(context, full.view(), where.view(), rank, back.view());
        compare("unpooled and gathered", round, back, expected, 0);
      }
      if constexpr (kFloat) {
        Values<T> grad(out, kind), grad_in(shape, kind), grad_ref(shape, Kind::dense), plain_grad(out, Kind::dense);
        assign(grad, [&](int64_t) { return random_value<T>(false); });
        assign(plain_grad, [&](int64_t i) { return grad.at(i); });
        max_pool_backward_ref(plain_grad.view(), plain.view(), pooling, grad_ref.view());
        max_pool_backward(context, grad.view(), src.view(), pooling, grad_in.view());
        compare("max_pool_backward", round, grad_in, grad_ref, rounding);
        max_unpool(context, grad.view(), where.view(), rank, true, grad_in.view());
        compare("accumulated", round, grad_in, grad_ref, rounding);
      }
    }
  }
  if constexpr (kFloat) {
    if (!fits(mean) || odd) return;
    const auto out = pooled_shape(src.view(), mean, "avg_pool");
    Values<T> got(out, kind), expected(out, Kind::dense), grad_in(shape, kind), grad_ref(shape, Kind::dense);
    avg_pool_ref(plain.view(), mean, expected.view());
    avg_pool(context, src.view(), mean, got.view());
    compare("avg_pool", round, got, expected, rounding);
    avg_pool_backward_ref(expected.view(), mean, grad_ref.view());
    Values<T> grad(out, below(2) ? kind : Kind::spread);
    assign(grad, [&](int64_t i) { return expected.at(i); });
    avg_pool_backward(context, grad.view(), mean, grad_in.view());
    compare("avg_pool_backward", round, grad_in, grad_ref, 2 * rounding);
  }
}

/// The shape of a result that exceeds any memory: nothing of its size is allocated.
void shape_of_huge() {
  const std::vector<int64_t> shape{1, 1, 4};
  Values<float> src(shape, Values<float>::dense);
  Pooling pooling;
  pooling.output_size = {int64_t{1} << 31};
  if (pooled_shape(src.view(), pooling, "adaptive_avg_pool").back() != int64_t{1} << 31)
    std::printf("the shape of a huge result\n"), ++failures;
}

}  // namespace

int main() {
  shape_of_huge();
  for (int round = 0; round < 400 && failures == 0; ++round) {
    round_of<float>(round);
    round_of<double>(round);
    if (round % 4 == 0) round_of<uint8_t>(round / 4);
    if (round % 4 == 1) round_of<int32_t>(round / 4);
    if (round % 4 == 2) round_of<Float16>(round / 4);
    if (round % 4 == 3) round_of<BFloat16>(round / 4);
    if (round % 8 == 0) round_of<uint16_t>(round / 8);
    if (round % 8 == 1) round_of<int16_t>(round / 8);
    if (round % 8 == 2) round_of<int64_t>(round / 8);
  }
  if (failures == 0) std::printf("pooling: passed\n");
  return failures != 0;
}
