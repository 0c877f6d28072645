"""Signals, streams and disks: the command line ends in an exit status and at most a line, and results are whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fastcnn.cli.app import app
from tests.cli.test_segment import COINS, ENVIRONMENT, RESULTS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and descriptors of POSIX")

COMMAND = [sys.executable, "-m", "fastcnn.cli"]
# Ends a command at the import of a module: a time that is the same on every machine.
ENDED = """
import os, signal, sys
module, number, *words = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born with it ignored
class Ending:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Ending())
sys.argv = ["fastcnn", *words]
from fastcnn.cli import main
main()
"""


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(COINS).save(tmp_path / "coins.png")
    return tmp_path / "coins.png"


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], text=True, timeout=120, env=ENVIRONMENT, **options)


def whole(folder: Path | str = "fastcnn-segment") -> bool:
    return sorted(p.name for p in Path(folder).iterdir()) == sorted(f"coins{suffix}" for suffix in RESULTS)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("typer", "--help"),
        ("fastcnn.cli.bench", "--version"),
        ("fastcnn._info", "info"),
        ("importlib.metadata", "info --json"),
        ("rich.console", "segment coins.png"),
        ("fastcnn.io", "segment coins.png"),
        ("numpy", "segment coins.png"),
        ("tifffile", "segment coins.png"),
        ("fastcnn.models", "detect coins.png"),
        ("fastcnn.ops._conv_layer", "bench --seconds 0"),
        ("fastcnn.train", "train classify --data digits"),
    ],
)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_at_any_time(picture: Path, module: str, words: str, name: str) -> None:
    """As early as the first imports, while Python itself would print a traceback."""
    number = getattr(signal, name)
    arguments = [sys.executable, "-c", ENDED, module, str(int(number)), *words.split()]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    word = {"SIGINT": "interrupted", "SIGTERM": "terminated"}[name]
    assert (done.returncode, done.stderr) == (128 + number, f"fastcnn: {word}\n")
    assert not Path("fastcnn-segment").exists() or not list(Path("fastcnn-segment").iterdir())


def test_what_is_ignored_stays_ignored(picture: Path) -> None:
    """As nohup has it."""
    words = ["tifffile", str(int(signal.SIGHUP)), "segment", "coins.png", "--quiet"]
    code = ENDED.replace("\nmodule", "\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nmodule", 1)
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    assert whole()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("words", ["info", "info --json", "--version", "--help", "segment --help", "segment coins.png"])
def test_a_full_stdout_is_one_line(picture: Path, words: str) -> None:
    with open("/dev/full", "w") as full:
        done = run(*words.split(), stdout=full, stderr=subprocess.PIPE)
    assert done.stderr == "fastcnn: stdout: cannot be written (No space left on device)\n"
    assert done.returncode == 1
    if "coins" in words:
        assert whole()


@pytest.mark.parametrize(
    "words", ["info", "--help", "segment coins.png", "segment", "bench --seconds 0 --layer 1x1x8x8,1x1x3x3"]
)
def test_a_reader_that_goes_away_is_no_error(picture: Path, words: str) -> None:
    """`fastcnn segment | head -0`: the results are the files."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*words.split(), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    if words == "segment coins.png":
        assert whole()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_streams_that_are_not_there(picture: Path, closed: str) -> None:
    """A file that is opened gets a closed stream's number, and must not get what is printed there."""
    for words, status in (("segment coins.png missing.png", 1), ("--nonsense", 2), ("info", 0)):
        command = f"{' '.join(COMMAND)} {words} {closed}"
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, env=ENVIRONMENT, timeout=120)
        assert done.returncode == status
    assert whole()
    Image.open("fastcnn-segment/coins_overlay.png").load()


def test_characters_that_stdout_lacks(picture: Path) -> None:
    picture.rename("mü[bold]nzen.png")
    command = [*COMMAND, "segment", "mü[bold]nzen.png"]
    done = subprocess.run(command, capture_output=True, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rb"m\xfc[bold]nzen.png" in done.stdout


def call(*words: object) -> tuple[int, str]:
    """The exit status, and all that is said, as one line."""
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    return done.exit_code, " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("name", ["[bold].png", "a[1].png", "[red]x.png"])
def test_names_that_look_like_markup(picture: Path, name: str) -> None:
    """In results, and in the messages of wrong usage."""
    os.makedirs("other")
    Image.fromarray(COINS[:80]).save(name)
    Image.fromarray(COINS[:80]).save(f"other/{name}")
    status, said = call("segment", name)
    assert status == 0
    assert name in said
    status, said = call("segment", name, f"other/{name}")
    assert status == 2
    assert f"{name} and other/{name} have the same name" in said
    for words in (
        ("segment", "coins.png", "--model", name),
        ("train", "segment", "--data", "cells", "--image-size", name),
    ):
        status, said = call(*words)
        assert status == 2
        assert name in said
    assert call("train", "classify", "--data", name, "--quiet")[1].startswith(f"fastcnn: {name}: is no folder")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("segment coins.png --threshold otsu --block-size 51", "--block-size cannot be combined with it"),
        ("segment coins.png --threshold 100 --block-size 51 --offset 2", "--block-size, --offset cannot be combined"),
        ("segment coins.png --model unet --offset 2", "--offset cannot be combined with it"),
        ("train classify --data digits --classes", "--classes goes with segment only"),
        ("train segment --data cells --mosaic 0.1", "--mosaic goes with detect only"),
        ("train detect --data shapes --mosaic 0.1 --no-augment", "--mosaic goes with detect only, and not with"),
        ("train classify --data digits --weights-source timm", "--weights-source goes with --weights only"),
    ],
)
def test_options_without_effect_are_refused(picture: Path, words: str, said: str) -> None:
    status, found = call(*words.split())
    assert status == 2
    assert said in found
    assert sorted(p.name for p in picture.parent.iterdir()) == ["coins.png"]


def test_a_measured_threshold_says_what_had_no_effect(picture: Path) -> None:
    """Two grey values, which one threshold divides best."""
    image = np.full((64, 64), 20, np.uint8)
    image[20:40, 20:40] = 200
    Image.fromarray(image).save("even.png")
    done = run("segment", "even.png", "--block-size", "31", "--offset", "3", capture_output=True)
    assert done.returncode == 0
    line = "fastcnn: even.png: --block-size and --offset had no effect: auto took Otsu's threshold, not local\n"
    assert done.stderr == line
    assert run("segment", "even.png", capture_output=True).stderr == ""
    assert run("segment", "even.png", "--threshold", "local", "--block-size", "31", capture_output=True).stderr == ""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system")
def test_no_space_for_results(picture: Path) -> None:
    full = Path("full")
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", full], capture_output=True).returncode:
        pytest.skip("no right to mount")
    try:
        done = run("segment", "coins.png", "--out", full, capture_output=True)
        assert done.returncode == 1
        assert done.stderr == "fastcnn: coins.png: results cannot be written (No space left on device)\n"
        assert not list(full.iterdir())
    finally:
        subprocess.run(["umount", full], check=True)
