#include "ops/labeling/runs.h"

#include <algorithm>

#include "core/dtypes.h"

namespace fastcnn {
namespace {

// The minimum size of a strip that justifies waking a thread.
constexpr int64_t kMinPixels = 1 << 15;

int64_t max_runs(int64_t width) { return (width + 1) / 2; }

}  // namespace

void check_run_count(const Extent& extent, const char* op) {
  FASTCNN_CHECK(extent.size() <= INT32_MAX, op, ": expected images of at most 2^31 - 1 pixels, got ", extent.size());
}

RunComponents::RunComponents(const Context& context, Scratch& scratch, const Extent& extent, int spatial_dims,
                             int connectivity)
    : context_(context) {
  const int64_t rows = connectivity == spatial_dims ? 2 : 1;
  const int64_t words = (extent.width + 63) / 64, per_slice = (extent.height + rows - 1) / rows;
  const int64_t bands = extent.depth * per_slice, capacity = max_runs(extent.width);
  image_ = {extent.depth,
            extent.height,
            extent.width,
            spatial_dims == 3,
            static_cast<int32_t>(rows),
            static_cast<int32_t>(connectivity),
            words,
            per_slice,
            bands,
            capacity,
            scratch.get<uint64_t>(bands * rows * words),
            scratch.get<int32_t>(bands * (words + 1)),
            scratch.get<int32_t>(bands * capacity),
            scratch.get<int32_t>(bands * capacity)};

  const int64_t maximum = std::min<int64_t>(context.num_threads(), bands);
  const int64_t count = std::clamp<int64_t>(extent.size() / kMinPixels, 1, maximum);
  auto* begin = scratch.get<int64_t>(count + 1);
  for (int64_t i = 0; i <= count; ++i) begin[i] = bands * i / count;
  strips_ = {count, begin, scratch.get<int32_t>(count)};
  row_ = scratch.get<int32_t>(count * (capacity + 16));
}

template <class Body>
void RunComponents::for_each_strip(const Body& body) const {
  context_.parallel_for(0, strips_.count, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) body(i, strips_.begin[i], strips_.begin[i + 1]);
  });
}

void RunComponents::scan(const void* pixels, DType dtype, bool invert, RunMeasure measure) {
  const RunKernels& kernels = FASTCNN_SELECT(run_kernels);
  const auto bytes = static_cast<int32_t>(size_of(dtype));
  const uint64_t every = ~uint64_t{0} >> (64 - 8 * bytes);
  const int code = data_type(dtype).code;
  const bool has_sign = code == data_type(DType::float32).code || code == data_type(DType::bfloat16).code;
  const RunSource source = {pixels, bytes, invert, has_sign ? every >> 1 : every};
  for_each_strip([&](int64_t i, int64_t begin, int64_t end) {
    strips_.roots[i] = kernels.scan(image_, source, measure, begin, end);
  });
  kernels.join(image_, strips_);
}

int32_t RunComponents::write_labels(int32_t* dst) {
  const RunKernels& kernels = FASTCNN_SELECT(run_kernels);
  int32_t next = 1;  // strips_.roots becomes the first label of each strip
  for (int64_t i = 0; i < strips_.count; ++i) {
    const int32_t roots = strips_.roots[i];
    strips_.roots[i] = next;
    next += roots;
  }
  for_each_strip([&](int64_t i, int64_t begin, int64_t end) { kernels.number(image_, begin, end, strips_.roots[i]); });
  for_each_strip([&](int64_t i, int64_t begin, int64_t end) {
    kernels.write_labels(image_, begin, end, row_ + i * (image_.capacity + 16), dst);
  });
  return next - 1;
}

void RunComponents::write_mask(const RunFilter& filter, uint8_t* dst) {
  const RunKernels& kernels = FASTCNN_SELECT(run_kernels);
  for_each_strip([&](int64_t, int64_t begin, int64_t end) { kernels.write_mask(image_, filter, begin, end, dst); });
}

}  // namespace fastcnn
