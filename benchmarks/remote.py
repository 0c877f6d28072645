"""Peers that need an environment of their own: a worker process there computes and times, and takes its turn.

torchvision's wheel needs a CUDA build of torch even on the CPU, OpenCV 5 has no HOGDescriptor, and ximgproc comes with
a package that cannot stand beside OpenCV's plain one. The environments are named by variables:
FASTCNN_BENCH_TORCHVISION, the Python of one with ``pip install torch torchvision``, and FASTCNN_BENCH_OPENCV4, that of
one with ``pip install "opencv-contrib-python-headless<5"``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_FOLDER = tempfile.TemporaryDirectory(prefix="fastcnn-bench-")


class Worker:
    """A process with another Python. One for each environment."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("remote_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_FOLDER.name,
            # Its idle threads must not spin while another contender has its turn.
            env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, "OMP_WAIT_POLICY": "passive"},
        )
        self.versions: dict[str, str] = self.ask(op="versions")
        self._count = 0

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker failed at {request}")
        return json.loads(line)

    def prepare(self, op: str, arrays: dict[str, np.ndarray], threads: int, **options: Any) -> Remote:
        self._count += 1
        file = Path(_FOLDER.name) / f"{id(self)}_{self._count}.npz"
        np.savez(file, **arrays)
        self.ask(op="prepare", name=op, file=str(file), threads=threads, options=options)
        file.unlink()
        return Remote(self)


class Remote:
    """The call that was prepared last. A result comes back where it is asked for; timed calls return nothing."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __call__(self) -> np.ndarray:
        file = Path(_FOLDER.name) / "result.npy"
        self._worker.ask(op="result", file=str(file))
        return np.load(file, allow_pickle=False)

    def clock(self, repeats: int) -> float:
        seconds: float = self._worker.ask(op="clock", repeats=repeats)
        return seconds


_workers: dict[str, Worker | None] = {}


def worker(name: str) -> Worker | None:
    """The environment's worker, or None where its variable is not set."""
    if name not in _workers:
        python = os.environ.get(f"FASTCNN_BENCH_{name}")
        _workers[name] = Worker(python) if python else None
    return _workers[name]
