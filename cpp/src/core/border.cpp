#include "core/border.h"

#include <cstring>

#include "fastcnn/error.h"

namespace fastcnn {

Border border_from(const char* name, const char* op) {
  constexpr const char* kNames[] = {"geodesic", "constant", "reflect", "mirror", "replicate"};
  for (int i = 0; i < 5; ++i)
    if (std::strcmp(name, kNames[i]) == 0) return static_cast<Border>(i);
  detail::fail(ErrorKind::argument, op, ": expected border geodesic, constant, reflect, mirror or replicate, got ",
               name);
}

}  // namespace fastcnn
