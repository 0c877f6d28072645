// Histograms of gradients for images of awkward sizes, cells and blocks, in both variants: values are finite and at
// most 1, and results of one thread and of several are bit-identical. Tensors have their minimum size, so that
// AddressSanitizer detects out-of-bounds accesses.
#include <cstdio>
#include <random>
#include <vector>

#include "fastcnn/ops/features.h"

using namespace fastcnn;

int main() {
  std::mt19937 bits(1);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    Hog o;
    o.orientations = 1 + below(20);
    for (int d = 0; d < 2; ++d) o.cell[d] = 1 + below(9), o.block[d] = 1 + below(3);
    o.norm = static_cast<BlockNorm>(below(4));
    o.square_root = below(2) != 0, o.interpolated = below(2) != 0;
    const int64_t images = 1 + below(2), channels = 1 + below(3);
    const int64_t height = o.cell[0] * o.block[0] + below(30), width = o.cell[1] * o.block[1] + below(30);
    const int64_t rows = height / o.cell[0], columns = width / o.cell[1];
    std::vector<uint8_t> image(static_cast<size_t>(images * channels * height * width));
    for (uint8_t& v : image) v = static_cast<uint8_t>(below(256));
    const std::vector<int64_t> image_shape = {images, channels, height, width},
                               block_shape = {images,     rows - o.block[0] + 1, columns - o.block[1] + 1, o.block[0],
                                              o.block[1], o.orientations},
                               cell_shape = {images, rows, columns, o.orientations};
    const auto view = [](void* data, const std::vector<int64_t>& shape, DType dtype) {
      TensorView v;
      v.data = data, v.ndim = static_cast<int32_t>(shape.size()), v.shape = shape.data(), v.dtype = data_type(dtype);
      return v;
    };
    const TensorView src = view(image.data(), image_shape, DType::uint8);
    std::vector<float> found[2];
    for (int threads = 0; threads < 2; ++threads) {
      set_num_threads(threads == 0 ? 1 : 3);
      TensorView blocks = view(nullptr, block_shape, DType::float32), cells = view(nullptr, cell_shape, DType::float32);
      found[threads].resize(static_cast<size_t>(blocks.numel()));
      std::vector<float> histogram(static_cast<size_t>(cells.numel()));
      blocks.data = found[threads].data(), cells.data = histogram.data();
      hog(default_context(), src, o, blocks, cells);
    }
    bool good = found[0] == found[1];
    for (const float v : found[0]) good = good && v >= 0 && v <= 1.0001f;
    if (!good) {
      std::printf("hog, round %d: %lld x %lld, %lld orientations\n", round, static_cast<long long>(height),
                  static_cast<long long>(width), static_cast<long long>(o.orientations));
      return 1;
    }
  }
  // Blocks, and then cells, that are larger than any memory. The image contains none of them.
  for (const int64_t cell : {int64_t{8}, int64_t{1} << 62}) {
    Hog o;
    o.interpolated = true;
    for (int d = 0; d < 2; ++d) o.cell[d] = cell, o.block[d] = int64_t{1} << 40;
    std::vector<uint8_t> image(16 * 16);
    std::vector<double> histogram(4 * 9);
    const std::vector<int64_t> shape{1, 16, 16}, none{0}, cells{16 / cell, 16 / cell, o.orientations};
    TensorView src, blocks, found;
    src.data = image.data(), src.ndim = 3, src.shape = shape.data(), src.dtype = data_type(DType::uint8);
    blocks.data = histogram.data(), blocks.ndim = 1, blocks.shape = none.data();
    blocks.dtype = data_type(DType::float32);
    found.data = histogram.data(), found.ndim = 3, found.shape = cells.data(), found.dtype = data_type(DType::float32);
    hog(default_context(), src, o, blocks, found);
  }
  std::printf("features: passed\n");
  return 0;
}
