"""Footprint makers against scikit-image and geometry."""

import numpy as np
import pytest
import skimage.morphology
import torch

import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 15, 40])
def test_scikit_image(radius):
    np.testing.assert_array_equal(fc.disk(radius), skimage.morphology.disk(radius).astype(bool))
    np.testing.assert_array_equal(fc.diamond(radius), skimage.morphology.diamond(radius).astype(bool))
    rectangle = skimage.morphology.footprint_rectangle((radius + 1, 3)).astype(bool)
    np.testing.assert_array_equal(fc.rectangle(radius + 1, 3), rectangle)
    assert fc.square(radius + 1).shape == (radius + 1, radius + 1)
    assert fc.square(radius + 1).all()


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 7, 20])
def test_hexagon(radius):
    """Its area is that of the polygon to a pixel per unit of its outline, and it is symmetric."""
    mask = fc.hexagon(radius)
    assert mask.shape[1] == 2 * radius + 1
    assert abs(mask.sum() - 1.5 * np.sqrt(3) * radius**2) <= 6 * radius + 1
    np.testing.assert_array_equal(mask, mask[::-1])
    np.testing.assert_array_equal(mask, mask[:, ::-1])
    assert mask[mask.shape[0] // 2].all()
    if radius:
        assert mask[0].any()


def test_line():
    np.testing.assert_array_equal(fc.line(5, 0), np.ones((1, 5), bool))
    np.testing.assert_array_equal(fc.line(5, 90), np.ones((5, 1), bool))
    np.testing.assert_array_equal(fc.line(7, 45), np.eye(5, dtype=bool)[::-1])  # rises to the right
    np.testing.assert_array_equal(fc.line(7, -45), np.eye(5, dtype=bool))
    np.testing.assert_array_equal(fc.line(1, 33), [[True]])
    for angle in range(0, 360, 7):
        mask = fc.line(21, angle)
        np.testing.assert_array_equal(mask, mask[::-1, ::-1])
        assert abs(np.hypot(*(np.array(mask.shape) - 1)) - 20) <= 1 + np.sqrt(2)


def test_any_kind_of_footprint_for_any_kind_of_image():
    image = np.random.default_rng(0).random((9, 11))
    member = fc.line(5, 30)
    expected = F.erosion(image, member)
    for footprint in (
        member,
        np.asfortranarray(member),
        member.astype(float),
        torch.from_numpy(member),
        member.tolist(),
    ):
        np.testing.assert_array_equal(F.erosion(image, footprint), expected)
        np.testing.assert_array_equal(F.erosion(torch.from_numpy(image), footprint).numpy(), expected)


@pytest.mark.parametrize(("name", "arguments"), [("disk", (2,)), ("hexagon", (2,)), ("line", (3, 0))])
def test_made_within_a_compiled_function(name, arguments):
    make = getattr(F, name)
    compiled = torch.compile(lambda x: F.opening(x, make(*arguments)), fullgraph=True, backend="aot_eager")
    image = torch.rand(9, 11)
    assert torch.equal(compiled(image), F.opening(image, make(*arguments)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("disk", (-1,)),
        ("diamond", (-1,)),
        ("hexagon", (-2,)),
        ("square", (0,)),
        ("rectangle", (3, 0)),
        ("line", (0, 0)),
    ],
)
def test_errors(name, arguments):
    for front in (fc, F):
        with pytest.raises(ArgumentError, match="of at least"):
            getattr(front, name)(*arguments)
