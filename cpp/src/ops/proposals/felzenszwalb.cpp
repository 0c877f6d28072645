#include <cmath>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/proposals.h"
#include "ops/proposals/pixel_graph.h"

namespace fastcnn {

void felzenszwalb(const Context& context, const TensorView& image, const Felzenszwalb& options,
                  const TensorView& labels) {
  constexpr char kOp[] = "felzenszwalb";
  FASTCNN_CHECK(image.ndim >= 3, kOp, ": expected image of shape (..., C, H, W), got ", shape_text(image));
  visit(AllTypes{}, image, kOp, "image", [](auto) {});
  FASTCNN_CHECK(options.scale >= 0 && std::isfinite(options.scale), kOp, ": expected scale of at least 0, got ",
                options.scale);
  FASTCNN_CHECK(options.sigma >= 0 && std::isfinite(options.sigma), kOp, ": expected sigma of at least 0, got ",
                options.sigma);
  FASTCNN_CHECK(options.min_size >= 0, kOp, ": expected min_size of at least 0, got ", options.min_size);
  const int64_t channels = image.shape[image.ndim - 3];
  const BatchShape batch(image, 2, kOp, "image");
  const int64_t height = batch.extent.height, width = batch.extent.width, pixels = height * width;
  FASTCNN_CHECK(pixels <= proposals::kMaxPixels, kOp, ": expected image of at most 2^30 pixels, got ",
                shape_text(image));
  FASTCNN_CHECK(channels >= 1 || pixels == 0, kOp, ": expected image of at least one channel, got ", shape_text(image));
  check_output(labels, DType::int32, kOp, "result");
  const int64_t images = pixels == 0 || channels == 0 ? 0 : batch.count / channels;
  for_each_image(context, images, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    auto* planes = scratch.get<double>(channels * pixels);
    proposals::read_planes(inner, image, i, planes);
    if (options.sigma > 0) proposals::blur(inner, planes, channels, height, width, options.sigma);
    const proposals::PixelGraph graph(inner, planes, channels, height, width);
    graph.segment(inner, options.scale, options.min_size, labels.as<int32_t>() + i * pixels);
  });
}

}  // namespace fastcnn
