// Compares labelling and cleaning with their oracles on random images of every rank, density, dtype, stride and thread
// count.
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "fastcnn/error.h"
#include "fastcnn/ops/cleaning.h"
#include "fastcnn/ops/labeling.h"

using namespace fastcnn;

namespace {

std::mt19937 random_bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(random_bits() % static_cast<uint64_t>(n)); }

/// A dense tensor that owns its data, initialised with arbitrary guard bytes.
struct Array {
  Array(DType dtype, std::vector<int64_t> sizes) : shape(std::move(sizes)) {
    view.dtype = data_type(dtype);
    view.ndim = static_cast<int32_t>(shape.size());
    view.shape = shape.data();
    data.assign(static_cast<size_t>(view.numel()) * size_of(dtype), 0x5a);
    view.data = data.data();
  }
  Array(const Array& o) : shape(o.shape), data(o.data), view(o.view) {
    view.shape = shape.data();
    view.data = data.data();
  }
  template <class T>
  T* as() {
    return view.as<T>();
  }
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;
  TensorView view;
};

void expect_same(const Array& got, const Array& expected, const char* what, int round) {
  if (got.data == expected.data) return;
  std::printf("round %d: %s differs, image of shape %s\n", round, what, shape_text(got.view).c_str());
  ++failures;
}

/// Labels 0..5 in stretches, occasionally a very large one.
Array random_labels(DType dtype, const std::vector<int64_t>& shape, int64_t one_in) {
  Array labels(dtype, shape);
  const int64_t n = labels.view.numel();
  int64_t value = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (below(4) == 0) value = below(one_in) ? 1 + below(5) : 0;
    switch (dtype) {
      case DType::boolean: labels.as<bool>()[i] = value > 2; break;
      case DType::uint8: labels.as<uint8_t>()[i] = static_cast<uint8_t>(value); break;
      case DType::int32: labels.as<int32_t>()[i] = static_cast<int32_t>(value); break;
      default: labels.as<int64_t>()[i] = value == 5 ? int64_t{1} << 60 : value;
    }
  }
  return labels;
}

std::vector<int64_t> batch_of(const std::vector<int64_t>& shape, int dims, std::vector<int64_t> tail) {
  tail.insert(tail.begin(), shape.begin(), shape.end() - dims);
  return tail;
}

struct TableArrays {
  TableArrays(const std::vector<int64_t>& shape, int dims, int64_t maximum, DType intensity)
      : columns{{DType::int32, batch_of(shape, dims, {})},
                {DType::int64, batch_of(shape, dims, {maximum})},
                {DType::float32, batch_of(shape, dims, {maximum, 2 * dims})},
                {DType::float32, batch_of(shape, dims, {maximum, dims})},
                {region_mean_dtype(intensity), batch_of(shape, dims, {maximum})},
                {intensity, batch_of(shape, dims, {maximum})},
                {intensity, batch_of(shape, dims, {maximum})},
                {DType::int64, batch_of(shape, dims, {maximum})},
                {DType::int64, batch_of(shape, dims, {maximum})}} {}
  RegionTableViews views() const {
    return {columns[0].view, columns[1].view, columns[2].view, columns[3].view, columns[4].view,
            columns[5].view, columns[6].view, columns[7].view, columns[8].view};
  }
  Array columns[9];
};

void check_round(int round) {
  const int dims = 2 + below(2);
  const bool large = round % 40 == 0;
  std::vector<int64_t> shape;
  if (below(2)) shape.push_back(1 + below(3));
  const int64_t maximum = dims == 2 ? (large ? 400 : 90) : (large ? 50 : 12);
  for (int i = 0; i < dims; ++i) shape.push_back(1 + below(maximum));
  if (below(4) == 0) shape.back() = 62 + below(5);
  set_num_threads(1 + static_cast<int>(below(4)));
  constexpr DType kTypes[] = {DType::boolean, DType::uint8, DType::int32, DType::int64};
  const DType dtype = kTypes[below(4)];
  Array labels = random_labels(dtype, shape, 2 + below(6));
  const Context& context = default_context();

  for (int connectivity = 1; connectivity <= dims; ++connectivity) {
    Array got(DType::int32, shape), expected(got), count(DType::int32, batch_of(shape, dims, {})), counts(count);
    label(context, labels.view, connectivity, dims, got.view, count.view);
    label_ref(context, labels.view, connectivity, dims, expected.view, counts.view);
    expect_same(got, expected, "label", round);
    expect_same(count, counts, "label's count", round);

    Array mask(DType::boolean, shape), mask_ref(mask);
    const int64_t size = below(20);
    remove_small_holes(context, labels.view, size, connectivity, dims, mask.view);
    remove_small_holes_ref(context, labels.view, size, connectivity, dims, mask_ref.view);
    expect_same(mask, mask_ref, "remove_small_holes", round);
    Array objects(dtype, shape), objects_ref(objects);
    remove_small_objects(context, labels.view, size, connectivity, dims, objects.view);
    remove_small_objects_ref(context, labels.view, size, connectivity, dims, objects_ref.view);
    expect_same(objects, objects_ref, "remove_small_objects", round);
  }

  Array mask(DType::boolean, shape), mask_ref(mask);
  fill_holes(context, labels.view, dims, mask.view);
  fill_holes_ref(context, labels.view, dims, mask_ref.view);
  expect_same(mask, mask_ref, "fill_holes", round);

  Array inner(dtype, shape), inner_ref(inner);
  clear_border(context, labels.view, dims, inner.view);
  clear_border_ref(context, labels.view, dims, inner_ref.view);
  expect_same(inner, inner_ref, "clear_border", round);

  const int64_t rows = below(8);
  Array map(dtype, batch_of(shape, dims, {rows + 1})), map_ref(map), count(DType::int32, batch_of(shape, dims, {})),
      count_ref(count);
  relabel_sequential(context, labels.view, dims, inner.view, map.view, count.view);
  relabel_sequential_ref(context, labels.view, dims, inner_ref.view, map_ref.view, count_ref.view);
  expect_same(inner, inner_ref, "relabel_sequential", round);
  expect_same(map, map_ref, "relabel_sequential's map", round);
  expect_same(count, count_ref, "relabel_sequential's count", round);

  // Intensities whose sums are exact, so that the order does not matter.
  Array intensity(DType::float32, shape);
  for (int64_t i = 0; i < intensity.view.numel(); ++i) intensity.as<float>()[i] = static_cast<float>(below(64)) / 8;
  const TableArrays table(shape, dims, rows, DType::float32), table_ref(shape, dims, rows, DType::float32);
  region_table(context, labels.view, &intensity.view, dims, table.views());
  region_table_ref(context, labels.view, &intensity.view, dims, table_ref.views());
  for (int k = 0; k < 9; ++k) expect_same(table.columns[k], table_ref.columns[k], "region_table", round);
}

}  // namespace

int main() {
  for (int round = 0; round < 600 && failures == 0; ++round) check_round(round);
  return failures != 0;
}
