#include "ops/roi/roi_checks.h"

namespace fastcnn::roi {

void check_map(const TensorView& map, const char* op, const char* argument) {
  FASTCNN_CHECK_TYPE(map.device.type == kCpu, op, ": expected ", argument, " on the CPU");
  FASTCNN_CHECK(map.ndim == 4, op, ": expected ", argument, " of shape (N, C, H, W), got ", shape_text(map));
  visit(FloatTypes{}, map, op, argument, [](auto) {});
  FASTCNN_CHECK(map.shape[2] * map.shape[3] <= std::numeric_limits<int32_t>::max(), op, ": expected ", argument,
                " of at most 2^31 - 1 pixels, got ", shape_text(map));
}

template <class T>
std::vector<Region<T>> read_regions(const TensorView& rois, int64_t images, const char* op) {
  FASTCNN_CHECK_TYPE(rois.device.type == kCpu, op, ": expected rois on the CPU");
  FASTCNN_CHECK(rois.ndim == 2 && rois.shape[1] == 5, op, ": expected rois of shape (K, 5), got ", shape_text(rois));
  std::vector<Region<T>> regions(static_cast<size_t>(rois.shape[0]));
  visit(FloatTypes{}, rois, op, "rois", [&](auto tag) {
    using From = typename decltype(tag)::type;
    for (int64_t i = 0; i < rois.shape[0]; ++i) {
      const auto value = [&](int64_t j) {
        return static_cast<T>(rois.as<From>()[i * rois.stride(0) + j * rois.stride(1)]);
      };
      const T image = value(0);
      FASTCNN_CHECK(image >= 0 && image < static_cast<T>(images), op, ": expected rois of images 0 to ", images - 1,
                    ", got image ", image, " in row ", i);
      regions[static_cast<size_t>(i)] = {static_cast<int64_t>(image), value(1), value(2), value(3), value(4)};
    }
  });
  return regions;
}
template std::vector<Region<float>> read_regions(const TensorView&, int64_t, const char*);
template std::vector<Region<double>> read_regions(const TensorView&, int64_t, const char*);

}  // namespace fastcnn::roi
