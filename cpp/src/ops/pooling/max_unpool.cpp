// Operations by index: the inverse of max_pool_with_indices, its gradient, and the derivatives of both gradients.
#include <atomic>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "ops/pooling/pool.h"

namespace fastcnn {
namespace {

std::string plane_text(const TensorView& view, int rank) {
  std::string text;
  for (int d = view.ndim - rank; d < view.ndim; ++d) text += (text.empty() ? "" : "x") + std::to_string(view.shape[d]);
  return text;
}

/// Same leading dimensions; indices as many as the pooled side has elements.
void check_indices(const TensorView& pooled, const TensorView& plane, const TensorView& indices, int rank,
                   const char* op) {
  FASTCNN_CHECK(rank >= 1 && rank <= 3 && pooled.ndim > rank, op, ": expected input of at least ", rank + 1,
                " dimensions, got ", shape_text(pooled));
  check_dtype(indices, DType::int64, op, "indices");
  check_same_shape(pooled, indices, op, "indices");
  check_dtype(plane, dtype_of(pooled), op, "result");
  bool same = pooled.ndim == plane.ndim;
  for (int d = 0; same && d < pooled.ndim - rank; ++d) same = pooled.shape[d] == plane.shape[d];
  FASTCNN_CHECK(same, op, ": expected a result with the input's batch and channels, got ", shape_text(plane));
}

int64_t plane_size(const TensorView& view, int rank) {
  int64_t size = 1;
  for (int d = view.ndim - rank; d < view.ndim; ++d) size *= view.shape[d];
  return size;
}

/// Every thread takes whole planes, or a block of a plane's channels: no two write the same element.
struct Walk {
  Walk(const TensorView& view, const TensorView& where, const TensorView& dst, int spatial_dims, const char* op)
      : layout(dst, {&view, &where}, spatial_dims, op),
        source(view, spatial_dims, layout),
        indices(where, spatial_dims, layout) {}
  PoolLayout layout;
  PlaneSource source, indices;
};

[[noreturn]] void fail_index(const char* op, int64_t index, const std::string& plane) {
  detail::fail(ErrorKind::argument, op, ": found an invalid index in indices: ", index, ", where planes are of size ",
               plane);
}

template <class T>
void add(T& to, T value) {
  to = static_cast<T>(to + value);
}

/// Processes n pixels of one plane. Returns false if an index lies outside, and stores it in `wrong`.
template <bool kAccumulate, class T, class S>
bool scatter(const T* src, const int64_t* at, int64_t n, int64_t inner, int64_t c0, int64_t c1, int64_t size, S* dst,
             std::atomic<int64_t>& wrong) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = c0; c < c1; ++c) {
      const int64_t p = i * inner + c, index = at[p];
      if (index == kNowhere) continue;
      if (static_cast<uint64_t>(index) >= static_cast<uint64_t>(size)) {
        wrong = index;
        return false;
      }
      if constexpr (kAccumulate)
        add(dst[index * inner + c], static_cast<S>(src[p]));
      else
        dst[index * inner + c] = src[p];
    }
  return true;
}

}  // namespace

void max_unpool(const Context& context, const TensorView& src, const TensorView& where, int rank, bool accumulate,
                const TensorView& dst) {
  const std::string name = pooling_name("max_unpool", rank);
  const char* op = name.c_str();
  check_indices(src, dst, where, rank, op);
  if (dst.numel() == 0 && src.numel() == 0) return;
  const Walk walk(src, where, dst, rank, op);
  const PoolLayout& layout = walk.layout;
  const int64_t n = plane_size(src, rank), size = plane_size(dst, rank);
  std::atomic<bool> inside{true};
  std::atomic<int64_t> wrong{0};
  const auto run = [&](auto tag, auto adds) {
    using T = typename decltype(tag)::type;
    constexpr bool kAccumulate = decltype(adds)::value;
    constexpr bool kNarrow = kAccumulate && sizeof(T) == 2;
    using S = std::conditional_t<kNarrow, float, T>;
    for_each_piece(context, layout, 1, 64, size * layout.inner, false, [&](const auto& next) {
      Scratch scratch(serial_context());
      S* sums = nullptr;
      if constexpr (kNarrow) sums = scratch.get<S>(size * layout.inner);
      for (PoolPiece piece; next(piece);) {
        Scratch packed(serial_context());
        const T* from = static_cast<const T*>(walk.source.plane(piece.plane, packed));
        const int64_t* at = static_cast<const int64_t*>(walk.indices.plane(piece.plane, packed));
        T* to = dst.as<T>() + piece.plane * size * layout.inner;
        S* into = nullptr;
        if constexpr (kNarrow)
          into = sums;
        else
          into = to;
        const int64_t channels = piece.c1 - piece.c0;
        const int64_t stretches = channels == layout.inner ? 1 : size;
        const int64_t length = stretches == 1 ? size * layout.inner : channels;
        for (int64_t p = 0; p < stretches; ++p)
          std::memset(static_cast<void*>(into + p * layout.inner + piece.c0), 0,
                      static_cast<size_t>(length) * sizeof(S));
        if (!scatter<kAccumulate>(from, at, n, layout.inner, piece.c0, piece.c1, size, into, wrong)) inside = false;
        if constexpr (kNarrow)
          for (int64_t p = 0; p < stretches; ++p)
            for (int64_t i = p * layout.inner + piece.c0; i < p * layout.inner + piece.c0 + length; ++i)
              to[i] = T::from(sums[i]);
      }
    });
  };
  if (accumulate)
    visit(FloatTypes{}, src, op, "grad", [&](auto tag) { run(tag, std::true_type{}); });
  else
    visit_bits(AllTypes{}, src, op, "input", [&](auto tag) { run(tag, std::false_type{}); });
  if (!inside) fail_index(op, wrong, plane_text(dst, rank));
}

void pool_gather(const Context& context, const TensorView& src, const TensorView& where, int rank,
                 const TensorView& dst) {
  const std::string name = pooling_name("max_unpool", rank);
  const char* op = name.c_str();
  check_indices(dst, src, where, rank, op);
  if (dst.numel() == 0) return;
  const Walk walk(src, where, dst, rank, op);
  const PoolLayout& layout = walk.layout;
  const int64_t n = plane_size(dst, rank), size = plane_size(src, rank), inner = layout.inner;
  std::atomic<bool> inside{true};
  std::atomic<int64_t> wrong{0};
  visit_bits(AllTypes{}, src, op, "grad", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_piece(context, layout, 1, 64, n * inner, false, [&](const auto& next) {
      for (PoolPiece piece; next(piece);) {
        Scratch packed(serial_context());
        const T* from = static_cast<const T*>(walk.source.plane(piece.plane, packed));
        const int64_t* at = static_cast<const int64_t*>(walk.indices.plane(piece.plane, packed));
        T* to = dst.as<T>() + piece.plane * n * inner;
        for (int64_t i = 0; i < n; ++i)
          for (int64_t c = piece.c0; c < piece.c1; ++c) {
            const int64_t index = at[i * inner + c];
            if (static_cast<uint64_t>(index) < static_cast<uint64_t>(size)) {
              to[i * inner + c] = from[index * inner + c];
            } else if (index == kNowhere) {
              to[i * inner + c] = T{};
            } else {
              wrong = index;
              inside = false;
            }
          }
      }
    });
  });
  if (!inside) fail_index(op, wrong, plane_text(src, rank));
}

}  // namespace fastcnn
