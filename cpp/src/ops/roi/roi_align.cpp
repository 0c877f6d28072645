// RoIAlign: He, Gkioxari, Dollar and Girshick, "Mask R-CNN", 2017. O(K * C * (bins + pixels under the region));
// torchvision reads every sample of every bin. Channels are computed in blocks, in parallel lanes. In the gradient each
// thread has its own blocks and adds the regions in order, so that the sums do not depend on the threads. Scratch: one
// block of the feature map for each thread.
#include "fastcnn/ops/roi.h"

#include "ops/roi/roi_checks.h"

namespace fastcnn {
namespace {

using namespace roi;

constexpr char kOp[] = "roi_align";

template <class T>
struct Samples {
  SampledAxis<T> y, x;

  void of(const Region<T>& r, const RoiAlign& options, const int64_t* bins, const int64_t* pixels) {
    const T scale = static_cast<T>(options.spatial_scale), offset = options.aligned ? T(0.5) : T(0);
    const T left = r.x1 * scale - offset, top = r.y1 * scale - offset;
    T width = r.x2 * scale - offset - left, height = r.y2 * scale - offset - top;
    if (!options.aligned) width = std::max(width, T(1)), height = std::max(height, T(1));
    const int64_t rows = samples_of(height, bins[0], options.sampling_ratio);
    const int64_t columns = samples_of(width, bins[1], options.sampling_ratio);
    const bool none = rows == 0 || columns == 0;
    y.sample(top, height, bins[0], none ? 0 : rows, pixels[0], T(1) / static_cast<T>(std::max<int64_t>(rows, 1)));
    x.sample(left, width, bins[1], none ? 0 : columns, pixels[1], T(1) / static_cast<T>(std::max<int64_t>(columns, 1)));
  }
};

}  // namespace

void roi_align(const Context& context, const TensorView& input, const TensorView& rois, const RoiAlign& options,
               const TensorView& dst) {
  check_map(input, kOp, "input");
  visit(FloatTypes{}, dtype_of(input), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Computed<T>;
    const std::vector<Region<C>> regions = read_regions<C>(rois, input.shape[0], kOp);
    const int64_t n = dst.shape[0], bins = dst.shape[2] * dst.shape[3];
    if (dst.numel() == 0) return;
    std::vector<Samples<C>> samples(regions.size());
    for (size_t i = 0; i < regions.size(); ++i) samples[i].of(regions[i], options, dst.shape + 2, input.shape + 2);
    Scratch scratch(context);
    ChannelBlocks<T> blocks(context, input, scratch);
    const int64_t pieces = std::min<int64_t>(context.num_threads(), n), row = (input.shape[3] + bins) * kBlock;
    C* memory = scratch.get<C>(pieces * row);
    for (int64_t channel = 0; channel < input.shape[1]; channel += kBlock) {
      blocks.select(channel);
      context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
        for (; piece < end; ++piece) {
          C* own = memory + piece * row;
          for (int64_t i = n * piece / pieces; i < n * (piece + 1) / pieces; ++i) {
            const Samples<C>& s = samples[static_cast<size_t>(i)];
            kernels<C>().align(s.y.taps(), s.x.taps(), blocks.plane(regions[static_cast<size_t>(i)].image),
                               own + bins * kBlock, own);
            store_bins<T>(dst, i, channel, own);
          }
        }
      });
    }
  });
}

void roi_align_backward(const Context& context, const TensorView& grad, const TensorView& rois, const RoiAlign& options,
                        const TensorView& dst) {
  check_map(grad, kOp, "grad");
  visit(FloatTypes{}, dtype_of(grad), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Computed<T>;
    const std::vector<Region<C>> regions = read_regions<C>(rois, dst.shape[0], kOp);
    if (dst.numel() == 0) return;
    const int64_t bins = grad.shape[2] * grad.shape[3], pixels = dst.shape[2] * dst.shape[3];
    std::vector<Samples<C>> samples(regions.size());
    if (grad.numel() > 0)
      for (size_t i = 0; i < regions.size(); ++i) samples[i].of(regions[i], options, grad.shape + 2, dst.shape + 2);
    const int64_t blocks = (dst.shape[1] + kBlock - 1) / kBlock,
                  pieces = std::min<int64_t>(context.num_threads(), blocks);
    const int64_t map = dst.shape[0] * pixels * kBlock, size = map + (dst.shape[3] + bins) * kBlock;
    Scratch scratch(context);
    C* memory = scratch.get<C>(pieces * size);
    context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
      for (; piece < end; ++piece) {
        C *sums = memory + piece * size, *own = sums + map, *row = own + bins * kBlock;
        for (int64_t block = blocks * piece / pieces; block < blocks * (piece + 1) / pieces; ++block) {
          const int64_t channel = block * kBlock;
          std::fill_n(sums, map, C(0));
          if (grad.numel() > 0)
            for (size_t i = 0; i < regions.size(); ++i) {
              load_bins<T>(grad, static_cast<int64_t>(i), channel, own);
              kernels<C>().align_backward(samples[i].y.taps(), samples[i].x.taps(), own, row,
                                          {sums + regions[i].image * pixels * kBlock, dst.shape[3] * kBlock, kBlock});
            }
          for (int64_t image = 0; image < dst.shape[0]; ++image)
            store_bins<T>(dst, image, channel, sums + image * pixels * kBlock);
        }
      }
    });
  });
}

}  // namespace fastcnn
