// Connected components and their measurements. Images are (..., H, W), or (..., D, H, W) with spatial_dims = 3; outputs
// are dense and of the shapes given. Connectivity is 1..spatial_dims or the neighbour count (4, 8; 6, 18, 26).
#pragma once

#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The batch's shape, for results of one entry per image; an Error where `images` has too few dimensions.
FASTCNN_API std::vector<int64_t> batch_shape(const TensorView& images, int spatial_dims, const char* op,
                                             const char* argument);
/// The batch's shape and N, for results of one row per label; an Error where N is negative.
FASTCNN_API std::vector<int64_t> label_table_shape(const TensorView& labels, int spatial_dims, int64_t max_labels,
                                                   const char* op);

/// Numbers the connected components of the non-zero pixels (NaN is non-zero) from 1, per image, in raster order of each
/// component's first pixel. labels: int32, src's shape. counts: int32, the batch shape.
FASTCNN_API void label(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                       const TensorView& labels, const TensorView& counts);
FASTCNN_API void label_ref(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                           const TensorView& labels, const TensorView& counts);

/// Renumbers labels to 1..n per image in the order of their values; 0 stays 0, a negative label is an error. dst: src's
/// shape and integer dtype. inverse: (batch..., N + 1) of src's dtype, new label -> old label, zero behind the last one
/// (labels above N are left out). counts: int32, the batch shape.
FASTCNN_API void relabel_sequential(const Context& context, const TensorView& src, int spatial_dims,
                                    const TensorView& dst, const TensorView& inverse, const TensorView& counts);
FASTCNN_API void relabel_sequential_ref(const Context& context, const TensorView& src, int spatial_dims,
                                        const TensorView& dst, const TensorView& inverse, const TensorView& counts);

/// Removes the objects, fully connected sets of pixels of one value, that touch the image's border. dst: src's shape
/// and dtype (bool or integer).
FASTCNN_API void clear_border(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst);
FASTCNN_API void clear_border_ref(const Context& context, const TensorView& src, int spatial_dims,
                                  const TensorView& dst);

/// The columns of a region table for labels 1..N; row n - 1 belongs to label n and is zero if that label is absent.
/// Shapes after the batch's are given for k spatial dimensions.
struct RegionTableViews {
  TensorView count;           ///< int32: the largest label
  TensorView area;            ///< int64 (N)
  TensorView bbox;            ///< float32 (N, 2k): (x1, y1, x2, y2), half-open; (x1, y1, z1, x2, y2, z2) in 3-D
  TensorView centroid;        ///< float32 (N, k): (y, x); (z, y, x) in 3-D
  TensorView intensity_mean;  ///< (N): intensity's dtype where that is a float, else float32
  TensorView intensity_min;   ///< (N): intensity's dtype
  TensorView intensity_max;   ///< (N): intensity's dtype
  TensorView argmin;          ///< int64 (N): first index, in raster order, of the minimum in its image; -1 where absent
  TensorView argmax;          ///< int64 (N)
};

/// The dtype of intensity_mean.
FASTCNN_API DType region_mean_dtype(DType intensity);

/// Measures every label of integer (or bool) images in one pass. Labels below 1 are background, labels above N are left
/// out. `intensity` may be null; the last five columns are then not touched. NaN propagates into all three of them.
FASTCNN_API void region_table(const Context& context, const TensorView& labels, const TensorView* intensity,
                              int spatial_dims, const RegionTableViews& dst);
FASTCNN_API void region_table_ref(const Context& context, const TensorView& labels, const TensorView* intensity,
                                  int spatial_dims, const RegionTableViews& dst);

/// The gradient with respect to intensity: every pixel of a label receives its share of the mean's gradient; the first
/// minimum and the first maximum receive theirs. Gradients and dst have the float dtype of the intensity.
FASTCNN_API void region_table_backward(const Context& context, const TensorView& labels, const TensorView& area,
                                       const TensorView& argmin, const TensorView& argmax, const TensorView& grad_mean,
                                       const TensorView& grad_min, const TensorView& grad_max, int spatial_dims,
                                       const TensorView& dst);

}  // namespace fastcnn
