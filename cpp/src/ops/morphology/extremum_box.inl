// Erosion and dilation by a box, separable: down the window's columns, then along its rows, while these are in the
// cache.
//
// Vertically, low windows are reduced directly: several result rows share the rows that their windows have in common.
// Tall windows use van Herk's algorithm (M. van Herk, "A fast algorithm for local minimum and maximum filters on
// rectangular and octagonal kernels", Pattern Recognition Letters 13, 1992; J. Gil and M. Werman, PAMI 15, 1993): three
// comparisons per pixel for any height. Horizontally, the extremum over w columns is that of shorter, possibly
// overlapping windows, which grow by a factor of four per step: O(log w) per pixel, without the transpositions that van
// Herk's would need.
#include "ops/morphology/erosion_simd.h"
#include "ops/morphology/key_rows.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class Op, class T, bool floats>
class Box {
 public:
  Box(const WindowPlane& plane, int64_t begin, int64_t end, void* scratch)
      : p_(plane), begin_(begin), end_(end), scratch_(static_cast<T*>(scratch)), bias_(T(plane.key_bias)) {}

  void run() {
    const int64_t panels = maximum(1, p_.width / p_.panel);
    for (int64_t i = 0; i < panels; ++i) {
      set_panel(p_.width * i / panels, p_.width * (i + 1) / panels);
      if (p_.rows > kDirectRows)
        tall();
      else if (p_.rows >= 8)
        direct<8>();
      else if (p_.rows >= 4)
        direct<4>();
      else if (p_.rows >= 2)
        direct<2>();
      else
        direct<1>();
    }
  }

 private:
  static constexpr int kTogether = 4;  // rows that van Herk's passes take at a time

  void set_panel(int64_t x0, int64_t x1) {
    x0_ = x0;
    n_ = x1 - x0;
    c0_ = maximum(0, x0 - p_.left);
    m_ = minimum(p_.width, x1 + p_.columns - 1 - p_.left) - c0_;
    pad_ = c0_ - (x0 - p_.left);
    chunk_ = maximum(kChunkBytes / int64_t(sizeof(T)), 4 * p_.columns);
    pitch_ = scratch_row(n_, p_.columns, sizeof(T));
    const T neutral = Op::template neutral<T>();
    T* at = scratch_;
    const auto take = [&](T key) {
      T* row = at;
      at += pitch_;
      for (int64_t x = 0; x < pitch_; ++x) row[x] = key;
      return row;
    };
    outside_ = take(decoded<floats>(T(p_.outside), bias_));
    nothing_ = take(decoded<floats>(neutral, bias_));
    none_ = take(neutral);
    running_ = take(neutral);
    grown_ = take(neutral);
    for (T*& row : window_) row = take(T(p_.outside));
    kept_ = at;
  }

  /// Row i of the map, from the panel's first column on.
  const T* source(int64_t i) const {
    const int64_t row = p_.row_map[i];
    return row < 0 ? outside_ : static_cast<const T*>(p_.src) + row * p_.src_pitch + c0_;
  }
  T* result(int64_t y) const { return static_cast<T*>(p_.dst) + y * p_.dst_pitch + x0_; }
  bool vertical_only() const { return p_.columns == 1 && !floats; }

  // ---- pieces of rows
  // ------------------------------------------------------------------------------------------------

  /// Rows go through the second half in pieces that fit the first-level cache. The window buffers hold the padded row's
  /// elements [q0, q1), of which the last columns - 1 are carried on to the next piece; m source columns from c are
  /// new.
  struct Piece {
    int64_t c, m, q0, q1;
    bool first, last;
  };

  /// f(piece) along a row, after which `buffers` windows are carried on.
  template <class F>
  void each_piece(int buffers, const F& f) {
    const int64_t carried = p_.columns - 1;
    for (int64_t c = 0; c < m_; c += chunk_) {
      Piece piece{c, minimum(chunk_, m_ - c), c == 0 ? 0 : pad_ + c - carried, 0, c == 0, c + chunk_ >= m_};
      piece.q1 = piece.last ? n_ + carried : pad_ + c + piece.m;
      f(piece);
      if (piece.last) return;
      const int64_t from = piece.q1 - carried - piece.q0;
      for (int i = 0; i < buffers; ++i)
        for (int64_t q = 0; q < carried; ++q) window_[i][q] = window_[i][from + q];
    }
  }

  /// The destination of the vertical extrema of the piece's new columns, for row y of the result, through a buffer.
  T* window(const Piece& piece, int64_t y, int buffer) const {
    return vertical_only() ? result(y) + piece.c : window_[buffer] + pad_ + piece.c - piece.q0;
  }

  // ---- vertically, directly
  // ------------------------------------------------------------------------------------------

