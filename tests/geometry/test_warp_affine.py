"""Affine warps against SciPy and OpenCV."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.geometry.test_resize import Resizing, random_values
from tests.op_tester import FLOATS, INTEGERS

TURN = [[0.9, -0.4, 3.3], [0.3, 1.1, -2.2]]
SQUEEZE = [[0.31, 0.02, 1.7], [-0.05, 0.43, 0.9]]


def scipy_warp(
    image: np.ndarray,
    matrix: Any,
    size: Any = None,
    mode: str = "bilinear",
    fill: float = 0.0,
    inverse: bool = False,
) -> np.ndarray:
    """In float64: the place of every pixel of the result, and what lies there on a grid continued by the fill."""
    whole = np.vstack([np.asarray(matrix, np.float64), [0, 0, 1]])
    back = whole if inverse else np.linalg.inv(whole)
    height, width = image.shape[-2:] if size is None else size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    places = [back[1, 0] * x + back[1, 1] * y + back[1, 2], back[0, 0] * x + back[0, 1] * y + back[0, 2]]
    flat = image.reshape(-1, *image.shape[-2:]).astype(np.float64)
    results = [
        ndi.map_coordinates(plane, places, order=int(mode == "bilinear"), mode="grid-constant", cval=fill)
        for plane in flat
    ]
    return np.array(results).reshape(*image.shape[:-2], height, width)


class TestWarpAffine(Resizing):
    op = "warp_affine"
    dtypes = ("uint8", "uint16", "int16", "int32", *FLOATS)
    cases = [
        {"matrix": TURN},
        {"matrix": SQUEEZE, "fill": 3.0},
        {"matrix": TURN, "inverse": True, "size": [21, 40]},
        {"matrix": [[1, 0, 0], [0, 1, 0]], "size": [9, 5]},
    ]
    differentiable = True
    errors = [
        ((np.zeros(7), TURN), {}, ArgumentError, r"warp_affine: expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)), np.eye(3)), {}, ArgumentError, r"warp_affine: expected matrix of shape \(2, 3\).*\(3, 3\)"),
        ((np.zeros((7, 7)), np.zeros((1, 2, 3))), {}, ArgumentError, "warp_affine: expected matrix of shape"),
        ((np.zeros((4, 7, 7)), np.zeros((3, 2, 3))), {}, ArgumentError, "warp_affine: expected matrix of shape"),
        ((np.zeros((7, 7)), TURN), {"mode": "bicubic"}, ArgumentError, "expected mode to be one of nearest, bilinear"),
        ((np.zeros((7, 7)), TURN), {"size": (3, 0)}, ArgumentError, r"expected size of at least 1, got \(3, 0\)"),
        ((np.zeros((7, 7), bool), TURN), {}, TypeError, "warp_affine: expected image of dtype uint8, .*, got bool"),
        ((np.zeros((0, 7)), TURN), {"size": (3, 3)}, ArgumentError, "warp_affine: expected image with pixels"),
    ]

    def inputs(self, rng: np.random.Generator, shape: Any, dtype: str) -> tuple[np.ndarray, ...]:
        return (random_values(rng, shape, dtype),)

    def oracle(self, image: np.ndarray, **kwargs: Any) -> np.ndarray:
        self.scale = float(np.abs(image.astype(np.float64)).max(initial=3))
        expected = scipy_warp(image, **kwargs)
        if image.dtype.kind != "f":
            expected = expected.clip(np.iinfo(image.dtype).min, np.iinfo(image.dtype).max)
        return expected.astype(np.longdouble)

    def compare(self, got: np.ndarray, expected: np.ndarray) -> None:
        assert got.shape == expected.shape
        if expected.dtype != np.longdouble:  # both ours
            np.testing.assert_array_equal(got, expected)
            return
        # Places: the inverse and the product round ten times, ours and the oracle's, at up to 250 pixels; a pixel
        # further, a value may be twice the largest one away, along either axis. Three interpolations of four roundings,
        # two deep, and the fractions'.
        unit = 2.0**-53 if got.dtype in (np.float64, np.int32) else 2.0**-24
        absolute = (2 * 4 * unit + 2 * 2 * unit + 2 * 2 * 2 * 10 * 250 * 2.0**-53) * self.scale
        if got.dtype.kind != "f":
            absolute += 0.5
        relative = 2.0**-11 * 1.001 if got.dtype.itemsize == 2 and got.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, expected, rtol=relative, atol=absolute)


class TestNearest(Resizing):
    op = "warp_affine"
    dtypes = (*INTEGERS, *FLOATS)
    differentiable = True
    cases = [{"matrix": TURN, "mode": "nearest"}, {"matrix": SQUEEZE, "mode": "nearest", "size": [9, 30], "fill": 1.0}]

    def oracle(self, image: np.ndarray, **kwargs: Any) -> np.ndarray:
        return scipy_warp(image, **kwargs).astype(image.dtype)


def test_opencv() -> None:
    """It rounds places to 1/32 of a pixel."""
    y, x = np.mgrid[:50, :70]
    image = (np.sin(x / 9) + np.cos(y / 7)).astype(np.float32)
    expected = cv2.warpAffine(image, np.array(TURN), (60, 55), flags=cv2.INTER_LINEAR, borderValue=0.5)
    got = F.warp_affine(image, TURN, (55, 60), fill=0.5)
    assert np.abs(got - expected).max() < 2 * 2.5 / 64  # steepest at the border, 2.5
    shift = cv2.warpAffine(image, np.float64([[1, 0, 3], [0, 1, -2]]), (70, 50))
    np.testing.assert_array_equal(F.warp_affine(image, [[1, 0, 3], [0, 1, -2]]), shift)


def test_matrices_by_image() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((2, 3, 15, 17))
    matrices = rng.normal(0, 0.2, (2, 2, 3)) + np.eye(3)[:2]
    for wrap in (np.asarray, torch.from_numpy):
        got = np.asarray(F.warp_affine(wrap(image), wrap(matrices)))
        for i in range(2):
            np.testing.assert_array_equal(got[i], F.warp_affine(image[i], matrices[i]))
        each = rng.normal(0, 0.2, (2, 3, 2, 3)) + np.eye(3)[:2]
        got = np.asarray(F.warp_affine(wrap(image), wrap(each)))
        for i, j in np.ndindex(2, 3):
            np.testing.assert_array_equal(got[i, j], F.warp_affine(image[i, j], each[i, j]))
    colour = np.moveaxis(image[0], 0, -1)
    np.testing.assert_array_equal(
        F.warp_affine(colour, TURN, channel_axis=-1), np.moveaxis(F.warp_affine(image[0], TURN), 0, -1)
    )
    batched = torch.vmap(lambda x, m: F.warp_affine(x, m, inverse=True))
    torch.testing.assert_close(
        batched(torch.from_numpy(image), torch.from_numpy(matrices)),
        F.warp_affine(torch.from_numpy(image), torch.from_numpy(matrices), inverse=True),
        rtol=0,
        atol=0,
    )


def test_gradients() -> None:
    rng = np.random.default_rng(1)
    image = torch.from_numpy(rng.standard_normal((2, 2, 6, 7))).requires_grad_()
    matrix = torch.from_numpy(rng.normal(0, 0.15, (2, 2, 3)) + np.eye(3)[:2]).requires_grad_()
    for inverse in (False, True):

        def warp(i, m, inverse=inverse):
            return F.warp_affine(i, m, (5, 8), fill=0.7, inverse=inverse)

        assert torch.autograd.gradcheck(warp, (image, matrix))
        assert torch.autograd.gradgradcheck(lambda i, w=warp: w(i, matrix.detach()), (image,))
    (of_matrix,) = torch.autograd.grad(F.warp_affine(image, matrix).sum(), matrix, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives by the matrix"):
        of_matrix.sum().backward()
    (grad,) = torch.autograd.grad(F.warp_affine(image, matrix, mode="nearest").sum(), image)
    assert set(grad.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert torch.autograd.gradcheck(lambda i: F.warp_affine(i, matrix.detach(), mode="nearest"), (image,))


def test_strange_matrices() -> None:
    image = np.random.default_rng(2).random((9, 8)).astype(np.float32)
    for matrix in (np.zeros((2, 3)), np.full((2, 3), np.nan), [[1, 1, 0], [1, 1, 0]], np.full((2, 3), np.inf)):
        for mode in ("nearest", "bilinear"):
            assert (F.warp_affine(image, matrix, mode=mode, fill=2) == 2).all()
            tensor = torch.from_numpy(image).requires_grad_()
            F.warp_affine(tensor, torch.tensor(np.asarray(matrix, float)), mode=mode).sum().backward()
            assert (tensor.grad == 0).all()
    far = [[1, 0, 1e300], [0, 1, -1e300]]
    assert (F.warp_affine(image, far, fill=2) == 2).all()
    assert (F.warp_affine(np.zeros((2, 2), np.uint8), far, fill=300) == 255).all()
    image[4, 4] = np.nan
    same = [[1, 0, 0], [0, 1, 0]]
    np.testing.assert_array_equal(F.warp_affine(image, same), image)
    # Weights of 1 - 1e-9 and 1e-9 are 1 and 0 in float32.
    beside = [[1, 0, 1e-9], [0, 1, 1e-9]]
    np.testing.assert_array_equal(F.warp_affine(image, beside), image)
    np.testing.assert_array_equal(F.warp_affine(image[:4], beside, fill=np.inf), image[:4])


def test_graphs(native_calls) -> None:
    image = torch.rand(2, 3, 12, 13, requires_grad=True)
    matrix = torch.tensor([TURN, SQUEEZE], requires_grad=True)
    calls = native_calls(lambda: F.warp_affine(image, matrix).sum().backward())
    assert {op.name() for op, _ in calls} >= {"fastcnn::warp_affine", "fastcnn::_warp_affine_backward"}
    for op, args in calls:
        leaves = [a.detach() if isinstance(a, torch.Tensor) else a for a in args]
        leaves[0].requires_grad_(not op.name().endswith("_maps"))
        torch.library.opcheck(op, tuple(leaves))
    torch._dynamo.reset()
    compiled = torch.compile(lambda x, m: F.warp_affine(x, m, 20), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image, matrix), F.warp_affine(image, matrix, 20))
