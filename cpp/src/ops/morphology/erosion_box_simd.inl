// Erosion and dilation by a box, separable: columns of the window, then rows, while the rows are in the cache.
//
// Vertically, low windows are reduced directly, two output rows sharing the rows between them; tall ones by van Herk's
// algorithm (M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
// Pattern Recognition Letters 13, 1992; J. Gil and M. Werman, PAMI 15, 1993): three comparisons per pixel for any
// height. Horizontally, windows grow by factors of up to four: the extremum over w columns is that of shorter, possibly
// overlapping windows: O(log w) per pixel, without the transpositions that van Herk's would need.
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
    const int64_t panels = most(1, p_.width / p_.panel);
    for (int64_t i = 0; i < panels; ++i) {
      set_panel(p_.width * i / panels, p_.width * (i + 1) / panels);
      if (p_.rows > kDirectRows)
        tall();
      else
        low();
    }
  }

 private:
  void set_panel(int64_t x0, int64_t x1) {
    x0_ = x0;
    n_ = x1 - x0;
    c0_ = most(0, x0 - p_.left);
    m_ = least(p_.width, x1 + p_.columns - 1 - p_.left) - c0_;
    pad_ = c0_ - (x0 - p_.left);
    const int64_t row = scratch_row(n_, p_.columns, sizeof(T));
    pitch_ = row;
    T* at = scratch_;
    outside_ = at, at += row;
    window_[0] = at, at += row;
    window_[1] = at, at += row;
    grown_ = at, at += row;
    prefix_ = at, at += row;
    kept_ = at;
    for (int64_t x = 0; x < row; ++x) outside_[x] = window_[0][x] = window_[1][x] = T(p_.outside);
  }

  /// Row i of the map, from the panel's first column on.
  const T* source(int64_t i) const {
    const int64_t row = p_.row_map[i];
    return row < 0 ? outside_ : static_cast<const T*>(p_.src) + row * p_.src_pitch + c0_;
  }
  bool encodes(int64_t i) const { return floats && p_.encode && p_.row_map[i] >= 0; }

  /// Where the extremum over the window's rows goes: for row y of the result, through one of two buffers.
  T* window(int64_t y, int buffer) const {
    return p_.columns == 1 && !(floats && p_.decode) ? result(y) : window_[buffer] + pad_;
  }
  T* result(int64_t y) const { return static_cast<T*>(p_.dst) + y * p_.dst_pitch + x0_; }

  // ---- vertically, directly ------------------------------------------------------------------------------------------

  void low() {
    const T* rows[kDirectRows + 1];
    const int64_t depth = p_.rows + 1;
    int64_t fetched = begin_, slot = 0;  // the next row to encode, and its place in the ring
    for (int64_t y = begin_; y < end_; y += 2) {
      const bool both = y + 1 < end_;
      const int64_t count = p_.rows + both;
      if (floats && p_.encode) {
        for (; fetched < y + count; ++fetched, slot = slot + 1 == depth ? 0 : slot + 1) {
          T* row = kept_ + slot * pitch_;
          if (encodes(fetched))
            encode_row<floats>(source(fetched), m_, bias_, row);
          else
            encode_row<false>(source(fetched), m_, bias_, row);
        }
        int64_t s = slot;
        for (int64_t i = count; i-- > 0;) {
          s = s == 0 ? depth - 1 : s - 1;
          rows[i] = kept_ + s * pitch_;
        }
      } else {
        for (int64_t i = 0; i < count; ++i) rows[i] = source(y + i);
      }
      T* first = window(y, 0);
      T* second = both ? window(y + 1, 1) : window_[1] + pad_;
      if (!both) rows[p_.rows] = rows[p_.rows - 1];
      reduce_rows(rows, first, second);
      horizontal(first, y);
      if (both) horizontal(second, y + 1);
    }
  }

  /// first = the extremum of rows[0 .. rows-1], second = that of rows[1 .. rows].
  void reduce_rows(const T* const* rows, T* first, T* second) const {
    const int64_t count = p_.rows;
    if (count == 1) {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        put(first + x, get(rows[0] + x, v));
        put(second + x, get(rows[1] + x, v));
      });
    } else if (count == 3) {
      const T *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
      each_vector<T>(m_, [=](auto v, int64_t x) {
        const auto shared = Op::of(get(r1 + x, v), get(r2 + x, v));
        put(first + x, Op::of(shared, get(r0 + x, v)));
        put(second + x, Op::of(shared, get(r3 + x, v)));
      });
    } else {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        auto shared = get(rows[1] + x, v);
        for (int64_t i = 2; i < count; ++i) shared = Op::of(shared, get(rows[i] + x, v));
        put(first + x, Op::of(shared, get(rows[0] + x, v)));
        put(second + x, Op::of(shared, get(rows[count] + x, v)));
      });
    }
  }

  // ---- vertically, by van Herk's algorithm ---------------------------------------------------------------------------

  /// The rows are cut into blocks of the window's height. A window spans the end of one block, whose running extrema
  /// from its last row upwards are kept, and the beginning of the next, whose running extremum is carried on.
  void tall() {
    const int64_t rows = p_.rows, kept = least(rows, end_ - begin_);
    for (int64_t y = begin_; y < end_; y += rows) {
      // With fewer output rows than the window's, only the first `kept` running extrema are needed.
      const auto place = [&](int64_t i) { return kept_ + least(i, kept - 1) * pitch_; };
      const bool fresh = y == begin_ || !(floats && p_.encode);  // else: encoded already, in place
      for (int64_t i = rows - 1; i >= 0; --i) {
        T* to = place(i);
        const T* from = fresh || i == rows - 1 ? source(y + i) : to;
        const bool encode = from != to && encodes(y + i);
        if (i == rows - 1)
          encode ? encode_row<floats>(from, m_, bias_, to) : encode_row<false>(from, m_, bias_, to);
        else
          encode ? combine<floats>(place(i + 1), from, to) : combine<false>(place(i + 1), from, to);
      }
      T* buffer = window(y, 0);
      encode_row<false>(kept_, m_, bias_, buffer);
      horizontal(buffer, y);
      const bool more = y + rows < end_;
      for (int64_t i = 1; i < least(rows, end_ - y); ++i) {
        const int64_t row = y + rows + i - 1;
        buffer = window(y + i, 0);
        T* keep = more && floats && p_.encode ? kept_ + (i - 1) * pitch_ : nullptr;
        if (encodes(row))
          step<floats>(source(row), i == 1, keep, kept_ + i * pitch_, buffer);
        else
          step<false>(source(row), i == 1, keep, kept_ + i * pitch_, buffer);
        horizontal(buffer, y + i);
      }
    }
  }

  template <bool encode>
  void combine(const T* keys, const T* row, T* to) const {
    const T bias = bias_;
    each_vector<T>(m_, [=](auto v, int64_t x) {
      put(to + x, Op::of(get(keys + x, v), encoded<encode>(get(row + x, v), bias)));
    });
  }

  /// Carries the running extremum on by one row and combines it with the previous block's.
  template <bool encode>
  void step(const T* row, bool first, T* keep, const T* previous, T* to) const {
    const T bias = bias_;
    T* running = prefix_;
    if (first && keep) {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        const auto key = encoded<encode>(get(row + x, v), bias);
        put(keep + x, key);
        put(running + x, key);
        put(to + x, Op::of(get(previous + x, v), key));
      });
    } else if (first) {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        const auto key = encoded<encode>(get(row + x, v), bias);
        put(running + x, key);
        put(to + x, Op::of(get(previous + x, v), key));
      });
    } else if (keep) {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        const auto key = encoded<encode>(get(row + x, v), bias);
        const auto carried = Op::of(get(running + x, v), key);
        put(keep + x, key);
        put(running + x, carried);
        put(to + x, Op::of(get(previous + x, v), carried));
      });
    } else {
      each_vector<T>(m_, [=](auto v, int64_t x) {
        const auto carried = Op::of(get(running + x, v), encoded<encode>(get(row + x, v), bias));
        put(running + x, carried);
        put(to + x, Op::of(get(previous + x, v), carried));
      });
    }
  }

  // ---- horizontally --------------------------------------------------------------------------------------------------

  /// Result row y from the extrema over the window's rows, in `row` (which starts `pad_` elements into a buffer).
  void horizontal(T* row, int64_t y) {
    T* to = result(y);
    if (row == to) return;
    T* from = row - pad_;
    if (!p_.pads_outside) fill_padding(from);
    int64_t width = 1;
    for (; 4 * width < p_.columns; width *= 4) {
      grow(from, width, n_ + p_.columns - 4 * width);
      from = grown_;
    }
    const int64_t last = p_.columns - width;
    const int terms = int((p_.columns + width - 1) / width);
    if (floats && p_.decode)
      finish<floats>(from, terms, width, last, to);
    else
      finish<false>(from, terms, width, last, to);
  }

  void fill_padding(T* from) const {
    const auto put_key = [&](int64_t q, int64_t column) {
      from[q] = column < 0 ? T(p_.outside) : from[pad_ + column - c0_];
    };
    for (int64_t q = 0; q < pad_; ++q) put_key(q, p_.column_map[x0_ + q]);
    for (int64_t q = pad_ + m_; q < n_ + p_.columns - 1; ++q)
      put_key(q, p_.column_map[x0_ + q - p_.width]);
  }

  /// From extrema over `width` columns to those over four times as many; may work in place, as it reads ahead only.
  void grow(const T* from, int64_t width, int64_t n) {
    T* to = grown_;
    for (int64_t x = 0; x < n; x += lanes<T>) {
      const auto a = Op::of(load(from + x), load(from + x + width));
      const auto b = Op::of(load(from + x + 2 * width), load(from + x + 3 * width));
      store(to + x, Op::of(a, b));
    }
  }

  template <bool decode>
  void finish(const T* from, int terms, int64_t width, int64_t last, T* to) const {
    const T bias = bias_;
    switch (terms) {
      case 1: return decode_row<decode>(from, n_, bias, to);
      case 2:
        return each_vector<T>(n_, [=](auto v, int64_t x) {
          put(to + x, decoded<decode>(Op::of(get(from + x, v), get(from + x + last, v)), bias));
        });
      case 3:
        return each_vector<T>(n_, [=](auto v, int64_t x) {
          const auto a = Op::of(get(from + x, v), get(from + x + width, v));
          put(to + x, decoded<decode>(Op::of(a, get(from + x + last, v)), bias));
        });
      default:
        return each_vector<T>(n_, [=](auto v, int64_t x) {
          const auto a = Op::of(get(from + x, v), get(from + x + width, v));
          const auto b = Op::of(get(from + x + 2 * width, v), get(from + x + last, v));
          put(to + x, decoded<decode>(Op::of(a, b), bias));
        });
    }
  }

  const WindowPlane& p_;
  const int64_t begin_, end_;
  T* const scratch_;
  const T bias_;
  int64_t x0_, n_;         // the panel's columns
  int64_t c0_, m_, pad_;   // the source columns that it needs, and where they start in a padded row
  int64_t pitch_;
  T *outside_, *window_[2], *grown_, *prefix_, *kept_;
};

template <class Op, class T>
void box(const WindowPlane& plane, int64_t begin, int64_t end, void* scratch) {
  if (is_signed<T> && (plane.encode || plane.decode))
    Box<Op, T, is_signed<T>>(plane, begin, end, scratch).run();
  else
    Box<Op, T, false>(plane, begin, end, scratch).run();
}

}  // namespace

#define FASTCNN_BOX_OF(Op) {box<Op, uint8_t>, box<Op, uint16_t>, box<Op, int16_t>, box<Op, int32_t>, box<Op, int64_t>}
extern const BoxKernels box_kernels = {{FASTCNN_BOX_OF(Min), FASTCNN_BOX_OF(Max)}};
#undef FASTCNN_BOX_OF

}  // namespace fastcnn::FASTCNN_ISA
