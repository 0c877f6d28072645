// One half of the kernels, so that no compilation takes long.
#include "ops/pooling/pool_window.inl"

namespace fastcnn::FASTCNN_ISA {

extern const PoolWindowKernels pool_mean_kernels = {
    FASTCNN_VECTOR_BYTES,
    kPermutes,
    buffer_bytes,
    prepare,
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, rows<Half, Sum, false>, rows<Brain, Sum, false>,
     rows<float, Sum, false>, rows<double, Sum, false>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, rows<Half, Sum, true>, rows<Brain, Sum, true>,
     rows<float, Sum, true>, rows<double, Sum, true>},
};

}  // namespace fastcnn::FASTCNN_ISA
