"""Measures fastcnn and its peers interleaved in one run: same threads, same inputs, same output contract."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.remote import Remote

OURS = "fastcnn"
FAMILIES = sorted(p.stem for p in (Path(__file__).parent / "families").glob("*.py") if p.stem[0] != "_")


@dataclass
class Case:
    """One row of the table.

    `run` maps contenders to callables without arguments; fastcnn's own is called "fastcnn". `bytes` is what any
    implementation must move, `flops` what it must compute: the floor is the larger of the two times.
    """

    name: str
    run: dict[str, Callable[[], Any]]
    bytes: float = 0.0
    flops: float = 0.0
    goal: str = ""
    # How far each peer's result is from ours, where the results are comparable.
    compare: bool = True
    notes: dict[str, str] = field(default_factory=dict)
    # Cases of one group are summed up together, under a goal of their mean.
    group: str = ""
    group_goal: str = ""


# What --match asks for. Families whose cases are dear to make ask `wanted` before they make one.
_match = ""


def wanted(name: str) -> bool:
    return _match in name


def load(family: str) -> list[dict[str, Any]]:
    """The family's cases, from benchmarks/cases/FAMILY.json."""
    cases: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / f"{family}.json").read_text())
    return cases


def set_threads(n: int) -> None:
    import cv2
    import torch

    import fastcnn

    fastcnn.set_num_threads(n)
    torch.set_num_threads(n)
    cv2.setNumThreads(n)


def cases_of(family: str, size: int) -> Iterator[Case]:
    """The cases of all functions ``cases`` and ``…_cases`` of the family's module."""
    for name, make in vars(importlib.import_module(f"benchmarks.families.{family}")).items():
        if name == "cases" or (name.endswith("_cases") and name[0] != "_"):
            yield from make(size)


def clock(function: Callable[[], Any], repeats: int) -> float:
    """Seconds of a call. A peer in another process (remote.py) times itself."""
    if isinstance(function, Remote):
        return function.clock(repeats)
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


@dataclass
class Machine:
    """The two floors, measured in the same run."""

    bytes_per_second: float
    flops_per_second: float

    @staticmethod
    def measure() -> Machine:
        import torch

        # Copies of 16 MiB, as the ops' images are: 2048 x 2048 float32.
        src, dst = torch.ones(4 << 20), torch.empty(4 << 20)
        copy = min(clock(lambda: dst.copy_(src), 5) for _ in range(10))
        a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
        multiply = min(clock(lambda: torch.mm(a, b), 2) for _ in range(10))
        return Machine(2 * src.nbytes / copy, 2 * 1024**3 / multiply)

    def floor(self, case: Case) -> float:
        return max(case.bytes / self.bytes_per_second, case.flops / self.flops_per_second)


def difference(ours: Any, theirs: Any) -> str:
    """Where integers differ, the share of elements; where floats do, the largest difference."""
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        return "other shape"
    if a.dtype.kind == "f" or b.dtype.kind == "f":
        finite = np.isfinite(a) & np.isfinite(b)
        worst = float(np.max(np.abs(a[finite] - b[finite]), initial=0.0))
        return "equal" if worst == 0 and np.array_equal(np.isfinite(a), np.isfinite(b)) else f"{worst:.1e}"
    share = (
        float(np.mean((a != 0) != (b != 0) if a.dtype.kind == "b" or b.dtype.kind == "b" else a != b))
        if a.size
        else 0.0
    )
    return "equal" if share == 0 else f"{100 * share:.2g} %"


def measure(case: Case, machine: Machine, seconds: float) -> dict[str, Any]:
    """Median and quartiles of each contender, taking turns."""
    results = {name: run() for name, run in case.run.items()}  # also warms up
    once = {name: clock(run, 1) for name, run in case.run.items()}
    repeats = {name: max(1, int(0.004 / max(t, 1e-7))) for name, t in once.items()}
    rounds = int(min(60, max(5, seconds / sum(once[n] * repeats[n] for n in once))))
    samples: dict[str, list[float]] = {name: [] for name in case.run}
    for _ in range(rounds):
        for name, run in case.run.items():
            samples[name].append(clock(run, repeats[name]))
    rows = {}
    for name, values in samples.items():
        low, median, high = np.percentile(values, [25, 50, 75])
        rows[name] = {"median_ms": median * 1e3, "iqr_ms": (high - low) * 1e3}
        if name != OURS and case.compare:
            rows[name]["difference"] = difference(results[OURS], results[name])
    times = {n: r["median_ms"] for n, r in rows.items()}
    ours = times.pop(OURS)
    peers = {n: t for n, t in times.items() if not n.startswith(OURS)}  # "fastcnn unpacked" is none
    best = min(peers, key=lambda n: peers[n]) if peers else None
    return {
        "case": case.name,
        "group": case.group,
        "group_goal": case.group_goal,
        "goal": case.goal,
        "notes": case.notes,
        "rounds": rounds,
        "rows": rows,
        "best_peer": best,
        "ratio": peers[best] / ours if best else None,
        "ratios": {n: t / ours for n, t in times.items()},
        "share_of_floor": machine.floor(case) * 1e3 / ours if case.bytes or case.flops else None,
    }


