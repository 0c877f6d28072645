// Runs the erosion kernels on whole images: borders, panels, threads, volumes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "fastcnn/ops/morphology.h"
#include "ops/morphology/erosion_simd.h"
#include "ops/morphology/footprint.h"

namespace fastcnn {

/// The key of a border value (order_key.h); checks that the dtype can hold it.
int64_t key_of_value(const char* op, DType dtype, double value, int64_t bias);

/// The extremum over a window for images of one extent and dtype; built once per call, run once per image.
class Extremum {
 public:
  /// `value` is what lies outside under Border::constant.
  Extremum(const char* op, bool maximum, DType dtype, const Extent& extent, const Footprint& footprint, Border border,
           double value);
  /// For images of int64 keys, with the key of the outside.
  Extremum(const char* op, bool maximum, const Extent& extent, const Footprint& footprint, Border border,
           int64_t outside);

  void run(const Context& context, const void* src, void* dst) const;

 private:
  void build();
  void run_keys(const Context& context, const void* src, void* dst) const;
  void turn(const Context& context, const void* from, void* to) const;
  WindowPlane plane(const void* src, void* dst) const;
  void fill(void* dst, int64_t begin, int64_t end) const;
  void run_box(const Context& context, const void* src, void* dst) const;
  void run_box_planes(const Context& context, const void* src, void* dst) const;
  void run_box_depth(const Context& context, const void* src, void* dst) const;
  void run_chords(const Context& context, const void* src, void* dst) const;

  bool maximum_;
  Extent extent_;
  Border border_;
  Window window_;
  KeyType type_ = kKeyU8;
  int64_t element_ = 1;  // bytes
  bool floats_ = false;
  bool turned_ = false;  // keys are the pixels with the sign bit turned over (order_twin)
  int64_t bias_ = 0, neutral_ = 0, outside_ = 0;
  std::vector<int64_t> z_map_, y_map_, x_map_;
  bool x_pads_outside_ = false;
  std::vector<ChordTable> chords_;  // per plane of the window
};

}  // namespace fastcnn
