"""Runs of seconds: what they leave, that they learn, that they go on after a kill, and on two processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import fastcnn
import fastcnn.models as M
from fastcnn import ArgumentError
from fastcnn._tasks import TASKS, task_named
from fastcnn.data import Cells, DataError, DataWarning, Samples, Shapes
from fastcnn.losses import cross_entropy_loss, dice_loss
from fastcnn.losses._registry import LOSSES
from fastcnn.models import border_maps
from fastcnn.train import Settings, find_sources, train
from fastcnn.train.metrics import AveragePrecision, ObjectF1
from fastcnn.train.run import make_task
from tests.pipelines import scenes

# Runs that learn so much that rounding and luck do not decide what is asserted of them: over five seeds on each
# instruction set the last losses are 0.17 to 0.33 (classify), 0.63 to 0.81 (segment) and 0.49 to 0.67 (detect) of the
# first.
QUICK = {
    "classify": Settings("classify", "digits:200", epochs=8, batch_size=20),
    "segment": Settings("segment", "cells:16", image_size=(96, 96), epochs=9, batch_size=4, learning_rate=0.01),
    "detect": Settings(
        "detect", "shapes:24", image_size=(160, 160), epochs=5, batch_size=4, optimizer="sgd", learning_rate=0.005,
        mosaic=0.0, average=0.0,
    ),
}  # fmt: skip
LEFT = ["checkpoints", "curves", "metrics.json", "pictures", "settings.yaml", "weights.safetensors"]
# The package that is tested, wherever a child process runs.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(fastcnn.__file__).resolve().parents[1])}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "fastcnn.cli", "train", *map(str, arguments)]


def curve(folder: Path, name: str) -> list[float]:
    events = EventAccumulator(str(folder / "curves"))
    events.Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.mark.slow
@pytest.mark.parametrize("task", QUICK)
def test_a_run(task: str, tmp_path: Path) -> None:
    """The loss falls, and the folder holds a model that says what it is and gives what was measured."""
    settings = QUICK[task]
    if task == "detect":  # from nothing it would need a thousand steps
        settings = replace(settings, weights=str(trained_but_for_the_classes(tmp_path / "start.safetensors")))
    finished = train(settings, tmp_path / "run", quiet=True)
    assert sorted(path.name for path in finished.folder.iterdir()) == LEFT
    # For a detector, check the classes only: that part starts untrained.
    losses = curve(finished.folder, "loss/classes" if task == "detect" else "loss")
    assert np.mean(losses[-2:]) < 0.9 * np.mean(losses[:2])
    assert Settings.load(finished.folder / "settings.yaml") == settings
    assert json.loads((finished.folder / "metrics.json").read_text()) == finished.metrics
    assert all(np.isfinite(value) for value in finished.metrics.values())
    names = {"classify": {"accuracy"}, "segment": {"f1", "pq"}, "detect": {"map", "map50"}}[task]
    assert set(finished.metrics) == names

    found = M.load_model(finished.folder / "weights.safetensors")
    assert found.about["task"] == task
    assert found.about["metrics"] == finished.metrics
    validation = find_sources(settings).validation
    assert len(list((finished.folder / "pictures").glob("*.png"))) == min(8, len(validation))
    for path in (finished.folder / "pictures").iterdir():
        assert np.asarray(Image.open(path)).std() > 0
    if task == "classify":
        assert accuracy(found, validation) == pytest.approx(finished.metrics["accuracy"], abs=1e-6)


def trained_but_for_the_classes(path: Path) -> Path:
    """The shipped detector, whose layers of classes are those of another number of them: not taken from the file."""
    shipped = M.load_model(Path(M.__file__).parent / "weights" / "yolox-shapes.safetensors")
    network = M.yolox_nano(num_classes=5)
    own = network.state_dict()
    trained = {name: value for name, value in shipped.model.state_dict().items() if own[name].shape == value.shape}
    assert len(own) - len(trained) == 6  # weight and bias on three levels
    network.load_state_dict({**own, **trained})
    M.save_model(path, network, "yolox_nano", {"num_classes": 5})
    return path


def accuracy(found: M.ModelFile, validation: Samples) -> float:
    size = found.about["image_size"]
    images = torch.stack([fastcnn.ops.resize(s.image, size, antialias=True) for s in validation])
    right = found.model(images).argmax(1) == torch.tensor([s.label for s in validation])
    return float(right.float().mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "loss"),
    [("classify", "focal"), ("segment", "jaccard+0.1*boundary"), ("segment", "lovasz+focal")],
)
def test_another_loss(task: str, loss: str, tmp_path: Path) -> None:
    """It falls, its parts are told apart, and the run goes on with it only."""
    settings = replace(QUICK[task], loss=loss)
    finished = train(settings, tmp_path / "run", quiet=True)
    losses = curve(finished.folder, "loss")
    # A part of boundary_loss may be below 0.
    assert np.mean(losses[-2:]) < np.mean(losses[:2]) - 0.1 * abs(np.mean(losses[:2]))
    parts = [curve(finished.folder, f"loss/{term.rpartition('*')[2]}") for term in loss.split("+")]
    assert np.sum(parts, 0) == pytest.approx(losses, rel=1e-5, abs=1e-6)
    assert Settings.load(finished.folder / "settings.yaml") == settings
    with pytest.raises(ArgumentError, match=f"has other settings than these: loss {re.escape(loss)}, not dice"):
        train(replace(settings, loss="dice"), tmp_path / "run", resume=True, quiet=True)


@pytest.mark.parametrize(("task", "loss"), [("classify", "cross_entropy"), ("segment", "cross_entropy+dice")])
def test_the_default_loss(task: str, loss: str) -> None:
    """It is the sum that it was before others could be chosen."""
    chosen, default = (make_task(replace(QUICK[task], loss=text))[0].loss for text in (loss, ""))
    logits = torch.randn(3, 2, 8, 8) if task == "segment" else torch.randn(3, 2)
    target = border_maps(torch.randint(0, 3, (3, 8, 8))) if task == "segment" else torch.tensor([0, 1, 1])
    expected = cross_entropy_loss(logits, target, [1.0, 2.0] if task == "segment" else None)
    if task == "segment":
        expected = expected + dice_loss(logits, target, smooth=1.0)
    assert torch.equal(default(logits, target), expected)
    assert torch.equal(chosen(logits, target), expected)


def test_void_counts_in_no_loss(tmp_path: Path) -> None:
    """Pixels of no class, whichever loss is chosen."""
    for kind, high in (("images", 255), ("masks", 2)):
        (tmp_path / kind).mkdir()
        for i in range(4):
            pixels = np.random.default_rng(i).integers(0, high, (32, 32), np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{i}.png")
    settings = Settings("segment", str(tmp_path), objects=False, loss="+".join(LOSSES))
    loss = make_task(settings)[0].loss
    target = torch.randint(0, 2, (2, 32, 32))
    target[:, 4:9] = 255
    logits = torch.randn(2, 2, 32, 32)
    changed = logits.clone()
    # Within the same found regions, which the distances of hausdorff_loss depend on.
    changed[:, :, 4:9] *= 3
    parts, others = loss.parts(logits, target), loss.parts(changed, target)
    assert set(parts) == set(LOSSES)
    for name, value in parts.items():
        assert others[name] == pytest.approx(value.item(), rel=1e-5), name


def test_the_kept_weights_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first epoch is said to be the best, its weights are kept, and what is reported is theirs."""
    from fastcnn.train.classify import Classify

    said, measured, true = iter([0.9, 0.5, 0.4]), Classify.measured, []

    def claimed(self: Classify) -> dict[str, float]:
        true.append(measured(self)["accuracy"])
        return {"accuracy": next(said, true[-1])}

    monkeypatch.setattr(Classify, "measured", claimed)
    finished = train(replace(QUICK["classify"], epochs=3, average=0.9), tmp_path / "run", quiet=True)
    first, _, last, final = true
    assert final == finished.metrics["accuracy"] == first != last
    found = M.load_model(finished.folder / "weights.safetensors")
    assert accuracy(found, find_sources(QUICK["classify"]).validation) == pytest.approx(first, abs=1e-6)


