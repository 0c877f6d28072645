// The CUDA kernels of erosion and dilation without a GPU: the ops are called with views on a GPU, and the code of
// blocks and threads (extremum_block.h) runs here block by block, against the CPU kernels bit for bit and the
// definition. Memory has exactly the same size as on the device and is initialised with noise, so that sanitizers
// detect out-of-bounds accesses, and reads of uninitialised memory cause different results.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "fastcnn/ops/morphology.h"
#include "ops/morphology/erosion_cuda.h"
#include "ops/morphology/extremum_block.h"
#include "ops/morphology/extremum_plan.h"

using namespace fastcnn;

namespace {

constexpr DType kDTypes[] = {DType::boolean, DType::uint8,   DType::uint16,   DType::int16,   DType::int32,
                             DType::int64,   DType::float16, DType::bfloat16, DType::float32, DType::float64};

std::mt19937_64 random_bits(1);
int64_t below(int64_t n) { return static_cast<int64_t>(random_bits() % static_cast<uint64_t>(n)); }

/// Counts which kernels the rounds ran, so that a change of the plans' limits cannot leave a kernel untested.
struct {
  int box, direct, van_herk, chords, filled, accumulated, high_levels, scratch;
} seen;

/// Runs the threads of a block one after the other, in an order that changes from barrier to barrier.
struct EmulatedBlock {
  bool reversed = false;
  template <class F>
  void each(const F& f) {
    for (int i = 0; i < kBlockThreads; ++i) f(reversed ? kBlockThreads - 1 - i : i);
    reversed = !reversed;
  }
  template <class K, int n>
  struct Registers {
    std::vector<std::array<K, static_cast<size_t>(n)>> values =
        std::vector<std::array<K, static_cast<size_t>(n)>>(kBlockThreads);
    K* of(int thread) { return values[static_cast<size_t>(thread)].data(); }
  };
};

template <class K>
struct Emulator {
  const K* src;
  K* dst;
  Keys<K> keys;

