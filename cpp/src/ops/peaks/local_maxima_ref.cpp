// The oracle: floods every plateau from its first pixel and checks all neighbours of its pixels.
#include <cstdlib>
#include <vector>

#include "core/comparable.h"
#include "core/connectivity.h"
#include "core/dtypes.h"
#include "fastcnn/ops/peaks.h"

namespace fastcnn {

void local_maxima_ref(const Context&, const TensorView& src, int64_t connectivity, int spatial_dims,
                      const TensorView& dst) {
  constexpr char op[] = "local_maxima";
  const BatchShape batch(src, spatial_dims, op, "image");
  const int rank = connectivity_rank(connectivity, spatial_dims, op);
  const ImageSource source(src, spatial_dims);
  const Extent e = batch.extent;
  visit(AllTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < batch.count; ++i) {
      Scratch scratch(serial_context());
      const auto* image = comparable<T>(source, i, e.size(), scratch);
      std::vector<char> seen(static_cast<size_t>(e.size()));
      for (int64_t seed = 0; seed < e.size(); ++seed) {
        if (seen[seed]) continue;
        std::vector<int64_t> plateau{seed};
        seen[seed] = 1;
        bool lower = false, higher = false;
        for (size_t k = 0; k < plateau.size(); ++k) {
          const int64_t p = plateau[k];
          for (int64_t q = 0; q < e.size(); ++q) {
            const auto apart = [&](int64_t unit, int64_t n) { return std::abs(p / unit % n - q / unit % n); };
            const int64_t dx = apart(1, e.width), dy = apart(e.width, e.height),
                          dz = apart(e.width * e.height, e.depth);
            if (dx > 1 || dy > 1 || dz > 1 || dx + dy + dz > rank) continue;
            higher = higher || image[q] > image[p];
            lower = lower || image[q] < image[p] || image[q] != image[q];
            if (image[q] == image[p] && !seen[q]) {
              seen[q] = 1;
              plateau.push_back(q);
            }
          }
        }
        for (const int64_t p : plateau) dst.as<uint8_t>()[i * e.size() + p] = !higher && image[p] == image[p] && lower;
      }
    }
  });
}

}  // namespace fastcnn
