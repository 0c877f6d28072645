"""Histograms of oriented gradients against scikit-image and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import skimage.feature
import torch

import fastcnn
import fastcnn.ops as F
from fastcnn import ArgumentError

CASES = [
    {},
    {"orientations": 8, "block_norm": "L2"},
    {"orientations": 4, "pixels_per_cell": (5, 7), "cells_per_block": (3, 2), "block_norm": "L1"},
    {"orientations": 12, "pixels_per_cell": (6, 6), "cells_per_block": (1, 1), "block_norm": "L1-sqrt"},
    {"orientations": 1, "pixels_per_cell": (1, 2)},
]


def picture(dtype: str, shape: tuple[int, ...] = (45, 70)) -> np.ndarray:
    rng = np.random.default_rng(1)
    image = skimage.data.camera()[100 : 100 + shape[-2], 200 : 200 + shape[-1]].astype(float)
    image = np.broadcast_to(image, shape) + rng.integers(-20, 20, shape)
    if dtype == "bool":
        return image > 120
    return image.clip(0, 255).astype(dtype) if not dtype.startswith("float") else (image / 255).astype(dtype)


@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_skimage(dtype: str, options: dict) -> None:
    image = picture(dtype)
    defaults = {"cells_per_block": (2, 2), "feature_vector": False, **options}
    expected = skimage.feature.hog(image, **defaults)
    got, lines = F.hog(image, visualize=True, **options)
    assert got.dtype == lines.dtype == (np.float64 if dtype == "float64" else np.float32)
    np.testing.assert_allclose(got, expected, atol=1e-6)  # its histograms are float32
    if min(defaults.get("pixels_per_cell", (8, 8))) > 2:  # where scikit-image draws outside
        drawn = skimage.feature.hog(image, visualize=True, **defaults)[1]
        np.testing.assert_allclose(lines, drawn, rtol=1e-6, atol=1e-6 * drawn.max())
    flat = F.hog(image, feature_vector=True, **options)
    np.testing.assert_array_equal(flat, got.ravel())


def test_square_root_and_colour() -> None:
    image = picture("uint8", (3, 45, 70))
    for axis in (0, 1, 2):
        moved = np.moveaxis(image, 0, axis)
        for root in (False, True):
            expected = skimage.feature.hog(
                moved, cells_per_block=(2, 2), transform_sqrt=root, channel_axis=axis, feature_vector=False
            )
            got = F.hog(moved, transform_sqrt=root, channel_axis=axis)
            np.testing.assert_allclose(got, expected, atol=1e-6)
            np.testing.assert_array_equal(
                F.hog(torch.from_numpy(moved.copy()), transform_sqrt=root, channel_axis=axis).numpy(), got
            )


# OpenCV 4.14 (5 has no HOGDescriptor):
#   image = (np.add.outer(np.arange(16) ** 2, 3 * np.arange(16) ** 2) % 251).astype(np.uint8)
#   cv2.HOGDescriptor((16, 16), (16, 16), (8, 8), (8, 8), 9).compute(image).reshape(2, 2, 9).transpose(1, 0, 2).ravel()
# It goes down columns first.
OPENCV = [
    0.2807, 0.1957, 0.1251, 0.0419, 0.0043, 0.0000, 0.0000, 0.0076, 0.2111,
    0.2807, 0.0973, 0.1426, 0.1012, 0.0162, 0.0000, 0.0000, 0.0462, 0.2807,
    0.1438, 0.2807, 0.2807, 0.0618, 0.0165, 0.0058, 0.0000, 0.0426, 0.2183,
    0.2807, 0.2807, 0.2807, 0.1879, 0.0289, 0.0000, 0.0007, 0.1861, 0.2807,
]  # fmt: skip


def test_opencv() -> None:
    image = (np.add.outer(np.arange(16) ** 2, 3 * np.arange(16) ** 2) % 251).astype(np.uint8)
    # Its angles are good to 0.3 degrees, and these to four digits.
    np.testing.assert_allclose(F.hog(image, variant="dalal").ravel(), OPENCV, atol=2e-4)


def interpolated(image: np.ndarray, bins: int, cell: tuple[int, int], block: tuple[int, int]) -> np.ndarray:
    """The blocks by definition: each pixel to each cell and orientation by its distance."""
    mirror = np.pad(image.astype(float), 1, "reflect")
    gx, gy = mirror[1:-1, 2:] - mirror[1:-1, :-2], mirror[2:, 1:-1] - mirror[:-2, 1:-1]
    angle, length = np.arctan2(gy, gx) % np.pi * bins / np.pi, np.hypot(gx, gy)
    height, width = cell[0] * block[0], cell[1] * block[1]
    sigma = (height + width) / 8
    rows, columns = image.shape[0] // cell[0] - block[0] + 1, image.shape[1] // cell[1] - block[1] + 1
    out = np.zeros((rows, columns, *block, bins))
    y, x = np.mgrid[:height, :width]
    gauss = np.exp(-((y - height / 2) ** 2 + (x - width / 2) ** 2) / (2 * sigma**2))
    for r, c, i, j, o in np.ndindex(out.shape):
        part = np.s_[r * cell[0] : r * cell[0] + height, c * cell[1] : c * cell[1] + width]
        turn = np.abs(angle[part] - (o + 0.5))
        near = np.clip(1 - np.minimum(turn, bins - turn), 0, None)
        of_row = np.clip(1 - np.abs((y + 0.5) / cell[0] - 0.5 - i), 0, None)
        of_column = np.clip(1 - np.abs((x + 0.5) / cell[1] - 0.5 - j), 0, None)
        out[r, c, i, j, o] = (gauss * of_row * of_column * near * length[part]).sum()
    flat = out.reshape(rows, columns, -1)
    flat = np.minimum(flat / (np.linalg.norm(flat, axis=-1, keepdims=True) + 0.1 * flat.shape[-1]), 0.2)
    return (flat / (np.linalg.norm(flat, axis=-1, keepdims=True) + 1e-3)).reshape(out.shape)


@pytest.mark.parametrize(
    ("bins", "cell", "block"),
    [(9, (8, 8), (2, 2)), (6, (4, 6), (3, 2)), (17, (5, 5), (1, 1)), (3, (7, 2), (2, 3)), (33, (8, 8), (2, 2))],
)
def test_interpolated(bins: int, cell: tuple[int, int], block: tuple[int, int]) -> None:
    for dtype, shape in (("uint8", (45, 70)), ("float64", (33, 29)), ("uint8", (17, 16))):
        image = picture(dtype, shape)
        got = F.hog(image, bins, cell, block, variant="dalal")
        np.testing.assert_allclose(got, interpolated(image, bins, cell, block), atol=1e-5)


@pytest.mark.parametrize("variant", ["skimage", "dalal"])
def test_batches_strides_threads(variant: str, isa_runner) -> None:
    image = picture("float32", (2, 3, 45, 70))
    whole = F.hog(image, variant=variant)
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(whole[i, j], F.hog(image[i, j], variant=variant))
    np.testing.assert_array_equal(F.hog(np.asfortranarray(image), variant=variant), whole)
    half = torch.from_numpy(image).half()
    assert torch.equal(F.hog(half, variant=variant), F.hog(half.float(), variant=variant))
    before = fastcnn.get_num_threads()
    try:
        for n in (1, 2, 5):
            fastcnn.set_num_threads(n)
            np.testing.assert_array_equal(F.hog(image, variant=variant), whole)
    finally:
        fastcnn.set_num_threads(before)
    for (got,) in isa_runner("hog", (image,), {"variant": variant}):
        np.testing.assert_array_equal(got, whole)


def test_plain_images_and_nan() -> None:
    for dtype in ("bool", "uint8", "float32"):
        assert (F.hog(np.ones((16, 16), dtype)) == 0).all()
    image = picture("float32")
    image[20, 30] = np.nan
    for variant in ("skimage", "dalal"):
        got = F.hog(image, variant=variant)
        assert np.isnan(got).any()
        assert np.isfinite(got[:, 6:]).all()


@pytest.mark.parametrize("variant", ["skimage", "dalal"])
def test_graphs(variant: str, native_calls) -> None:
    image = torch.from_numpy(picture("float32", (2, 45, 70)))
    for op, args in native_calls(lambda: F.hog(image, variant=variant)):
        torch.library.opcheck(op, args)

    class Module(torch.nn.Module):
        def forward(self, x):
            return F.hog(x, variant=variant, visualize=True)

    program = torch.export.export(Module(), (image,), dynamic_shapes=({0: torch.export.Dim("b")},))
    torch._dynamo.reset()
    compiled = torch.compile(Module(), fullgraph=True, backend="aot_eager")
    for x in (image, torch.cat([image, image * 2])[:3]):
        for got in (program.module()(x), compiled(x)):
            assert all(torch.equal(g, e) for g, e in zip(got, Module()(x), strict=True))
    assert torch.equal(torch.vmap(lambda x: F.hog(x, variant=variant))(image), F.hog(image, variant=variant))
    assert not F.hog(image.requires_grad_()).requires_grad


@pytest.mark.parametrize(
    ("shape", "options", "text"),
    [
        ((16,), {}, r"expected image of shape \(\.\.\., H, W\), got \(16,\)"),
        ((16, 15), {}, "expected image of at least 16 x 16 pixels, got 16 x 15"),
        ((16, 16), {"channel_axis": 0}, "expected image of shape three dimensions, channels at 0"),
        ((16, 16), {"orientations": 0}, "expected orientations from 1 to 360, got 0"),
        ((16, 16), {"pixels_per_cell": (0, 8)}, r"expected pixels_per_cell of at least 1, got \(0, 8\)"),
        ((16, 16), {"cells_per_block": (1, 2, 3)}, "expected cells_per_block of 2 values, got 3"),
        ((16, 16), {"block_norm": "L3"}, "expected block_norm to be one of L1, L1-sqrt, L2, L2-Hys, got L3"),
        ((16, 16), {"variant": "uoct"}, "expected variant to be one of skimage, dalal, got uoct"),
    ],
)
def test_errors(shape, options, text: str) -> None:
    for image in (np.zeros(shape), torch.zeros(shape)):
        with pytest.raises(ArgumentError, match=f"hog: {text}"):
            F.hog(image, **options)
