// One half of the kernels, so that no compilation takes long.
#include "ops/morphology/extremum_box.inl"

namespace fastcnn::FASTCNN_ISA {

extern const BoxKernels erosion_box_kernels = box_kernels_of<Min>();

}  // namespace fastcnn::FASTCNN_ISA
