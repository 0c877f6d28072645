#include "ops/conv/staging.h"

#include <atomic>
#include <exception>
#include <mutex>

#include "ops/conv/bands.h"

namespace fastcnn::conv {
namespace {

// The bands, and therefore the rounding, must not depend on the number of threads.
constexpr int64_t kBandBytes = 5 << 18;
constexpr int64_t kBandsPerThread = 4;  // from which on each band is one thread's

}  // namespace

template <class T>
void run_staged(const Context& context, const Routines<T>& routines, const T* packed, const Request<T>& request) {
  const Shape& s = request.shape;
  const bool stage_src = !request.src.template is<T>(), stage_dst = !request.dst.template is<T>();
  const bool add = request.residual.data != nullptr, stage_residual = add && !request.residual.template is<T>();
  WorkItem<T> work;
  work.shape = s;
  work.src = request.src.template pixels<const T>();
  work.input_scale = request.input_scale;
  work.epilogue = request.epilogue;
  if (add) work.epilogue.residual = request.residual.template pixels<const T>();
  work.dst = request.dst.template pixels<T>();
  if (!stage_src && !stage_dst && !stage_residual) return routines.run(context, work, packed);

  const int64_t channels = s.groups * s.channels, filters = s.groups * s.filters;
  const int64_t value = static_cast<int64_t>(sizeof(T));
  const BandSteps steps =
      plan_bands(s, kBandBytes, stage_src ? channels * value : 0, (stage_dst + stage_residual) * filters * value);
  const auto run_band = [&](const Context& host, const Band& band) {
    WorkItem<T> part = work;
    const Shape& b = part.shape = band.shape;
    Scratch scratch(host);
    const Image src = request.src.at(band.n, band.in), dst = request.dst.at(band.n, band.out);
    part.src = staged_pixels<T>(host, src, b.batch, b.in, scratch);
    if (add)
      part.epilogue.residual = staged_pixels<T>(host, request.residual.at(band.n, band.out), b.batch, b.out, scratch);
    if (request.input_scale) part.input_scale = request.input_scale + band.n * channels;
    if (request.epilogue.scale) part.epilogue.scale = request.epilogue.scale + band.n * filters;
    part.dst = dst.template pixels<T>();
    if (stage_dst) part.dst = dense_pixels(scratch.get<T>(b.batch * b.out_pixels() * filters), b.out, filters);
    routines.run(host, part, packed);
    if (stage_dst) scatter(host, part.dst, b.batch, b.out, dst);
  };
  const int64_t bands = count_bands(s, steps), threads = context.num_threads();
  if (threads == 1 || bands < kBandsPerThread * threads) {
    for (int64_t i = 0; i < bands; ++i) run_band(context, band_at(s, steps, i));
    return;
  }
  // A thread for each band: one parallel region, not three for each of them. A thread that is done takes the next band,
  // so that a thread that has to wait for its processor holds nothing up.
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  context.parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    try {
      for (int64_t i = next++; i < bands; i = next++) run_band(serial_context(), band_at(s, steps, i));
    } catch (...) {  // no memory; no exception may leave a parallel region
      const std::lock_guard<std::mutex> lock(failing);
      failure = std::current_exception();
      next = bands;
    }
  });
  if (failure) std::rethrow_exception(failure);
}

template void run_staged(const Context&, const Routines<float>&, const float*, const Request<float>&);
template void run_staged(const Context&, const Routines<double>&, const double*, const Request<double>&);

}  // namespace fastcnn::conv
