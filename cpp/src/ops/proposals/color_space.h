// The colour spaces of selective search. If one does not show the border of an object, another may.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"

namespace fastcnn::proposals {

enum class ColorSpace { intensity, hue, hsv, lab, rgi };

int64_t channels_of(ColorSpace space);

/// rgb: three planes, or one if space is intensity and grey is true; clamped to [0, 1]. to: channels_of planes of
/// values in [0, 1].
void convert(const Context& context, ColorSpace space, const double* rgb, bool grey, int64_t pixels, double* to);

}  // namespace fastcnn::proposals