@pytest.mark.slow
def test_goes_on_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL after the first epoch; the resumed run ends with the weights of one that was left alone."""
    options = [
        "classify", "--data", "digits:240", "--epochs", 12, "--batch-size", 16, "--learning-rate", 0.003, "--quiet",
    ]  # fmt: skip
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    subprocess.run(command(*options, "--out", alone), check=True, env=ENVIRONMENT)
    process = subprocess.Popen(command(*options, "--out", killed), env=ENVIRONMENT)
    last, deadline = killed / "checkpoints" / "last.ckpt", time.monotonic() + 120
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert last.exists()
    assert not (killed / "weights.safetensors").exists()

    refused = subprocess.run(command(*options, "--out", killed), env=ENVIRONMENT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.strip() == f"fastcnn: train: {killed} holds a run already; resume it, or take another folder"
    other = subprocess.run(
        command(*options, "--out", killed, "--resume", "--seed", 5), env=ENVIRONMENT, capture_output=True, text=True
    )
    assert other.returncode == 1
    assert "has other settings than these" in other.stderr

    before = set((killed / "curves").iterdir())
    subprocess.run(command(*options, "--out", killed, "--resume"), check=True, env=ENVIRONMENT)
    # It went on: the first epoch was not done again.
    steps = []
    for file in set((killed / "curves").glob("events*")) - before:
        events = EventAccumulator(str(file))
        events.Reload()
        steps += [event.step for event in events.Scalars("accuracy")]
    assert min(steps) >= 2 * (240 // 16) - 1
    first, second = (load_file(folder / "weights.safetensors") for folder in (alone, killed))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert (alone / "metrics.json").read_text() == (killed / "metrics.json").read_text()


@pytest.mark.slow
def test_more_epochs_than_at_first(tmp_path: Path) -> None:
    """A finished run goes on for the further ones, at the rate that it would have there; for fewer it says so."""
    settings = replace(QUICK["classify"], epochs=1, warmup=0.0)
    longer = replace(settings, epochs=3, workers=1)
    train(settings, tmp_path / "run", quiet=True)
    weights = (tmp_path / "run" / "weights.safetensors").read_bytes()
    train(longer, tmp_path / "run", resume=True, quiet=True)
    train(replace(longer, workers=0), tmp_path / "alone", quiet=True)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() != weights
    assert Settings.load(tmp_path / "run" / "settings.yaml") == longer
    states = [torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in ("run", "alone")]
    assert [state["epoch"] for state in states] == [2, 2]
    assert states[0]["global_step"] == states[1]["global_step"] == 3 * 10
    rates = [state["optimizer_states"][0]["param_groups"][0]["lr"] for state in states]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    with pytest.raises(ArgumentError, match=r"expected epochs of at least 3, which .*run has done, got 2"):
        train(replace(longer, epochs=2), tmp_path / "run", resume=True, quiet=True)
    with pytest.raises(ArgumentError, match="has other settings than these: batch_size 20, not 5, seed 0, not 1"):
        train(replace(longer, batch_size=5, seed=1), tmp_path / "run", resume=True, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_learns(tmp_path: Path, number: int) -> None:
    """One line and the status, and what is there goes on; Lightning itself would end with 1 and no word."""
    words = [
        "classify",
        "--data",
        "digits:200",
        "--epochs",
        500,
        "--batch-size",
        16,
        "--quiet",
        "--out",
        tmp_path / "run",
    ]
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom fastcnn.cli import main; main()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code, "train", *map(str, words)], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    last, deadline = tmp_path / "run" / "checkpoints" / "last.ckpt", time.monotonic() + 300
    while not last.exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(number)
    _, said = started.communicate(timeout=300)
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert (started.returncode, said) == (128 + number, f"fastcnn: {word}\n")
    assert torch.load(last, weights_only=True)["epoch"] >= 0


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Lightning's DDP on gloo: each process has its share of the pictures, and there is one result."""
    options = ["classify", "--data", "digits:160", "--epochs", 3, "--batch-size", 16, "--devices", 2]
    done = subprocess.run(
        command(*options, "--out", tmp_path / "run", "--quiet"), env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == LEFT
    rates = curve(tmp_path / "run", "lr-AdamW/pg1")
    assert rates
    found = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert found["global_step"] == 3 * 160 // (2 * 16)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision(precision: str, tmp_path: Path) -> None:
    settings = replace(QUICK["segment"], precision=precision, epochs=1, average=0.0)
    if precision == "16-mixed" and not torch.cuda.is_available():
        with pytest.warns(UserWarning, match="fp16 is not supported on CPU"):
            finished = train(settings, tmp_path / "run", quiet=True)
    else:
        finished = train(settings, tmp_path / "run", quiet=True)
    weights = load_file(finished.folder / "weights.safetensors")
    assert all(value.isfinite().all() for value in weights.values())
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_early_stopping_and_average(tmp_path: Path) -> None:
    """Two epochs after the best it ends (at a rate of almost nothing only norms' statistics change). The average is
    what is kept."""
    settings = replace(QUICK["classify"], learning_rate=1e-12, epochs=9, patience=2, average=0.0)
    finished = train(settings, tmp_path / "run", quiet=True)
    *epochs, last = curve(finished.folder, "accuracy")
    assert len(epochs) == int(np.argmax(epochs)) + 1 + 2 < 9
    assert last == max(epochs)
    moving = train(replace(QUICK["classify"], average=0.999, epochs=1), tmp_path / "average", quiet=True)
    plain = train(replace(QUICK["classify"], average=0.0, epochs=1), tmp_path / "plain", quiet=True)
    a, b = (load_file(f.folder / "weights.safetensors") for f in (moving, plain))
    checkpoint = torch.load(moving.folder / "checkpoints" / "last.ckpt", weights_only=True)
    for name in ("features.0.weight", "classifier.4.weight"):
        assert not torch.equal(a[name], b[name])
        assert torch.equal(a[name], checkpoint["state_dict"][f"network.{name}"])
        assert torch.equal(b[name], checkpoint["current_model_state"][f"network.{name}"])


@pytest.mark.slow
def test_masks_of_classes_and_other_starts(tmp_path: Path) -> None:
    """A folder of pictures and masks, from weights of another number of classes; a broken picture is skipped."""
    for part, number in (("train", 8), ("val", 3)):
        drawn = Cells(number, 64, seed=number)
        for kind in ("images", "masks"):
            (tmp_path / "data" / part / kind).mkdir(parents=True)
        for i in range(number):
            sample = drawn[i]
            for kind, values in (("images", sample.image[0] * 255), ("masks", (sample.mask > 0).long())):
                Image.fromarray(values.byte().numpy()).save(tmp_path / "data" / part / kind / f"{i}.png")
    (tmp_path / "data" / "train" / "images" / "0.png").write_bytes(b"broken")
    M.save_model(tmp_path / "start.safetensors", M.unet(5, 3, depth=2, width=4), "unet", {
        "num_classes": 5, "in_channels": 3, "depth": 2, "width": 4,
    })  # fmt: skip
    settings = Settings(
        "segment", str(tmp_path / "data"), objects=False, epochs=2, batch_size=4, learning_rate=0.01,
        model_arguments={"depth": 2, "width": 4}, weights=str(tmp_path / "start.safetensors"), on_error="skip",
    )  # fmt: skip
    with pytest.warns(DataWarning, match=r"skipped .*0\.png"):
        finished = train(settings, tmp_path / "run", quiet=True)
    assert set(finished.metrics) == {"iou"}
    assert M.load_model(finished.folder / "weights.safetensors").arguments["num_classes"] == 2
    with pytest.raises(OSError, match=r"0\.png"):
        train(replace(settings, on_error="refuse"), tmp_path / "strict", quiet=True)


def test_sources(tmp_path: Path) -> None:
    """The kind of a folder is recognised; data without a split is split by the seed."""
    with pytest.raises(DataError, match="is no folder, nor one of digits, cells, shapes"):
        find_sources(Settings("classify", str(tmp_path / "no")))
    with pytest.raises(ArgumentError, match="train: cells is data for segment, not for detect"):
        find_sources(Settings("detect", "cells"))
    with pytest.raises(DataError, match="has neither annotations/instances_train"):
        find_sources(Settings("detect", str(tmp_path)))
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(5):
            Image.fromarray(np.full((8, 8), 25 * i, np.uint8)).save(tmp_path / kind / f"{i}.png")
    found = find_sources(Settings("classify", str(tmp_path), validation=0.3))
    names = [{s.source for s in part} for part in found]
    assert [len(n) for n in names] == [7, 3]
    assert not names[0] & names[1]
    assert names[1] == {s.source for s in find_sources(Settings("classify", str(tmp_path), validation=0.3)).validation}
    assert names[1] != {
        s.source for s in find_sources(Settings("classify", str(tmp_path), validation=0.3, seed=1)).validation
    }
    for part in ("train", "val"):
        folder = tmp_path / "coco" / f"{part}2017"
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "a.png")
        (tmp_path / "coco" / "annotations").mkdir(exist_ok=True)
        (tmp_path / "coco" / "annotations" / f"instances_{part}2017.json").write_text(json.dumps({
            "images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}],
            "annotations": [
                {"image_id": 1, "category_id": 1, "bbox": [2, 2, 4, 4], "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}
            ],
        }))  # fmt: skip
    sample = find_sources(Settings("detect", str(tmp_path / "coco"))).validation[0]
    assert sample.boxes.tolist() == [[2, 2, 6, 6]]
    assert sample.mask is None
    assert int(find_sources(Settings("segment", str(tmp_path / "coco"))).train[0].mask.sum()) == 16
    for task, text in (
        (
            "detect",
            r"has neither annotations/instances_train\*\.json \(COCO\) nor Annotations/ and JPEGImages/ \(VOC\)",
        ),
        ("segment", r"has neither images/ and masks/ nor annotations/instances_train\*\.json"),
    ):
        with pytest.raises(DataError, match=text):
            find_sources(Settings(task, str(tmp_path)))
    # On a disk that does not tell "Annotations" from "annotations" the pictures' folder does.
    (tmp_path / "half" / "Annotations").mkdir(parents=True)
    with pytest.raises(DataError, match="half: has neither annotations/instances_train"):
        find_sources(Settings("detect", str(tmp_path / "half")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither folders of pictures, one for each class nor train-images-idx3-ubyte"):
        find_sources(Settings("classify", str(tmp_path / "empty")))
    # MNIST's files beside folders of pictures.
    for part, number in (("train", 3), ("t10k", 2)):
        head = bytes([0, 0, 8, 3, 0, 0, 0, number, 0, 0, 0, 2, 0, 0, 0, 2])
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + bytes(4 * number))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, number]) + bytes(number))
    digits = find_sources(Settings("classify", str(tmp_path)))
    assert (len(digits.train), len(digits.validation)) == (3, 2)
    (tmp_path / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps({
        "images": [], "categories": [{"id": 1, "name": "y"}], "annotations": [],
    }))  # fmt: skip
    with pytest.raises(DataError, match="has other classes for validation than for training"):
        find_sources(Settings("detect", str(tmp_path / "coco")))
    shapes = find_sources(Settings("detect", "shapes:16", image_size=(64, 64)))
    assert len(shapes.train) == 16
    assert len(shapes.validation) == 2
    assert isinstance(shapes.train, Shapes)


