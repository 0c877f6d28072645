// Dalal and Triggs, "Histograms of oriented gradients for human detection", 2005. There are two variants. In
// scikit-image's, a pixel votes for its cell and its orientation. In that of the paper, it votes for the four nearest
// cells of each block and the two nearest orientations, weighted by distance and by a Gaussian over the block
// (constants as in OpenCV's HOGDescriptor). Gradients and votes are in double, as in scikit-image, so that orientations
// on a bin border get the same bin. O(pixels * orientations); interpolated: O(pixels * cells of a block). Scratch: a
// row of pixels a thread; interpolated: 20 bytes a pixel.
#include "fastcnn/ops/features.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "ops/features/hog_simd.h"

namespace fastcnn {
namespace {

constexpr char kOp[] = "hog";
constexpr double kPi = 3.14159265358979323846;

/// One image of a batch, whose rows are read as Value.
template <class Value>
struct Planes {
  using Read = void (*)(const void* image, int64_t first, int64_t stride, int64_t n, Value* line);
  const void* data;
  Read read;
  int64_t offset, channels, height, width, channel_stride, row_stride, column_stride;
};

template <class T, class Value>
void read_line(const void* image, int64_t first, int64_t stride, int64_t n, Value* line) {
  const T* from = static_cast<const T*>(image) + first;
  if (stride == 1)
    for (int64_t x = 0; x < n; ++x) line[x] = static_cast<Value>(from[x]);
  else
    for (int64_t x = 0; x < n; ++x) line[x] = static_cast<Value>(from[x * stride]);
}

/// Differences of neighbours along both axes, from the channel with the largest gradient.
template <class Value>
class Gradients {
 public:
  static int64_t memory(int64_t width) { return 3 * width; }

  Gradients(const Planes<Value>& planes, bool square_root, bool mirrored)
      : p_(planes), square_root_(square_root), mirrored_(mirrored) {}

  /// Computes the gradients of one row. At the border, the mirrored mode uses the neighbour's neighbour; otherwise the
  /// gradient is 0. lines: memory(width) values.
  template <class To>
  void row(int64_t y, Value* lines, To* gx, To* gy) const {
    const int64_t n = p_.width;
    Value *here = lines, *above = here + n, *below = above + n;
    const bool inside = mirrored_ || (y > 0 && y + 1 < p_.height);
    for (int64_t c = 0; c < p_.channels; ++c) {
      read(c, y, here);
      if (inside) read(c, neighbour(y - 1, p_.height), above), read(c, neighbour(y + 1, p_.height), below);
      const auto put = [&](int64_t x, int64_t left, int64_t right) {
        const To dx = static_cast<To>(here[right] - here[left]);
        const To dy = inside ? static_cast<To>(below[x] - above[x]) : To(0);
        if (c == 0 || dx * dx + dy * dy > gx[x] * gx[x] + gy[x] * gy[x]) gx[x] = dx, gy[x] = dy;
      };
      if (c == 0) {
        for (int64_t x = 1; x + 1 < n; ++x) gx[x] = static_cast<To>(here[x + 1] - here[x - 1]);
        for (int64_t x = 1; x + 1 < n; ++x) gy[x] = inside ? static_cast<To>(below[x] - above[x]) : To(0);
      } else {
        for (int64_t x = 1; x + 1 < n; ++x) put(x, x - 1, x + 1);
      }
      for (const int64_t x : {int64_t{0}, n - 1}) {
        const int64_t next = std::min<int64_t>(n - 1, 1), last = std::max<int64_t>(0, n - 2);
        const int64_t mirror = x == 0 ? next : last;  // on both sides: the difference is 0
        put(x, mirror, mirror);
      }
    }
  }

