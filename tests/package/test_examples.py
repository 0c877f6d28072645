"""The examples run, and reach what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_detect_hog_svm(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "detect_hog_svm.py"), "--pictures", "40", "--held-out", "12"]
    done = subprocess.run([*command, "--out", str(tmp_path / "found.png")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = re.search(r"precision (\S+), recall (\S+) of", done.stdout)
    assert found, done.stdout
    assert min(map(float, found.groups())) >= 0.9
    with PIL.Image.open(tmp_path / "found.png") as picture:
        assert picture.size == (320, 320)


@pytest.mark.slow
def test_classify_digits(tmp_path: Path) -> None:
    """All three read digits; shifted ones the network with filters best."""
    command = [sys.executable, str(EXAMPLES / "classify_digits.py"), "--epochs", "15"]
    done = subprocess.run([*command, "--out", str(tmp_path / "wrong.png")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {
        name: (float(a), float(b))
        for name, a, b in re.findall(r"(SVM|perceptron|LeNet-5) +\S+ (\S+) +\S+ (\S+)", done.stdout)
    }
    assert found.keys() == {"SVM", "perceptron", "LeNet-5"}, done.stdout
    assert min(accuracy for accuracy, _ in found.values()) >= 0.95
    assert found["LeNet-5"][1] == max(shifted for _, shifted in found.values()) >= 0.85
    with PIL.Image.open(tmp_path / "wrong.png") as picture:
        assert picture.size[1] == 64
