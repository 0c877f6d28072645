// Compares with the references: integer results bit for bit. The sums of intensities are exact, so that the order of
// summation does not matter.
#include <cmath>

#include "fastcnn/ops/labeling.h"
#include "fuzz.h"

namespace fuzz {
namespace {

Sizes per_image(const Tensor& images, int dims, Sizes tail = {}) {
  tail.insert(tail.begin(), images.shape().begin(), images.shape().end() - dims);
  return tail;
}

struct Table {
  Table(const Tensor& labels, int dims, int64_t maximum, DType intensity) {
    const auto add = [&](DType dtype, Sizes tail) { columns.emplace_back(dtype, per_image(labels, dims, tail)); };
    add(DType::int32, {}), add(DType::int64, {maximum});
    add(DType::float32, {maximum, 2 * dims}), add(DType::float32, {maximum, dims});
    add(region_mean_dtype(intensity), {maximum}), add(intensity, {maximum}), add(intensity, {maximum});
    add(DType::int64, {maximum}), add(DType::int64, {maximum});
  }
  RegionTableViews views() const {
    const auto v = [&](size_t i) { return columns[i].view(); };
    return {v(0), v(1), v(2), v(3), v(4), v(5), v(6), v(7), v(8)};
  }
  std::vector<Tensor> columns;
};

void check_table(Input& in, const Context& context, const Tensor& labels, int dims) {
  Tensor intensity(in.dtype(kAll), labels.shape(), in);
  if (in.one_in(2)) {
    intensity.fill_labels(in, 64);
  } else {
    intensity.fill(in);
  }
  // Sums of small whole numbers are exact; others have to be finite or not alike, and that is all.
  bool exact = intensity.largest() <= 4096;
  for (int64_t i = 0; i < intensity.numel(); ++i)
    exact = exact && (std::isnan(intensity[i]) || intensity[i] == std::nearbyint(intensity[i]));
  const int64_t maximum = in.below(9);
  const Table got(labels, dims, maximum, intensity.dtype()), expected(labels, dims, maximum, intensity.dtype());
  const TensorView view = intensity.view();
  const TensorView* measured = in.one_in(4) ? nullptr : &view;
  const auto fast = [&] { region_table(context, labels.view(), measured, dims, got.views()); };
  const auto reference = [&] { region_table_ref(serial_context(), labels.view(), measured, dims, expected.views()); };
  if (!both_run("region_table", fast, reference)) return;
  for (size_t k = 0; k < (measured ? 9 : 4); ++k)
    if (exact || k != 4) expect_same("region_table", got.columns[k], expected.columns[k]);
  if (!measured || !is_float(intensity.dtype())) return;

  // Each pixel takes its label's share of the mean's gradient; the extreme pixels take theirs.
  Tensor mean(intensity.dtype(), got.columns[4].shape(), in), low(intensity.dtype(), mean.shape(), in),
      high(intensity.dtype(), mean.shape(), in), gradient(intensity.dtype(), labels.shape()),
      by_definition(DType::float64, labels.shape());
  mean.fill_finite(in), low.fill_finite(in), high.fill_finite(in);
  const Tensor mean_dense = mean.dense(), low_dense = low.dense(), high_dense = high.dense();
  region_table_backward(context, labels.view(), got.columns[1].view(), got.columns[7].view(), got.columns[8].view(),
                        mean_dense.view(), low_dense.view(), high_dense.view(), dims, gradient.view());
  const int64_t images = product(per_image(labels, dims)), size = images ? labels.numel() / images : 0;
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const int64_t image = i / size, p = i % size, row = image * maximum;
    by_definition.set(i, 0);
    const double label = labels[i];
    if (!(label >= 1 && label <= static_cast<double>(maximum))) continue;
    const int64_t at = row + static_cast<int64_t>(label) - 1;
    double sum = mean[at] / got.columns[1][at];
    if (got.columns[7].at<int64_t>(at) == p) sum += low[at];
    if (got.columns[8].at<int64_t>(at) == p) sum += high[at];
    by_definition.set(i, sum);
  }
  Tensor rounded(DType::float64, labels.shape());
  for (int64_t i = 0; i < labels.numel(); ++i) rounded.set(i, gradient[i]);
  // Three terms of at most 1, each rounded, and the sum.
  expect_close("region_table_backward", rounded, by_definition, 4 * epsilon(intensity.dtype()));
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(4);
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor labels(op == 0 ? in.dtype(kAll) : in.dtype(kLabels), image_shape(in, dims, in.one_in(8) ? 1 << 14 : 1 << 11),
                in);
  if (in.below(3)) {
    labels.fill_labels(in, in.any_of<int64_t>({1, 2, 5, 40, 300}));
  } else {
    labels.fill(in);
  }
  in.wild = in.one_in(8);
  const Pieces context(in);
  const Context& serial = serial_context();
  Tensor counts(DType::int32, per_image(labels, dims)), counts_ref(DType::int32, per_image(labels, dims));
  if (op == 0) {
    const int64_t connectivity = in.wild ? in.number(0, 27) : 1 + in.below(dims);
    Tensor got(DType::int32, labels.shape()), expected(DType::int32, labels.shape());
    if (!both_run(
            "label", [&] { label(context, labels.view(), connectivity, dims, got.view(), counts.view()); },
            [&] { label_ref(serial, labels.view(), connectivity, dims, expected.view(), counts_ref.view()); }))
      return;
    expect_same("label", got, expected);
    expect_same("label's count", counts, counts_ref);
  } else if (op == 1) {
    Tensor got(labels.dtype(), labels.shape()), expected(labels.dtype(), labels.shape());
    const Sizes rows = per_image(labels, dims, {1 + in.below(8)});
    Tensor inverse(labels.dtype(), rows), inverse_ref(labels.dtype(), rows);
    if (!both_run(
            "relabel_sequential",
            [&] { relabel_sequential(context, labels.view(), dims, got.view(), inverse.view(), counts.view()); },
            [&] {
              relabel_sequential_ref(serial, labels.view(), dims, expected.view(), inverse_ref.view(),
                                     counts_ref.view());
            }))
      return;
    expect_same("relabel_sequential", got, expected);
    expect_same("relabel_sequential's map", inverse, inverse_ref);
    expect_same("relabel_sequential's count", counts, counts_ref);
  } else if (op == 2) {
    Tensor got(labels.dtype(), labels.shape()), expected(labels.dtype(), labels.shape());
    must_run("clear_border", [&] { clear_border(context, labels.view(), dims, got.view()); });
    clear_border_ref(serial, labels.view(), dims, expected.view());
    expect_same("clear_border", got, expected);
  } else {
    check_table(in, context, labels, dims);
  }
}

}  // namespace fuzz
