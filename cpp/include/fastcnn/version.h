// Version and visibility. The version is written once, in pyproject.toml; CMake passes it in.
#pragma once

#if defined(_WIN32)
#if defined(FASTCNN_BUILDING)
#define FASTCNN_API __declspec(dllexport)
#else
#define FASTCNN_API __declspec(dllimport)
#endif
#else
#define FASTCNN_API __attribute__((visibility("default")))
#endif

namespace fastcnn {
/// The library's version, "major.minor.patch".
FASTCNN_API const char* version();
}  // namespace fastcnn
