#include "ops/labeling/runs_simd.h"

#include "core/simd.h"
#include "ops/labeling/bits_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

// ---- Pixels to bits

template <class T>
FASTCNN_INLINE uint64_t bits_of_word(const T* p, T significant) {
  uint8_t bytes[64];
  for (int i = 0; i < 64; ++i) bytes[i] = (p[i] & significant) != 0;
  return bits_of_bytes(bytes);
}
FASTCNN_INLINE uint64_t bits_of_word(const uint8_t* p, uint8_t) { return bits_of_bytes(p); }

template <class T>
void bits_of_row(const RunSource& source, int64_t offset, int64_t width, uint64_t* bits) {
  const T* row = static_cast<const T*>(source.pixels) + offset;
  const T significant = static_cast<T>(source.significant);
  const uint64_t flip = source.invert ? ~uint64_t{0} : 0;
  int64_t x = 0;
  for (; x + 64 <= width; x += 64) *bits++ = bits_of_word(row + x, significant) ^ flip;
  if (x < width) {
    T tail[64] = {};
    for (int64_t i = 0; x + i < width; ++i) tail[i] = row[x + i];
    *bits = (bits_of_word(tail, significant) ^ flip) & ((uint64_t{1} << (width - x)) - 1);
  }
}

void read_row(const RunSource& source, int64_t offset, int64_t width, uint64_t* bits) {
  switch (source.bytes) {
    case 1: return bits_of_row<uint8_t>(source, offset, width, bits);
    case 2: return bits_of_row<uint16_t>(source, offset, width, bits);
    case 4: return bits_of_row<uint32_t>(source, offset, width, bits);
    default: return bits_of_row<uint64_t>(source, offset, width, bits);
  }
}

// ---- Bands

/// The bits before a word's first and behind its last come from its neighbours.
FASTCNN_INLINE uint64_t from_left(uint64_t word, uint64_t before) { return word << 1 | before >> 63; }
FASTCNN_INLINE uint64_t from_right(uint64_t word, uint64_t behind) { return word >> 1 | behind << 63; }

/// Lowest set bit and all below it.
FASTCNN_INLINE uint64_t up_to_lowest(uint64_t bits) { return bits ^ (bits - 1); }
FASTCNN_INLINE int32_t count_bits(uint64_t bits) { return static_cast<int32_t>(__builtin_popcountll(bits)); }

/// Finds, in each run of `within`, the first bit that is in `wanted` (a subset). The carry of an addition at the run's
/// first bit passes through the unwanted bits and stops there. Runs continue from word to word.
class FirstOfRun {
 public:
  FASTCNN_INLINE uint64_t operator()(uint64_t within, uint64_t wanted) {
    const uint64_t starts = within & ~from_left(within, before_);
    unsigned long long sum;
    const bool overflow1 = __builtin_uaddll_overflow(within & ~wanted, starts, &sum);
    const bool overflow2 = __builtin_uaddll_overflow(sum, searching_, &sum);
    searching_ = overflow1 | overflow2;
    before_ = within;
    return sum & wanted;
  }

 private:
  uint64_t before_ = 0, searching_ = 0;
};

template <int Rows>
struct Band {
  const uint64_t* row0;
  const uint64_t* row1;  // of two
  const int32_t* first;

  FASTCNN_INLINE Band(const RunImage& image, int64_t band)
      : row0(image.bits + band * Rows * image.words),
        row1(row0 + (Rows - 1) * image.words),
        first(image.first + band * (image.words + 1)) {}
  FASTCNN_INLINE uint64_t any(int64_t word) const { return Rows == 1 ? row0[word] : row0[word] | row1[word]; }
};

/// Which rows of a band face the other band.
enum class Face { top, bottom, all };

template <Face F, int Rows>
FASTCNN_INLINE uint64_t face(const Band<Rows>& band, int64_t word) {
  return F == Face::top ? band.row0[word] : F == Face::bottom ? band.row1[word] : band.any(word);
}