  /// G result rows at a time; p_.rows >= G.
  template <int G>
  void direct() {
    const T *rows[kDirectRows + G - 1], *at[kDirectRows + G - 1];
    T* to[G];
    for (int64_t y = begin_; y < end_; y += G) {
      const int64_t results = minimum(G, end_ - y), count = p_.rows + results - 1;
      for (int64_t i = 0; i < p_.rows + G - 1; ++i) rows[i] = source(y + minimum(i, count - 1));
      each_piece(G, [&](const Piece& piece) {
        for (int64_t i = 0; i < p_.rows + G - 1; ++i) at[i] = rows[i] + piece.c;
        // An incomplete last group writes its surplus rows to memory that is not read.
        for (int i = 0; i < G; ++i) to[i] = i < results ? window(piece, y + i, i) : grown_;
        reduce_rows<G>(at, piece.m, to);
        for (int i = 0; i < results; ++i) horizontal(piece, i, y + i);
      });
    }
  }

  /// to[i] = the extremum of rows[i .. i + p_.rows - 1].
  template <int G>
  void reduce_rows(const T* const* rows, int64_t n, T* const* to) const {
    const int64_t count = p_.rows;
    const T bias = bias_;
    each_vector<T>(n, [=](auto v, int64_t x) {
      const auto key = [=](int64_t i) { return encoded<floats>(get(rows[i] + x, v), bias); };
      auto shared = key(G - 1);  // of rows[G - 1 .. count - 1]
      for (int64_t i = G; i < count; ++i) shared = Op::of(shared, key(i));
      decltype(v) best[G];
      best[G - 1] = shared;
      if constexpr (G > 1) {
        best[G - 2] = key(G - 2);
        for (int i = G - 3; i >= 0; --i) best[i] = Op::of(key(i), best[i + 1]);
        for (int i = 0; i < G - 1; ++i) best[i] = Op::of(best[i], shared);
        auto behind = key(count);
        best[1] = Op::of(best[1], behind);
        for (int i = 2; i < G; ++i) {
          behind = Op::of(behind, key(count + i - 1));
          best[i] = Op::of(best[i], behind);
        }
      }
      for (int i = 0; i < G; ++i) put(to[i] + x, best[i]);
    });
  }

  // ---- vertically, by van Herk's algorithm
  // ---------------------------------------------------------------------------

  /// The rows are cut into blocks of the window's height. A window spans the end of one block, whose running extrema
  /// from its last row upwards are kept, and the beginning of the next, whose running extremum is carried downwards.
  void tall() {
    // If the result has fewer rows than the window, only the first running extrema are needed.
    const int64_t rows = p_.rows, kept = minimum(rows, end_ - begin_);
    const T* from[kTogether];
    T* to[kTogether];
    for (int64_t y = begin_; y < end_; y += rows) {
      const T* above = none_;
      for (int64_t i = rows; i > 0;) {
        const int n = int(minimum(kTogether, i));
        for (int k = 0; k < kTogether; ++k) {
          const int64_t row = i - 1 - minimum(k, n - 1);
          from[k] = source(y + row);
          to[k] = kept_ + minimum(row, kept - 1) * pitch_;
        }
        run_upwards(from, above, to);
        above = to[kTogether - 1];
        i -= n;
      }
      for (int64_t x = 0; x < m_; ++x) running_[x] = none_[x];
      for (int64_t i = 0; i < minimum(rows, end_ - y); i += kTogether) {
        const int n = int(minimum(kTogether, minimum(rows, end_ - y) - i));
        each_piece(kTogether, [&](const Piece& piece) {
          const T* previous[kTogether];
          for (int k = 0; k < kTogether; ++k) {
            const int64_t row = i + minimum(k, n - 1);
            from[k] = row == 0 ? nothing_ : source(y + rows + row - 1) + piece.c;
            previous[k] = kept_ + row * pitch_ + piece.c;
            to[k] = k < n ? window(piece, y + row, k) : grown_;
          }
          run_downwards(from, previous, running_ + piece.c, piece.m, to);
          for (int k = 0; k < n; ++k) horizontal(piece, k, y + i + k);
        });
      }
    }
  }

  void run_upwards(const T* const* from, const T* above, T* const* to) const {
    const T bias = bias_;
    const T *r0 = from[0], *r1 = from[1], *r2 = from[2], *r3 = from[3];
    T *t0 = to[0], *t1 = to[1], *t2 = to[2], *t3 = to[3];
    each_vector<T>(m_, [=](auto v, int64_t x) {
      const auto a = Op::of(get(above + x, v), encoded<floats>(get(r0 + x, v), bias));
      const auto b = Op::of(a, encoded<floats>(get(r1 + x, v), bias));
      const auto c = Op::of(b, encoded<floats>(get(r2 + x, v), bias));
      const auto d = Op::of(c, encoded<floats>(get(r3 + x, v), bias));
      put(t0 + x, a);
      put(t1 + x, b);
      put(t2 + x, c);
      put(t3 + x, d);
    });
  }

