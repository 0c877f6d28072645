// The regions of a segmentation, their descriptors, and their grouping.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastcnn/context.h"

namespace fastcnn::proposals {

constexpr int64_t kColors = 25, kDirections = 8, kTextures = 10;  // bins of a channel, of a direction

using Box = std::array<int32_t, 4>;  ///< x1, y1, x2, y2; the last row and column within

enum Similarity : unsigned { kColor = 1, kTexture = 2, kSize = 4, kFill = 8 };

/// The bins of each pixel. Each channel has kColors bins of its value, and for each of eight directions kTextures bins
/// of the Gaussian derivative (sigma 1), relative to the channel's maximum.
class Bins {
 public:
  Bins(const Context& context, const double* planes, int64_t channels, int64_t height, int64_t width);
  int64_t channels, height, width;
  /// Planes: of channel c the colour at c * 9, then the directions.
  const uint8_t* data;

 private:
  Scratch scratch_;
};

/// Regions of one segmentation. Histograms of one region: the channels' colours, then their directions' textures, each
/// kind with sum 1.
class Regions {
 public:
  Regions(const Context& context, const int32_t* labels, int64_t count, const Bins& bins);

  /// Merges the two most similar neighbours until there is one region. Returns all boxes: those of the initial regions,
  /// then that of each merge.
  std::vector<Box> group(const Context& context, unsigned similarities) const;

 private:
  int64_t count_, pixels_, colors_, textures_;
  std::vector<int64_t> sizes_;
  std::vector<Box> boxes_;
  std::vector<std::pair<int32_t, int32_t>> neighbors_;  // the smaller label first; sorted
  Scratch scratch_;
  float* histograms_;
};

}  // namespace fastcnn::proposals