/// Calls join(a's run, b's run) once for every pair of neighbouring runs of two adjacent bands. If the runs that begin
/// in a word are each other's only neighbours, join.block(a's first, b's first, n) may process all of them.
template <bool Diagonal, Face A, Face B, int Rows, class Join>
FASTCNN_INLINE void for_each_contact(const Band<Rows>& band_a, const Band<Rows>& band_b, int64_t words, Join join) {
  FirstOfRun first_of_overlap;
  uint64_t runs_a_before = 0, runs_b_before = 0, a_before = 0, b_before = 0;
  uint64_t runs_b_behind = band_b.any(0), a_behind = face<A>(band_a, 0), b_behind = face<B>(band_b, 0);
  for (int64_t w = 0; w < words; ++w) {
    const uint64_t runs_a = band_a.any(w), runs_b = runs_b_behind, a = a_behind, b = b_behind;
    const bool last = w + 1 == words;
    runs_b_behind = last ? 0 : band_b.any(w + 1);
    a_behind = last ? 0 : face<A>(band_a, w + 1);
    b_behind = last ? 0 : face<B>(band_b, w + 1);
    const uint64_t starts_a = runs_a & ~from_left(runs_a, runs_a_before);
    const uint64_t starts_b = runs_b & ~from_left(runs_b, runs_b_before);

    // Two runs overlap in at most one stretch of columns, or touch at one corner.
    uint64_t touching = a & b, corner_left = 0, corner_right = 0;
    if (Diagonal) {
      const uint64_t a_left = from_left(a, a_before), a_right = from_right(a, a_behind);
      const uint64_t beside_b = from_left(b, b_before) | from_right(b, b_behind);
      touching |= (b & (a_left | a_right) & runs_a) | (a & beside_b & runs_b);
      corner_left = b & a_left & ~runs_a & ~from_left(runs_b, runs_b_before);
      corner_right = b & a_right & ~runs_a & ~from_right(runs_b, runs_b_behind);
    }
    const uint64_t overlaps = first_of_overlap(runs_a & runs_b, touching);
    uint64_t contacts = overlaps | corner_left;
    if (Join::kBlocks && starts_a == starts_b && starts_a && !(corner_left | corner_right) &&
        !((runs_a_before | runs_b_before) >> 63) && count_bits(overlaps) == count_bits(starts_a)) {
      join.block(band_a.first[w], band_b.first[w], count_bits(starts_a));
      contacts = 0;
    }
    for (uint64_t x = contacts; x; x &= x - 1) {
      const uint64_t upto = up_to_lowest(x);
      join(band_a.first[w] + count_bits(starts_a & upto) - 1, band_b.first[w] + count_bits(starts_b & upto) - 1);
    }
    for (uint64_t x = corner_right; x; x &= x - 1) {  // a's run begins at the next column
      const uint64_t upto = up_to_lowest(x);
      join(band_a.first[w] + count_bits(starts_a & upto), band_b.first[w] + count_bits(starts_b & upto) - 1);
    }
    runs_a_before = runs_a, runs_b_before = runs_b, a_before = a, b_before = b;
  }
}

// ---- Union-find: the smaller number is the root

/// Rem's algorithm with splicing, the fastest in Patwary, Blair, Manne, Experiments on Union-Find Algorithms, 2010.
FASTCNN_INLINE void join_by_splicing(int32_t* parent, int32_t a, int32_t b) {
  while (parent[a] != parent[b]) {
    if (parent[a] < parent[b]) {
      const int32_t other = a;
      a = b;
      b = other;
    }
    const int32_t above = parent[a];  // the larger one
    parent[a] = parent[b];
    if (above == a) return;
    a = above;
  }
}

/// Joins within a strip. Fresh: b's band has not been joined to any band yet.
template <bool Fresh>
struct Splice {
  static constexpr bool kBlocks = Fresh;
  int32_t* parent;

  FASTCNN_INLINE void operator()(int32_t a, int32_t b) const { join_by_splicing(parent, a, b); }
  FASTCNN_INLINE void block(int32_t a, int32_t b, int32_t n) const {
    for (int32_t i = 0; i < n; ++i) parent[b + i] = parent[a + i];
  }
};

