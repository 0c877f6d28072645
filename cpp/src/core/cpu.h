// Which instruction sets exist, were built, and are used.
#pragma once

#include "fastcnn/version.h"

namespace fastcnn {

enum class Isa { baseline, avx2, avx512, neon };

FASTCNN_API const char* name_of(Isa isa);
/// True where this build has kernels for it and this CPU runs them.
FASTCNN_API bool is_available(Isa isa);
/// The best available ISA, or the one in FASTCNN_FORCE_ISA; an Error if that is unknown or not available. Chosen once.
FASTCNN_API Isa selected_isa();
/// The ISA that the selected kernels report, from the macros of their compilation. It proves that a forced instruction
/// set really ran.
FASTCNN_API const char* running_isa();

}  // namespace fastcnn