 private:
  void read(int64_t channel, int64_t y, Value* line) const {
    p_.read(p_.data, p_.offset + channel * p_.channel_stride + y * p_.row_stride, p_.column_stride, p_.width, line);
    if (square_root_)
      for (int64_t x = 0; x < p_.width; ++x) line[x] = std::sqrt(line[x]);
  }
  int64_t neighbour(int64_t i, int64_t n) const {
    if (n == 1) return 0;
    return i < 0 ? 1 : i >= n ? n - 2 : i;
  }
  const Planes<Value>& p_;
  bool square_root_, mirrored_;
};

/// Directions between orientations: bin b holds the angles from border b to border b + 1, in [0, 180) degrees.
struct Borders {
  explicit Borders(int64_t n) {
    for (int64_t k = 1; k < n; ++k) {
      // 45 and 90 degrees are exact, because gradients of integers often have these angles.
      const double angle = kPi * static_cast<double>(k) / static_cast<double>(n);
      sine.push_back(4 * k == n || 4 * k == 3 * n ? std::sqrt(0.5) : std::sin(angle));
      cosine.push_back(2 * k == n       ? 0
                       : 4 * k == n     ? std::sqrt(0.5)
                       : 4 * k == 3 * n ? -std::sqrt(0.5)
                                        : std::cos(angle));
    }
  }
  std::vector<double> sine, cosine;
};

/// Each pixel's votes, into the cells of a row of cells.
template <class Value>
void vote(const Gradients<Value>& gradients, const Borders& borders, const Hog& o, int64_t cell_row, int64_t cells,
          int64_t width, double* memory, double* histogram) {
  const HogKernels& kernels = FASTCNN_SELECT(hog_kernels);
  double *gx = memory, *gy = gx + width, *magnitude = gy + width, *bin = magnitude + width;
  auto* lines = reinterpret_cast<Value*>(bin + width);
  std::fill_n(histogram, cells * o.orientations, 0.0);
  for (int64_t y = cell_row * o.cell[0]; y < (cell_row + 1) * o.cell[0]; ++y) {
    gradients.row(y, lines, gx, gy);
    kernels.bins(gx, gy, width, borders.sine.data(), borders.cosine.data(), static_cast<int64_t>(borders.sine.size()),
                 magnitude, bin);
    for (int64_t cell = 0; cell < cells; ++cell) {
      double* to = histogram + cell * o.orientations;
      for (int64_t x = cell * o.cell[1]; x < (cell + 1) * o.cell[1]; ++x)
        to[static_cast<int64_t>(bin[x])] += magnitude[x];
    }
  }
  const double pixels = static_cast<double>(o.cell[0]) * static_cast<double>(o.cell[1]);
  for (int64_t i = 0; i < cells * o.orientations; ++i) histogram[i] /= pixels;
}

/// Normalises the values of a block to unit length, as in scikit-image.
template <class To>
void normalise(double* block, int64_t n, BlockNorm norm, To* to) {
  constexpr double kEps = 1e-5;
  double sum = 0;
  const bool first = norm == BlockNorm::l1 || norm == BlockNorm::l1_sqrt;
  for (int64_t i = 0; i < n; ++i) sum += first ? std::abs(block[i]) : block[i] * block[i];
  double length = first ? sum + kEps : std::sqrt(sum + kEps * kEps);
  if (norm == BlockNorm::l2_hys) {
    sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      block[i] = std::min(block[i] / length, 0.2);
      sum += block[i] * block[i];
    }
    length = std::sqrt(sum + kEps * kEps);
  }
  for (int64_t i = 0; i < n; ++i) {
    const double value = block[i] / length;
    to[i] = static_cast<To>(norm == BlockNorm::l1_sqrt ? std::sqrt(value) : value);
  }
}

/// The weights with which pixels of a block vote for one of its cells: the pixels at most one cell size from its
/// centre.
struct CellWindow {
  int64_t row, column, rows, columns;  ///< of the block's pixels
  std::vector<float> weights;
};

/// Weights by the distance from the cell's centre and a Gaussian over the block.
std::vector<CellWindow> windows_of_block(const Hog& o) {
  const int64_t height = o.cell[0] * o.block[0], width = o.cell[1] * o.block[1];
  const double sigma = static_cast<double>(height + width) / 8, scale = 1 / (2 * sigma * sigma);
  const auto part = [](int64_t i, int64_t cell, int64_t index) {
    const double place = (static_cast<double>(i) + 0.5) / static_cast<double>(cell) - 0.5;
    return std::max(0.0, 1 - std::abs(place - static_cast<double>(index)));
  };
  std::vector<CellWindow> windows;
  for (int64_t row = 0; row < o.block[0]; ++row)
    for (int64_t column = 0; column < o.block[1]; ++column) {
      CellWindow w;
      w.row = std::max<int64_t>(0, (row - 1) * o.cell[0]), w.column = std::max<int64_t>(0, (column - 1) * o.cell[1]);
      w.rows = std::min(height, (row + 2) * o.cell[0]) - w.row;
      w.columns = std::min(width, (column + 2) * o.cell[1]) - w.column;
      // Excludes the half of a neighbouring cell that has weight 0.
      const auto shrink = [&](int64_t& first, int64_t& count, int64_t cell, int64_t index) {
        while (count > 1 && part(first, cell, index) == 0) ++first, --count;
        while (count > 1 && part(first + count - 1, cell, index) == 0) --count;
      };
      shrink(w.row, w.rows, o.cell[0], row), shrink(w.column, w.columns, o.cell[1], column);
      for (int64_t y = w.row; y < w.row + w.rows; ++y)
        for (int64_t x = w.column; x < w.column + w.columns; ++x) {
          // Measured from the corner of the block's middle pixel, as in OpenCV.
          const double dy = static_cast<double>(y) - static_cast<double>(height) / 2;
          const double dx = static_cast<double>(x) - static_cast<double>(width) / 2;
          w.weights.push_back(static_cast<float>(std::exp(-(dx * dx + dy * dy) * scale) * part(y, o.cell[0], row) *
                                                 part(x, o.cell[1], column)));
        }
      windows.push_back(std::move(w));
    }
  return windows;
}

/// OpenCV's normalisation, which reduces the values of blocks with low contrast.
template <class To>
void normalise_damped(double* block, int64_t n, BlockNorm norm, To* to) {
  if (norm != BlockNorm::l2_hys) return normalise(block, n, norm, to);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += block[i] * block[i];
  double length = std::sqrt(sum) + 0.1 * static_cast<double>(n);
  sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    block[i] = std::min(block[i] / length, 0.2);
    sum += block[i] * block[i];
  }
  length = std::sqrt(sum) + 1e-3;
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(block[i] / length);
}