FASTCNN_INLINE int32_t find_halving(int32_t* parent, int32_t run) {
  while (parent[run] != run) run = parent[run] = parent[parent[run]];
  return run;
}

/// After scan and join a run is at most two steps from its root.
FASTCNN_INLINE int32_t find(const int32_t* parent, int32_t run) { return parent[parent[run]]; }

/// Calls join for all contacts of a band with the bands before it in raster order whose index is in [begin, end);
/// `first` instead for the band right before it, which comes first.
template <int Rows, class First, class Join>
FASTCNN_INLINE void join_band(const RunImage& image, int64_t band, int64_t begin, int64_t end, First first, Join join) {
  const int64_t per_slice = image.bands_per_slice, words = image.words, index = band % per_slice;
  const Band<Rows> here(image, band);
  const auto inside = [=](int64_t i) { return i >= begin && i < end; };
  if constexpr (Rows == 2) {  // all adjacent pixels are neighbours: 8 in 2-D, 26 in 3-D
    if (index > 0 && inside(band - 1))
      for_each_contact<true, Face::bottom, Face::top>(Band<Rows>(image, band - 1), here, words, first);
    if (band < per_slice) return;
    const int64_t below = band - per_slice;
    if (index > 0 && inside(below - 1))
      for_each_contact<true, Face::bottom, Face::top>(Band<Rows>(image, below - 1), here, words, join);
    if (inside(below)) for_each_contact<true, Face::all, Face::all>(Band<Rows>(image, below), here, words, join);
    if (index + 1 < per_slice && inside(below + 1))
      for_each_contact<true, Face::top, Face::bottom>(Band<Rows>(image, below + 1), here, words, join);
  } else {
    const bool diagonal = image.connectivity > 1;  // within a plane of 3-D: 18 neighbours
    const auto plane = [&](int64_t i, auto joiner) {
      if (!inside(i)) return;
      if (diagonal)
        for_each_contact<true, Face::all, Face::all>(Band<Rows>(image, i), here, words, joiner);
      else
        for_each_contact<false, Face::all, Face::all>(Band<Rows>(image, i), here, words, joiner);
    };
    if (index > 0) plane(band - 1, first);
    if (band < per_slice) return;
    const int64_t below = band - per_slice;
    plane(below, join);
    if (!diagonal) return;
    if (index > 0 && inside(below - 1))
      for_each_contact<false, Face::all, Face::all>(Band<Rows>(image, below - 1), here, words, join);
    if (index + 1 < per_slice && inside(below + 1))
      for_each_contact<false, Face::all, Face::all>(Band<Rows>(image, below + 1), here, words, join);
  }
}

// ---- Kernels

FASTCNN_INLINE int32_t* first_of_band(const RunImage& image, int64_t band) {
  return image.first + band * (image.words + 1);
}

/// Reads a band's rows and numbers its runs from `run` on; returns the number behind the last.
template <int Rows>
int32_t read_band(const RunImage& image, const RunSource& source, int64_t band, int32_t run) {
  const int64_t y = band % image.bands_per_slice * Rows, z = band / image.bands_per_slice;
  uint64_t* bits = image.bits + band * Rows * image.words;
  read_row(source, (z * image.height + y) * image.width, image.width, bits);
  if (Rows == 2) {
    if (y + 1 < image.height) {
      read_row(source, (z * image.height + y + 1) * image.width, image.width, bits + image.words);
    } else {
      for (int64_t w = 0; w < image.words; ++w) bits[image.words + w] = 0;
    }
  }
  const Band<Rows> here(image, band);
  int32_t* first = first_of_band(image, band);
  int32_t next = run;
  uint64_t before = 0;
  for (int64_t w = 0; w < image.words; ++w) {
    const uint64_t runs = here.any(w);
    first[w] = next;
    next += count_bits(runs & ~from_left(runs, before));
    before = runs;
  }
  first[image.words] = next;
  for (; run < next; ++run) image.parent[run] = run, image.value[run] = 0;
  return next;
}

