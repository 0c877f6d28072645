"""Erosion and dilation against SciPy."""

import numpy as np
import scipy.ndimage as ndi

from fastcnn import ArgumentError
from tests.op_tester import AWKWARD_3D, FLOATS, INTEGERS, OpTester


class ErosionDilation(OpTester):
    cases = [{}, {"footprint": 5}, {"footprint": [2, 3]}]
    dtypes = (*INTEGERS, *FLOATS)
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"border": "wrap"}, ArgumentError, "expected border"),
        ((np.zeros((7, 7)),), {"footprint": 0}, ArgumentError, "expected a footprint of positive size"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "expected image of"),
    ]


def size(footprint=3, spatial_dims=2):
    return (footprint,) * spatial_dims if isinstance(footprint, int) else tuple(footprint)


class TestErosion(ErosionDilation):
    op = "erosion"

    def oracle(self, image, footprint=3, spatial_dims=2):
        wide = image.astype(np.float64 if image.dtype.kind == "f" else np.int64)
        top = np.inf if image.dtype.kind == "f" else np.iinfo(np.int64).max
        k = size(footprint, spatial_dims)
        return ndi.grey_erosion(wide, k, mode="constant", cval=top).astype(image.dtype)


class TestDilation(ErosionDilation):
    op = "dilation"

    def oracle(self, image, footprint=3, spatial_dims=2):
        wide = image.astype(np.float64 if image.dtype.kind == "f" else np.int64)
        bottom = -np.inf if image.dtype.kind == "f" else np.iinfo(np.int64).min
        k = size(footprint, spatial_dims)
        return ndi.grey_dilation(wide, k, mode="constant", cval=bottom).astype(image.dtype)
