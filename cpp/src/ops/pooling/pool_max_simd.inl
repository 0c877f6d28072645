// One half of the kernels, so that no compilation takes long.
#include "ops/pooling/pool_window.inl"

namespace fastcnn::FASTCNN_ISA {

extern const PoolWindowKernels pool_max_kernels = {
    FASTCNN_VECTOR_BYTES,
    kPermutes,
    buffer_bytes,
    prepare,
    {nullptr, rows<uint8_t, Greatest, false>, rows<uint8_t, Greatest, false>, rows<uint16_t, Greatest, false>,
     rows<int16_t, Greatest, false>, rows<int32_t, Greatest, false>, rows<int64_t, Greatest, false>,
     rows<Half, Greatest, false>, rows<Brain, Greatest, false>, rows<float, Greatest, false>,
     rows<double, Greatest, false>},
    {},
};

}  // namespace fastcnn::FASTCNN_ISA
