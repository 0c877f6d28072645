// Boxes in the order of their scores.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"

namespace fastcnn::boxes {

/// order: the indices of n scores by decreasing score; NaN first, equal scores by index, as in
/// torch.sort(descending=True, stable=True).
template <class T>
void order_by_score(const T* scores, int64_t n, int64_t* order, const Context& context);
extern template void order_by_score(const float*, int64_t, int64_t*, const Context&);
extern template void order_by_score(const double*, int64_t, int64_t*, const Context&);

/// Reorders `order` by increasing class, and keeps the order within each class.
void order_by_class(const int64_t* classes, int64_t n, int64_t* order, const Context& context);

}  // namespace fastcnn::boxes
