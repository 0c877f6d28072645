// The one exception type of the core. Every binding translates it (see Error::kind).
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "fastcnn/version.h"

namespace fastcnn {

enum class ErrorKind {
  argument = 1,     ///< a wrong value: fastcnn.ArgumentError in Python
  type = 2,         ///< a wrong dtype or device: TypeError in Python
  memory = 3,       ///< an allocation failed: MemoryError in Python
  unsupported = 4,  ///< a backend that this build or machine lacks: fastcnn.BackendError in Python
};

class FASTCNN_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(kind, text.str());
}
}  // namespace detail

}  // namespace fastcnn

/// Throws fastcnn::Error built from the remaining arguments unless the condition holds. Checks come before any
/// parallel region: an exception inside one would lose its text. Messages read
/// "op: expected NAME of ..., got ...".
#define FASTCNN_CHECK(condition, ...) \
  ((condition) ? (void)0 : ::fastcnn::detail::fail(::fastcnn::ErrorKind::argument, __VA_ARGS__))
#define FASTCNN_CHECK_TYPE(condition, ...) \
  ((condition) ? (void)0 : ::fastcnn::detail::fail(::fastcnn::ErrorKind::type, __VA_ARGS__))
