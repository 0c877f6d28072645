// HSV by A. R. Smith, "Color gamut transform pairs", 1978; L*a*b* of sRGB under D65 (CIE 15, IEC 61966-2-1); luma by
// ITU-R BT.601.
#include "ops/proposals/color_space.h"

#include <algorithm>
#include <cmath>

namespace fastcnn::proposals {
namespace {

struct Pixel {
  double r, g, b;
};

double luma(Pixel p) { return 0.299 * p.r + 0.587 * p.g + 0.114 * p.b; }

/// Turns in [0, 1); 0 for grey.
double hue(Pixel p) {
  const double maximum = std::max({p.r, p.g, p.b}), range = maximum - std::min({p.r, p.g, p.b});
  if (range <= 0) return 0;
  const double sixths = maximum == p.r   ? (p.g - p.b) / range + (p.g < p.b ? 6 : 0)
                        : maximum == p.g ? (p.b - p.r) / range + 2
                                         : (p.r - p.g) / range + 4;
  return sixths / 6;
}

double linear(double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); }

/// L / 100, and a and b from [-128, 127] to [0, 1].
void lab(Pixel p, double& l, double& a, double& b) {
  const double red = linear(p.r), green = linear(p.g), blue = linear(p.b);
  const auto f = [](double t) { return t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116; };
  const double x = f((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047);
  const double y = f(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue);
  const double z = f((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883);
  l = (116 * y - 16) / 100;
  a = (500 * (x - y) + 128) / 255;
  b = (200 * (y - z) + 128) / 255;
}

}  // namespace

int64_t channels_of(ColorSpace space) { return space == ColorSpace::intensity || space == ColorSpace::hue ? 1 : 3; }

void convert(const Context& context, ColorSpace space, const double* rgb, bool grey, int64_t pixels, double* to) {
  // NaN becomes 0.
  const auto unit = [](double v) { return v > 0 ? std::min(v, 1.0) : 0.0; };
  context.parallel_for(0, pixels, 4096, [&](int64_t begin, int64_t end) {
    double *first = to, *second = to + pixels, *third = second + pixels;
    for (int64_t i = begin; i < end; ++i) {
      if (grey) {
        first[i] = unit(rgb[i]);
        continue;
      }
      const Pixel p{unit(rgb[i]), unit(rgb[pixels + i]), unit(rgb[2 * pixels + i])};
      switch (space) {
        case ColorSpace::intensity: first[i] = luma(p); break;
        case ColorSpace::hue: first[i] = hue(p); break;
        case ColorSpace::hsv: {
          const double maximum = std::max({p.r, p.g, p.b}), range = maximum - std::min({p.r, p.g, p.b});
          first[i] = hue(p), second[i] = maximum > 0 ? range / maximum : 0, third[i] = maximum;
          break;
        }
        case ColorSpace::lab: lab(p, first[i], second[i], third[i]); break;
        case ColorSpace::rgi: {
          const double sum = p.r + p.g + p.b;
          first[i] = sum > 0 ? p.r / sum : 1.0 / 3, second[i] = sum > 0 ? p.g / sum : 1.0 / 3, third[i] = luma(p);
          break;
        }
      }
    }
  });
}

}  // namespace fastcnn::proposals
