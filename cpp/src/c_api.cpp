#include "fastcnn/c_api.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "fastcnn/border.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/cleaning.h"
#include "fastcnn/ops/distance.h"
#include "fastcnn/ops/filtering.h"
#include "fastcnn/ops/flooding.h"
#include "fastcnn/ops/labeling.h"
#include "fastcnn/ops/morphology.h"
#include "fastcnn/ops/peaks.h"
#include "fastcnn/ops/thresholding.h"
#include "fastcnn/view.h"

namespace {

using fastcnn::default_context;
using fastcnn::TensorView;

static_assert(sizeof(fastcnn_tensor) == sizeof(TensorView) &&
              offsetof(fastcnn_tensor, dtype_code) == offsetof(TensorView, dtype) &&
              offsetof(fastcnn_tensor, byte_offset) == offsetof(TensorView, byte_offset));

thread_local std::string last_error;

// Runs a call and keeps the text of what went wrong; no exception crosses into C.
template <class F>
int guarded(const F& call) noexcept {
  try {
    last_error.clear();
    call();
    return FASTCNN_OK;
  } catch (const fastcnn::Error& error) {
    last_error = error.what();
    return static_cast<int>(error.kind());
  } catch (const std::bad_alloc&) {
    return FASTCNN_ERROR_MEMORY;
  } catch (const std::exception& error) {
    last_error = error.what();
    return FASTCNN_ERROR_INTERNAL;
  }
}

TensorView view(const fastcnn_tensor* tensor, const char* op, const char* argument) {
  FASTCNN_CHECK(tensor, op, ": expected ", argument, ", got a null pointer");
  TensorView result;
  result.data = tensor->data;
  result.device = {tensor->device_type, tensor->device_id};
  result.ndim = tensor->ndim;
  result.dtype = {tensor->dtype_code, tensor->dtype_bits, tensor->dtype_lanes};
  result.shape = tensor->shape;
  result.strides = tensor->strides;
  result.byte_offset = tensor->byte_offset;
  return result;
}

fastcnn::Border border(const char* name, const char* op) {
  FASTCNN_CHECK(name, op, ": expected border, got a null pointer");
  return fastcnn::border_from(name, op);
}

using Morphology = decltype(fastcnn::erosion);

int morphology(const char* op, Morphology* kernel, const fastcnn_tensor* image, int spatial_dims,
               const fastcnn_tensor* footprint, const char* border_name, double value, const fastcnn_tensor* result) {
  return guarded([&] {
    const TensorView mask = view(footprint, op, "footprint");
    FASTCNN_CHECK(mask.ndim == spatial_dims && dtype_of(mask) == fastcnn::DType::boolean && is_dense(mask), op,
                  ": expected footprint to be a dense bool tensor of ", spatial_dims, " dimensions");
    fastcnn::Footprint member;
    member.width = mask.shape[mask.ndim - 1];
    member.height = mask.shape[mask.ndim - 2];
    if (mask.ndim == 3) member.depth = mask.shape[0];
    member.mask = mask.as<uint8_t>();
    kernel(default_context(), view(image, op, "image"), spatial_dims, member, border(border_name, op), value,
           view(result, op, "result"));
  });
}

fastcnn::LocalThreshold local_threshold(int64_t block_size, const char* method, double offset, const char* op) {
  FASTCNN_CHECK(method, op, ": expected method, got a null pointer");
  return {block_size, fastcnn::local_method_from(method, op), offset};
}

}  // namespace

int fastcnn_c_api_version(void) { return FASTCNN_C_API_VERSION; }
const char* fastcnn_version(void) { return fastcnn::version(); }
const char* fastcnn_last_error(void) { return last_error.c_str(); }

int fastcnn_set_num_threads(int n) {
  return guarded([&] { fastcnn::set_num_threads(n); });
}
int fastcnn_get_num_threads(void) { return fastcnn::get_num_threads(); }

int fastcnn_erosion(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint, const char* border,
                    double value, const fastcnn_tensor* result) {
  return morphology("erosion", fastcnn::erosion, image, spatial_dims, footprint, border, value, result);
}
int fastcnn_dilation(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint, const char* border,
                     double value, const fastcnn_tensor* result) {
  return morphology("dilation", fastcnn::dilation, image, spatial_dims, footprint, border, value, result);
}
int fastcnn_opening(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint, const char* border,
                    double value, const fastcnn_tensor* result) {
  return morphology("opening", fastcnn::opening, image, spatial_dims, footprint, border, value, result);
}
int fastcnn_closing(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint, const char* border,
                    double value, const fastcnn_tensor* result) {
  return morphology("closing", fastcnn::closing, image, spatial_dims, footprint, border, value, result);
}
int fastcnn_morphological_gradient(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint,
                                   const char* border, double value, const fastcnn_tensor* result) {
  return morphology("morphological_gradient", fastcnn::morphological_gradient, image, spatial_dims, footprint, border,
                    value, result);
}