def kind_of(contender: str) -> str:
    """Torch in its layouts is one peer, the engines are another, and variants of ours are none."""
    return contender if contender.startswith(OURS) else "torch" if contender.startswith("torch") else "others"


def means(measured: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Geometric mean and least ratio to each kind of peer, each time the best of it, and to the best of all."""
    found: dict[str, list[float]] = {}
    for result in measured:
        best: dict[str, float] = {}
        for name, ratio in result["ratios"].items():
            best[kind_of(name)] = min(ratio, best.get(kind_of(name), ratio))
        if len({kind for kind in best if not kind.startswith(OURS)}) > 1:
            best["the best peer"] = result["ratio"]
        for kind, ratio in best.items():
            found.setdefault(kind, []).append(ratio)
    return {kind: (float(np.exp(np.mean(np.log(ratios)))), min(ratios)) for kind, ratios in found.items()}


def summaries(family: str, measured: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each group of cases, or one for the family."""
    groups = dict.fromkeys(r["group"] for r in measured) if len(measured) > 1 else {}
    for group in groups:
        cases = [r for r in measured if r["group"] == group]
        figures = "; ".join(f"{kind} {mean:.2f}, least {minimum:.2f}" for kind, (mean, minimum) in means(cases).items())
        goal = f" (goal of the mean {cases[0]['group_goal']})" if cases[0].get("group_goal") else ""
        yield f"{group or family}{goal}: geometric mean to {figures}"


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("fastcnn", "torch", "numpy", "scipy", "scikit-image", "opencv-python-headless",
                    "onnxruntime", "openvino", "MNN", "ncnn"):  # fmt: skip
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def run(families: list[str], threads: int, seconds: float, match: str, size: int) -> dict[str, Any]:
    """Measure the families' cases; prints a table per family."""
    import fastcnn

    global _match
    _match = match
    console = Console(width=None if os.isatty(1) else 150)
    set_threads(threads)
    machine = Machine.measure()
    report: dict[str, Any] = {
        "versions": versions(),
        "cpu": cpu_name(),
        "isa": fastcnn.info()["isa"]["used"],
        "threads": threads,
        "copy_gb_per_s": machine.bytes_per_second / 1e9,
        "gflop_per_s": machine.flops_per_second / 1e9,
        "families": {},
    }
    console.print(
        f"{report['cpu']}, {report['isa']}, {threads} threads, copy {report['copy_gb_per_s']:.1f} GB/s, "
        f"float32 matmul {report['gflop_per_s']:.0f} GFLOP/s; "
        + ", ".join(f"{n} {v}" for n, v in report["versions"].items())
    )
    for family in families:
        table = Table(title=family)
        for title in ("case", "contender", "median ms", "IQR ms", "fastcnn is … times as fast", "differs", "of floor"):
            table.add_column(title, justify="left" if title in ("case", "contender") else "right")
        measured = []
        for case in cases_of(family, size):
            if not wanted(case.name):
                continue
            set_threads(threads)
            result = measure(case, machine, seconds)
            measured.append(result)
            for i, (name, row) in enumerate(result["rows"].items()):
                ratio = f"[bold]{result['ratios'][name]:.2f}[/bold]" if name in result["ratios"] else ""
                share = result["share_of_floor"]
                floor = f"{100 * share:.0f} %" if name == OURS and share else ""
                label = f"{case.name} {case.goal}".strip() if i == 0 else ""
                note = f" ({case.notes[name]})" if name in case.notes else ""
                table.add_row(label, name + note, f"{row['median_ms']:.3g}", f"{row['iqr_ms']:.2g}", ratio,
                              row.get("difference", ""), floor)  # fmt: skip
        console.print(table)
        for line in summaries(family, measured):
            console.print(line)
        report["families"][family] = measured
    return report
