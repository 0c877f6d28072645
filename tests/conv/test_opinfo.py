"""torch's own cases of the convolutions."""

import pytest
import torch

import fastcnn.ops as F
from tests import opinfo

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

TABLE = {
    f"nn.functional.{name}{rank}d": getattr(F, f"{name}{rank}d")
    for name in ("conv", "conv_transpose")
    for rank in (1, 2, 3)
}
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


@pytest.mark.parametrize(("info", "op", "dtype"), opinfo.cases(TABLE, [*TOLERANCE]))
def test_samples(info, op, dtype):
    tolerance = TOLERANCE[dtype]
    opinfo.check_samples(info, op, dtype, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize(("info", "op", "dtype"), opinfo.cases(TABLE, [torch.float16, torch.bfloat16]))
def test_samples_of_narrow_floats(info, op, dtype):
    opinfo.check_rounded_once(info, op, dtype)


@pytest.mark.parametrize(("info", "op", "dtype"), opinfo.cases(TABLE, [torch.float64]))
def test_gradients(info, op, dtype):
    opinfo.check_gradients(info, op, dtype)


@pytest.mark.parametrize("name", TABLE)
def test_errors(name):
    info = opinfo.infos(TABLE)[name]
    if info.error_inputs_func is None:
        pytest.skip("torch has none")
    assert opinfo.check_errors(info, TABLE[name]) > 0
