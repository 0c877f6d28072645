// J. Uijlings et al., "Selective search for object recognition", 2013: regions are grouped by several similarities,
// from segments of several scales, in several colour spaces; every intermediate region is a proposal. They are ordered
// by the position in the hierarchy, from the top, times a random number (section 4), which is a function of the seed
// here.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/proposals.h"
#include "ops/proposals/color_space.h"
#include "ops/proposals/pixel_graph.h"
#include "ops/proposals/regions.h"

namespace fastcnn {
namespace {

using namespace proposals;

/// Calls f(context, i) for each of n tasks: either in parallel with one thread per task, or one after the other with
/// all threads.
template <class F>
void each_task(const Context& context, int64_t n, bool tasks_in_threads, const F& f) {
  if (!tasks_in_threads) {
    for (int64_t i = 0; i < n; ++i) f(context, i);
    return;
  }
  std::atomic<int64_t> next{0};
  context.parallel_for(0, std::min<int64_t>(n, context.num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) f(serial_context(), i);
  });
}

/// In (0, 1]; Steele, Lea and Flood's SplitMix64, 2014.
double uniform(uint64_t number) {
  number = (number + 1) * 0x9e3779b97f4a7c15u;
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
  number = (number ^ number >> 27) * 0x94d049bb133111ebu;
  return static_cast<double>((number ^ number >> 31) >> 11) * 0x1p-53 + 0x1p-53;
}

struct Ranked {
  Box box;
  double rank;
};

struct Groupings {
  std::vector<ColorSpace> spaces;
  std::vector<unsigned> similarities;
};

Groupings groupings_of(const SelectiveSearch& o, bool grey) {
  constexpr unsigned kAll = kColor | kTexture | kSize | kFill;
  Groupings g{{ColorSpace::hsv, ColorSpace::lab}, {kAll, kTexture | kSize | kFill}};
  if (o.quality) {
    g.spaces.insert(g.spaces.end(), {ColorSpace::rgi, ColorSpace::hue, ColorSpace::intensity});
    g.similarities.insert(g.similarities.end(), {kFill, kSize});
  }
  if (grey) g.spaces = {ColorSpace::intensity};
  return g;
}

void check(const char* op, const TensorView& image, const SelectiveSearch& o) {
  FASTCNN_CHECK_TYPE(image.device.type == kCpu, op, ": expected image on the CPU");
  visit(AllTypes{}, image, op, "image", [](auto) {});
  const int64_t channels = image.shape[image.ndim - 3];
  FASTCNN_CHECK(channels == 1 || channels == 3, op, ": expected image of 1 or 3 channels, got ", shape_text(image));
  const int64_t pixels = image.shape[image.ndim - 2] * image.shape[image.ndim - 1];
  FASTCNN_CHECK(pixels <= kMaxPixels, op, ": expected image of at most 2^30 pixels, got ", shape_text(image));
  FASTCNN_CHECK(!o.scales.empty(), op, ": expected scales of at least one value, got none");
  for (const double scale : o.scales)
    FASTCNN_CHECK(scale >= 0 && std::isfinite(scale), op, ": expected scales of at least 0, got ", scale);
  FASTCNN_CHECK(o.sigma >= 0 && std::isfinite(o.sigma), op, ": expected sigma of at least 0, got ", o.sigma);
  FASTCNN_CHECK(o.min_size >= 0, op, ": expected min_size of at least 0, got ", o.min_size);
  FASTCNN_CHECK(o.max_boxes >= 0, op, ": expected max_boxes of at least 0, got ", o.max_boxes);
  FASTCNN_CHECK(o.max_boxes <= INT32_MAX, op, ": expected max_boxes of at most 2^31 - 1, got ", o.max_boxes);
}

Proposals search(const Context& context, const TensorView& image, int64_t index, const SelectiveSearch& o) {
  const int64_t channels = image.shape[image.ndim - 3], height = image.shape[image.ndim - 2],
                width = image.shape[image.ndim - 1], pixels = height * width;
  if (pixels == 0) return {};
  Scratch scratch(context);
  auto* rgb = scratch.get<double>(channels * pixels);
  read_planes(context, image, index, rgb);
  const Groupings groupings = groupings_of(o, channels == 1);
  const auto spaces = static_cast<int64_t>(groupings.spaces.size()), scales = static_cast<int64_t>(o.scales.size());
  const auto strategies = static_cast<int64_t>(groupings.similarities.size());
  std::vector<std::vector<Box>> found(static_cast<size_t>(spaces * scales * strategies));
  const bool outer = spaces >= context.num_threads();
  each_task(context, spaces, outer, [&](const Context& host, int64_t s) {
    const ColorSpace space = groupings.spaces[static_cast<size_t>(s)];
    const int64_t planes_count = channels_of(space);
    Scratch own(host);
    auto* planes = own.get<double>(planes_count * pixels);
    convert(host, space, rgb, channels == 1, pixels, planes);
    const Bins bins(host, planes, planes_count, height, width);
    if (o.sigma > 0) blur(host, planes, planes_count, height, width, o.sigma);
    const PixelGraph graph(host, planes, planes_count, height, width);
    each_task(host, scales, !outer, [&](const Context& inner, int64_t k) {
      const double scale = o.scales[static_cast<size_t>(k)];
      const auto minimum = o.min_size > 0 ? o.min_size : static_cast<int64_t>(std::min(scale, 1e15));
      Scratch labels_of_scale(inner);
      auto* labels = labels_of_scale.get<int32_t>(pixels);
      const int64_t count = graph.segment(inner, scale, minimum, labels);
      const Regions regions(inner, labels, count, bins);
      for (int64_t i = 0; i < strategies; ++i)
        found[static_cast<size_t>((s * scales + k) * strategies + i)] =
            regions.group(inner, groupings.similarities[static_cast<size_t>(i)]);
    });
  });

  std::vector<Ranked> all;
  const double seed = uniform(static_cast<uint64_t>(o.seed));
  for (const std::vector<Box>& boxes : found)
    for (size_t i = 0; i < boxes.size(); ++i) {
      const uint64_t number = static_cast<uint64_t>(seed * 0x1p53) + all.size();
      all.push_back({boxes[i], uniform(number) * static_cast<double>(boxes.size() - i)});
    }
  // The first of equal boxes counts.
  std::sort(all.begin(), all.end(),
            [](const Ranked& a, const Ranked& b) { return a.box != b.box ? a.box < b.box : a.rank < b.rank; });
  all.erase(std::unique(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.box == b.box; }),
            all.end());
  const auto kept = static_cast<size_t>(std::min<int64_t>(o.max_boxes, static_cast<int64_t>(all.size())));
  std::partial_sort(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
      [](const Ranked& a, const Ranked& b) { return a.rank != b.rank ? a.rank < b.rank : a.box < b.box; });
  Proposals result;
  for (size_t i = 0; i < kept; ++i) {
    for (const int32_t v : all[i].box) result.boxes.push_back(static_cast<float>(v));
    result.scores.push_back(static_cast<float>(1 / (1 + all[i].rank)));
  }
  return result;
}

}  // namespace

