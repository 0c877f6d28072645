"""fastcnn.optimize against torch on random networks; scripts/fuzz_optimize.py tries more."""

from __future__ import annotations

import pytest
import torch

from tests.optimize.random_graphs import check, draw


@pytest.fixture(autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(10))
def test_against_torch(group: int) -> None:
    wrong = []
    for seed in range(50 * group, 50 * group + 50):
        try:
            check(seed)
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {error}\n  {draw(seed)[0].extra_repr()}")
    assert not wrong, "\n".join(wrong)