def test_nothing_to_be_found(tmp_path: Path) -> None:
    """Said at the start, or a run would end well with a metric of 0: no box, no object. One class is refused."""
    blank = Image.fromarray(np.zeros((64, 64, 3), np.uint8))
    for part in ("train", "val"):
        (tmp_path / "coco" / part).mkdir(parents=True)
        (tmp_path / "coco" / "annotations").mkdir(exist_ok=True)
        blank.save(tmp_path / "coco" / part / "a.png")
        (tmp_path / "coco" / "annotations" / f"instances_{part}.json").write_text(json.dumps({
            "images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}], "annotations": [],
        }))  # fmt: skip
    for folder in ("Annotations", "JPEGImages"):
        (tmp_path / "voc" / folder).mkdir(parents=True)
    for i in range(4):
        blank.save(tmp_path / "voc" / "JPEGImages" / f"{i}.png")
        xml = f"<annotation><filename>{i}.png</filename></annotation>"
        (tmp_path / "voc" / "Annotations" / f"{i}.xml").write_text(xml)
    for folder in ("masks/images", "masks/masks", "classes/only"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            (blank if "images" in folder else blank.convert("L")).save(tmp_path / folder / f"{i}.png")
    for task, data, texts in (
        ("detect", "coco", ["no picture for training has a box", "no picture for validation has a box"]),
        ("detect", "voc", ["no picture for training has a box", "no picture for validation has a box"]),
        ("segment", "masks", ["no picture for training has an object in its mask", "no picture for validation"]),
    ):
        with pytest.warns(DataWarning) as told:
            make_task(Settings(task, str(tmp_path / data), image_size=(64, 64)))
        assert len(told) == len(texts)
        for warning, text in zip(told, texts, strict=True):
            assert f"train: {tmp_path / data}: {text}" in str(warning.message)
    with pytest.raises(DataError, match="classes: has one class only: there is nothing to be learned"):
        make_task(Settings("classify", str(tmp_path / "classes"), image_size=(64, 64)))
    make_task(Settings("detect", "shapes:16", image_size=(64, 64)))  # of what is drawn it need not be asked
    make_task(Settings("segment", "cells:8", image_size=(64, 64)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"task": "paint"}, "expected task to be one of classify, segment, detect, got paint"),
        ({"data": ""}, "expected data, got nothing"),
        ({"epochs": 0}, "expected epochs of at least 1, got 0"),
        ({"learning_rate": 0.0}, "expected learning_rate above 0"),
        ({"learning_rate": float("nan")}, "expected learning_rate of at least 0, got nan"),
        ({"average": 1.5}, "expected average from 0 to 1, got 1.5"),
        ({"optimizer": "adagrad"}, "expected optimizer to be one of adamw, sgd"),
        ({"precision": "8"}, "expected precision to be one of"),
        ({"image_size": (0, 5)}, "expected image_size of two numbers"),
        ({"loss": "entropy"}, "expected loss of different names among cross_entropy, dice, focal, jaccard, lovasz, "),
        ({"loss": "dice+hausdorff"}, "expected loss of .*, joined by '\\+', .*, got 'dice\\+hausdorff'"),
        ({"loss": "dice", "label_smoothing": 0.1}, "label_smoothing goes with the loss cross_entropy, got 'dice'"),
        ({"task": "detect", "loss": "dice"}, "detect has the loss of its network; expected no other, got 'dice'"),
    ],
)
def test_settings(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=f"train: {text}"):
        replace(QUICK["classify"], **change)


