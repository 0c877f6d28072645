// The thread pool of the NumPy and C++ fronts. The torch front uses torch's pool instead.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/fork.h"
#include "core/quota.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"

namespace fastcnn {

Context::~Context() = default;

namespace {

thread_local bool inside_parallel_region = false;

int available_cores() {
  int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  // More threads than the quota allows are stopped together, while others wait for them.
  if (const int quota = quota_of_processors()) cores = std::min(cores, quota);
#endif
  return cores;
}

std::atomic<int> thread_count{0};  // 0: as many as there are cores

class ThreadPool {
 public:
  using Body = FunctionRef<void(int64_t, int64_t)>;

  ~ThreadPool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  /// Runs piece(i) for i in [0, pieces), piece 0 on the calling thread. Returns false if another thread is using the
  /// pool.
  bool run(int64_t pieces, FunctionRef<void(int64_t)> piece) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner) return false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int64_t>(workers_.size()) < pieces - 1) {
        const int64_t index = static_cast<int64_t>(workers_.size()) + 1;
        workers_.emplace_back([this, index, seen = generation_]() mutable { work(index, seen); });
      }
      piece_ = &piece;
      pieces_ = pieces;
      pending_ = pieces - 1;
      ++generation_;
    }
    wake_.notify_all();
    inside_parallel_region = true;
    piece(0);
    inside_parallel_region = false;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return pending_ == 0; });
    return true;
  }

 private:
  void work(int64_t index, uint64_t seen) {
    inside_parallel_region = true;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      if (index >= pieces_) continue;
      const FunctionRef<void(int64_t)>* piece = piece_;
      lock.unlock();
      (*piece)(index);
      lock.lock();
      if (--pending_ == 0) done_.notify_one();
    }
  }

  std::mutex owner_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const FunctionRef<void(int64_t)>* piece_ = nullptr;
  int64_t pieces_ = 0, pending_ = 0;
  uint64_t generation_ = 0;
  bool stopping_ = false;
};

ThreadPool& pool() {
  // Never destroyed, so that no thread is joined after main; a forked child starts a new one.
  static ThreadPool* instance = [] {
    on_fork_in_child([] {
      inside_parallel_region = false;
      instance = new ThreadPool;
    });
    return new ThreadPool;
  }();
  return *instance;
}

class SerialContext final : public Context {
 public:
  int num_threads() const override { return 1; }
  void parallel_for(int64_t begin, int64_t end, int64_t, FunctionRef<void(int64_t, int64_t)> body) const override {
    if (begin < end) body(begin, end);
  }
};

class PoolContext final : public Context {
 public:
  int num_threads() const override { return inside_parallel_region ? 1 : get_num_threads(); }
  void parallel_for(int64_t begin, int64_t end, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) const override {
    const int64_t n = end - begin;
    if (n <= 0) return;
    const int64_t maximum = std::max<int64_t>(1, n / std::max<int64_t>(1, grain));
    const int64_t pieces = std::min<int64_t>(num_threads(), maximum);
    const auto piece = [&](int64_t i) { body(begin + n * i / pieces, begin + n * (i + 1) / pieces); };
    if (pieces == 1 || !pool().run(pieces, piece)) body(begin, end);
  }
};

}  // namespace

const Context& serial_context() {
  static const SerialContext context;
  return context;
}

const Context& default_context() {
  static const PoolContext context;
  return context;
}

void set_num_threads(int n) {
  FASTCNN_CHECK(n >= 1 && n <= 1024, "set_num_threads: expected n in 1..1024, got ", n);
  thread_count = n;
}

int get_num_threads() {
  const int n = thread_count.load(std::memory_order_relaxed);
  if (n) return n;
  static const int cores = available_cores();
  return cores;
}

}  // namespace fastcnn
