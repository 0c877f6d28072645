// main() for compilers without libFuzzer, with the same flags: -runs=N inputs of random bytes from -seed=S, for at most
// -max_total_time=T seconds; or files with one input each. A failing input is saved to crash-<seed>-<number>.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::vector<uint8_t> input;
long long seed = 1, number = 0;

void keep(int signal) {
  const std::string name = "crash-" + std::to_string(seed) + "-" + std::to_string(number);
  if (std::FILE* file = std::fopen(name.c_str(), "wb")) {
    std::fwrite(input.data(), 1, input.size(), file);
    std::fclose(file);
    std::fprintf(stderr, "the input is in %s\n", name.c_str());
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool flag(const char* argument, const char* name, long long& value) {
  const size_t length = std::strlen(name);
  if (std::strncmp(argument, name, length) != 0) return false;
  value = std::atoll(argument + length);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  long long runs = 1000, seconds = 1 << 30;
  std::vector<const char*> files;
  for (int i = 1; i < argc; ++i)
    if (!flag(argv[i], "-runs=", runs) && !flag(argv[i], "-max_total_time=", seconds) && !flag(argv[i], "-seed=", seed))
      files.push_back(argv[i]);
  for (const char* name : files) {
    std::ifstream file(name, std::ios::binary);
    input.assign(std::istreambuf_iterator<char>(file), {});
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  if (!files.empty()) return 0;
  for (const int signal : {SIGABRT, SIGFPE, SIGSEGV}) std::signal(signal, keep);
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (; number < runs && passed() < static_cast<double>(seconds); ++number) {
    input.resize(16 + random() % 112);
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%lld inputs, %.1f s\n", number, passed());
  return 0;
}
