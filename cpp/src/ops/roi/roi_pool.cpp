// RoI pooling: Girshick, "Fast R-CNN", 2015. O(K * C * pixels under the region), channels side by side; the gradient
// O(K * C * bins), in the regions' order. Scratch: one block of channels of the feature map.
#include "fastcnn/ops/roi.h"

#include "ops/roi/roi_checks.h"

namespace fastcnn {
namespace {

using namespace roi;

constexpr char kOp[] = "roi_pool";

template <class T>
struct BinRuns {
  std::vector<int64_t> first, last;

  /// The same bins as in torchvision.
  void of(int64_t start, int64_t end, int64_t bins, int64_t pixels) {
    const T bin = static_cast<T>(std::max<int64_t>(end - start + 1, 1)) / static_cast<T>(bins);
    for (int64_t b = 0; b < bins; ++b) {
      const auto from = static_cast<int64_t>(std::floor(static_cast<T>(b) * bin));
      const auto to = static_cast<int64_t>(std::ceil(static_cast<T>(b + 1) * bin));
      first.push_back(std::clamp<int64_t>(from + start, 0, pixels));
      last.push_back(std::clamp<int64_t>(to + start, 0, pixels));
    }
  }
  Runs runs() const { return {static_cast<int64_t>(first.size()), first.data(), last.data()}; }
};

/// Maximum size of all sums of a thread, in values.
constexpr int64_t kSums = int64_t{1} << 17;

/// Adds a region's gradients of some channels to the pixels that were their maxima. Neighbouring bins often have the
/// same maximum, and each addition depends on the one before, so the loop alternates between channels. sums: a plane of
/// `map` values for each.
template <class T>
void scatter(const TensorView& grad, const TensorView& argmax, int64_t region, int64_t channel, int64_t channels,
             Computed<T>* sums, int64_t map, int64_t pixels) {
  const T* from = grad.as<T>() + region * grad.stride(0) + channel * grad.stride(1);
  const int32_t* where = argmax.as<int32_t>() + region * argmax.stride(0) + channel * argmax.stride(1);
  const int64_t step = grad.stride(1), where_step = argmax.stride(1);
  for (int64_t c = 0; c < channels; c += 4) {
    const int64_t count = std::min<int64_t>(4, channels - c);
    for (int64_t y = 0; y < grad.shape[2]; ++y)
      for (int64_t x = 0; x < grad.shape[3]; ++x) {
        const T* value = from + c * step + y * grad.stride(2) + x * grad.stride(3);
        const int32_t* at = where + c * where_step + y * argmax.stride(2) + x * argmax.stride(3);
        const auto add = [&](int64_t k) {
          const int64_t place = at[k * where_step];
          if (static_cast<uint64_t>(place) < static_cast<uint64_t>(pixels))
            sums[(c + k) * map + place] += static_cast<Computed<T>>(value[k * step]);
        };
        if (count == 4)
          add(0), add(1), add(2), add(3);
        else
          for (int64_t k = 0; k < count; ++k) add(k);
      }
  }
}

}  // namespace

void roi_pool(const Context& context, const TensorView& input, const TensorView& rois, double spatial_scale,
              const TensorView& dst, const TensorView* argmax) {
  check_map(input, kOp, "input");
  visit(FloatTypes{}, dtype_of(input), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Computed<T>;
    const std::vector<Region<C>> regions = read_regions<C>(rois, input.shape[0], kOp);
    const int64_t n = dst.shape[0], bins = dst.shape[2] * dst.shape[3], width = input.shape[3];
    if (dst.numel() == 0) return;
    std::vector<BinRuns<C>> rows(regions.size()), columns(regions.size());
    const C scale = static_cast<C>(spatial_scale);
    for (size_t i = 0; i < regions.size(); ++i) {
      const Region<C>& r = regions[i];
      rows[i].of(pixel(r.y1 * scale), pixel(r.y2 * scale), dst.shape[2], input.shape[2]);
      columns[i].of(pixel(r.x1 * scale), pixel(r.x2 * scale), dst.shape[3], width);
    }
    Scratch scratch(context);
    ChannelBlocks<T> blocks(context, input, scratch);
    const int64_t pieces = std::min<int64_t>(context.num_threads(), n);
    C* memory = scratch.get<C>(pieces * bins * kBlock);
    int32_t* places = scratch.get<int32_t>(pieces * bins * kBlock);
    for (int64_t channel = 0; channel < input.shape[1]; channel += kBlock) {
      blocks.select(channel);
      context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
        for (; piece < end; ++piece) {
          C* own = memory + piece * bins * kBlock;
          int32_t* where = places + piece * bins * kBlock;
          for (int64_t i = n * piece / pieces; i < n * (piece + 1) / pieces; ++i) {
            const auto k = static_cast<size_t>(i);
            kernels<C>().maximum(rows[k].runs(), columns[k].runs(), blocks.plane(regions[k].image), width, own, where);
            store_bins<T>(dst, i, channel, own);
            if (argmax) store_bins<int32_t>(*argmax, i, channel, where);
          }
        }
      });
    }
  });
}

void roi_pool_backward(const Context& context, const TensorView& grad, const TensorView& rois, const TensorView& argmax,
                       const TensorView& dst) {
  check_map(grad, kOp, "grad");
  FASTCNN_CHECK(argmax.ndim == 4 && std::equal(argmax.shape, argmax.shape + 4, grad.shape), kOp,
                ": expected argmax of shape ", shape_text(grad), ", got ", shape_text(argmax));
  visit(DTypeList<DType::int32>{}, argmax, kOp, "argmax", [](auto) {});
  visit(FloatTypes{}, dtype_of(grad), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Computed<T>;
    const std::vector<Region<C>> regions = read_regions<C>(rois, dst.shape[0], kOp);
    const int64_t channels = dst.shape[1], pixels = dst.shape[2] * dst.shape[3], map = dst.shape[0] * pixels;
    if (dst.numel() == 0) return;
    // Processes as many neighbouring channels together as a cache holds: their gradients for one region are adjacent in
    // memory.
    const int64_t together = std::clamp<int64_t>(kSums / map, 1, std::min<int64_t>(32, channels));
    const int64_t blocks = (channels + together - 1) / together;
    const int64_t pieces = std::min<int64_t>(context.num_threads(), blocks);
    Scratch scratch(context);
    C* memory = scratch.get<C>(pieces * together * map);
    context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
      for (; piece < end; ++piece) {
        C* sums = memory + piece * together * map;
        for (int64_t block = blocks * piece / pieces; block < blocks * (piece + 1) / pieces; ++block) {
          const int64_t first = block * together, count = std::min(together, channels - first);
          std::fill_n(sums, count * map, C(0));
          for (size_t i = 0; i < regions.size(); ++i)
            scatter<T>(grad, argmax, static_cast<int64_t>(i), first, count, sums + regions[i].image * pixels, map,
                       pixels);
          for (int64_t c = 0; c < count; ++c)
            for (int64_t image = 0; image < dst.shape[0]; ++image) {
              T* to = dst.as<T>() + image * dst.stride(0) + (first + c) * dst.stride(1);
              for (int64_t k = 0; k < pixels; ++k) to[k] = converted<T>(sums[c * map + image * pixels + k]);
            }
        }
      }
    });
  });
}

}  // namespace fastcnn
