#include "fastcnn/version.h"

namespace fastcnn {
const char* version() { return FASTCNN_VERSION; }
}  // namespace fastcnn
