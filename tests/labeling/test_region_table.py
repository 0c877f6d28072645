"""`region_table` against scikit-image's regionprops and NumPy."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch
from skimage.measure import regionprops

import fastcnn
import fastcnn.ops
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD_3D, FLOATS, INTEGERS, OpTester, random_image, to_torch


def expected(labels, intensity, max_labels):
    dims = labels.ndim
    wide = labels.astype(np.int64)
    dtype = intensity.dtype
    mean_dtype = dtype if dtype.kind == "f" else np.float32
    area = np.zeros(max_labels, np.int64)
    bbox = np.zeros((max_labels, 2 * dims), np.float32)
    centroid = np.zeros((max_labels, dims), np.float32)
    mean, smallest, largest = np.zeros(max_labels, mean_dtype), np.zeros(max_labels, dtype), np.zeros(max_labels, dtype)
    for n in range(max_labels):
        where = np.nonzero(wide == n + 1)
        if len(where[0]) == 0:
            continue
        area[n] = len(where[0])
        bbox[n] = [w.min() for w in where[::-1]] + [w.max() + 1 for w in where[::-1]]
        centroid[n] = [w.mean() for w in where]
        values = intensity[where]
        with np.errstate(invalid="ignore"):  # inf - inf
            mean[n] = values.astype(np.float64).mean()
        smallest[n], largest[n] = values.min(), values.max()
    label = np.where(area > 0, np.arange(1, max_labels + 1), 0)
    return label, np.int32(max(0, wide.max(initial=0))), area, bbox, centroid, mean, smallest, largest


class TestRegionTable(OpTester):
    op = "region_table"
    cases = [{"max_labels": 5}, {"max_labels": 3}, {"max_labels": 9}]
    dtypes = (*INTEGERS, *FLOATS)
    shapes_3d = AWKWARD_3D
    differentiable = True
    errors = [
        ((np.zeros((5, 6)),), {}, TypeError, "region_table: expected labels of dtype bool, uint8"),
        (
            (np.zeros(5, int),),
            {},
            ArgumentError,
            r"region_table: expected labels of shape \(\.\.\., H, W\), got \(5,\)",
        ),
        (
            (np.zeros((5, 6), int), np.zeros((5, 7))),
            {},
            ArgumentError,
            r"region_table: expected intensity of shape \(5, 6\), got \(5, 7\)",
        ),
        ((np.zeros((5, 6), int),), {"max_labels": -1}, ArgumentError, "expected max_labels of at least 0, got -1"),
        ((np.zeros((5, 6), int), np.zeros((5, 6), np.complex64)), {}, TypeError, "region_table: expected intensity of"),
    ]

    def inputs(self, rng, shape, dtype):
        labels = rng.integers(-1, 6, shape).astype(np.int32)
        labels[labels == 2] = 3  # 2 is absent
        return np.repeat(labels, 3, axis=-1)[..., : shape[-1]], random_image(rng, shape, dtype)

    def oracle(self, labels, intensity, max_labels, spatial_dims=2):
        return expected(labels, intensity, max_labels)

    def test_empty(self, case):
        """Images without pixels have rows of zeros nevertheless; without images there are none."""
        for shape in [(0, 5, 7), (2, 0, 7), (2, 5, 0), (0, 0)]:
            arrays = self.inputs(self.rng(), shape, "float32")
            for table in (self.run(*arrays, **case), self.run(*to_torch(arrays), **case)):
                assert tuple(table.area.shape) == (*shape[:-2], case["max_labels"])
                assert tuple(table.bbox.shape) == (*shape[:-2], case["max_labels"], 4)
                for column in table:
                    assert not np.asarray(column).any()

    def compare(self, got, want):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=2 * np.finfo(got.dtype).eps, atol=1e-12)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_label_dtypes(dtype, rng):
    labels = rng.integers(0, 2 if dtype == "bool" else 5, (2, 30, 41)).astype(dtype)
    intensity = rng.random(labels.shape)
    got = fastcnn.ops.region_table(labels, intensity)
    again = fastcnn.ops.region_table(torch.from_numpy(labels), torch.from_numpy(intensity))
    for i in range(2):
        for column, t, want in zip(got, again, expected(labels[i], intensity[i], int(labels.max())), strict=True):
            np.testing.assert_allclose(column[i], want, rtol=1e-6)
            np.testing.assert_array_equal(column, t)


KINDS = [np.asarray, torch.from_numpy]


@pytest.mark.parametrize("of", KINDS, ids=["array", "tensor"])
@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_sparse_labels_have_a_row_each(of, dtype):
    """Time and memory do not grow with the labels: 2**31 - 1 rows would be 200 GB."""
    labels = np.array([[0, 10**7, 10**7, 0], [2**31 - 1, 0, 7, 7]], dtype)
    intensity = np.arange(8, dtype=np.float32).reshape(2, 4)
    table = fastcnn.ops.region_table(of(labels), of(intensity))
    present, dense = np.unique(labels, return_inverse=True)
    props = regionprops(dense.reshape(labels.shape), intensity)  # scikit-image's memory does grow
    assert table.label.tolist() == present[1:].tolist() == [7, 10**7, 2**31 - 1]
    assert table.area.tolist() == [p.area for p in props]
    assert table.intensity_mean.tolist() == [p.intensity_mean for p in props]
    assert table.centroid.tolist() == [list(p.centroid) for p in props]
    assert int(table.count) == 3
    only = fastcnn.ops.region_table(of(labels[:, :3]))
    assert (only.label.tolist(), only.area.tolist()) == ([7, 10**7, 2**31 - 1], [1, 2, 1])


@pytest.mark.parametrize("of", KINDS, ids=["array", "tensor"])
def test_each_image_has_its_own_rows(of):
    labels = np.array([[[5, 1, 0]], [[0, 9, -3]]])
    table = fastcnn.ops.region_table(of(labels))
    assert table.label.tolist() == [[1, 5], [9, 0]]
    assert table.area.tolist() == [[1, 1], [1, 0]]
    assert table.count.tolist() == [2, 1]
    fixed = fastcnn.ops.region_table(of(labels), max_labels=5)
    assert fixed.label.tolist() == [[1, 0, 0, 0, 5], [0, 0, 0, 0, 0]]
    assert fixed.count.tolist() == [5, 9]


@pytest.mark.parametrize("of", KINDS, ids=["array", "tensor"])
def test_more_rows_than_there_can_be(of):
    for op in (fastcnn.ops.region_table, fastcnn.ops.relabel_sequential):
        with pytest.raises(ArgumentError, match=rf"{op.__name__}: expected max_labels of at most.*relabel_sequential"):
            op(of(np.array([[0, 1]])), max_labels=2**62)
    with pytest.raises(ArgumentError, match=r"region_table: expected labels of at most.*relabel_sequential"):
        fastcnn.ops.region_table(of(np.array([[2**63]], np.uint64)))


def test_the_gradient_goes_through_sparse_labels():
    intensity = torch.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    fastcnn.ops.region_table(torch.tensor([[0, 10**9, 10**9]]), intensity).intensity_mean.sum().backward()
    np.testing.assert_array_equal(intensity.grad, [[0, 0.5, 0.5]])


@pytest.mark.parametrize("dims", [2, 3])
def test_regionprops(dims, rng):
    shape = (300, 400) if dims == 2 else (40, 50, 60)
    labels, count = ndi.label(ndi.gaussian_filter(rng.standard_normal(shape), 2) > 0.05)
    intensity = rng.random(shape)
    table = fastcnn.ops.region_table(labels, intensity, spatial_dims=dims)
    assert table.count == count
    assert table.area.shape == (count,)
    for n, region in enumerate(regionprops(labels, intensity)):
        assert table.area[n] == region.area
        low, high = region.bbox[:dims], region.bbox[dims:]
        np.testing.assert_array_equal(table.bbox[n], [*low[::-1], *high[::-1]])
        np.testing.assert_allclose(table.centroid[n], region.centroid, rtol=1e-6)
        np.testing.assert_allclose(table.intensity_mean[n], region.intensity_mean, rtol=1e-12)
        assert table.intensity_min[n] == region.intensity_min
        assert table.intensity_max[n] == region.intensity_max


def test_without_intensity(rng):
    labels = rng.integers(0, 4, (2, 12, 13))
    full = fastcnn.ops.region_table(labels, labels.astype(float))
    for table in (fastcnn.ops.region_table(labels), fastcnn.ops.region_table(torch.from_numpy(labels))):
        assert table[5:] == (None, None, None)
        for got, want in zip(table[:5], full[:5], strict=True):
            np.testing.assert_array_equal(got, want)
    program = torch.export.export(Table(), (torch.from_numpy(labels),))
    np.testing.assert_array_equal(program.module()(torch.from_numpy(labels)), full.area)


class Table(torch.nn.Module):
    def forward(self, labels):
        return fastcnn.ops.region_table(labels, max_labels=3).area


@pytest.mark.parametrize("labels_per_pixel", [0.001, 0.05, 0.5, 3])
def test_bit_for_bit_with_any_number_of_threads(labels_per_pixel, rng):
    """Few labels take partial tables, many take several passes."""
    shape = (520, 500)
    largest = int(labels_per_pixel * shape[0] * shape[1])
    labels = rng.integers(0, largest + 1, shape)
    intensity = rng.standard_normal(shape).astype(np.float32) * 10.0 ** rng.integers(-3, 4, shape)
    before = fastcnn.get_num_threads()
    try:
        tables = []
        for threads in (1, 2, 5):
            fastcnn.set_num_threads(threads)
            tables.append(fastcnn.ops.region_table(labels, intensity, max_labels=largest))
        for table in tables[1:]:
            for got, want in zip(table, tables[0], strict=True):
                np.testing.assert_array_equal(got, want)
    finally:
        fastcnn.set_num_threads(before)
    table = tables[0]
    np.testing.assert_array_equal(table.area, np.bincount(labels.ravel(), minlength=largest + 1)[1:])
    sums = np.bincount(labels.ravel(), intensity.ravel().astype(float), minlength=largest + 1)[1:]
    np.testing.assert_allclose(table.intensity_mean, sums / np.maximum(table.area, 1), rtol=1e-5, atol=1e-5)
    assert table.count == labels.max()


def test_integer_sums_are_exact():
    labels = np.ones((3000, 1000), np.uint8)
    intensity = np.full(labels.shape, 2**31 - 1, np.int32)
    table = fastcnn.ops.region_table(labels, intensity)
    assert table.intensity_mean[0] == np.float32(2**31 - 1)
    assert table.intensity_min[0] == table.intensity_max[0] == 2**31 - 1


def test_nan_and_infinity():
    labels = np.array([[1, 1, 1, 2, 2, 3]])
    intensity = np.array([[5.0, np.nan, 1.0, -np.inf, 3.0, np.inf]])
    table = fastcnn.ops.region_table(labels, intensity)
    np.testing.assert_array_equal(table.intensity_mean, [np.nan, -np.inf, np.inf])
    np.testing.assert_array_equal(table.intensity_min, [np.nan, -np.inf, np.inf])
    np.testing.assert_array_equal(table.intensity_max, [np.nan, 3, np.inf])


def test_nan_gradient_goes_to_the_first():
    labels = torch.ones(1, 4, dtype=torch.int32)
    intensity = torch.tensor([[1.0, torch.nan, torch.nan, 0.0]], requires_grad=True)
    fastcnn.ops.region_table(labels, intensity).intensity_min.sum().backward()
    np.testing.assert_array_equal(intensity.grad, [[0, 1, 0, 0]])


def test_ties_send_the_gradient_to_the_first_pixel():
    labels = torch.tensor([[0, 1, 1], [2, 1, 1], [2, 2, 2]])
    intensity = torch.tensor([[0.0, 3, 7], [4, 7, 3], [4, 4, 4]], requires_grad=True)
    table = fastcnn.ops.region_table(labels, intensity)
    (table.intensity_min * torch.tensor([1.0, 10]) + table.intensity_max * torch.tensor([100.0, 1000])).sum().backward()
    np.testing.assert_array_equal(intensity.grad, [[0, 1, 100], [1010, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_gradient_of_the_mean(dtype, rng):
    labels = torch.from_numpy(rng.integers(0, 4, (2, 6, 7)))
    intensity = torch.rand(2, 6, 7).to(dtype).requires_grad_()
    table = fastcnn.ops.region_table(labels, intensity, max_labels=3)
    assert table.intensity_mean.dtype == table.intensity_min.dtype == dtype
    assert not table.bbox.requires_grad
    assert not table.centroid.requires_grad
    weights = torch.arange(6).reshape(2, 3).to(dtype)
    (table.intensity_mean * weights).sum().backward()
    assert intensity.grad.dtype == dtype
    share = torch.nn.functional.pad(weights.double() / table.area, (1, 0))
    want = share.gather(1, labels.flatten(1)).reshape(labels.shape).to(dtype)
    torch.testing.assert_close(intensity.grad, want)


def test_gradient_in_3d_and_under_vmap(rng):
    labels = torch.from_numpy(rng.integers(0, 4, (2, 3, 4, 5)))
    intensity = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)

    def total(labels, intensity):
        table = fastcnn.ops.region_table(labels, intensity, max_labels=3, spatial_dims=3)
        return (table.intensity_mean + 2 * table.intensity_max).sum(-1)

    assert torch.autograd.gradcheck(lambda t: total(labels, t), intensity)
    want = torch.autograd.grad(total(labels, intensity).sum(), intensity)[0]
    got = torch.autograd.grad(torch.vmap(total)(labels, intensity).sum(), intensity)[0]
    torch.testing.assert_close(got, want)


def test_scratch_is_what_the_docstring_says(rng):
    labels = rng.integers(0, 400_000, (700, 1001))
    fastcnn._core.take_peak_scratch()
    fastcnn.ops.region_table(labels, labels)
    assert fastcnn._core.take_peak_scratch() <= 8 * labels.size + (1 << 20)
