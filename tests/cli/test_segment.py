"""`fastcnn segment`: what it writes, what it says, and what it does with bad input."""

import csv
import errno
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image
from typer.testing import CliRunner

import fastcnn
from fastcnn.cli.app import app
from fastcnn.io import read_image, writing

COINS = skimage.data.coins()
# The README's command.
COIN_SETTINGS = {
    "threshold": "local", "block-size": 101, "offset": -5, "sigma": 1, "closing": 3, "opening": 5, "min-size": 300,
    "smooth-distance": 2, "min-distance": 15,
}  # fmt: skip
COIN_OPTIONS = [word for name, value in COIN_SETTINGS.items() for word in (f"--{name}", value)]
RESULTS = ("_labels.tif", "_overlay.png", "_regions.csv")
COLUMNS = [
    "label", "area", "centroid_y", "centroid_x", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "intensity_mean",
    "intensity_min", "intensity_max",
]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def coins(here):
    Image.fromarray(COINS).save(here / "coins.png")
    return here / "coins.png"


def segment(*arguments):
    return CliRunner().invoke(app, ["segment", *map(str, arguments)], catch_exceptions=False)


# The package that is tested, wherever a child process runs.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(fastcnn.__file__).resolve().parents[1])}


def process(*arguments):
    command = [sys.executable, "-m", "fastcnn.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def python(code):
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def written(folder, *stems):
    """Exactly these inputs' results are there."""
    found = sorted(p.name for p in Path(folder).iterdir())
    assert found == sorted(f"{stem}{suffix}" for stem in stems for suffix in RESULTS)


def table(path):
    with Path(path).open(newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def objects(result):
    """The count of objects in the printed table's first row."""
    cells = next(line for line in result.stdout.splitlines() if re.search(r"\d+ x \d+", line)).split("│")
    return int(cells[-4])


class TestResults:
    def test_the_documented_command_finds_the_24_coins(self, coins):
        result = segment("coins.png", *COIN_OPTIONS)
        assert result.exit_code == 0, result.stderr
        assert objects(result) == 24
        written("fastcnn-segment", "coins")
        labels = tifffile.imread("fastcnn-segment/coins_labels.tif")
        assert labels.dtype == np.int32
        assert labels.shape == COINS.shape
        np.testing.assert_array_equal(np.unique(labels), np.arange(25))
        header, rows = table("fastcnn-segment/coins_regions.csv")
        assert header == COLUMNS
        assert len(rows) == 24
        for row in rows:
            values = dict(zip(header, map(float, row), strict=True))
            inside = labels == values["label"]
            y, x = np.nonzero(inside)
            assert values["area"] == inside.sum()
            assert (values["centroid_y"], values["centroid_x"]) == pytest.approx((y.mean(), x.mean()), abs=1e-3)
            box = (x.min(), y.min(), x.max() + 1, y.max() + 1)
            assert tuple(values[f"bbox_{c}"] for c in ("x1", "y1", "x2", "y2")) == box
            assert values["intensity_mean"] == pytest.approx(COINS[inside].mean(), rel=1e-5)
            assert values["intensity_min"] == COINS[inside].min()
            assert values["intensity_max"] == COINS[inside].max()
        overlay = np.asarray(Image.open("fastcnn-segment/coins_overlay.png"))
        assert overlay.shape == (*COINS.shape, 3)
        changed = (overlay != COINS[..., None]).any(-1)
        assert 0.02 < changed.mean() < 0.2

    def test_the_defaults_find_them_too(self, coins):
        result = segment(coins)
        assert result.exit_code == 0
        assert objects(result) == 24

    def test_without_an_image_the_sample_is_used_and_named(self, here):
        result = segment()
        assert result.exit_code == 0
        assert "No image given: using the sample picture of touching cells" in result.stdout
        assert 78 <= objects(result) <= 82
        written("fastcnn-segment", "cells")

    def test_the_printed_settings_give_the_same_labels(self, coins):
        result = segment(coins)
        settings = re.search("Settings: (.*)", result.stdout).group(1).split()
        assert segment(coins, *settings, "--out", "again").exit_code == 0
        np.testing.assert_array_equal(
            tifffile.imread("again/coins_labels.tif"), tifffile.imread("fastcnn-segment/coins_labels.tif")
        )

    def test_several_files_in_one_table(self, coins):
        Image.fromarray(COINS[:100]).save("some.png")
        result = segment("coins.png", "some.png", "--out", "a/b")
        assert result.exit_code == 0
        written("a/b", "coins", "some")
        lines = [line for line in result.stdout.splitlines() if "│" in line]
        assert [line.split("│")[1].strip() for line in lines] == ["coins.png", "some.png", "all"]
        total = int(lines[2].split("│")[-4])
        assert total == sum(int(line.split("│")[-4]) for line in lines[:2])

    def test_quiet(self, coins):
        result = segment(coins, "--quiet")
        assert result.exit_code == 0
        assert result.output == ""
        written("fastcnn-segment", "coins")

    @pytest.mark.parametrize("kind", ["grey8", "grey16", "rgb8", "rgb16", "rgba8", "la8", "float", "bool", "jpeg"])
    def test_kinds_of_pixels(self, here, kind):
        deep = COINS.astype(np.uint16) * 257
        colour = np.repeat(COINS[..., None], 3, axis=2)
        name = "a.tif" if kind in ("float", "bool", "rgb16") else "a.jpg" if kind == "jpeg" else "a.png"
        if kind in ("float", "bool", "rgb16"):
            image = {"float": COINS / 255.0, "bool": COINS > 120, "rgb16": np.repeat(deep[..., None], 3, 2)}[kind]
            tifffile.imwrite(name, image)
        else:
            opaque = np.full_like(COINS, 255)
            Image.fromarray(
                {"grey8": COINS, "jpeg": COINS, "grey16": deep, "rgb8": colour, "rgba8": np.dstack([colour, opaque]),
                 "la8": np.dstack([COINS, opaque])}[kind]
            ).save(name)  # fmt: skip
        result = segment(name, *([] if kind != "bool" else ["--threshold", "0.5"]))
        assert result.exit_code == 0, result.stderr
        overlay = np.asarray(Image.open("fastcnn-segment/a_overlay.png"))
        assert overlay.shape == (*COINS.shape, 3)
        if kind != "bool":
            assert objects(result) == 24
            assert overlay.max() == 255

    def test_transparent_pixels_are_background(self, here):
        image = np.zeros((60, 60, 4), np.uint8)
        image[..., :3] = 120
        image[10:30, 10:30, 3] = 255
        Image.fromarray(image).save("a.png")
        for options in ([], ["--dark-objects"]):
            result = segment("a.png", *options)
            assert objects(result) == 1
            labels = tifffile.imread("fastcnn-segment/a_labels.tif")
            assert (labels[12:28, 12:28] == 1).all()
            assert (labels[35:] == 0).all()

    def test_pages_are_a_batch(self, here):
        pages = np.stack([COINS, np.zeros_like(COINS), COINS[::-1]])
        tifffile.imwrite("a.tif", pages, photometric="minisblack")
        result = segment("a.tif")
        assert result.exit_code == 0
        assert objects(result) == 48
        labels = tifffile.imread("fastcnn-segment/a_labels.tif")
        assert labels.shape == pages.shape
        assert [page.max() for page in labels] == [24, 0, 24]
        header, rows = table("fastcnn-segment/a_regions.csv")
        assert header == ["page", *COLUMNS]
        assert [(r[0], r[1]) for r in rows] == [(p, str(n)) for p in "13" for n in range(1, 25)]
        overlay = np.asarray(Image.open("fastcnn-segment/a_overlay.png"))
        assert overlay.shape[0] >= 2 * COINS.shape[0]

    def test_one_page_is_no_batch(self, here):
        tifffile.imwrite("a.tif", COINS[None], photometric="minisblack")
        segment("a.tif")
        assert tifffile.imread("fastcnn-segment/a_labels.tif").shape == COINS.shape
        assert table("fastcnn-segment/a_regions.csv")[0] == COLUMNS

    def test_nothing_found(self, here):
        Image.fromarray(np.zeros((30, 40), np.uint8)).save("a.png")
        result = segment("a.png")
        assert result.exit_code == 0
        assert objects(result) == 0
        assert len(table("fastcnn-segment/a_regions.csv")[1]) == 0

    def test_results_are_replaced(self, coins):
        os.makedirs("fastcnn-segment")
        Path("fastcnn-segment/coins_labels.tif").write_text("old")
        assert segment(coins).exit_code == 0
        assert read_image("fastcnn-segment/coins_labels.tif").size == COINS.shape


def bad_files(folder):
    """One of each kind, by name: what its line must say."""
    whole = Path(folder, "whole.png")
    Image.fromarray(COINS).save(whole)
    data = whole.read_bytes()
    whole.unlink()
    tifffile.imwrite(whole, COINS)
    tiff = whole.read_bytes()
    whole.unlink()
    zero = data[:16] + struct.pack(">II", 0, 7) + data[24:]
    huge = bytearray(data[:33])
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    import zlib

    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    contents = {
        "empty.png": (b"", "is empty"),
        "half.png": (data[: len(data) // 2], "truncated"),
        "cut.tif": (tiff[: len(tiff) // 2], "truncated"),
        "text.png": (b"not an image", "is not a PNG, JPEG or TIFF image"),
        "zero.png": (zero, "has no pixels"),
        "huge.png": (bytes(huge) + data[33:], "has 60000 x 60000 pixels, over the limit of 268435456"),
    }
    for name, (content, _) in contents.items():
        Path(folder, name).write_bytes(content)
    Path(folder, "folder.png").mkdir()
    texts = {name: text for name, (_, text) in contents.items()}
    return {**texts, "folder.png": "is a folder", "missing.png": "no such file or directory"}


class TestBadInput:
    def test_every_kind_gets_its_line_and_the_others_are_done(self, coins):
        Image.fromarray(COINS[:, :200]).save("last.png")
        bad = bad_files(coins.parent)
        result = segment("coins.png", *bad, "last.png")
        assert result.exit_code == 1
        lines = result.stderr.splitlines()
        assert len(lines) == len(bad)
        for line, (name, text) in zip(lines, bad.items(), strict=True):
            assert line.startswith(f"fastcnn: {name}: ")
            assert text in line
        written("fastcnn-segment", "coins", "last")
        assert "coins.png" in result.stdout
        assert "missing" not in result.stdout

    def test_one_line_even_where_decoders_talk(self, coins):
        Image.fromarray(COINS).save("a.tif", compression="tiff_lzw")
        data = bytearray(Path("a.tif").read_bytes())
        data[200:260] = bytes(60)
        Path("a.tif").write_bytes(data)
        Path("b.tif").write_bytes(data[: len(data) // 2])
        result = process("segment", "a.tif", "b.tif")
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 2, result.stderr

    def test_only_bad_files(self, here):
        result = segment("missing.png")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr == "fastcnn: missing.png: no such file or directory\n"
        assert not list(Path("fastcnn-segment").iterdir())

    def test_max_pixels(self, coins):
        assert segment(coins, "--max-pixels", COINS.size).exit_code == 0
        result = segment(coins, "--max-pixels", COINS.size - 1)
        assert result.exit_code == 1
        assert f"over the limit of {COINS.size - 1}" in result.stderr

    def test_nan(self, here):
        tifffile.imwrite("a.tif", np.array([[1.0, np.nan]]))
        result = segment("a.tif")
        assert result.exit_code == 1
        assert "a.tif: segment_instances: expected finite pixels" in result.stderr

    def test_names_are_printed_as_they_are(self, here):
        names = ["[red]x.png", "a" * 150 + ".png", "new\nline.png", "\x1b[31mred.png"]
        if sys.platform == "linux":
            names.append(os.fsdecode(b"\xff.png"))
        for name in names:
            Path(name).write_bytes(b"")
        result = segment(*names)
        assert result.exit_code == 1
        lines = result.stderr.splitlines()
        assert lines[0] == "fastcnn: [red]x.png: is empty"
        assert lines[1] == f"fastcnn: {'a' * 150}.png: is empty"
        assert lines[2] == r"fastcnn: new\nline.png: is empty"
        assert lines[3] == r"fastcnn: \x1b[31mred.png: is empty"
        assert len(lines) == len(names)

    @pytest.mark.parametrize("failing", ["save_tiff", "save_png"])
    def test_a_full_disk_leaves_nothing_half_written(self, coins, monkeypatch, failing):
        Image.fromarray(COINS[:100]).save("next.png")
        save, calls = getattr(writing, failing), []

        def full(path, *args):
            calls.append(path)
            if len(calls) == 1:
                Path(path).write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
            save(path, *args)

        monkeypatch.setattr(writing, failing, full)
        result = segment("coins.png", "next.png")
        assert result.exit_code == 1
        assert result.stderr == "fastcnn: coins.png: results cannot be written (No space left on device)\n"
        written("fastcnn-segment", "next")

    def test_out_of_memory(self, coins, monkeypatch):
        def exhausted(*args, **kwargs):
            raise MemoryError

        monkeypatch.setattr("fastcnn.pipelines.segment_instances", exhausted)
        result = segment("coins.png")
        assert result.exit_code == 1
        assert result.stderr == "fastcnn: coins.png: not enough memory\n"

    @pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals")
    @pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
    def test_a_signal_leaves_nothing_half_written(self, coins, monkeypatch, request, number, status):
        def interrupted(path, *args):
            Path(path).write_bytes(b"half")
            os.kill(os.getpid(), getattr(signal, number))
            time.sleep(30)

        monkeypatch.setattr(writing, "save_png", interrupted)
        inherited = signal.getsignal(getattr(signal, number))
        # A shell's background jobs are born with SIGINT ignored.
        before = signal.default_int_handler if number == "SIGINT" else signal.SIG_DFL
        signal.signal(getattr(signal, number), before)
        request.addfinalizer(lambda: signal.signal(getattr(signal, number), inherited))
        result = segment("coins.png", "missing.png")
        assert result.exit_code == status
        assert not list(Path("fastcnn-segment").iterdir())
        assert result.stderr in ("fastcnn: interrupted\n", "fastcnn: terminated\n")
        assert signal.getsignal(getattr(signal, number)) == before


class TestWrongUsage:
    @pytest.mark.parametrize(
        "options",
        ["--threshold mean", "--threshold nan", "--threshold inf", "--block-size 4", "--block-size 0", "--block-size x",
         "--offset x", "--offset nan", "--sigma -1", "--sigma x", "--closing -1", "--opening 1.5", "--fill-holes some",
         "--fill-holes -1", "--min-size -1", "--smooth-distance -1", "--min-distance 0", "--max-pixels 0", "--nonsense",
         "--out coins.png", "--out"],
    )  # fmt: skip
    def test_options(self, coins, options):
        result = segment("coins.png", *options.split())
        assert result.exit_code == 2
        assert result.stdout == ""
        assert sorted(p.name for p in coins.parent.iterdir()) == ["coins.png"]

    def test_two_inputs_of_one_name(self, coins):
        os.makedirs("other")
        Image.fromarray(COINS).save("other/coins.tif")
        result = segment("coins.png", "missing.png", "other/coins.tif")
        assert result.exit_code == 2
        assert "coins.png and" in result.stderr.replace("│\n│ ", "")
        assert not Path("fastcnn-segment").exists(), "refused before work starts"
        assert segment("coins.png", "coins.png").exit_code == 2

    def test_inputs_are_not_overwritten(self, coins):
        Image.fromarray(COINS).save("coins_overlay.png")
        before = Path("coins_overlay.png").read_bytes()
        result = segment("coins.png", "coins_overlay.png", "--out", ".")
        assert result.exit_code == 2
        assert "overwritten" in result.stderr
        assert Path("coins_overlay.png").read_bytes() == before
        assert segment("coins.png", "--out", ".").exit_code == 0

    def test_no_command(self):
        assert CliRunner().invoke(app, []).exit_code in (0, 2)  # Click 8.2 changed it
        assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


class TestProcess:
    def test_it_starts_without_torch(self, here):
        code = (
            "import sys; from fastcnn.cli.app import app; sys.argv = ['fastcnn', 'segment'];\n"
            "try: app()\nexcept SystemExit as e: assert not e.code, e.code\n"
            "assert 'torch' not in sys.modules; assert 'scipy' not in sys.modules"
        )
        result = python(code)
        assert result.returncode == 0, result.stderr

    def test_help_loads_no_more_than_it_needs(self):
        code = (
            "import sys; from fastcnn.cli.app import app; sys.argv = ['fastcnn', 'segment', '--help'];\n"
            "try: app()\nexcept SystemExit as e: assert not e.code\n"
            "assert not {'torch', 'tifffile', 'PIL', 'fastcnn.ops'} & set(sys.modules)"
        )
        result = python(code)
        assert result.returncode == 0, result.stderr
        for option in ("--out", "--threshold", "--block-size", "--offset", "--dark-objects", "--sigma", "--closing",
                       "--opening", "--min-size", "--smooth-distance", "--min-distance", "--quiet"):  # fmt: skip
            assert option in result.stdout

    @pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
    @pytest.mark.parametrize("files", [1, 3])
    def test_progress_is_shown_on_a_terminal_only(self, here, files):
        import pty

        names = [f"{i}.png" for i in range(files)]
        for name in names:
            Image.fromarray(COINS[:60]).save(name)
        command = [sys.executable, "-m", "fastcnn.cli", "segment", *names]
        leader, follower = pty.openpty()
        environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"}
        environment.pop("NO_COLOR", None)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=follower, env=environment, timeout=120)
        os.close(follower)
        seen = b""
        try:
            while part := os.read(leader, 4096):
                seen += part
        except OSError:  # Linux: the other end is closed
            pass
        os.close(leader)
        assert done.returncode == 0
        assert (b"3/3" in seen) == (files == 3)
        piped = process("segment", *names)
        assert piped.stderr == ""
        assert "\x1b" not in piped.stdout

    def test_the_exit_status_reaches_the_shell(self, coins):
        assert process("segment", "coins.png").returncode == 0
        assert process("segment", "coins.png", "missing.png").returncode == 1
        assert process("segment", "--nonsense").returncode == 2
