"""torch's own cases of the pooling ops."""

import pytest
import torch

import fastcnn.ops as F
from tests import opinfo

TABLE = {
    f"nn.functional.{name}{rank}d": getattr(F, f"{name}{rank}d")
    for name in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "max_unpool")
    for rank in (1, 2, 3)
}
TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1e-6, torch.float64: 1e-12}


# torch's means truncate integers; ours take floats.
@pytest.mark.parametrize(
    ("info", "op", "dtype"),
    [
        *opinfo.cases(TABLE, [*TOLERANCE]),
        *opinfo.cases({n: f for n, f in TABLE.items() if "max" in n}, [torch.int64]),
    ],
)
def test_samples(info, op, dtype):
    tolerance = TOLERANCE.get(dtype)
    opinfo.check_samples(info, op, dtype, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("info", "op", "dtype"), opinfo.cases(TABLE, [torch.float64]))
def test_gradients(info, op, dtype):
    opinfo.check_gradients(info, op, dtype)


@pytest.mark.parametrize("name", TABLE)
def test_errors(name):
    info = opinfo.infos(TABLE)[name]
    if info.error_inputs_func is None:
        pytest.skip("torch has none")
    assert opinfo.check_errors(info, TABLE[name]) > 0
