// Removal of small objects and of holes. Images are (..., H, W), or (..., D, H, W) with spatial_dims = 3; outputs are
// dense and have src's shape. Connectivity is 1..spatial_dims or the neighbour count (4, 8; 6, 18, 26).
#pragma once

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Fills holes. dst (bool) is true for non-zero pixels, and for zero pixels without a path of edge-adjacent zeros to
/// the image's border.
FASTCNN_API void fill_holes(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst);
FASTCNN_API void fill_holes_ref(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst);

/// Removes the objects of `size` pixels or fewer. In a bool image objects are connected components; in an integer image
/// they are labels, connected or not, and a negative label is an error. dst: src's dtype.
FASTCNN_API void remove_small_objects(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                                      int spatial_dims, const TensorView& dst);
FASTCNN_API void remove_small_objects_ref(const Context& context, const TensorView& src, int64_t size,
                                          int64_t connectivity, int spatial_dims, const TensorView& dst);

/// Fills small holes. dst (bool) is true for non-zero pixels, and for connected components of `size` zero pixels or
/// fewer.
FASTCNN_API void remove_small_holes(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                                    int spatial_dims, const TensorView& dst);
FASTCNN_API void remove_small_holes_ref(const Context& context, const TensorView& src, int64_t size,
                                        int64_t connectivity, int spatial_dims, const TensorView& dst);

}  // namespace fastcnn
