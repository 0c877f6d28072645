// Functions that CPU and CUDA kernels share.
#pragma once

#if defined(__CUDACC__)
#define FASTCNN_HOST_DEVICE __host__ __device__
#else
#define FASTCNN_HOST_DEVICE
#endif