int fastcnn_gaussian_blur(const fastcnn_tensor* image, int spatial_dims, const double* sigma, double truncate,
                          const char* border_name, const fastcnn_tensor* result) {
  constexpr char op[] = "gaussian_blur";
  return guarded([&] {
    FASTCNN_CHECK(sigma && (spatial_dims == 2 || spatial_dims == 3), op,
                  ": expected sigma of 2 or 3 values, one per spatial axis");
    const fastcnn::GaussianBlur blur{{sigma, sigma + spatial_dims}, truncate, border(border_name, op)};
    fastcnn::gaussian_blur(default_context(), view(image, op, "image"), blur, view(result, op, "result"));
  });
}

int fastcnn_threshold_otsu(const fastcnn_tensor* image, int spatial_dims, int64_t nbins, const fastcnn_tensor* result) {
  constexpr char op[] = "threshold_otsu";
  return guarded([&] {
    fastcnn::threshold_otsu(default_context(), view(image, op, "image"), spatial_dims, nbins,
                            view(result, op, "result"));
  });
}

int fastcnn_threshold_local(const fastcnn_tensor* image, int64_t block_size, const char* method, double offset,
                            const fastcnn_tensor* result) {
  constexpr char op[] = "threshold_local";
  return guarded([&] {
    fastcnn::threshold_local(default_context(), view(image, op, "image"),
                             local_threshold(block_size, method, offset, op), view(result, op, "result"));
  });
}

int fastcnn_binarize_local(const fastcnn_tensor* image, int64_t block_size, const char* method, double offset,
                           const fastcnn_tensor* result) {
  constexpr char op[] = "binarize_local";
  return guarded([&] {
    fastcnn::binarize_local(default_context(), view(image, op, "image"),
                            local_threshold(block_size, method, offset, op), view(result, op, "result"));
  });
}

int fastcnn_distance_transform_edt(const fastcnn_tensor* mask, int spatial_dims, const double* sampling,
                                   const fastcnn_tensor* result, const fastcnn_tensor* indices) {
  constexpr char op[] = "distance_transform_edt";
  return guarded([&] {
    const TensorView nearest = indices ? view(indices, op, "indices") : TensorView{};
    fastcnn::distance_transform_edt(default_context(), view(mask, op, "mask"), spatial_dims, sampling,
                                    view(result, op, "result"), indices ? &nearest : nullptr);
  });
}

int fastcnn_label(const fastcnn_tensor* mask, int connectivity, int spatial_dims, const fastcnn_tensor* labels,
                  const fastcnn_tensor* counts) {
  constexpr char op[] = "label";
  return guarded([&] {
    fastcnn::label(default_context(), view(mask, op, "mask"), connectivity, spatial_dims, view(labels, op, "labels"),
                   view(counts, op, "counts"));
  });
}

int fastcnn_clear_border(const fastcnn_tensor* labels, int spatial_dims, const fastcnn_tensor* result) {
  constexpr char op[] = "clear_border";
  return guarded([&] {
    fastcnn::clear_border(default_context(), view(labels, op, "labels"), spatial_dims, view(result, op, "result"));
  });
}

int fastcnn_fill_holes(const fastcnn_tensor* mask, int spatial_dims, const fastcnn_tensor* result) {
  constexpr char op[] = "fill_holes";
  return guarded([&] {
    fastcnn::fill_holes(default_context(), view(mask, op, "mask"), spatial_dims, view(result, op, "result"));
  });
}

int fastcnn_remove_small_objects(const fastcnn_tensor* mask, int64_t min_size, int connectivity, int spatial_dims,
                                 const fastcnn_tensor* result) {
  constexpr char op[] = "remove_small_objects";
  return guarded([&] {
    fastcnn::remove_small_objects(default_context(), view(mask, op, "mask"), min_size, connectivity, spatial_dims,
                                  view(result, op, "result"));
  });
}

int fastcnn_remove_small_holes(const fastcnn_tensor* mask, int64_t max_size, int connectivity, int spatial_dims,
                               const fastcnn_tensor* result) {
  constexpr char op[] = "remove_small_holes";
  return guarded([&] {
    fastcnn::remove_small_holes(default_context(), view(mask, op, "mask"), max_size, connectivity, spatial_dims,
                                view(result, op, "result"));
  });
}

int fastcnn_local_maxima(const fastcnn_tensor* image, int connectivity, int spatial_dims,
                         const fastcnn_tensor* result) {
  constexpr char op[] = "local_maxima";
  return guarded([&] {
    fastcnn::local_maxima(default_context(), view(image, op, "image"), connectivity, spatial_dims,
                          view(result, op, "result"));
  });
}

int fastcnn_watershed(const fastcnn_tensor* image, const fastcnn_tensor* markers, const fastcnn_tensor* mask,
                      int connectivity, double compactness, int watershed_line, int spatial_dims,
                      const fastcnn_tensor* labels) {
  constexpr char op[] = "watershed";
  return guarded([&] {
    const TensorView inside = mask ? view(mask, op, "mask") : TensorView{};
    fastcnn::watershed(default_context(), view(image, op, "image"), view(markers, op, "markers"),
                       mask ? &inside : nullptr, connectivity, compactness, watershed_line != 0, spatial_dims,
                       view(labels, op, "labels"));
  });
}
