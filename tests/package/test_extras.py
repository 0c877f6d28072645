"""Where a package of an extra is missing, the message names it and the command that installs it beside this torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fastcnn.cli.app import app
from tests.cli.test_segment import ENVIRONMENT

KEPT = f"torch=={torch.__version__.partition('+')[0]}"
EXAMPLES = Path(__file__).parents[2] / "examples"


def without(packages: str, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which packages cannot be imported."""
    start = f"import sys\nfor name in {packages.split()}: sys.modules[name] = None\n"
    return subprocess.run(
        [sys.executable, "-c", start + code, *words], capture_output=True, text=True, timeout=600, env=ENVIRONMENT
    )


def hint(extra: str) -> str:
    return f"pip install 'fastcnn[{extra}]' {KEPT}"


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("lightning", "fastcnn.train", "train"),
        ("pycocotools", "fastcnn.train.metrics", "train"),
        ("onnxscript", "fastcnn.deploy.onnx", "onnx"),
    ],
)
def test_imports(package: str, module: str, extra: str) -> None:
    done = without(package, f"import {module}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    parent = "fastcnn.train" if extra == "train" else module
    assert last == f"ModuleNotFoundError: {parent} needs {package}: {hint(extra)}"
    assert "During handling" not in done.stderr


@pytest.mark.parametrize("package", ["tensorboard", "yaml"])
def test_the_command_line(package: str) -> None:
    done = without(package, "from fastcnn.cli import main; main()", "train", "classify", "--data", "digits")
    assert done.returncode == 1
    assert done.stderr == f"fastcnn: fastcnn.train needs {package}: {hint('train')}\n"


def test_the_digits_need_scikit_learn(tmp_path: Path) -> None:
    words = ["train", "classify", "--data", "digits", "--out", str(tmp_path / "run")]
    done = without("sklearn sklearn.datasets", "from fastcnn.cli import main; main()", *words)
    assert (done.returncode, done.stderr) == (1, f"fastcnn: train: the data digits needs sklearn: {hint('train')}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("example", "extra"), [("detect_hog_svm.py", "examples"), ("classify_digits.py", "train")])
def test_examples(example: str, extra: str) -> None:
    done = without(
        "sklearn sklearn.svm", f"import runpy; runpy.run_path({str(EXAMPLES / example)!r}, run_name='__main__')"
    )
    assert done.returncode == 1
    assert done.stderr == f"{example} needs scikit-learn: pip install 'fastcnn[{extra}]'\n"


def test_the_help_names_the_extra() -> None:
    done = CliRunner().invoke(app, ["train", "--help"])
    assert "Needs the extra fastcnn[train]." in " ".join(done.output.split())


def test_training_needs_no_torchvision() -> None:
    """Its newest release asks for the newest torch, which pip then puts in the place of the one that is there."""
    import importlib.metadata

    wanted = importlib.metadata.requires("fastcnn") if _installed() else None
    if wanted is None:
        pytest.skip("running from the sources")
    assert not [line for line in wanted if "torchvision" in line and "train" in line]


def _installed() -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version("fastcnn")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
