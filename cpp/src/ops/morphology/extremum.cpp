#include "ops/morphology/extremum.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "core/dtypes.h"
#include "ops/morphology/border.h"
#include "ops/morphology/order_key.h"

namespace fastcnn {
namespace {

// Upper limit for the rows that one thread works on, if panels can be narrow enough: about the size of an L2 cache.
constexpr int64_t kCacheBytes = 512 << 10;
// With fewer pixels, another thread is not worthwhile.
constexpr int64_t kGrain = 1 << 15;

KeyType key_type(KeyFormat format) {
  switch (format.bits) {
    case 8: return kKeyU8;
    case 16: return format.is_signed ? kKeyI16 : kKeyU16;
    case 32: return kKeyI32;
    default: return kKeyI64;
  }
}

/// f(K{}) for the key type's integer.
template <class F>
auto with_key(KeyType type, const F& f) {
  switch (type) {
    case kKeyU8: return f(uint8_t{});
    case kKeyU16: return f(uint16_t{});
    case kKeyI16: return f(int16_t{});
    case kKeyI32: return f(int32_t{});
    default: return f(int64_t{});
  }
}

const BoxKernels& box_kernels(bool maximum) {
  return maximum ? FASTCNN_SELECT(dilation_box_kernels) : FASTCNN_SELECT(erosion_box_kernels);
}

}  // namespace

int64_t key_of_value(const char* op, DType dtype, double value, int64_t bias) {
  const auto checked = [&](auto limits) {
    using T = typename decltype(limits)::type;
    const T result = static_cast<T>(value);  // after the range check of the caller
    return static_cast<int64_t>(result);
  };
  const auto in_range = [&](double low, double past) {
    FASTCNN_CHECK(value >= low && value < past && value == std::trunc(value), op, ": expected value to be a ",
                  name_of(dtype), ", got ", value);
  };
  switch (dtype) {
    case DType::boolean: in_range(0, 2); return checked(TypeTag<uint8_t>{});
    case DType::uint8: in_range(0, 256); return checked(TypeTag<uint8_t>{});
    case DType::int8: in_range(-128, 128); return checked(TypeTag<int8_t>{});
    case DType::uint16: in_range(0, 65536); return checked(TypeTag<uint16_t>{});
    case DType::int16: in_range(-32768, 32768); return checked(TypeTag<int16_t>{});
    case DType::int32: in_range(-0x1p31, 0x1p31); return checked(TypeTag<int32_t>{});
    case DType::uint32: in_range(0, 0x1p32); return checked(TypeTag<uint32_t>{});
    case DType::uint64: in_range(0, 0x1p64); return checked(TypeTag<uint64_t>{});
    case DType::int64: in_range(-0x1p63, 0x1p63); return checked(TypeTag<int64_t>{});
    case DType::float16: {
      const Float16 half = Float16::from(static_cast<float>(value));
      return key_of_bits(static_cast<int16_t>(half.bits), static_cast<int16_t>(bias));
    }
    case DType::bfloat16: {
      const BFloat16 half = BFloat16::from(static_cast<float>(value));
      return key_of_bits(static_cast<int16_t>(half.bits), static_cast<int16_t>(bias));
    }
    case DType::float32:
      return key_of_bits(static_cast<int32_t>(float_to_bits(static_cast<float>(value))), static_cast<int32_t>(bias));
    default: {
      int64_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      return key_of_bits(bits, bias);
    }
  }
}

namespace {

std::vector<int64_t> axis_map(const Span& span, int64_t n, Border border) {
  std::vector<int64_t> map(static_cast<size_t>(span.before + n + span.after));
  for (size_t i = 0; i < map.size(); ++i) map[i] = continued(static_cast<int64_t>(i) - span.before, n, border);
  return map;
}

/// A parallel loop over rows, with scratch memory for each piece. The memory is allocated before the loop because
/// bodies must not throw.
class RowLoop {
 public:
  RowLoop(const Context& context, int64_t rows, int64_t width)
      : context_(context),
        scratch_(context),
        rows_(rows),
        grain_(std::max<int64_t>(1, kGrain / width)),
        pieces_(std::min<int64_t>(context.num_threads(), (rows + grain_ - 1) / grain_)) {}
  /// The rows of the largest piece.
  int64_t piece() const { return std::min(rows_, (rows_ + pieces_ - 1) / pieces_ + grain_); }
  /// body(begin, end, scratch)
  template <class F>
  void run(int64_t scratch_bytes, const F& body) {
    const int64_t bytes = (scratch_bytes + 63) / 64 * 64;
    char* const memory = scratch_.get<char>(bytes * pieces_);
    std::atomic<int64_t> next{0};
    context_.parallel_for(0, rows_, grain_, [&](int64_t begin, int64_t end) {
      body(begin, end, memory + bytes * next.fetch_add(1, std::memory_order_relaxed));
    });
  }