/// Calls body(row, word, run, columns) for every run's share of every word, for each row of the band.
template <int Rows, class Body>
FASTCNN_INLINE void for_each_piece(const RunImage& image, int64_t band, Body body) {
  const Band<Rows> here(image, band);
  uint64_t before = 0;
  for (int64_t w = 0; w < image.words; ++w) {
    const uint64_t runs = here.any(w);
    uint64_t starts = runs & ~from_left(runs, before);
    before = runs;
    int32_t run = here.first[w] - 1;
    uint64_t rest = runs;
    while (starts) {
      const uint64_t below = up_to_lowest(starts) >> 1;
      if (rest & below) body(w, run, rest & below);
      rest &= ~below;
      starts &= starts - 1;
      ++run;
    }
    if (rest) body(w, run, rest);
  }
}

template <int Rows>
void measure_band(const RunImage& image, RunMeasure measure, int64_t band) {
  const int64_t y = band % image.bands_per_slice * Rows, z = band / image.bands_per_slice;
  const uint64_t* bits = image.bits + band * Rows * image.words;
  const bool outer_slice = image.volume && (z == 0 || z + 1 == image.depth);
  for_each_piece<Rows>(image, band, [&](int64_t w, int32_t run, uint64_t columns) {
    for (int r = 0; r < Rows; ++r) {
      uint64_t wanted = columns;
      if (measure == RunMeasure::border && !outer_slice && y + r != 0 && y + r + 1 != image.height) {
        const uint64_t left = w == 0 ? 1 : 0,
                       right = w + 1 == image.words ? uint64_t{1} << ((image.width - 1) & 63) : 0;
        wanted &= left | right;
      }
      image.value[run] += count_bits(bits[r * image.words + w] & wanted);
    }
  });
}

template <int Rows>
int32_t scan_bands(const RunImage& image, const RunSource& source, RunMeasure measure, int64_t begin, int64_t end) {
  const int32_t first_run = static_cast<int32_t>(begin * image.capacity);
  int32_t* parent = image.parent;
  int32_t run = first_run;
  for (int64_t band = begin; band < end; ++band) {
    run = read_band<Rows>(image, source, band, run);
    join_band<Rows>(image, band, begin, band, Splice<true>{parent}, Splice<false>{parent});
    if (measure != RunMeasure::none) measure_band<Rows>(image, measure, band);
  }
  int32_t roots = 0;
  for (int32_t r = first_run; r < run; ++r) {
    const int32_t root = parent[r] = parent[parent[r]];
    roots += root == r;
  }
  if (measure != RunMeasure::none)
    for (int32_t r = first_run; r < run; ++r)
      if (parent[r] != r) image.value[parent[r]] += image.value[r];
  return roots;
}

int32_t scan(const RunImage& image, const RunSource& source, RunMeasure measure, int64_t begin, int64_t end) {
  return image.rows == 1 ? scan_bands<1>(image, source, measure, begin, end)
                         : scan_bands<2>(image, source, measure, begin, end);
}

/// Joins across strips. The replaced roots form a linked list through their values, which are no longer needed.
struct JoinStrips {
  static constexpr bool kBlocks = false;
  const RunImage& image;
  const RunStrips& strips;
  int64_t strip;
  int32_t* lost_last;

  FASTCNN_INLINE void operator()(int32_t a, int32_t b) const {
    int32_t* parent = image.parent;
    a = find_halving(parent, a);
    b = find_halving(parent, b);
    if (a == b) return;
    const int32_t root = a < b ? a : b, lost = a < b ? b : a;
    parent[lost] = root;
    image.value[root] += image.value[lost];
    image.value[lost] = *lost_last;
    *lost_last = lost;
    int64_t owner = strip;
    while (lost < strips.begin[owner] * image.capacity) --owner;
    --strips.roots[owner];
  }
  FASTCNN_INLINE void block(int32_t, int32_t, int32_t) const {}
};

