// Segments and proposals of images of awkward sizes, with few and many values, NaN and infinities: labels are integers
// without gaps, boxes lie inside, and results of one thread and of several are bit-identical. AddressSanitizer detects
// out-of-bounds accesses.
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "fastcnn/ops/proposals.h"

using namespace fastcnn;

namespace {

TensorView view(void* data, const std::vector<int64_t>& shape, DType dtype) {
  TensorView v;
  v.data = data, v.ndim = static_cast<int32_t>(shape.size()), v.shape = shape.data(), v.dtype = data_type(dtype);
  return v;
}

bool without_gaps(const std::vector<int32_t>& labels, int64_t pixels) {
  for (size_t first = 0; first < labels.size(); first += static_cast<size_t>(pixels)) {
    int32_t next = 0;
    for (size_t i = first; i < first + static_cast<size_t>(pixels); ++i) {
      if (labels[i] < 0 || labels[i] > next) return false;
      next += labels[i] == next;
    }
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937 bits(1);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    const int64_t images = 1 + below(3), channels = below(2) ? 1 : 3, height = 1 + below(40), width = 1 + below(40);
    const int64_t values = 1 + below(300);
    std::vector<float> image(static_cast<size_t>(images * channels * height * width));
    for (float& v : image) v = static_cast<float>(below(values)) / 300;
    if (below(4) == 0) {
      const float limit = std::numeric_limits<float>::infinity(), strange[] = {limit, -limit, limit - limit, 3e38f};
      for (const float v : strange) image[static_cast<size_t>(below(static_cast<int64_t>(image.size())))] = v;
    }
    const std::vector<int64_t> shape = {images, channels, height, width}, label_shape = {images, height, width};
    const Felzenszwalb f{static_cast<double>(below(200)), static_cast<double>(below(3)) * 0.6, below(30)};
    SelectiveSearch s;
    s.quality = below(2) != 0;
    s.scales = {static_cast<double>(below(100)), 30};
    s.sigma = f.sigma, s.min_size = below(20), s.max_boxes = below(200), s.seed = below(9);
    const std::vector<int64_t> box_shape = {images, s.max_boxes, 4}, score_shape = {images, s.max_boxes},
                               count_shape = {images};
    std::vector<int32_t> labels[2];
    std::vector<float> boxes[2], scores[2];
    std::vector<int64_t> counts[2];
    for (int threads = 0; threads < 2; ++threads) {
      set_num_threads(threads == 0 ? 1 : 3);
      labels[threads].resize(static_cast<size_t>(images * height * width));
      boxes[threads].resize(static_cast<size_t>(images * s.max_boxes * 4));
      scores[threads].resize(static_cast<size_t>(images * s.max_boxes));
      counts[threads].resize(static_cast<size_t>(images));
      const TensorView src = view(image.data(), shape, DType::float32);
      felzenszwalb(default_context(), src, f, view(labels[threads].data(), label_shape, DType::int32));
      selective_search_padded(default_context(), src, s, view(boxes[threads].data(), box_shape, DType::float32),
                              view(scores[threads].data(), score_shape, DType::float32),
                              view(counts[threads].data(), count_shape, DType::int64));
    }
    bool good = labels[0] == labels[1] && boxes[0] == boxes[1] && scores[0] == scores[1] && counts[0] == counts[1];
    good = good && without_gaps(labels[0], height * width);
    for (size_t i = 0; i < boxes[0].size(); i += 4) {
      const float* b = boxes[0].data() + i;
      good = good && b[0] >= 0 && b[1] >= 0 && b[2] <= static_cast<float>(width) && b[3] <= static_cast<float>(height);
      good = good && (scores[0][i / 4] == 0 || (b[0] < b[2] && b[1] < b[3]));
    }
    if (!good) {
      std::printf("proposals, round %d: %lld x %lld\n", round, static_cast<long long>(height),
                  static_cast<long long>(width));
      return 1;
    }
  }
  std::printf("proposals: passed\n");
  return 0;
}
