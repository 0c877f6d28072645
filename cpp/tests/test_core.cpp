// The components of the core: threads, scratch memory, half precision, views.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/half.h"
#include "core/quota.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::printf("%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                          \
    }                                                                      \
  } while (0)

using namespace fastcnn;

int main() {
  int failures = 0;

  // Every index is visited once, with several concurrent callers and from inside a body.
  set_num_threads(4);
  std::vector<std::thread> callers;
  std::atomic<int64_t> sum{0};
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int k = 0; k < 200; ++k)
        default_context().parallel_for(0, 100, 1, [&](int64_t from, int64_t to) {
          default_context().parallel_for(from, to, 1, [&](int64_t a, int64_t b) { sum += b - a; });
        });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT(sum == 4 * 200 * 100);
  default_context().parallel_for(5, 5, 1, [&](int64_t, int64_t) { sum = -1; });
  EXPECT(sum != -1);

  {  // Control groups of both versions.
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / ("fastcnn-quota-" + std::to_string(std::random_device()()));
    const auto quota = [&](const char* file, const std::string& text) {
      fs::create_directories((folder / file).parent_path());
      std::ofstream(folder / file) << text << "\n";
      return quota_of_processors(folder.string());
    };
    EXPECT(quota_of_processors(folder.string()) == 0);
    EXPECT(quota("cpu/cpu.cfs_quota_us", "-1") == 0);
    quota("cpu/cpu.cfs_period_us", "100000");
    EXPECT(quota("cpu/cpu.cfs_quota_us", "-1") == 0);
    EXPECT(quota("cpu/cpu.cfs_quota_us", "200001") == 3);
    EXPECT(quota("cpu.max", "50000 100000") == 1);
    EXPECT(quota("cpu.max", "400000 100000") == 4);
    fs::remove_all(folder / "cpu");
    EXPECT(quota("cpu.max", "max 100000") == 0);
    EXPECT(quota("cpu.max", "") == 0);
    EXPECT(quota("cpu.max", "0 0") == 0);
    fs::remove_all(folder);
  }

  {  // Large blocks of the past do not drive out a small one that is in use again and again.
    const auto taken = [](int64_t bytes) {
      Scratch scratch(default_context());
      return scratch.get<char>(bytes);
    };
    const char* small = taken(5000);
    for (int64_t mib = 60; mib <= 130; mib += 10) {
      taken(mib << 20);
      EXPECT(taken(5000) == small);
    }
    release_scratch();
  }
  // Scratch is aligned, distinct and reused.
  void* first = nullptr;
  {
    Scratch scratch(default_context());
    first = scratch.get<char>(1000);
    EXPECT(reinterpret_cast<uintptr_t>(first) % 64 == 0);
    EXPECT(scratch.get<char>(1000) != first);
  }
  {
    Scratch scratch(default_context());
    char* again = scratch.get<char>(1000);
    EXPECT(again == first || scratch.get<char>(1000) == first);
  }
  bool refused = false;
  try {
    Scratch scratch(default_context());
    scratch.get<char>(int64_t{1} << 60);
  } catch (const Error& error) {
    refused = error.kind() == ErrorKind::memory;
  }
  EXPECT(refused);
  release_scratch();

  // Every half-precision value survives the round trip through float.
  for (uint32_t i = 0; i < 65536; ++i) {
    const Float16 h{static_cast<uint16_t>(i)};
    const BFloat16 b{static_cast<uint16_t>(i)};
    const float hf = h, bf = b;
    EXPECT(hf != hf || Float16::from(hf).bits == i);
    EXPECT(bf != bf || BFloat16::from(bf).bits == i);
  }
  EXPECT(Float16::from(65520.f).bits == 0x7c00 && Float16::from(65519.f).bits == 0x7bff);

  const int64_t shape[] = {2, 1, 3}, dense[] = {3, 77, 1}, transposed[] = {1, 1, 2};
  TensorView view;
  view.ndim = 3;
  view.shape = shape;
  view.strides = dense;
  EXPECT(is_dense(view) && shape_text(view) == "(2, 1, 3)");
  view.strides = transposed;
  EXPECT(!is_dense(view));

  if (failures == 0) std::printf("core: passed\n");
  return failures != 0;
}
