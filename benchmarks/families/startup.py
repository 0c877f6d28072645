"""The time to import fastcnn.ops in a fresh process, against torch's."""

import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.harness import Case


def importing(module: str) -> Callable[[], None]:
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True) and None


def cases(size: int) -> Iterator[Case]:
    del size
    yield Case(
        "import in a fresh process",
        {"fastcnn": importing("fastcnn.ops"), "torch": importing("torch")},
        goal="≥ 3",
        compare=False,
    )