  void run_downwards(const T* const* from, const T* const* previous, T* running, int64_t n, T* const* to) const {
    const T bias = bias_;
    const T *r0 = from[0], *r1 = from[1], *r2 = from[2], *r3 = from[3];
    const T *p0 = previous[0], *p1 = previous[1], *p2 = previous[2], *p3 = previous[3];
    T *t0 = to[0], *t1 = to[1], *t2 = to[2], *t3 = to[3];
    const auto step = [=](auto v, int64_t x) {
      const auto a = Op::of(get(running + x, v), encoded<floats>(get(r0 + x, v), bias));
      const auto b = Op::of(a, encoded<floats>(get(r1 + x, v), bias));
      const auto c = Op::of(b, encoded<floats>(get(r2 + x, v), bias));
      const auto d = Op::of(c, encoded<floats>(get(r3 + x, v), bias));
      put(t0 + x, Op::of(a, get(p0 + x, v)));
      put(t1 + x, Op::of(b, get(p1 + x, v)));
      put(t2 + x, Op::of(c, get(p2 + x, v)));
      put(t3 + x, Op::of(d, get(p3 + x, v)));
      put(running + x, d);
    };
    // Processes every column once: carried values must not be mixed with those of an earlier row.
    int64_t x = 0;
    for (; x + lanes<T> <= n; x += lanes<T>) step(Vec<T>{}, x);
    for (; x < n; ++x) step(T{}, x);
  }

  // ---- horizontally
  // --------------------------------------------------------------------------------------------------

  /// The piece of result row y from its vertical extrema in window_[buffer].
  void horizontal(const Piece& piece, int buffer, int64_t y) {
    if (vertical_only()) return;
    T* row = window_[buffer];
    pad(piece, row);
    const T* from = row;
    const int64_t n = piece.q1 - piece.q0 - (p_.columns - 1);
    int64_t width = 1;
    for (; 4 * width < p_.columns; width *= 4) {
      grow(from, width, n + p_.columns - 4 * width);
      from = grown_;
    }
    finish(from, int((p_.columns + width - 1) / width), width, p_.columns - width, n, result(y) + piece.q0);
  }

  void pad(const Piece& piece, T* row) const {
    if (p_.pads_outside && piece.first && piece.last) return;  // as the buffers came
    const int64_t shift = pad_ - c0_ - piece.q0;               // from a source column to its place in the row
    const auto key = [&](int64_t column) { return column < 0 ? T(p_.outside) : row[column + shift]; };
    if (piece.first)
      for (int64_t q = 0; q < pad_; ++q) row[q] = key(p_.pads_outside ? -1 : p_.column_map[x0_ + q]);
    if (piece.last)
      for (int64_t q = pad_ + m_; q < piece.q1; ++q)
        row[q - piece.q0] = key(p_.pads_outside ? -1 : p_.column_map[x0_ + q - p_.width]);
  }

  /// From extrema over `width` columns to those over four times as many; may work in place, as it reads ahead only.
  void grow(const T* from, int64_t width, int64_t n) const {
    T* to = grown_;
    for (int64_t x = 0; x < n; x += lanes<T>) {
      const auto a = Op::of(load(from + x), load(from + x + width));
      const auto b = Op::of(load(from + x + 2 * width), load(from + x + 3 * width));
      store(to + x, Op::of(a, b));
    }
  }

  /// Up to four windows of `width` columns, the last of which starts at `last`.
  void finish(const T* from, int terms, int64_t width, int64_t last, int64_t n, T* to) const {
    const T bias = bias_;
    switch (terms) {
      case 1:
        return each_vector<T>(n, [=](auto v, int64_t x) { put(to + x, decoded<floats>(get(from + x, v), bias)); });
      case 2:
        return each_vector<T>(n, [=](auto v, int64_t x) {
          put(to + x, decoded<floats>(Op::of(get(from + x, v), get(from + x + last, v)), bias));
        });
      case 3:
        return each_vector<T>(n, [=](auto v, int64_t x) {
          const auto a = Op::of(get(from + x, v), get(from + x + width, v));
          put(to + x, decoded<floats>(Op::of(a, get(from + x + last, v)), bias));
        });
      default:
        return each_vector<T>(n, [=](auto v, int64_t x) {
          const auto a = Op::of(get(from + x, v), get(from + x + width, v));
          const auto b = Op::of(get(from + x + 2 * width, v), get(from + x + last, v));
          put(to + x, decoded<floats>(Op::of(a, b), bias));
        });
    }
  }

  const WindowPlane& p_;
  const int64_t begin_, end_;
  T* const scratch_;
  const T bias_;
  int64_t x0_, n_;        // the panel's columns
  int64_t c0_, m_, pad_;  // the source columns that it needs, and where they start in a padded row
  int64_t chunk_, pitch_;
  T *outside_, *nothing_,
      *none_;  // rows of what is outside and of the neutral element, as in the source; the latter's key
  T *running_, *grown_, *window_[kDirectResults], *kept_;
};

template <class Op, class T>
void box(const WindowPlane& plane, int64_t begin, int64_t end, void* scratch) {
  if (is_signed<T> && plane.floats)
    Box<Op, T, is_signed<T>>(plane, begin, end, scratch).run();
  else
    Box<Op, T, false>(plane, begin, end, scratch).run();
}

template <class Op>
constexpr BoxKernels box_kernels_of() {
  return {{box<Op, uint8_t>, box<Op, uint16_t>, box<Op, int16_t>, box<Op, int32_t>, box<Op, int64_t>}};
}

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