/// The blocks of one image, interpolated. A thread processes some rows of blocks from top to bottom and keeps the votes
/// of the pixels of one row.
template <class Value, class To>
void interpolate(const Context& context, const Gradients<Value>& gradients, const Hog& o,
                 const std::vector<CellWindow>& windows, int64_t width, int64_t block_rows, int64_t block_columns,
                 To* blocks) {
  const HogKernels& kernels = FASTCNN_SELECT(hog_kernels);
  const int64_t bins = o.orientations, stride = (bins + features::kVotes - 1) / features::kVotes * features::kVotes;
  const int64_t height = o.cell[0] * o.block[0], block_size = o.block[0] * o.block[1] * bins;
  const int64_t pieces = std::min<int64_t>(context.num_threads(), block_rows);
  Scratch scratch(context);
  const int64_t line = width * stride, own_size = height * line + 2 * width + stride;
  float* memory = scratch.get<float>(pieces * own_size);
  double* values = scratch.get<double>(pieces * (block_size + Gradients<Value>::memory(width)));
  const float** lines = scratch.get<const float*>(pieces * height);
  context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
    for (; piece < end; ++piece) {
      float *votes = memory + piece * own_size, *gx = votes + height * line, *gy = gx + width, *sums = gy + width;
      double* block = values + piece * (block_size + Gradients<Value>::memory(width));
      auto* pixels = reinterpret_cast<Value*>(block + block_size);
      const float** window = lines + piece * height;
      int64_t ready = block_rows * piece / pieces * o.cell[0];  // rows of pixels
      for (int64_t row = block_rows * piece / pieces; row < block_rows * (piece + 1) / pieces; ++row) {
        const int64_t top = row * o.cell[0];
        for (; ready < top + height; ++ready) {
          gradients.row(ready, pixels, gx, gy);
          kernels.votes(gx, gy, width, bins, stride, votes + ready % height * line);
        }
        for (int64_t column = 0; column < block_columns; ++column) {
          double* to = block;
          for (const CellWindow& w : windows) {
            for (int64_t i = 0; i < w.rows; ++i)
              window[i] = votes + (top + w.row + i) % height * line + (column * o.cell[1] + w.column) * stride;
            kernels.sum(window, w.rows, w.columns, w.weights.data(), stride, sums);
            for (int64_t k = 0; k < bins; ++k) *to++ = static_cast<double>(sums[k]);
          }
          normalise_damped(block, block_size, o.norm, blocks + (row * block_columns + column) * block_size);
        }
      }
    }
  });
}

