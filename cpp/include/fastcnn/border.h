// What lies outside the image: morphology, filters and warps share these names.
#pragma once

#include "fastcnn/version.h"

namespace fastcnn {

/// Nothing (geodesic: neutral to the operation), one value, or the image continued: reflect repeats the edge pixel
/// (SciPy's), mirror does not (OpenCV's 101), replicate repeats nothing else.
enum class Border { geodesic, constant, reflect, mirror, replicate };

/// "geodesic", "constant", ...; an Error naming the op for another text.
FASTCNN_API Border border_from(const char* name, const char* op);

}  // namespace fastcnn
