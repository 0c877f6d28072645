// Runs a packaged model on raw float32 pixels, and writes every result beside the input, raw:
//   run_package PACKAGE FOLDER_OF_FASTCNN INPUT B C H W
// For INPUT it writes INPUT.0, INPUT.1, ... and prints a line for each: its number, type and shape.
#include <ATen/ATen.h>
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

at::Tensor read_pixels(const std::string& path, const std::vector<std::int64_t>& shape) {
  at::Tensor pixels = at::empty(shape, at::kFloat);
  std::ifstream file(path, std::ios::binary);
  file.read(static_cast<char*>(pixels.mutable_data_ptr()), static_cast<std::streamsize>(pixels.nbytes()));
  if (!file || file.peek() != std::ifstream::traits_type::eof()) {
    throw std::runtime_error(path + ": expected " + std::to_string(pixels.nbytes()) + " bytes");
  }
  return pixels;
}

void write_values(const std::string& path, const at::Tensor& values) {
  const at::Tensor dense = values.contiguous();
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(dense.const_data_ptr()), static_cast<std::streamsize>(dense.nbytes()));
  if (!file) {
    throw std::runtime_error(path + ": cannot be written");
  }
}

std::int64_t side(const char* text) {
  const std::int64_t value = std::strtoll(text, nullptr, 10);
  if (value < 1) {
    throw std::runtime_error(std::string("expected a size of at least 1, got ") + text);
  }
  return value;
}

void run(const std::vector<const char*>& words) {
  const std::string library = std::string(words[2]) + "/libfastcnn_torch.so";
  // The library registers fastcnn's operators when it is loaded.
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    throw std::runtime_error(dlerror());
  }
  torch::inductor::AOTIModelPackageLoader model(words[1]);
  const std::string input = words[3];
  const at::Tensor pixels = read_pixels(input, {side(words[4]), side(words[5]), side(words[6]), side(words[7])});
  const std::vector<at::Tensor> results = model.run({pixels});
  for (std::size_t i = 0; i < results.size(); ++i) {
    write_values(input + "." + std::to_string(i), results[i]);
    std::cout << i << " " << results[i].dtype().name() << " " << results[i].sizes() << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::cerr << "usage: run_package PACKAGE FOLDER_OF_FASTCNN INPUT B C H W\n";
    return 2;
  }
  try {
    run({argv, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "run_package: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
