"""The trained models that come with fastcnn reach their metrics, on pictures that they have not seen."""

from __future__ import annotations

import json
import struct
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import fastcnn.models as M
import fastcnn.ops as F
from fastcnn import ArgumentError
from fastcnn.data import Cells, Shapes
from fastcnn.pipelines import detect, segment_instances, segment_with_model
from fastcnn.train import Settings, find_sources
from tests.pipelines import scenes

LIMIT = 2_000_000


@pytest.mark.parametrize("name", ["lenet5-digits", "unet-cells", "yolox-shapes"])
def test_files(name: str) -> None:
    assert name in M.shipped()
    path = files("fastcnn.models") / "weights" / f"{name}.safetensors"
    assert len(path.read_bytes()) <= LIMIT
    found = M.load_model(name)
    assert not found.model.training
    assert found.about["metrics"]
    assert all(p.dtype == torch.float32 for p in found.model.parameters())


def test_digits() -> None:
    """A third that was held out: 98.5 % and more."""
    found = M.load_model("lenet5-digits")
    held = find_sources(Settings("classify", "digits")).validation
    assert len(held) == 599
    images = torch.stack([F.resize(s.image, found.about["image_size"], antialias=True) for s in held])
    with torch.no_grad():
        right = found.model(images).argmax(1) == torch.tensor([s.label for s in held])
    accuracy = float(right.float().mean())
    assert accuracy >= 0.985
    assert accuracy == pytest.approx(found.about["metrics"]["accuracy"], abs=1e-6)


