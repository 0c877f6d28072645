// The scratch cache: freed blocks are kept for the next kernel, up to a process-wide limit, because fresh pages cost
// 0.1-0.4 ms per MiB in page faults, more than most kernels take.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTCNN_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(FASTCNN_ASAN)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#include "core/fork.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"

namespace fastcnn {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

struct alignas(64) Block {
  size_t capacity;
  size_t used;
  uint64_t released;  // when
};

struct Cache {
  std::mutex mutex;
  std::multimap<size_t, Block*> free;
  size_t held = 0;  // in `free`
  uint64_t clock = 0;
  size_t used = 0, peak = 0;  // handed out, as asked for
  size_t limit = limit_from_environment();

  static size_t limit_from_environment() {
    const char* text = std::getenv("FASTCNN_SCRATCH_MIB");
    char* end = nullptr;
    const unsigned long mib = text ? std::strtoul(text, &end, 10) : 256;
    return size_t{text && (end == text || *end) ? 256 : mib} << 20;
  }
};

Cache& cache() {
  // Never destroyed (threads may outlive static destructors); replaced in a forked child, whose mutex may be held.
  static Cache* instance = [] {
    on_fork_in_child([] { instance = new Cache; });
    return new Cache;
  }();
  return *instance;
}

void* aligned(size_t alignment, size_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, alignment);
#else
  return std::aligned_alloc(alignment, bytes);
#endif
}

void free_block(Block* block) {
  ASAN_UNPOISON_MEMORY_REGION(block + 1, block->capacity);
#if defined(_WIN32)
  _aligned_free(block);
#else
  std::free(block);
#endif
}

Block* fresh_block(size_t bytes) {
  const bool huge = bytes >= 2 * kHugePage;
  const size_t unit = huge ? kHugePage : 4096;
  if (bytes > SIZE_MAX - sizeof(Block) - unit)
    detail::fail(ErrorKind::memory, "scratch of ", bytes, " bytes is out of range");
  const size_t total = (bytes + sizeof(Block) + unit - 1) / unit * unit;
  void* memory = aligned(huge ? kHugePage : 64, total);
  if (!memory) detail::fail(ErrorKind::memory, "cannot allocate ", total, " bytes of scratch memory");
#if defined(__linux__)
  if (huge) madvise(memory, total, MADV_HUGEPAGE);
#endif
  return new (memory) Block{total - sizeof(Block), 0, 0};
}

}  // namespace

void* Context::allocate(size_t bytes) const {
  Cache& c = cache();
  Block* block = nullptr;
  {
    std::lock_guard<std::mutex> lock(c.mutex);
    const auto it = c.free.lower_bound(bytes);
    if (it != c.free.end() && it->first <= 2 * bytes + 4096) {
      block = it->second;
      c.held -= it->first;
      c.free.erase(it);
    }
  }
  if (!block) block = fresh_block(bytes);
  block->used = bytes;
  // Makes only the requested part of a cached block accessible to AddressSanitizer, and nothing after its release.
  ASAN_UNPOISON_MEMORY_REGION(block + 1, bytes);
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<char*>(block + 1) + bytes, block->capacity - bytes);
  std::lock_guard<std::mutex> lock(c.mutex);
  c.used += bytes;
  c.peak = std::max(c.peak, c.used);
  return block + 1;
}

void Context::release(void* memory) const noexcept {
  Block* block = static_cast<Block*>(memory) - 1;
  ASAN_POISON_MEMORY_REGION(memory, block->capacity);
  Cache& c = cache();
  try {
    std::lock_guard<std::mutex> lock(c.mutex);
    c.used -= block->used;
    if (block->capacity <= c.limit) {
      // Makes room by freeing the least recently used blocks: old large blocks must not displace small ones that every
      // call needs.
      while (!c.free.empty() && c.held + block->capacity > c.limit) {
        const auto it = std::min_element(c.free.begin(), c.free.end(), [](const auto& a, const auto& b) {
          return a.second->released < b.second->released;
        });
        c.held -= it->first;
        free_block(it->second);
        c.free.erase(it);
      }
      block->released = ++c.clock;
      c.free.emplace(block->capacity, block);
      c.held += block->capacity;
      return;
    }
  } catch (...) {  // the map's node could not be allocated: do not keep the block
  }
  free_block(block);
}

size_t take_peak_scratch() {
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  const size_t peak = c.peak;
  c.peak = c.used;
  return peak;
}

void release_scratch() {
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  for (const auto& entry : c.free) free_block(entry.second);
  c.free.clear();
  c.held = 0;
}

}  // namespace fastcnn
