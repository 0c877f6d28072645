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
