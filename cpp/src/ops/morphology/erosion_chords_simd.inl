// Erosion and dilation by any flat footprint, taken as horizontal chords: E. Urbach and M. Wilkinson, "Efficient 2-D
// grayscale morphological transformations with arbitrary flat structuring elements", IEEE Trans. Image Processing 17,
// 2008. A source row's extrema over every chord length are made once, each from a shorter one, and kept in a ring; a
// result row is the extremum over the footprint's chords in those rows. O(chords + lengths) per pixel. Unlike the
// paper, this code works row by row instead of on a table for the whole image, so that the data stays in the cache.
#include "ops/morphology/erosion_simd.h"
#include "ops/morphology/key_rows.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class Op, class T, bool floats>
class Chords {
 public:
  Chords(const ChordPlane& chords, int64_t begin, int64_t end, void* scratch)
      : c_(chords), p_(chords.plane), begin_(begin), end_(end), bias_(T(p_.key_bias)) {
    reads_ = static_cast<const T**>(scratch);
    rings_ = reinterpret_cast<Ring*>(reads_ + c_.chord_count);
    rows_ = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(rings_ + c_.length_count) + 63) / 64 * 64);
  }

  void run() {
    const int64_t panels = maximum(1, p_.width / p_.panel);
    for (int64_t i = 0; i < panels; ++i) {
      set_panel(p_.width * i / panels, p_.width * (i + 1) / panels);
      for (int64_t row = begin_; row < end_ + p_.rows - 1; ++row) {
        make_chords(row);
        if (row - (p_.rows - 1) >= begin_) combine(row - (p_.rows - 1));
      }
    }
  }

 private:
  /// The latest rows of one chord length. Element 0 of a row belongs to the window's first column at the panel's first.
  struct Ring {
    T* rows;
    int64_t pitch, depth, slot;
    T* latest;
  };
  static_assert(sizeof(Ring) == kChordRingBytes);

  void set_panel(int64_t x0, int64_t x1) {
    x0_ = x0;
    n_ = x1 - x0;
    c0_ = maximum(0, x0 - p_.left);
    m_ = minimum(p_.width, x1 + p_.columns - 1 - p_.left) - c0_;
    pad_ = c0_ - (x0 - p_.left);
    T* at = rows_;
    for (int64_t i = 0; i < c_.length_count; ++i) {
      const ChordLength& length = c_.lengths[i];
      constexpr int64_t unit = 64 / sizeof(T);
      Ring& ring = rings_[i];
      ring.pitch = scratch_row(n_, p_.columns, sizeof(T));
      ring.depth = maximum(1, length.depth);
      ring.slot = 0;
      ring.rows = at + (unit - length.align % unit) % unit;
      at += ring.pitch * ring.depth;
    }
  }

  /// The extrema of source row `row` of the map over every chord length.
  void make_chords(int64_t row) {
    for (int64_t i = 0; i < c_.length_count; ++i) {
      Ring& ring = rings_[i];
      ring.slot = ring.slot + 1 == ring.depth ? 0 : ring.slot + 1;
      ring.latest = ring.rows + ring.slot * ring.pitch;
      T* to = ring.latest;
      if (i == 0) {
        fetch(row, to);
        continue;
      }
      const ChordLength& length = c_.lengths[i];
      const T* from = rings_[length.from].latest;
      const int64_t n = n_ + p_.columns - length.length, shift = length.shift;
      for (int64_t x = 0; x < n; x += lanes<T>) store(to + x, Op::of(load(from + x), load(from + x + shift)));
    }
  }

  /// The source row's keys, with its padding.
  void fetch(int64_t i, T* to) const {
    const int64_t total = n_ + p_.columns - 1, row = p_.row_map[i];
    if (row < 0) {
      for (int64_t q = 0; q < total; ++q) to[q] = T(p_.outside);
      return;
    }
    const T* from = static_cast<const T*>(p_.src) + row * p_.src_pitch + c0_;
    T* keys = to + pad_;
    const T bias = bias_;
    each_vector<T>(m_, [=](auto v, int64_t x) { put(keys + x, encoded<floats>(get(from + x, v), bias)); });
    for (int64_t q = 0; q < pad_; ++q) to[q] = padding(to, p_.column_map[x0_ + q]);
    for (int64_t q = pad_ + m_; q < total; ++q) to[q] = padding(to, p_.column_map[x0_ + q - p_.width]);
  }
  T padding(const T* row, int64_t column) const { return column < 0 ? T(p_.outside) : row[pad_ + column - c0_]; }

  /// Result row y from the rings, whose latest rows are the window's last.
  void combine(int64_t y) {
    const int64_t count = c_.chord_count;
    for (int64_t k = 0; k < count; ++k) {
      const Chord& chord = c_.chords[k];
      const Ring& ring = rings_[chord.length];
      int64_t slot = ring.slot - (p_.rows - 1 - chord.row);
      if (slot < 0) slot += ring.depth;
      reads_[k] = ring.rows + slot * ring.pitch + chord.column;
    }
    T* to = static_cast<T*>(p_.dst) + y * p_.dst_pitch + x0_;
    c_.accumulate ? gather<true>(count, to) : gather<false>(count, to);
  }

  template <bool accumulate>
  void gather(int64_t count, T* to) const {
    constexpr int64_t L = lanes<T>;
    int64_t x = 0;
    for (; x + 4 * L <= n_; x += 4 * L) gather_vectors<4, accumulate>(count, x, to + x);
    for (; x + L <= n_; x += L) gather_vectors<1, accumulate>(count, x, to + x);
    if (x == n_) return;
    T last[L];  // the rings have room behind their rows, the result has not
    for (int64_t i = 0; i < L; ++i) last[i] = accumulate && x + i < n_ ? to[x + i] : T(0);
    gather_vectors<1, accumulate>(count, x, last);
    for (int64_t i = 0; x + i < n_; ++i) to[x + i] = last[i];
  }

  template <int N, bool accumulate>
  FASTCNN_INLINE void gather_vectors(int64_t count, int64_t x, T* to) const {
    constexpr int64_t L = lanes<T>;
    Vec<T> best[N];
    for (int i = 0; i < N; ++i) {
      best[i] = load(reads_[0] + x + i * L);
      if (accumulate) best[i] = Op::of(best[i], encoded<floats>(load(to + i * L), bias_));
    }
    for (int64_t k = 1; k < count; ++k) {
      const T* from = reads_[k] + x;
      for (int i = 0; i < N; ++i) best[i] = Op::of(best[i], load(from + i * L));
    }
    for (int i = 0; i < N; ++i) store(to + i * L, decoded<floats>(best[i], bias_));
  }

  const ChordPlane& c_;
  const WindowPlane& p_;
  const int64_t begin_, end_;
  const T bias_;
  const T** reads_;
  Ring* rings_;
  T* rows_;
  int64_t x0_, n_, c0_, m_, pad_;  // as in Box
};

template <class Op, class T>
void chords(const ChordPlane& chords, int64_t begin, int64_t end, void* scratch) {
  if (is_signed<T> && chords.plane.floats)
    Chords<Op, T, is_signed<T>>(chords, begin, end, scratch).run();
  else
    Chords<Op, T, false>(chords, begin, end, scratch).run();
}

}  // namespace

#define FASTCNN_CHORDS_OF(Op) \
  {chords<Op, uint8_t>, chords<Op, uint16_t>, chords<Op, int16_t>, chords<Op, int32_t>, chords<Op, int64_t>}
extern const ChordKernels chord_kernels = {{FASTCNN_CHORDS_OF(Min), FASTCNN_CHORDS_OF(Max)}};
#undef FASTCNN_CHORDS_OF

}  // namespace fastcnn::FASTCNN_ISA
