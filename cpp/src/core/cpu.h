// Which instruction sets exist, were built, and are used.
#pragma once

#include "fastcnn/version.h"

namespace fastcnn {

enum class Isa { baseline, avx2, avx512, neon };

FASTCNN_API const char* name_of(Isa isa);
/// True where this build has kernels for it and this CPU runs them.
FASTCNN_API bool is_available(Isa isa);
/// The best available one, or FASTCNN_FORCE_ISA's; an Error where that is unknown or not available. Chosen once.
FASTCNN_API Isa selected_isa();
/// What the selected kernels say of themselves, from the macros that they were compiled under: the proof that a forced
/// set really ran.
FASTCNN_API const char* running_isa();

}  // namespace fastcnn
