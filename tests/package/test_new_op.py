"""`scripts/new_op` changes the places that CONTRIBUTING.md promises and no other, and leaves a tree that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = {
    "cpp/include/fastcnn/ops/{family}.h",
    "cpp/src/ops/{family}/{name}.cpp",
    "cpp/src/ops/{family}/{name}_ref.cpp",
    "cpp/bindings/{family}.h",
    "python/fastcnn/ops/{family}.py",
    "python/fastcnn/_torch/{family}.py",
    "tests/{family}/test_{name}.py",
    "benchmarks/families/{family}.py",
    "tests/race.py",
    "tests/package/test_dtypes.py",
}
OF_A_FAMILY = {"python/fastcnn/ops/__init__.py", "python/fastcnn/_torch/table.py", "scripts/op_table.py"}
# The families' own files, which scripts/new_op knows by their pattern.
FAMILIES = sorted(p.stem for p in (ROOT / "cpp/bindings").glob("*.h") if p.stem not in ("front", "pooling"))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A copy of the sources, committed."""
    folder = tmp_path_factory.mktemp("tree") / "original"
    for part in ("cpp", "python", "tests", "benchmarks", "scripts"):
        ignored = shutil.ignore_patterns("*.so", "__pycache__", "data", "*.pt2", "*.safetensors")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for file in ("pyproject.toml", ".clang-format"):
        shutil.copy(ROOT / file, folder / file)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    return folder


@pytest.mark.parametrize("family", [*FAMILIES, "spectrum"])
def test_a_new_op(original, tmp_path, family):
    folder = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(original), str(folder))
    command = [sys.executable, "scripts/new_op", family, "new_thing"]
    printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    places = {place.format(family=family, name="new_thing") for place in PLACES}
    places |= OF_A_FAMILY if family == "spectrum" else set()
    assert set(printed.split()) == places
    changed = {line[3:] for line in git(folder, "status", "--porcelain", "-uall").splitlines()}
    assert changed == places
    removed = [line for line in git(folder, "diff").splitlines() if line.startswith("-") and line[:3] != "---"]
    moved = re.compile(r"-__all__|-.*\\$|- .*\)$")  # names in order, and the macro's backslashes
    assert [line for line in removed if not moved.match(line)] == []

    again = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert again.returncode != 0
    assert "new_thing" in again.stderr

    if ruff := shutil.which("ruff"):
        python = [path for path in places if path.endswith(".py")]
        subprocess.run([ruff, "check", *python], cwd=folder, check=True)
        subprocess.run([ruff, "format", "--check", *python], cwd=folder, check=True)
    if compiler := shutil.which("g++"):
        sources = [str(folder / path) for path in places if path.endswith(".cpp")]
        includes = [f"-I{folder / part}" for part in ("cpp", "cpp/include", "cpp/src")]
        subprocess.run([compiler, "-std=c++20", "-fsyntax-only", *includes, *sources], check=True)


def test_wrong_names(original):
    done = subprocess.run([sys.executable, "scripts/new_op", "filtering"], cwd=original, capture_output=True, text=True)
    assert done.returncode != 0
    assert "scripts/new_op filtering median_blur" in done.stderr
