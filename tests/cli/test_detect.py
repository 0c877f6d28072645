"""`fastcnn detect`, and `fastcnn segment --model`: what they write, and what they say of bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

import fastcnn.models as M
from fastcnn.cli.app import app
from fastcnn.data import Cells, Shapes
from tests.pipelines.scenes import f1

COLUMNS = ["x1", "y1", "x2", "y2", "class", "name", "score"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def shapes(path: Path, seed: int = 5, size: int = 160) -> torch.Tensor:
    sample = Shapes(1, size, seed)[0]
    Image.fromarray((sample.image * 255).byte().permute(1, 2, 0).numpy()).save(path)
    return sample.boxes


def test_without_an_image(here: Path) -> None:
    done = run("detect")
    assert done.exit_code == 0, done.output
    assert "using the sample picture of shapes" in done.output
    found = rows(here / "fastcnn-detect" / "shapes_boxes.csv")
    assert found[0] == COLUMNS
    assert len(found) > 4
    assert {row[5] for row in found[1:]} <= {"circle", "square", "triangle", "star"}
    with Image.open(here / "fastcnn-detect" / "shapes_boxes.png") as drawn:
        assert drawn.size == (320, 320)


def test_files(here: Path) -> None:
    """Boxes are in pixels of the file, whatever its size; grey, 16 bits and transparency are taken."""
    wanted = shapes(here / "a.png")
    image = Image.open(here / "a.png")
    image.resize((480, 480), Image.Resampling.BICUBIC).save(here / "large.png")
    image.convert("RGBA").save(here / "alpha.png")
    tifffile.imwrite(here / "deep.tif", np.asarray(image).astype(np.uint16) * 257)
    names = ["a.png", "large.png", "alpha.png", "deep.tif"]
    done = run("detect", *names, "--out", "out")
    assert done.exit_code == 0, done.output
    tables = [rows(here / "out" / f"{Path(name).stem}_boxes.csv") for name in names]
    for table, factor in zip(tables, (1, 3, 1, 1), strict=True):
        boxes = torch.tensor([[float(v) for v in row[:4]] for row in table[1:]]) / factor
        # None is missing; of a shape at the edge there may be two, of two kinds.
        assert len(wanted) <= len(boxes) <= len(wanted) + 2
        distance = torch.cdist(boxes, wanted, p=torch.inf).amin(0)
        assert float(distance.max()) < 6
        scores = [float(row[6]) for row in table[1:]]
        assert scores == sorted(scores, reverse=True)
        assert min(scores) > 0.4
    none = run("detect", "a.png", "--out", "none", "--threshold", "1", "--quiet")
    assert none.exit_code == 0
    assert none.output == ""
    assert rows(here / "none" / "a_boxes.csv") == [COLUMNS]


def test_a_model_of_ones_own(here: Path) -> None:
    """The file of a run is taken by its path, here one whose biases find nothing."""
    shapes(here / "a.png")
    M.save_model("mine.safetensors", M.yolox_nano(2), "yolox_nano", {"num_classes": 2}, {
        "task": "detect", "classes": ["a", "b"], "image_size": [64, 64],
    })  # fmt: skip
    done = run("detect", "a.png", "--model", "mine.safetensors")
    assert done.exit_code == 0, done.output
    assert len(rows(here / "fastcnn-detect" / "a_boxes.csv")) == 1


def test_segment_with_the_network(here: Path) -> None:
    """On what a threshold and the watershed do badly, from the command line."""
    drawn = Cells(1, 256, seed=77)[0]
    Image.fromarray((drawn.image[0] * 255).round().byte().numpy()).save("cells.png")
    done = run("segment", "cells.png", "--model", "unet", "--out", "out")
    assert done.exit_code == 0, done.output
    labels = tifffile.imread(here / "out" / "cells_labels.tif")
    assert labels.dtype == np.int32
    assert f1(labels, drawn.mask.numpy()) >= 0.9
    assert len(rows(here / "out" / "cells_regions.csv")) == labels.max() + 1
    pages = np.stack([(Cells(2, 96, seed=3, radius=(8, 12))[i].image[0] * 255).byte().numpy() for i in range(2)])
    tifffile.imwrite(here / "pages.tif", pages, photometric="minisblack")
    done = run("segment", "pages.tif", "--model", "unet-cells", "--out", "out", "--quiet")
    assert done.exit_code == 0, done.output
    assert tifffile.imread(here / "out" / "pages_labels.tif").shape == (2, 96, 96)
    assert rows(here / "out" / "pages_regions.csv")[0][0] == "page"


def test_wrong_words(here: Path) -> None:
    shapes(here / "a.png")
    for arguments, text in (
        (("detect", "a.png", "--model", "nothing"), "nothing is neither a file nor one of"),
        (("detect", "a.png", "--model", "unet"), "unet is trained to segment, not to detect"),
        (("segment", "a.png", "--model", "yolox"), "yolox is trained to detect, not to segment"),
        (("segment", "a.png", "--model", "unet", "--sigma", "2"), "--sigma cannot be combined with it"),
        (("detect", "a.png", "--threshold", "2"), "threshold"),
        (("detect", "a.png", "--image-size", "8"), "image-size"),
        (("train", "paint", "--data", "digits"), "expected task to be one of classify, segment, detect"),
        (("train", "classify", "--data", "digits", "--image-size", "x"), "is not a size like 160 or 240x320"),
        (("train", "classify", "--data", "digits", "--set", "depth"), "is not NAME=VALUE"),
        (("train", "classify"), "--data"),
        (
            ("train", "classify", "--data", "digits", "--loss", "boundary"),
            "among cross_entropy, dice, focal, jaccard, lovasz, tversky, joined by",
        ),
        (("train", "detect", "--data", "shapes", "--loss", "dice"), "detect has the loss of its network"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, (arguments, done.output)
        assert text in " ".join(done.output.replace("│", " ").split()), done.output
    (here / "b.png").write_bytes(b"no picture")
    done = run("detect", "b.png", "a.png")
    assert done.exit_code == 1
    assert "b.png: is not a PNG, JPEG or TIFF image" in done.output
    assert (here / "fastcnn-detect" / "a_boxes.csv").exists()
    done = run("train", "classify", "--data", "nowhere", "--quiet")
    assert done.exit_code == 1
    assert "nowhere: is no folder, nor one of digits, cells, shapes" in done.output