def objects(found: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    return 2 * int((scenes.overlaps(found, truth) > 0.5).sum()), int(found.max()) + int(truth.max())


@pytest.mark.slow
def test_cells() -> None:
    """Seeds that nothing was trained on. A threshold and the watershed alone, at their best, stay at 0.80."""
    drawn = Cells(16, 256, seed=31_337)
    alone, learned = [], []
    for sample in drawn:
        image, truth = sample.image[0].numpy(), sample.mask.numpy()
        pixels = np.rint(image * 255).astype(np.uint8)
        learned.append(objects(segment_with_model(pixels).labels, truth))
        alone.append([objects(segment_instances(image, threshold=t).labels, truth) for t in ("auto", "otsu", "local")])
    same, total = np.sum(learned, 0)
    assert same / total >= 0.95
    best = np.sum(alone, 0)
    assert (best[:, 0] / best[:, 1]).max() <= 0.80


@pytest.mark.slow
def test_shapes() -> None:
    """Seeds that nothing was trained on: mAP at 0.5, and at 0.5 to 0.95."""
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(backend="pycocotools")
    metric.warn_on_many_detections = False
    model = M.load_model("yolox-shapes").model
    drawn = Shapes(96, seed=31_337)
    for start in range(0, len(drawn), 16):
        samples = [drawn[i] for i in range(start, start + 16)]
        with torch.no_grad():
            found = model(torch.stack([s.image for s in samples]))
        metric.update(
            [
                {"boxes": found.boxes[i, :n], "scores": found.scores[i, :n], "labels": found.classes[i, :n]}
                for i, n in enumerate(found.count.tolist())
            ],
            [{"boxes": s.boxes, "labels": s.classes} for s in samples],
        )
    values = metric.compute()
    assert float(values["map_50"]) >= 0.95
    assert float(values["map"]) >= 0.70


def test_pipelines_take_any_picture() -> None:
    """Arrays of every depth, batches, colour for a grey network; what is no picture is refused by name."""
    drawn = Cells(2, 96, seed=2, radius=(8, 12))
    grey = np.stack([np.rint(s.image[0].numpy() * 255).astype(np.uint8) for s in drawn])
    both = segment_with_model(grey)
    one = segment_with_model(grey[1])
    assert both.labels.shape == (2, 96, 96)
    assert both.labels.dtype == np.int32
    np.testing.assert_array_equal(both.labels[1], one.labels)
    np.testing.assert_array_equal(segment_with_model(np.stack([grey[1]] * 3, -1), channel_axis=-1).labels, one.labels)
    assert int(both.count.max()) == both.regions.area.shape[-1]
    deep = segment_with_model(grey[1].astype(np.uint16) * 100)
    assert abs(int(deep.count) - int(one.count)) <= 3
    shape = np.rint(Shapes(1, seed=9)[0].image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    wanted = Shapes(1, seed=9)[0].boxes
    assert float(F.box_iou(torch.from_numpy(detect(shape).boxes), wanted).amax(0).min()) > 0.7
    assert detect(shape[..., 0]).boxes.shape[1] == 4
    for call, error, text in (
        (lambda: segment_with_model(np.zeros((0, 5))), ArgumentError, "expected an image with pixels"),
        (lambda: segment_with_model(np.full((8, 8), np.nan)), ArgumentError, "expected finite pixels"),
        (lambda: segment_with_model(np.zeros((8, 8), complex)), TypeError, "expected image of bool, integer or float"),
        (lambda: segment_with_model(np.zeros((8, 8, 4)), channel_axis=-1), ArgumentError, "expected 3 channels"),
        (lambda: segment_with_model(grey[0], "yolox-shapes"), ArgumentError, "is trained to detect, not to segment"),
        (lambda: detect(shape, threshold=2), ArgumentError, "expected threshold from 0 to 1, got 2"),
        (lambda: detect(np.zeros((2, 8, 8, 3))), ArgumentError, r"expected image of shape \(H, W\) or \(H, W, 3\)"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_broken_model_files(tmp_path: Path) -> None:
    """One line of what is wrong, before anything is made of them."""
    good = tmp_path / "good.safetensors"
    arguments = {"num_classes": 3}
    M.save_model(good, M.mlp(3), "mlp", arguments, {"task": "classify"})
    assert M.load_model(good).arguments == arguments
    state = load_file(good)

    def written(head: object) -> Path:
        save_file(state, tmp_path / "x.safetensors", {"fastcnn": head if isinstance(head, str) else json.dumps(head)})
        return tmp_path / "x.safetensors"

    for head, text in (
        ("{", "cannot be read"),
        ([], "does not say which model it is of"),
        ({"name": "mlp"}, "does not say which model it is of"),
        ({"name": "load_model", "arguments": {}, "about": {}}, "'load_model' is no model of fastcnn"),
        ({"name": "mlp", "arguments": {"size": 3}, "about": {}}, "its arguments do not make a mlp"),
        ({"name": "mlp", "arguments": {"num_classes": 4}, "about": {}}, "its weights are not those of the mlp"),
        # A giant that would not fit into any memory.
        ({"name": "mlp", "arguments": {"hidden": [1 << 40]}, "about": {}}, "its weights are not those of the mlp"),
        ({"name": "mlp", "arguments": {"hidden": [10**30]}, "about": {}}, "its arguments do not make a mlp"),
        ({"name": "mlp", "arguments": {"num_classes": -3}, "about": {}}, "its arguments do not make a mlp"),
        ({"name": "mlp", "arguments": {"num_classes": "3"}, "about": {}}, "its arguments do not make a mlp"),
        ({"name": "unet", "arguments": {"depth": 10**6}, "about": {}}, "its arguments do not make a unet"),
        ("[" * 50_000, "cannot be read"),
        ('{"a":' * 50_000, "cannot be read"),
        ('{"name": "mlp", "name": "mlp", "arguments": {}, "about": {}}', "a key stands twice"),
        (f'{{"name": "{"x" * (1 << 22)}"}}', "over the limit of 4194304"),
        ('{"name": "mlp", "arguments": {"num_classes": 1e999}, "about": {}}', "its arguments do not make a mlp"),
        ({"name": "mlp", "arguments": {"num_classes": 3}, "about": "x"}, "does not say which model it is of"),
    ):
        with pytest.raises(ArgumentError, match=text):
            M.load_model(written(head))
    for change, text in (
        ({"task": "detect"}, "expected about.task to be one that a MLP is for, got 'detect'"),
        ({"classes": ["a"]}, r"expected about.classes to be 3 names, .*, got \['a'\]"),
        ({"classes": "abc"}, "expected about.classes to be a list of names, got 'abc'"),
        ({"classes": [1, 2, 3]}, "expected about.classes to be a list of names"),
        ({"image_size": 5}, r"expected about.image_size to be \[height, width\], got 5"),
        ({"image_size": [8, -8]}, "expected about.image_size to be"),
        ({"image_size": [8, float("nan")]}, "expected about.image_size to be"),
    ):
        with pytest.raises(ArgumentError, match=f"load_model: .*x.safetensors: {text}"):
            M.load_model(written({"name": "mlp", "arguments": arguments, "about": {"task": "classify", **change}}))
    own = {"task": "my own", "classes": 7}  # what is said of another task is its owner's
    assert M.load_model(written({"name": "mlp", "arguments": arguments, "about": own})).about == own
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        for bad in (
            value * torch.nan,
            value + torch.inf,
            value.long(),
            value.to(torch.complex64),
            value.double() + 1e300,
        ):
            save_file({**state, name: bad}, tmp_path / "x.safetensors", {
                "fastcnn": json.dumps({"name": "mlp", "arguments": arguments, "about": {}})
            })  # fmt: skip
            with pytest.raises(ArgumentError, match=rf"x\.safetensors: .*not of finite numbers: {name}"):
                M.load_model(tmp_path / "x.safetensors")
            with pytest.raises(ArgumentError, match=f"not of finite numbers: {name}"):
                M.load_weights(M.mlp(3), tmp_path / "x.safetensors")
    save_file(state, tmp_path / "bare.safetensors")
    with pytest.raises(ArgumentError, match="load_weights takes weights alone"):
        M.load_model(tmp_path / "bare.safetensors")
    for content in (b"", b"x" * 40, struct.pack("<Q", 1 << 60), good.read_bytes()[:-4]):
        (tmp_path / "y.safetensors").write_bytes(content)
        with pytest.raises(ArgumentError, match=r"y\.safetensors: cannot be read"):
            M.load_model(tmp_path / "y.safetensors")
    for name in (tmp_path / "none", tmp_path, "x" * 5000, "a\0b"):
        with pytest.raises(ArgumentError, match="is neither a file nor one of lenet5-digits, unet-cells, yolox-shapes"):
            M.load_model(name)
    with pytest.raises(ArgumentError, match="is no model of fastcnn"):
        M.save_model(tmp_path / "z.safetensors", M.mlp(3), "shipped", {})


@pytest.mark.parametrize("multiple", [10**9, 0, -4, 3, 4.0, "4", None])
def test_what_contradicts_the_network(tmp_path: Path, multiple: object) -> None:
    """Pictures would be padded to a billion pixels, or a number be used that is none."""
    about = {"task": "segment", "objects": True, "classes": ["a", "b"], "image_size": [0, 0], "multiple": 4}
    arguments = {"num_classes": 2, "in_channels": 1, "depth": 2, "width": 4}
    file = tmp_path / "x.safetensors"
    M.save_model(file, M.unet(**arguments), "unet", arguments, about)
    assert segment_with_model(np.zeros((9, 9), np.uint8), file).labels.shape == (9, 9)
    M.save_model(file, M.unet(**arguments), "unet", arguments, {**about, "multiple": multiple})
    with pytest.raises(ArgumentError, match=f"expected about.multiple to be 4, as of the network, got {multiple!r}"):
        M.load_model(file)
    M.save_model(file, M.unet(**{**arguments, "num_classes": 3}), "unet", {**arguments, "num_classes": 3}, about)
    with pytest.raises(ArgumentError, match=r"expected about\.objects to be true, for a network of two classes"):
        M.load_model(file)


def test_giant_pictures_for_a_detector() -> None:
    with pytest.raises(ArgumentError, match="detect: expected image_size of 1 to 32768, got 1000000000"):
        detect(np.zeros((8, 8), np.uint8), image_size=10**9)
