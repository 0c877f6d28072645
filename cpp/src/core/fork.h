// fork() copies locked mutexes and no threads. Objects that depend on either are registered here and recreated in the
// child. Every DataLoader worker is a forked child.
#pragma once

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace fastcnn {

inline void on_fork_in_child(void (*handler)()) {
#if !defined(_WIN32)
  pthread_atfork(nullptr, nullptr, handler);
#else
  (void)handler;
#endif
}

}  // namespace fastcnn
