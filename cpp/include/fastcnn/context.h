// The host resources that a kernel may use: threads, scratch memory and a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "fastcnn/version.h"

namespace fastcnn {

template <class Signature>
class FunctionRef;

/// A non-owning reference to a callable; lives no longer than the call it is passed to.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(const F& f)
      : object_(&f),
        call_([](const void* object, Args... args) -> R { return (*static_cast<const F*>(object))(args...); }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  const void* object_;
  R (*call_)(const void*, Args...);
};

class FASTCNN_API Context {
 public:
  virtual ~Context();

  virtual int num_threads() const = 0;

  /// Calls body(begin, end) on disjoint pieces that cover the range, at most one piece per thread and none smaller
  /// than `grain` (unless the range is). Returns when all are done. body must not throw. A call from inside a body
  /// runs serially.
  virtual void parallel_for(int64_t begin, int64_t end, int64_t grain,
                            FunctionRef<void(int64_t, int64_t)> body) const = 0;

  /// Scratch memory, 64-byte aligned. Freed blocks are kept for the next call up to a process-wide limit
  /// (FASTCNN_SCRATCH_MIB, 256 by default), because fresh pages cost more time than most kernels. Use it through
  /// `Scratch`.
  virtual void* allocate(size_t bytes) const;
  virtual void release(void* block) const noexcept;

  /// The CUDA stream, if there is one.
  void* stream = nullptr;
};

/// The host of the NumPy and C++ fronts: the library's own thread pool, which survives fork().
FASTCNN_API const Context& default_context();
/// A host with one thread.
FASTCNN_API const Context& serial_context();

FASTCNN_API void set_num_threads(int n);
FASTCNN_API int get_num_threads();
/// Returns cached scratch memory to the system.
FASTCNN_API void release_scratch();
/// The peak scratch memory in bytes of the whole process since the last call of this function.
FASTCNN_API size_t take_peak_scratch();

/// True if libfastcnn_cuda is loaded. That library sets the flag itself.
FASTCNN_API bool has_cuda_kernels();

/// Scratch memory that is released at the end of the scope.
class Scratch {
 public:
  explicit Scratch(const Context& context) : context_(context) {}
  ~Scratch() {
    while (last_) {
      Header* previous = last_->previous;
      context_.release(last_);
      last_ = previous;
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// n uninitialised elements, 64-byte aligned, with 64 readable and writable bytes behind them for vector tails.
  template <class T>
  T* get(int64_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    auto* header = static_cast<Header*>(context_.allocate(sizeof(Header) + static_cast<size_t>(n) * sizeof(T) + 64));
    header->previous = last_;
    last_ = header;
    return reinterpret_cast<T*>(header + 1);
  }

 private:
  struct alignas(64) Header {
    Header* previous;
  };
  const Context& context_;
  Header* last_ = nullptr;
};

}  // namespace fastcnn
