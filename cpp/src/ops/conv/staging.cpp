#include "ops/conv/staging.h"

#include "ops/conv/bands.h"

namespace fastcnn::conv {
namespace {

// Limit for all threads together: the bands, and therefore the rounding, must not depend on the number of threads.
constexpr int64_t kBandBytes = 5 << 18;

}  // namespace

template <class T>
void run_staged(const Context& context, const Routines<T>& routines, const T* packed, const Request<T>& request) {
  if (routines.run_any) return routines.run_any(context, request, packed);
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
  for_each_band(s, steps, [&](const Band& band) {
    const Shape& b = work.shape = band.shape;
    Scratch scratch(context);
    const Image src = request.src.at(band.n, band.in), dst = request.dst.at(band.n, band.out);
    work.src = staged_pixels<T>(context, src, b.batch, b.in, scratch);
    if (add)
      work.epilogue.residual =
          staged_pixels<T>(context, request.residual.at(band.n, band.out), b.batch, b.out, scratch);
    if (request.input_scale) work.input_scale = request.input_scale + band.n * channels;
    if (request.epilogue.scale) work.epilogue.scale = request.epilogue.scale + band.n * filters;
    work.dst = dst.template pixels<T>();
    if (stage_dst) work.dst = dense_pixels(scratch.get<T>(b.batch * b.out_pixels() * filters), b.out, filters);
    routines.run(context, work, packed);
    if (stage_dst) scatter(context, work.dst, b.batch, b.out, dst);
  });
}

template void run_staged(const Context&, const Routines<float>&, const float*, const Request<float>&);
template void run_staged(const Context&, const Routines<double>&, const double*, const Request<double>&);

}  // namespace fastcnn::conv