def test_tasks() -> None:
    """Each stands in the table under its own name, which costs neither torch nor Lightning."""
    for word in TASKS:
        assert task_named(word).name == word
        assert Settings(word, "x").model_name == task_named(word).default_model
    code = "import sys, fastcnn._tasks; assert not {'torch', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)


def test_settings_files(tmp_path: Path) -> None:
    """Nothing but settings is read from them, and nothing of them is run."""
    file = tmp_path / "settings.yaml"
    QUICK["detect"].save(file)
    assert Settings.load(file) == QUICK["detect"]
    values = yaml.safe_load(file.read_text())
    marker = tmp_path / "ran"
    for text in (
        "a: [", "- 1", "task: detect", yaml.safe_dump({**values, "more": 1}),
        f"!!python/object/apply:os.mknod ['{marker}']", yaml.safe_dump({**values, "epochs": "x"}),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(ArgumentError, match=r"settings\.yaml: |expected"):
            Settings.load(file)
    assert not marker.exists()
    # A file from before there was a choice of the loss.
    file.write_text(yaml.safe_dump({name: value for name, value in values.items() if name != "loss"}))
    assert Settings.load(file) == QUICK["detect"]


def test_errors(tmp_path: Path) -> None:
    for change, text in (
        ({"model": "load_model"}, "expected a model of fastcnn.models, got load_model"),
        ({"model_arguments": {"colour": 3}}, "lenet5 does not take these arguments"),
        ({"model": "resnet18", "weights": str(tmp_path / "none.pt")}, "none.pt"),
    ):
        with pytest.raises(ArgumentError, match=text):
            train(replace(QUICK["classify"], **change), tmp_path / text[:8].strip(), quiet=True)
        assert not (tmp_path / text[:8].strip()).exists()  # nothing is left that would have to be resumed
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="file is not a folder"):
        train(QUICK["classify"], tmp_path / "file", quiet=True)
    with pytest.raises(ArgumentError, match="lenet5 does not segment"):
        train(replace(QUICK["segment"], model="lenet5"), tmp_path / "a", quiet=True)
    with pytest.raises(ArgumentError, match="resnet18 is no detector"):
        train(replace(QUICK["detect"], model="resnet18"), tmp_path / "b", quiet=True)
    with pytest.raises(ArgumentError, match=r"train: the loss is (nan|inf) in epoch 0: lower the learning rate"):
        train(replace(QUICK["classify"], learning_rate=1e30, optimizer="sgd"), tmp_path / "c", quiet=True)


