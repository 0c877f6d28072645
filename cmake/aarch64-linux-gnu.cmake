# Cross-compiles the core for Arm; its C++ tests run under qemu-user:
#   apt-get install g++-aarch64-linux-gnu qemu-user
#   cmake --preset aarch64 && cmake --build --preset aarch64 && ctest --test-dir build/aarch64
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
