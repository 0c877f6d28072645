// The colour spaces that selective search looks at. Where one misses an object's border, another may see it.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"

namespace fastcnn::proposals {

enum class ColorSpace { intensity, hue, hsv, lab, rgi };

int64_t channels_of(ColorSpace space);

/// rgb: three planes, or one where space is intensity and grey is true; cut off at 0 and 1. to: channels_of planes of
/// values in [0, 1].
void convert(const Context& context, ColorSpace space, const double* rgb, bool grey, int64_t pixels, double* to);

}  // namespace fastcnn::proposals
