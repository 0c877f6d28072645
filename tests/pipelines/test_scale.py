"""The same objects whatever the unit of the picture."""

from importlib.resources import files

import numpy as np
import pytest
import torch

from fastcnn.io import read_image
from fastcnn.pipelines import segment_instances


@pytest.fixture(scope="module")
def cells():
    return read_image(files("fastcnn") / "data" / "cells.png").grey()[:120, :160].astype(np.float32)


@pytest.fixture(scope="module", params=["auto", "otsu", "local"])
def expected(cells, request):
    return request.param, segment_instances(cells, threshold=request.param)


@pytest.mark.parametrize("power", [-140, -84, 50, 92, 119])  # about 1e-42, 1e-23 (of 255), 1e17, 1e30 and 3e38
def test_the_same_objects_at_any_scale(cells, expected, power):
    image = np.ldexp(cells, power)
    threshold, want = expected
    assert want.count >= 5
    got = segment_instances(image, threshold=threshold)
    if power < -130:  # the blur rounds what is subnormal
        assert abs(int(got.count) - int(want.count)) <= 1
        return
    np.testing.assert_array_equal(got.labels, want.labels)
    again = segment_instances(torch.from_numpy(image), threshold=threshold)
    np.testing.assert_array_equal(again.labels, want.labels)
