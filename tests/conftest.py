"""Fixtures of the op tests, and their parametrisation from an OpTester's class attributes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fastcnn import _core


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--first-case", action="store_true", help="of each OpTester, the first case alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    tester = metafunc.cls
    if tester is None or not hasattr(tester, "op"):
        return
    if "case" in metafunc.fixturenames:
        cases = tester.cases[:1] if metafunc.config.getoption("first_case") else tester.cases
        metafunc.parametrize("case", cases, ids=lambda c: ",".join(f"{k}={v}" for k, v in c.items()) or "default")
    if "dtype" in metafunc.fixturenames:
        metafunc.parametrize("dtype", tester.dtypes)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files with slow tests first: among several processes the last would wait for them.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if torch.cuda.is_available() or os.environ.get("FASTCNN_EXPECT_CUDA") == "1":
        return
    for item in items:
        if item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason="no GPU"))


class IsaWorker:
    def __init__(self, isa: str, folder: Path) -> None:
        self.isa, self.folder, self.count = isa, folder, 0
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("isa_worker.py"))],
            env={**os.environ, "FASTCNN_FORCE_ISA": isa},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, op: str, arrays: tuple[np.ndarray, ...], kwargs: dict[str, Any], algorithm: str = "auto"
    ) -> list[np.ndarray]:
        self.count += 1
        file = self.folder / f"{self.isa}{self.count}.npz"
        np.savez(file, *arrays)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"op": op, "kwargs": kwargs, "file": str(file), "algorithm": algorithm}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == self.isa, "the forced ISA did not run"
        with np.load(f"{file}.out.npz", allow_pickle=False) as outputs:
            return [outputs[f"arr_{i}"] for i in range(len(outputs.files))]

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="session")
def isa_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Runs an op of fastcnn.ops once per ISA that this machine has."""
    folder = tmp_path_factory.mktemp("isa")
    workers = [IsaWorker(isa, folder) for isa in _core.isas()]
    yield lambda *request: [w.run(*request) for w in workers]
    for worker in workers:
        worker.close()


@pytest.fixture
def native_calls() -> Callable[..., Any]:
    """The fastcnn ops that a function calls, with their arguments."""

    class Recorder(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[tuple[Any, tuple[Any, ...]]] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.namespace == "fastcnn":
                self.calls.append((func, args))
            return func(*args, **(kwargs or {}))

    def record(function: Callable[[], Any]) -> list[tuple[Any, tuple[Any, ...]]]:
        with Recorder() as recorder:
            function()
        return recorder.calls

    return record


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test's torch.rand is its own, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def apart() -> Callable[..., torch.Tensor]:
    """Shuffled values further apart than gradcheck's step: an extremum has no derivative where two values meet."""

    def make(*shape: int) -> torch.Tensor:
        count = math.prod(shape)
        return (torch.randperm(count) / count).to(torch.float64).reshape(shape).requires_grad_()

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