Proposals selective_search(const Context& context, const TensorView& image, const SelectiveSearch& options) {
  constexpr char kOp[] = "selective_search";
  FASTCNN_CHECK(image.ndim == 3, kOp, ": expected image of shape (C, H, W), got ", shape_text(image));
  check(kOp, image, options);
  return search(context, image, 0, options);
}

void selective_search_padded(const Context& context, const TensorView& image, const SelectiveSearch& options,
                             const TensorView& boxes, const TensorView& scores, const TensorView& counts) {
  constexpr char kOp[] = "selective_search_padded";
  FASTCNN_CHECK(image.ndim >= 3, kOp, ": expected image of shape (..., C, H, W), got ", shape_text(image));
  check(kOp, image, options);
  check_output(boxes, DType::float32, kOp, "boxes");
  check_output(scores, DType::float32, kOp, "scores");
  check_output(counts, DType::int64, kOp, "counts");
  for_each_image(context, counts.numel(), [&](const Context& inner, int64_t i) {
    const Proposals found = search(inner, image, i, options);
    const auto count = static_cast<int64_t>(found.scores.size());
    const auto fill = [&](const std::vector<float>& from, float* to, int64_t size) {
      std::copy(from.begin(), from.end(), to);
      std::fill(to + from.size(), to + size, 0.0f);
    };
    fill(found.boxes, boxes.as<float>() + i * options.max_boxes * 4, options.max_boxes * 4);
    fill(found.scores, scores.as<float>() + i * options.max_boxes, options.max_boxes);
    counts.as<int64_t>()[i] = count;
  });
}

}  // namespace fastcnn
