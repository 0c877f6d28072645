// Flat erosion and dilation: the kernels around extremum_block.h, and their launches.
//
// Results move once through global memory per pass: a 2-D box up to about 33 x 129 is one pass, as is a footprint of up
// to 448 chords; larger boxes and the third dimension take a pass each.
#include "ops/morphology/erosion_cuda.h"

#include <cuda_runtime.h>

#include "fastcnn/error.h"
#include "ops/morphology/extremum_block.h"

namespace fastcnn {
namespace {

struct DeviceBlock {
  template <class F>
  FASTCNN_HOST_DEVICE void each(const F& f) {
#if defined(__CUDA_ARCH__)
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
#else
    (void)f;
#endif
  }
  template <class K, int n>
  struct Registers {
    K values[n];
    FASTCNN_HOST_DEVICE K* of(int) { return values; }
  };
};

template <class K>
__device__ K* shared_memory() {
  extern __shared__ __align__(16) unsigned char memory[];
  return reinterpret_cast<K*>(memory);
}

template <class K>
__global__ void __launch_bounds__(kBlockThreads)
    erosion_box_kernel(const K* __restrict__ src, K* __restrict__ dst, const __grid_constant__ Keys<K> keys,
                       const __grid_constant__ BoxPass pass) {
  DeviceBlock block;
  const int64_t tiles = box_tiles(pass);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x)
    box_tile(block, tile, src, dst, keys, pass, shared_memory<K>());
}

template <class K>
__global__ void __launch_bounds__(kBlockThreads)
    erosion_axis_kernel(const K* __restrict__ src, K* __restrict__ dst, const __grid_constant__ Keys<K> keys,
                        const __grid_constant__ AxisPass pass) {
  const int64_t threads = axis_threads(pass), step = int64_t{gridDim.x} * kBlockThreads;
  for (int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; i < threads; i += step)
    axis_segment(i, src, dst, keys, pass);
}

template <class K>
__global__ void __launch_bounds__(kBlockThreads)
    erosion_chords_kernel(const K* __restrict__ src, K* __restrict__ dst, const __grid_constant__ Keys<K> keys,
                          const __grid_constant__ ChordPass pass) {
  DeviceBlock block;
  const int64_t tiles = chord_tiles(pass, sizeof(K));
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x)
    chord_tile(block, tile, src, dst, keys, pass, shared_memory<K>());
}

void check(const ExtremumPlan& plan, cudaError_t status) {
  if (status == cudaSuccess) return;
  const ErrorKind kind = status == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::unsupported;
  detail::fail(kind, plan.op, ": CUDA says ", cudaGetErrorName(status), ": ", cudaGetErrorString(status));
}

/// Enough blocks for any device; the loops of the kernels process the remaining work.
unsigned grid(int64_t blocks) { return static_cast<unsigned>(minimum(blocks, int64_t{1} << 30)); }

template <class K>
struct Launch {
  const K* src;
  K* dst;
  Keys<K> keys;
  cudaStream_t stream;

  void operator()(const BoxPass& p) const {
    erosion_box_kernel<K>
        <<<grid(box_tiles(p)), kBlockThreads, static_cast<size_t>(box_shared_bytes(p, sizeof(K))), stream>>>(src, dst,
                                                                                                             keys, p);
  }
  void operator()(const AxisPass& p) const {
    erosion_axis_kernel<K>
        <<<grid(ceil_divide(axis_threads(p), kBlockThreads)), kBlockThreads, 0, stream>>>(src, dst, keys, p);
  }
  void operator()(const ChordPass& p) const {
    erosion_chords_kernel<K>
        <<<grid(chord_tiles(p, sizeof(K))), kBlockThreads, 2 * chord_tile_size(sizeof(K)) * sizeof(K), stream>>>(
            src, dst, keys, p);
  }
};

template <class K>
void run(const ExtremumPlan& plan, const void* src, void* dst, void* scratch, cudaStream_t stream) {
  for (const PlanStep& step : plan.steps) {
    const void* from = step.from == PlanStep::image ? src : step.from == PlanStep::scratch ? scratch : dst;
    void* to = step.to == PlanStep::scratch ? scratch : dst;
    std::visit(Launch<K>{static_cast<const K*>(from), static_cast<K*>(to), make_keys<K>(plan, step), stream},
               step.pass);
    check(plan, cudaGetLastError());
  }
}

void launch_erosion(const ExtremumPlan& plan, const void* src, void* dst, void* scratch, int device, void* stream) {
  if (plan.steps.empty()) return;
  // This library links its CUDA runtime statically, so the caller's device is set in a different runtime.
  check(plan, cudaSetDevice(device));
  const auto on = static_cast<cudaStream_t>(stream);
  switch (plan.element) {
    case 1: return run<int8_t>(plan, src, dst, scratch, on);
    case 2: return run<int16_t>(plan, src, dst, scratch, on);
    case 4: return run<int32_t>(plan, src, dst, scratch, on);
    default: return run<int64_t>(plan, src, dst, scratch, on);
  }
}

const CudaLaunch<LaunchErosion>::Filled filled(erosion_launch, launch_erosion);

}  // namespace
}  // namespace fastcnn
