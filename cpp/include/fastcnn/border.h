// Border modes, shared by morphology, filters and warps.
#pragma once

#include "fastcnn/version.h"

namespace fastcnn {

/// The values outside the image: none (geodesic: neutral to the operation), one constant value, or a continuation of
/// the image. reflect repeats the edge pixel (as in SciPy), mirror does not (OpenCV's 101), replicate repeats only the
/// edge pixel.
enum class Border { geodesic, constant, reflect, mirror, replicate };

/// "geodesic", "constant", ...; an Error naming the op for another text.
FASTCNN_API Border border_from(const char* name, const char* op);

}  // namespace fastcnn