  static std::unique_ptr<K[]> shared(int64_t bytes) {
    if (bytes > kSharedBytes) std::abort();
    const size_t n = static_cast<size_t>(bytes) / sizeof(K);
    std::unique_ptr<K[]> memory(new K[n]);
    for (size_t i = 0; i < n; ++i) memory[i] = static_cast<K>(random_bits());
    return memory;
  }
  void operator()(const BoxPass& p) const {
    ++seen.box;
    EmulatedBlock block;
    for (int64_t tile = box_tiles(p); tile-- > 0;)
      box_tile(block, tile, src, dst, keys, p, shared(box_shared_bytes(p, sizeof(K))).get());
  }
  void operator()(const AxisPass& p) const {
    ++(p.direct ? seen.direct : seen.van_herk);
    for (int64_t i = axis_threads(p); i-- > 0;) axis_segment(i, src, dst, keys, p);
  }
  void operator()(const ChordPass& p) const {
    ++seen.chords;
    seen.filled += p.group_count == 0;
    seen.accumulated += p.accumulate;
    for (int i = 0; i < p.group_count; ++i) seen.high_levels += p.groups[i].first[5] < p.groups[i].first[6];
    EmulatedBlock block;
    for (int64_t tile = chord_tiles(p, sizeof(K)); tile-- > 0;)
      chord_tile(block, tile, src, dst, keys, p, shared(2 * chord_tile_size(sizeof(K)) * int64_t{sizeof(K)}).get());
  }
};

template <class K>
void run(const ExtremumPlan& plan, const void* src, void* dst, void* scratch) {
  seen.scratch += plan.needs_scratch;
  for (const PlanStep& step : plan.steps) {
    const void* from = step.from == PlanStep::image ? src : step.from == PlanStep::scratch ? scratch : dst;
    void* to = step.to == PlanStep::scratch ? scratch : dst;
    if (from == to) std::abort();
    std::visit(Emulator<K>{static_cast<const K*>(from), static_cast<K*>(to), make_keys<K>(plan, step)}, step.pass);
  }
}

/// Replaces libfastcnn_cuda.
void launch(const ExtremumPlan& plan, const void* src, void* dst, void* scratch, int device, void* stream) {
  if (device != 3 || stream != &seen) std::abort();
  switch (plan.element) {
    case 1: return run<int8_t>(plan, src, dst, scratch);
    case 2: return run<int16_t>(plan, src, dst, scratch);
    case 4: return run<int32_t>(plan, src, dst, scratch);
    default: return run<int64_t>(plan, src, dst, scratch);
  }
}
const CudaLaunch<LaunchErosion>::Filled filled(erosion_launch, launch);

/// The host of a device: no threads, and memory of exactly the requested size, filled with noise.
class DeviceContext final : public Context {
 public:
  DeviceContext() { stream = &seen; }
  int num_threads() const override { std::abort(); }
  void parallel_for(int64_t, int64_t, int64_t, FunctionRef<void(int64_t, int64_t)>) const override { std::abort(); }
  void* allocate(size_t bytes) const override {
    auto* const memory = static_cast<uint8_t*>(std::malloc(bytes));
    for (size_t i = 0; i < bytes; ++i) memory[i] = static_cast<uint8_t>(random_bits());
    return memory;
  }
  void release(void* block) const noexcept override { std::free(block); }
};

/// Random bits are NaN, infinite, subnormal and negative zero often enough in the 16-bit floats; elsewhere few values,
/// so that there are ties, or the special ones.
void fill(std::vector<uint8_t>& bytes, DType dtype, bool special) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_bits());
  const size_t n = bytes.size() / size_of(dtype);
  for (size_t i = 0; i < n; ++i) {
    if (dtype == DType::boolean) bytes[i] &= 1;
    constexpr float kSpecial[] = {0.0f, -0.0f, 1.0f, -1.0f, HUGE_VALF, -HUGE_VALF, NAN, -NAN, 1e-40f};
    const float f = special ? kSpecial[below(9)] : static_cast<float>(below(12)) - 6;
    const double d = static_cast<double>(f);
    if (dtype == DType::float32) std::memcpy(&bytes[4 * i], &f, 4);
    if (dtype == DType::float64) std::memcpy(&bytes[8 * i], &d, 8);
  }
}

bool is_nan(uint64_t v, DType dtype) {
  switch (dtype) {
    case DType::float16: return (v & 0x7fff) > 0x7c00;
    case DType::bfloat16: return (v & 0x7fff) > 0x7f80;
    case DType::float32: return (v & 0x7fffffff) > 0x7f800000;
    case DType::float64: return (v & 0x7fffffffffffffff) > 0x7ff0000000000000;
    default: return false;
  }
}

/// True for equal bits, or if both are NaN (the definition takes the first NaN).
bool same(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, DType dtype) {
  const size_t size = size_of(dtype);
  for (size_t i = 0; i < a.size(); i += size) {
    uint64_t x = 0, y = 0;
    std::memcpy(&x, &a[i], size);
    std::memcpy(&y, &b[i], size);
    if (x != y && !(is_nan(x, dtype) && is_nan(y, dtype))) return false;
  }
  return true;
}