def test_average_precision() -> None:
    """torchmetrics', which needs torchvision: pictures with nothing wanted or found, equal scores, over 100 found."""
    from torchmetrics.detection import MeanAveragePrecision

    random = torch.Generator().manual_seed(0)
    # Its own thresholds are float32's: a recall of 0.15 lies below 0.15 there. These are pycocotools'.
    recalls, overlaps = np.linspace(0, 1, 101).tolist(), np.linspace(0.5, 0.95, 10).tolist()
    theirs = MeanAveragePrecision(backend="pycocotools", rec_thresholds=recalls, iou_thresholds=overlaps)
    ours = AveragePrecision()
    theirs.warn_on_many_detections = False
    for n, m in ((5, 4), (0, 3), (3, 0), (0, 0), (130, 20), (40, 30)):
        corner = torch.rand(max(n, m), 2, generator=random) * 60
        boxes = torch.cat([corner, corner + 5 + 10 * torch.rand(max(n, m), 2, generator=random)], 1)
        found = boxes[:n] + torch.randn(n, 4, generator=random)
        kinds, classes = (torch.randint(0, 3, (k,), generator=random) for k in (n, m))
        kinds[: min(n, m)] = classes[: min(n, m)]
        scores = torch.randint(1, 9, (n,), generator=random) / 10
        ours.update((found, kinds, scores), boxes[:m], classes)
        theirs.update([{"boxes": found, "labels": kinds, "scores": scores}], [{"boxes": boxes[:m], "labels": classes}])
    expected = theirs.compute()
    assert 0.1 < float(expected["map"]) < 0.9
    assert ours.compute() == pytest.approx((float(expected["map"]), float(expected["map_50"])), abs=1e-6)
    ours.reset()
    ours.update((found, kinds, scores), boxes[:0], classes[:0])
    assert ours.compute() == (-1, -1)
    ours.reset()
    ours.update((found[:0], kinds[:0], scores[:0]), boxes[:m], classes)
    assert ours.compute() == (0, 0)


def test_object_f1() -> None:
    """Against the count of overlaps that the tests of the classical chain use."""
    random = np.random.default_rng(0)
    metric, same, total = ObjectF1(), 0, 0
    for seed in range(4):
        truth = Cells(1, 96, seed=seed)[0].mask
        shift = int(random.integers(0, 6))
        found = torch.roll(truth, shift, 0)
        found[found == 2] = 0
        found = torch.unique(found, return_inverse=True)[1]
        metric.update(found[None], truth[None])
        same += int((scenes.overlaps(found.numpy(), truth.numpy()) > 0.5).sum())
        total += int(found.max()) + int(truth.max())
    assert 0 < same < total / 2
    assert float(metric.compute()) == pytest.approx(2 * same / total)
    nothing = ObjectF1()
    nothing.update(torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(1, 4, 4, dtype=torch.int64))
    assert float(nothing.compute()) == 1
    nothing.update(torch.zeros(1, 4, 4, dtype=torch.int64), torch.ones(1, 4, 4, dtype=torch.int64))
    assert float(nothing.compute()) == 0