template <class Value, class To>
void run(const Context& context, const TensorView& image, typename Planes<Value>::Read read, const Hog& o, To* blocks,
         To* cells) {
  const int rank = image.ndim;
  const int64_t channels = image.shape[rank - 3], height = image.shape[rank - 2], width = image.shape[rank - 1];
  const int64_t rows = height / o.cell[0], columns = width / o.cell[1], bins = o.orientations;
  const int64_t block_rows = rows - o.block[0] + 1, block_columns = columns - o.block[1] + 1;
  // Cells and blocks may be much larger than the image. Then there are no blocks, and no allocation depends on their
  // size.
  const bool any = block_rows > 0 && block_columns > 0;
  const int64_t block_size = any ? o.block[0] * o.block[1] * bins : 0;
  int64_t images = 1;
  for (int d = 0; d < rank - 3; ++d) images *= image.shape[d];
  const Borders borders(bins);
  const std::vector<CellWindow> windows = any && o.interpolated ? windows_of_block(o) : std::vector<CellWindow>{};
  Scratch scratch(context);
  double* histogram = scratch.get<double>(rows * columns * bins);
  const int64_t pieces = std::min<int64_t>(context.num_threads(), std::max<int64_t>(rows, 1));
  const int64_t own_size = 4 * width + Gradients<Value>::memory(width) + block_size;
  double* memory = scratch.get<double>(pieces * own_size);
  // f(row, a thread's memory) of n rows.
  const auto each = [&](int64_t n, const auto& f) {
    const int64_t count = std::min(pieces, n);
    context.parallel_for(0, count, 1, [&](int64_t piece, int64_t end) {
      for (; piece < end; ++piece)
        for (int64_t i = n * piece / count; i < n * (piece + 1) / count; ++i) f(i, memory + piece * own_size);
    });
  };
  for (int64_t index = 0; index < images; ++index) {
    int64_t offset = 0, rest = index;
    for (int d = rank - 4; d >= 0; --d) {
      offset += rest % image.shape[d] * image.stride(d);
      rest /= image.shape[d];
    }
    const Planes<Value> planes{
        image.bytes(),         read, offset, channels, height, width, image.stride(rank - 3), image.stride(rank - 2),
        image.stride(rank - 1)};
    const Gradients<Value> gradients(planes, o.square_root, o.interpolated);
    if (cells || !o.interpolated)
      each(rows, [&](int64_t row, double* own) {
        double* to = histogram + row * columns * bins;
        vote(gradients, borders, o, row, columns, width, own, to);
        if (cells) std::copy_n(to, columns * bins, cells + (index * rows + row) * columns * bins);
      });
    if (!any) continue;
    To* to = blocks + index * block_rows * block_columns * block_size;
    if (o.interpolated) {
      interpolate(context, gradients, o, windows, width, block_rows, block_columns, to);
      continue;
    }
    each(block_rows, [&](int64_t row, double* block) {
      for (int64_t column = 0; column < block_columns; ++column) {
        for (int64_t i = 0; i < o.block[0]; ++i)
          std::copy_n(histogram + ((row + i) * columns + column) * bins, o.block[1] * bins,
                      block + i * o.block[1] * bins);
        normalise(block, block_size, o.norm, to + (row * block_columns + column) * block_size);
      }
    });
  }
}

}  // namespace

HogShapes hog_shapes(const TensorView& image, const Hog& options, bool with_cells) {
  FASTCNN_CHECK(image.ndim >= 3 && image.shape[image.ndim - 3] > 0, kOp,
                ": expected image of shape (..., channels, H, W), got ", shape_text(image));
  FASTCNN_CHECK(options.orientations >= 1 && options.orientations <= 360, kOp,
                ": expected orientations from 1 to 360, got ", options.orientations);
  HogShapes shapes;
  shapes.cells.assign(image.shape, image.shape + image.ndim - 3);
  shapes.blocks = shapes.cells;
  for (int d = 0; d < 2; ++d) {
    FASTCNN_CHECK(options.cell[d] >= 1, kOp, ": expected pixels_per_cell of at least 1, got ", options.cell[d]);
    FASTCNN_CHECK(options.block[d] >= 1, kOp, ": expected cells_per_block of at least 1, got ", options.block[d]);
    const int64_t cells = image.shape[image.ndim - 2 + d] / options.cell[d];
    shapes.cells.push_back(with_cells ? cells : 0);
    shapes.blocks.push_back(std::max<int64_t>(0, cells - options.block[d] + 1));
  }
  shapes.cells.push_back(options.orientations);
  shapes.blocks.insert(shapes.blocks.end(), {options.block[0], options.block[1], options.orientations});
  return shapes;
}

void hog(const Context& context, const TensorView& image, const Hog& options, const TensorView& blocks,
         const TensorView& cells) {
  FASTCNN_CHECK_TYPE(image.device.type == kCpu, kOp, ": expected image on the CPU");
  hog_shapes(image, options, true);
  if (image.numel() == 0) return;
  const auto shown = [&](auto* histogram) { return cells.numel() > 0 ? histogram : nullptr; };
  Planes<float>::Read floats = nullptr;
  Planes<double>::Read doubles = nullptr;
  visit(AllTypes{}, image, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    // scikit-image subtracts float32 images in float32.
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
      floats = read_line<T, float>;
    else
      doubles = read_line<T, double>;
  });
  if (floats) return run<float>(context, image, floats, options, blocks.as<float>(), shown(cells.as<float>()));
  if (dtype_of(image) == DType::float64)
    return run<double>(context, image, doubles, options, blocks.as<double>(), shown(cells.as<double>()));
  run<double>(context, image, doubles, options, blocks.as<float>(), shown(cells.as<float>()));
}

}  // namespace fastcnn