int check(int round) {
  const int dims = below(3) == 0 ? 3 : 2;
  const bool large = below(10) == 0, large_window = below(5) == 0;
  const int64_t count = 1 + below(2), depth = dims == 3 ? 1 + below(large_window ? 40 : 9) : 1,
                height = 1 + below(large ? 180 : 45), width = 1 + below(large ? 500 : 150);
  Footprint footprint;
  const int64_t largest = large_window ? dims == 3 ? 40 : 200 : 12;
  footprint.depth = dims == 3 ? 1 + below(large_window ? 30 : 5) : 1;
  footprint.height = 1 + below(below(3) == 0 ? 3 : largest);
  footprint.width = 1 + below(below(3) == 0 ? 3 : largest);
  const bool line = below(3) == 0;
  if (line) {
    // The passes along an axis: columns, depths, and rows too wide for a tile.
    footprint.depth = dims == 3 && below(2) == 0 ? 1 + below(25) : 1;
    footprint.height = below(3) > 0 ? 1 + below(25) : 1;
    footprint.width = below(3) > 0 ? 1 : 130 + below(30);
  }
  std::vector<uint8_t> mask;
  if (!line && below(3) > 0) {
    // Sparse, dense, or with long runs.
    mask.resize(static_cast<size_t>(footprint.depth * footprint.height * footprint.width));
    const int64_t share = 1 + below(10), stays = below(2) * 30;
    uint8_t last = 0;
    for (uint8_t& member : mask) member = last = below(stays + 1) > 0 ? last : below(10) < share;
    mask[static_cast<size_t>(below(static_cast<int64_t>(mask.size())))] = 1;
    footprint.mask = mask.data();
  }
  const Border border = static_cast<Border>(below(5));
  const DType dtype = kDTypes[below(10)];
  const double value = static_cast<double>(below(2));
  const bool maximum = below(2) == 0;

  const int64_t shape[] = {count, depth, height, width}, shape_2d[] = {count, height, width};
  const size_t bytes = static_cast<size_t>(count * depth * height * width) * size_of(dtype);
  std::vector<uint8_t> src(bytes), emulated(bytes), fast(bytes), ref(bytes);
  fill(src, dtype, below(3) == 0);
  fill(emulated, dtype, false);
  const auto view = [&](std::vector<uint8_t>& data, int32_t device = kCpu) {
    TensorView v;
    v.device = {device, device == kCuda ? 3 : 0};
    v.ndim = dims + 1;
    v.shape = dims == 3 ? shape : shape_2d;
    v.dtype = data_type(dtype);
    v.data = data.data();
    return v;
  };
  const auto op = maximum ? dilation : erosion;
  op(DeviceContext(), view(src, kCuda), dims, footprint, border, value, view(emulated, kCuda));
  op(default_context(), view(src), dims, footprint, border, value, view(fast));
  bool good = emulated == fast;
  const int64_t members = footprint.depth * footprint.height * footprint.width;
  if (static_cast<int64_t>(bytes) * members < 100'000'000) {
    (maximum ? dilation_ref : erosion_ref)(default_context(), view(src), dims, footprint, border, value, view(ref));
    good = good && same(emulated, ref, dtype);
  }
  if (good) return 0;
  std::printf("round %d: %s %s (%ld, %ld, %ld, %ld), footprint %s (%ld, %ld, %ld), border %d\n", round,
              maximum ? "dilation" : "erosion", name_of(dtype), long(count), long(depth), long(height), long(width),
              footprint.mask ? "mask" : "box", long(footprint.depth), long(footprint.height), long(footprint.width),
              static_cast<int>(border));
  return 1;
}

int check_folded() {
  int failures = 0;
  for (int border = 0; border < 5; ++border)
    for (int64_t n = 1; n < 9; ++n)
      for (int64_t i = -40; i < 40; ++i)
        failures += folded(i, n, static_cast<Border>(border)) != continued(i, n, static_cast<Border>(border));
  if (failures) std::printf("folded: %d differ from continued\n", failures);
  return failures;
}

int check_empty() {
  const int64_t shape[] = {2, 0, 5};
  TensorView view;
  view.ndim = 3;
  view.shape = shape;
  view.dtype = data_type(DType::uint8);
  return plan_extremum("erosion", false, view, 2, Footprint{}, Border::reflect, 0).steps.empty() ? 0 : 1;
}

int check_seen() {
  const bool all = seen.box && seen.direct && seen.van_herk && seen.chords && seen.filled && seen.accumulated &&
                   seen.high_levels && seen.scratch;
  std::printf("passes: %d box, %d direct, %d van Herk, %d chords (%d filled, %d accumulated)\n", seen.box, seen.direct,
              seen.van_herk, seen.chords, seen.filled, seen.accumulated);
  return all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 800;
  int failures = check_folded() + check_empty();
  for (int i = 0; i < rounds && failures < 10; ++i) failures += check(i);
  return failures != 0 || check_seen() != 0;
}