template <int Rows>
void join_strips(const RunImage& image, const RunStrips& strips) {
  int32_t lost = -1;
  for (int64_t strip = 1; strip < strips.count; ++strip) {
    const int64_t begin = strips.begin[strip];
    int64_t end = begin + (image.depth > 1 ? image.bands_per_slice + 1 : 1);  // bands with neighbours before the strip
    if (end > strips.begin[strip + 1]) end = strips.begin[strip + 1];
    const JoinStrips join{image, strips, strip, &lost};
    for (int64_t band = begin; band < end; ++band) join_band<Rows>(image, band, 0, begin, join, join);
  }
  // A component that winds through the strips leaves a long chain of them.
  for (; lost >= 0; lost = image.value[lost]) image.parent[lost] = find_halving(image.parent, lost);
}

void join(const RunImage& image, const RunStrips& strips) {
  image.rows == 1 ? join_strips<1>(image, strips) : join_strips<2>(image, strips);
}

/// Without branches, because on noise it is unpredictable which run is a root.
FASTCNN_INLINE void take_label(int32_t& value, bool is_root, int32_t& label) {
  const int32_t takes = static_cast<int32_t>(is_root) & static_cast<int32_t>(value == 0);
  value |= label & -takes;
  label += takes;
}

void number(const RunImage& image, int64_t begin, int64_t end, int32_t label) {
  const int32_t* parent = image.parent;
  int32_t* value = image.value;
  for (int64_t band = begin; band < end; ++band) {
    const int32_t* first = first_of_band(image, band);
    const int32_t first_run = first[0], end_run = first[image.words];
    int32_t roots = 0;
    for (int32_t run = first_run; run < end_run; ++run) roots += parent[run] == run;
    if (roots == 0) continue;
    if (image.rows == 2) {
      // Components with a pixel in the upper row come first, in the order of their first pixel there.
      const Band<2> here(image, band);
      FirstOfRun first_above;
      uint64_t before = 0;
      for (int64_t w = 0; w < image.words; ++w) {
        const uint64_t runs = here.any(w), starts = runs & ~from_left(runs, before);
        before = runs;
        for (uint64_t x = first_above(runs, here.row0[w]); x; x &= x - 1) {
          const int32_t run = first[w] + count_bits(starts & up_to_lowest(x)) - 1, root = find(parent, run);
          const bool here_first = root >= first_run;
          take_label(value[here_first ? root : run], here_first, label);
        }
      }
    }
    for (int32_t run = first_run; run < end_run; ++run) take_label(value[run], parent[run] == run, label);
  }
}

/// kRunsBegun.upto[bits][i]: the bits set among 0..i.
struct RunsBegun {
  alignas(64) uint8_t upto[256][8];
  constexpr RunsBegun() : upto() {
    for (int bits = 0; bits < 256; ++bits)
      for (int i = 0, n = 0; i < 8; ++i) upto[bits][i] = static_cast<uint8_t>(n += bits >> i & 1);
  }
};
constexpr RunsBegun kRunsBegun;

/// Eight pixels' labels: runs[0] is the run that is open at the first pixel, runs[1] the next to begin...
struct EightLabels {
#if defined(__AVX2__)
  __m256i labels;
  FASTCNN_INLINE EightLabels(const int32_t* runs, uint32_t starts) {
    const __m256i which =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kRunsBegun.upto[starts])));
    labels = _mm256_permutevar8x32_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(runs)), which);
  }
  FASTCNN_INLINE void write(uint32_t bits, int32_t* dst) const {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane), lane);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_and_si256(labels, set));
  }
#else
  int32_t labels[8];
  FASTCNN_INLINE EightLabels(const int32_t* runs, uint32_t starts) {
    for (int i = 0; i < 8; ++i) labels[i] = runs[kRunsBegun.upto[starts][i]];
  }
  FASTCNN_INLINE void write(uint32_t bits, int32_t* dst) const {
    for (int i = 0; i < 8; ++i) dst[i] = labels[i] & -static_cast<int32_t>(bits >> i & 1);
  }
#endif
};