 private:
  const Context& context_;
  Scratch scratch_;
  int64_t rows_, grain_, pieces_;
};

/// Panels must hold all columns that their padding continues.
int64_t panel_width(int64_t width, int64_t columns, int64_t bytes_per_column) {
  const int64_t cached = kCacheBytes / std::max<int64_t>(1, bytes_per_column);
  return std::min(width, std::max({cached, 4 * columns, int64_t{256}}));
}

/// The size in bytes of `rows` scratch rows of a panel. Panels differ in width by at most one column.
int64_t rows_bytes(int64_t rows, const WindowPlane& p, int64_t element) {
  const int64_t panels = std::max<int64_t>(1, p.width / p.panel);
  return rows * scratch_row((p.width + panels - 1) / panels, p.columns, element) * element;
}

/// `max_rows` is how many rows of the result one call makes, at most.
int64_t box_rows(const WindowPlane& p, int64_t max_rows) {
  return kBoxRows + (p.rows > kDirectRows ? std::min(p.rows, max_rows) : 0);
}

}  // namespace

Extremum::Extremum(const char* op, bool maximum, DType dtype, const Extent& extent, const Footprint& footprint,
                   Border border, double value)
    : maximum_(maximum),
      extent_(extent),
      border_(border),
      window_(make_window(footprint, maximum, border, extent, op)) {
  const KeyFormat format = key_format(order_twin(dtype));
  type_ = key_type(format);
  element_ = format.bits / 8;
  floats_ = format.nan_count != 0;
  bias_ = key_bias(format, maximum);
  neutral_ = with_key(
      type_, [&](auto key) -> int64_t { return neutral_key<decltype(key)>(maximum, dtype == DType::boolean); });
  outside_ = border == Border::constant ? key_of_value(op, dtype, value, bias_) : neutral_;
  turned_ = order_twin(dtype) != dtype;
  if (turned_ && border == Border::constant)
    outside_ = static_cast<int64_t>(static_cast<uint64_t>(outside_) ^ uint64_t{1} << (format.bits - 1));
  build();
}

Extremum::Extremum(const char* op, bool maximum, const Extent& extent, const Footprint& footprint, Border border,
                   int64_t outside)
    : maximum_(maximum),
      extent_(extent),
      border_(border),
      window_(make_window(footprint, maximum, border, extent, op)),
      type_(kKeyI64),
      element_(8),
      neutral_(neutral_key<int64_t>(maximum, false)),
      outside_(border == Border::constant ? outside : neutral_) {
  build();
}

void Extremum::build() {
  z_map_ = axis_map(window_.z, extent_.depth, border_);
  y_map_ = axis_map(window_.y, extent_.height, border_);
  const std::vector<int64_t> x = axis_map(window_.x, extent_.width, border_);
  x_map_.assign(x.begin(), x.begin() + window_.x.before);
  x_map_.insert(x_map_.end(), x.end() - window_.x.after, x.end());
  x_pads_outside_ = border_ == Border::geodesic || border_ == Border::constant;
  if (!window_.box && !window_.empty)
    for (int64_t z = 0; z < window_.z.size(); ++z) chords_.push_back(make_chords(window_, z));
}

void Extremum::run(const Context& context, const void* src, void* dst) const {
  if (!turned_) return run_keys(context, src, dst);
  Scratch scratch(context);
  auto* keys = scratch.get<char>(extent_.size() * element_);
  turn(context, src, keys);
  run_keys(context, keys, dst);
  turn(context, dst, dst);
}

void Extremum::turn(const Context& context, const void* from, void* to) const {
  context.parallel_for(0, extent_.size(), kGrain, [&](int64_t begin, int64_t end) {
    turn_signs(static_cast<const char*>(from) + begin * element_, end - begin, element_,
               static_cast<char*>(to) + begin * element_);
  });
}

void Extremum::run_keys(const Context& context, const void* src, void* dst) const {
  if (window_.empty) return fill(dst, 0, extent_.size());
  window_.box ? run_box(context, src, dst) : run_chords(context, src, dst);
}

WindowPlane Extremum::plane(const void* src, void* dst) const {
  WindowPlane p{};
  p.src = src;
  p.dst = dst;
  p.src_pitch = p.dst_pitch = p.width = p.panel = extent_.width;
  p.rows = window_.y.size();
  p.columns = window_.x.size();
  p.left = window_.x.before;
  p.row_map = y_map_.data();
  p.column_map = x_map_.data();
  p.pads_outside = x_pads_outside_;
  p.outside = outside_;
  p.key_bias = bias_;
  p.floats = floats_;
  return p;
}

/// Writes the result of a window that contains no pixel.
void Extremum::fill(void* dst, int64_t begin, int64_t end) const {
  with_key(type_, [&](auto key) {
    using K = decltype(key);
    K value = static_cast<K>(neutral_);
    if constexpr (std::is_signed_v<K>) {
      if (floats_) value = bits_of_key(value, static_cast<K>(bias_));
    }
    std::fill(static_cast<K*>(dst) + begin, static_cast<K*>(dst) + end, value);
  });
}

// ---- boxes
// -----------------------------------------------------------------------------------------------------------

void Extremum::run_box(const Context& context, const void* src, void* dst) const {
  const bool depth = window_.z.size() > 1;
  const bool planes = window_.y.size() > 1 || window_.x.size() > 1 || !depth;
  if (depth && planes) {
    Scratch scratch(context);
    void* between = scratch.get<char>(extent_.size() * element_);
    run_box_planes(context, src, between);
    run_box_depth(context, between, dst);
  } else if (depth) {
    run_box_depth(context, src, dst);
  } else {
    run_box_planes(context, src, dst);
  }
}

/// Processes every plane independently. The rows of all planes form one range, so that thin volumes use all threads
/// too.
void Extremum::run_box_planes(const Context& context, const void* src, void* dst) const {
  WindowPlane p = plane(src, dst);
  const int64_t height = extent_.height, plane_bytes = height * p.width * element_;
  RowLoop loop(context, extent_.depth * height, p.width);
  const int64_t rows = box_rows(p, std::min(height, loop.piece()));
  p.panel = panel_width(p.width, p.columns, rows * element_);
  const auto kernel = box_kernels(maximum_).run[type_];
  loop.run(rows_bytes(rows, p, element_), [&](int64_t begin, int64_t end, void* scratch) {
    for (int64_t i = begin; i < end;) {
      const int64_t z = i / height, y = i % height, n = std::min(height - y, end - i);
      WindowPlane one = p;
      one.src = static_cast<const char*>(p.src) + z * plane_bytes;
      one.dst = static_cast<char*>(p.dst) + z * plane_bytes;
      kernel(one, y, y + n, scratch);
      i += n;
    }
  });
}

/// Processes the z axis only: the planes become the rows of an image whose width is the number of pixels in a plane.
/// Its columns are processed in pieces.
void Extremum::run_box_depth(const Context& context, const void* src, void* dst) const {
  const int64_t area = extent_.height * extent_.width, depth = extent_.depth;
  WindowPlane p = plane(src, dst);
  p.src_pitch = p.dst_pitch = area;
  p.rows = window_.z.size();
  p.columns = 1;
  p.left = 0;
  p.row_map = z_map_.data();
  const int64_t rows = box_rows(p, depth), piece = panel_width(area, 1, rows * element_);
  p.width = p.panel = piece;
  RowLoop loop(context, (area + piece - 1) / piece * depth, piece);
  const auto kernel = box_kernels(maximum_).run[type_];
  loop.run(rows_bytes(rows, p, element_), [&](int64_t begin, int64_t end, void* scratch) {
    for (int64_t i = begin; i < end;) {
      const int64_t first = i / depth * piece, z = i % depth, n = std::min(depth - z, end - i);
      WindowPlane one = p;
      one.src = static_cast<const char*>(p.src) + first * element_;
      one.dst = static_cast<char*>(p.dst) + first * element_;
      one.width = one.panel = std::min(piece, area - first);
      kernel(one, z, z + n, scratch);
      i += n;
    }
  });
}

// ---- any footprint
// ---------------------------------------------------------------------------------------------------

/// A volume's result plane is the extremum over the window's planes, each a plane of chords, gathered in dst.
void Extremum::run_chords(const Context& context, const void* src, void* dst) const {
  const int64_t height = extent_.height, width = extent_.width;
  int64_t rows_kept = 0, lists = 0;
  for (const ChordTable& table : chords_) {
    rows_kept = std::max(rows_kept, table.rows_kept);
    const size_t bytes = table.chords.size() * sizeof(void*) + table.lengths.size() * kChordRingBytes + 64;
    lists = std::max(lists, static_cast<int64_t>(bytes));
  }
  WindowPlane p = plane(src, dst);
  p.panel = panel_width(width, p.columns, rows_kept * element_);
  const std::vector<int64_t> no_rows(y_map_.size(), -1);
  const auto kernel = FASTCNN_SELECT(chord_kernels).run[maximum_][type_];
  RowLoop loop(context, extent_.depth * height, width);
  loop.run(lists + rows_bytes(rows_kept, p, element_), [&](int64_t begin, int64_t end, void* scratch) {
    for (int64_t i = begin; i < end;) {
      const int64_t z = i / height, y = i % height, n = std::min(height - y, end - i);
      const auto counts = [&](int64_t k) {
        return !chords_[static_cast<size_t>(k)].chords.empty() &&
               (border_ != Border::geodesic || z_map_[static_cast<size_t>(z + k)] >= 0);
      };
      bool accumulate = false;
      for (int64_t k = 0; k < window_.z.size(); ++k) {
        if (!counts(k)) continue;
        const ChordTable& table = chords_[static_cast<size_t>(k)];
        const int64_t plane = z_map_[static_cast<size_t>(z + k)];
        ChordPlane one{p,
                       table.lengths.data(),
                       table.chords.data(),
                       static_cast<int64_t>(table.lengths.size()),
                       static_cast<int64_t>(table.chords.size()),
                       accumulate};
        if (plane < 0) one.plane.row_map = no_rows.data();
        one.plane.src = static_cast<const char*>(p.src) + std::max<int64_t>(0, plane) * height * width * element_;
        one.plane.dst = static_cast<char*>(p.dst) + z * height * width * element_;
        kernel(one, y, y + n, scratch);
        accumulate = true;
      }
      if (!accumulate) fill(dst, (z * height + y) * width, (z * height + y + n) * width);
      i += n;
    }
  });
}

}  // namespace fastcnn
