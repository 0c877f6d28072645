// Keys of 64 bits, in a file of their own so that no compilation takes long.
#include "ops/flooding/watershed_tiles.inl"

namespace fastcnn::FASTCNN_ISA {

extern const FloodKernels<uint64_t> watershed_wide_kernels = {sizeof(Tile<uint64_t>),
                                                              nullptr,
                                                              relax_tile<Flood<uint64_t, 0>>,
                                                              relax_tile<Spread<uint64_t>>,
                                                              start_row,
                                                              source_row,
                                                              parent_row_any};

}  // namespace fastcnn::FASTCNN_ISA