template <int Rows>
void write_band(const RunImage& image, int64_t band, int32_t* row, int32_t* dst) {
  const Band<Rows> here(image, band);
  const int64_t y = band % image.bands_per_slice * Rows, z = band / image.bands_per_slice;
  int32_t* dst0 = dst + (z * image.height + y) * image.width;
  int32_t* dst1 = dst0 + image.width;
  const bool two = Rows == 2 && y + 1 < image.height;

  const int32_t first_run = here.first[0], runs_here = here.first[image.words] - first_run;
  row[0] = 0;
  for (int32_t i = 0; i < runs_here; ++i) row[1 + i] = image.value[find(image.parent, first_run + i)];

  uint64_t before = 0;
  for (int64_t w = 0; w < image.words; ++w) {
    const uint64_t runs = here.any(w);
    uint64_t starts = runs & ~from_left(runs, before), bits0 = here.row0[w], bits1 = here.row1[w];
    before = runs;
    const int32_t* open = row + (here.first[w] - first_run);
    const int64_t x = 64 * w, n = image.width - x < 64 ? image.width - x : 64;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      const EightLabels eight(open, starts & 255);
      eight.write(bits0 & 255, dst0 + x + i);
      if (two) eight.write(bits1 & 255, dst1 + x + i);
      open += kRunsBegun.upto[starts & 255][7];
      starts >>= 8, bits0 >>= 8, bits1 >>= 8;
    }
    if (i < n) {
      int32_t tail[2][8];
      const EightLabels eight(open, starts & 255);
      eight.write(bits0 & 255, tail[0]);
      eight.write(bits1 & 255, tail[1]);
      for (int64_t j = i; j < n; ++j) {
        dst0[x + j] = tail[0][j - i];
        if (two) dst1[x + j] = tail[1][j - i];
      }
    }
  }
}

void write_labels(const RunImage& image, int64_t begin, int64_t end, int32_t* row, int32_t* dst) {
  for (int64_t band = begin; band < end; ++band)
    image.rows == 1 ? write_band<1>(image, band, row, dst) : write_band<2>(image, band, row, dst);
}

/// Bits as bytes, 0 or 1.
FASTCNN_INLINE void bytes_of_bits(uint64_t bits, int64_t n, uint8_t* dst) {
#if defined(__AVX512BW__)
  const __mmask64 lanes = n < 64 ? (uint64_t{1} << n) - 1 : ~uint64_t{0};
  _mm512_mask_storeu_epi8(dst, lanes, _mm512_maskz_set1_epi8(bits, 1));
#else
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const uint64_t spread = (bits >> i & 255) * 0x0101010101010101u & 0x8040201008040201u;
    const uint64_t bytes = (spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
    __builtin_memcpy(dst + i, &bytes, 8);
  }
  for (; i < n; ++i) dst[i] = bits >> i & 1;
#endif
}

template <int Rows>
void write_mask_band(const RunImage& image, const RunFilter& filter, int64_t band, uint8_t* dst) {
  const int64_t y = band % image.bands_per_slice * Rows, z = band / image.bands_per_slice;
  uint64_t* bits = image.bits + band * Rows * image.words;
  for_each_piece<Rows>(image, band, [&](int64_t w, int32_t run, uint64_t columns) {
    if ((image.value[find(image.parent, run)] <= filter.bound) == filter.keep_up_to) return;
    for (int r = 0; r < Rows; ++r) bits[r * image.words + w] &= ~columns;
  });
  for (int64_t r = 0; r < Rows && y + r < image.height; ++r) {
    uint8_t* row = dst + (z * image.height + y + r) * image.width;
    for (int64_t w = 0; w < image.words; ++w) {
      const uint64_t word = bits[r * image.words + w] ^ (filter.invert ? ~uint64_t{0} : 0);
      const int64_t left = image.width - 64 * w;
      bytes_of_bits(word, left < 64 ? left : 64, row + 64 * w);
    }
  }
}

void write_mask(const RunImage& image, const RunFilter& filter, int64_t begin, int64_t end, uint8_t* dst) {
  for (int64_t band = begin; band < end; ++band)
    image.rows == 1 ? write_mask_band<1>(image, filter, band, dst) : write_mask_band<2>(image, filter, band, dst);
}

}  // namespace

extern const RunKernels run_kernels = {scan, join, number, write_labels, write_mask};

}  // namespace fastcnn::FASTCNN_ISA
