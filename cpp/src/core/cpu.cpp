#include "core/cpu.h"

#include <cstdlib>
#include <cstring>

#include "core/isa_simd.h"
#include "fastcnn/error.h"

namespace fastcnn {

namespace {
constexpr Isa kBestFirst[] = {Isa::avx512, Isa::avx2, Isa::neon, Isa::baseline};

Isa select() {
  const char* forced = std::getenv("FASTCNN_FORCE_ISA");
  for (const Isa isa : kBestFirst) {
    if (forced && *forced) {
      if (std::strcmp(forced, name_of(isa)) != 0) continue;
      FASTCNN_CHECK(is_available(isa), "FASTCNN_FORCE_ISA: ", forced, " is not available on this machine");
      return isa;
    }
    if (is_available(isa)) return isa;
  }
  detail::fail(ErrorKind::argument, "FASTCNN_FORCE_ISA: expected baseline, avx2, avx512 or neon, got ",
               forced ? forced : "");
}
}  // namespace

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::neon: return "neon";
    default: return "baseline";
  }
}

bool is_available(Isa isa) {
#if defined(FASTCNN_X86)
  __builtin_cpu_init();
  switch (isa) {
    case Isa::avx512:  // x86-64-v4
      return is_available(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512cd");
    case Isa::avx2:  // x86-64-v3
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    case Isa::baseline: return true;  // x86-64-v2
    default: return false;
  }
#elif defined(FASTCNN_ARM64)
  return isa == Isa::neon;
#else
  return isa == Isa::baseline;
#endif
}

Isa selected_isa() {
  static const Isa isa = select();
  return isa;
}

const char* running_isa() { return FASTCNN_SELECT(isa_kernels).name(); }

}  // namespace fastcnn
