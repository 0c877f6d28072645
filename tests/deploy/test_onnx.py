"""fastcnn's operators in ONNX: exported, and run by onnxruntime."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch.utils import _pytree as pytree

import fastcnn
import fastcnn.models as M
import fastcnn.nn as N
import fastcnn.ops as F
from fastcnn.data import Shapes
from fastcnn.deploy.onnx import translations
from fastcnn.models._detection import Detections
from tests.boxes.samples import clusters, spread
from tests.models.test_four_ways import ARGUMENTS

ANY = torch.export.Dim.DYNAMIC


def exported(
    module: torch.nn.Module, given: tuple[Any, ...], folder: Path, **options: Any
) -> onnxruntime.InferenceSession:
    """As the documentation says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            module, given, dynamo=True, verbose=False, custom_translation_table=translations(), **options
        )
        program.save(folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, *given: torch.Tensor) -> list[np.ndarray]:
    names = [i.name for i in session.get_inputs()]
    return session.run(None, {name: t.numpy() for name, t in zip(names, given, strict=True)})


def check(session: onnxruntime.InferenceSession, module: torch.nn.Module, *given: torch.Tensor) -> None:
    """Integers equal; floats to 1e-4 of the largest, as `tests.models.graphs.close`."""
    with torch.no_grad():
        expected = [t.numpy() for t in pytree.tree_leaves(module(*given))]
    for got, wanted in zip(run(session, *given), expected, strict=True):
        assert got.dtype == wanted.dtype
        if np.issubdtype(wanted.dtype, np.floating):
            largest = float(np.abs(wanted).max(initial=0))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * largest)
        else:
            np.testing.assert_array_equal(got, wanted)


class Call(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


IMAGE, LINE, VOLUME = (2, 4, 11, 14), (2, 4, 13), (2, 4, 7, 9, 8)
LAYERS: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: N.Conv1d(4, 6, 3, 2, 1), LINE),
    "conv2d": (lambda: N.Conv2d(4, 6, (3, 5), (2, 1), (1, 3), (2, 1), groups=2), IMAGE),
    "conv2d same": (lambda: N.Conv2d(4, 6, 4, padding="same", bias=False), IMAGE),
    "conv2d reflect": (lambda: N.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"), IMAGE),
    "conv3d": (lambda: N.Conv3d(4, 3, 3, 2, 1), VOLUME),
    "transposed 1d": (lambda: N.ConvTranspose1d(4, 6, 4, 2, 1), LINE),
    "transposed 2d": (lambda: N.ConvTranspose2d(4, 6, 3, (3, 2), 1, (2, 1), groups=2, dilation=(1, 2)), IMAGE),
    "transposed 3d": (lambda: N.ConvTranspose3d(4, 2, 2, 2), VOLUME),
    "max 1d": (lambda: N.MaxPool1d(3, 2, 1), LINE),
    "max 2d": (lambda: N.MaxPool2d(3, (2, 3), 1, dilation=(1, 2)), IMAGE),
    "max 2d ceil": (lambda: N.MaxPool2d(2, 3, 1, ceil_mode=True), IMAGE),
    "max 2d indices": (lambda: N.MaxPool2d(3, 2, return_indices=True), IMAGE),
    "max 3d": (lambda: N.MaxPool3d(2, ceil_mode=True), VOLUME),
    "mean 1d": (lambda: N.AvgPool1d(3, 2, 1), LINE),
    "mean 2d": (lambda: N.AvgPool2d(3, 2, 1), IMAGE),
    "mean 2d inside": (lambda: N.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "mean 2d ceil": (lambda: N.AvgPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    "mean 2d ceil, far": (lambda: N.AvgPool2d(2, 3, 1, ceil_mode=True), IMAGE),
    "mean 2d ceil, inside": (lambda: N.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), IMAGE),
    "mean 2d divided": (lambda: N.AvgPool2d(3, 2, 1, divisor_override=5), IMAGE),
    "mean 2d divided, ceil": (lambda: N.AvgPool2d((2, 3), (3, 2), 1, ceil_mode=True, divisor_override=5), IMAGE),
    "mean 3d": (lambda: N.AvgPool3d(2), VOLUME),
    "adaptive mean 1d": (lambda: N.AdaptiveAvgPool1d(5), LINE),
    "adaptive mean 2d": (lambda: N.AdaptiveAvgPool2d((4, 7)), IMAGE),
    "adaptive mean 2d, finer": (lambda: N.AdaptiveAvgPool2d((13, None)), IMAGE),
    "adaptive mean 3d": (lambda: N.AdaptiveAvgPool3d((7, 3, 4)), VOLUME),
    "adaptive max 1d": (lambda: N.AdaptiveMaxPool1d(5), LINE),
    "adaptive max 2d": (lambda: N.AdaptiveMaxPool2d((4, 7)), IMAGE),
    "adaptive max 3d": (lambda: N.AdaptiveMaxPool3d((1, 3, 2)), VOLUME),
    "global": (lambda: N.AdaptiveAvgPool2d(1), IMAGE),
    **{
        f"resize {mode} {size}": (lambda m=mode, s=size: Call(lambda x: F.resize(x, s, m)), IMAGE)
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
        for size in ((22, 28), (5, 6), (17, 33), (1, 1))
    },
    "resize antialias": (lambda: Call(lambda x: F.resize(x, (5, 6), antialias=True)), IMAGE),
    "resize bicubic antialias": (lambda: Call(lambda x: F.resize(x, (5, 6), "bicubic", antialias=True)), IMAGE),
}  # fmt: skip


class Several(torch.nn.Module):
    """All layers that take one kind of image, side by side: an export takes a second, whatever is in it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.names = [name for name, (_, taken) in LAYERS.items() if taken == shape]
        self.layers = torch.nn.ModuleList(LAYERS[name][0]() for name in self.names)

    def forward(self, x: torch.Tensor) -> list[Any]:
        return [layer(x) for layer in self.layers]


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("shape", [LINE, IMAGE, VOLUME], ids=["1d", "2d", "3d"])
def test_layers(shape: tuple[int, ...], dynamic: bool, tmp_path: Path) -> None:
    layers = Several(shape).eval()
    x = torch.randn(shape)
    sizes = ({0: ANY, **dict.fromkeys(range(2, x.ndim), ANY)},) if dynamic else None
    session = exported(layers, (x,), tmp_path, dynamic_shapes=sizes)
    check(session, layers, x)
    if dynamic:
        check(session, layers, torch.randn(3, 4, *(n + 5 for n in shape[2:])))


def test_unbatched(tmp_path: Path) -> None:
    layers = [N.Conv2d(4, 3, 3), N.ConvTranspose2d(4, 3, 3, 2), N.MaxPool2d(2), N.AvgPool2d(3), N.AdaptiveAvgPool2d(4)]
    module, x = Call(lambda x: [layer(x) for layer in layers]), torch.randn(4, 9, 10)
    check(exported(module, (x,), tmp_path), module, x)


def test_unpool(tmp_path: Path) -> None:
    x, indices = F.max_pool2d(torch.randn(2, 3, 8, 6), 2, return_indices=True)
    layer = N.MaxUnpool2d(2)
    check(exported(layer, (x, indices), tmp_path), layer, x, indices)


def test_maxima_of_integers(tmp_path: Path) -> None:
    dtypes = [torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64]
    given = tuple(torch.randint(-100, 100, (1, 2, 7, 8)).to(dtype) for dtype in dtypes)
    module = Call(lambda *images: [F.max_pool2d(image, 3, 2, 1) for image in images])
    check(exported(module, given, tmp_path), module, *given)


def test_regions(tmp_path: Path) -> None:
    corners = torch.rand(20, 2) * 15
    rois = torch.cat([torch.randint(2, (20, 1)).float(), corners, corners + torch.rand(20, 2) * 20], 1)
    settings = [(ratio, aligned) for ratio in (-1, 2) for aligned in (False, True)]
    layer = Call(lambda x, r: [F.roi_align(x, r, (3, 4), 0.5, *setting) for setting in settings])
    x = torch.randn(2, 3, 16, 18)
    session = exported(layer, (x, rois), tmp_path, dynamic_shapes=(({0: ANY}, {0: ANY}),))
    check(session, layer, x, rois)
    check(session, layer, torch.randn(3, 3, 16, 18), rois[:7])


def test_nms(tmp_path: Path) -> None:
    boxes, scores = (torch.from_numpy(a) for a in clusters(np.random.default_rng(0), 50))
    layer = Call(lambda b, s: F.nms(b, s, 0.45))
    check(exported(layer, (boxes, scores), tmp_path), layer, boxes, scores)


class Detector(torch.nn.Module):
    def __init__(self, maximum: int, minimum: float | None) -> None:
        super().__init__()
        self.maximum, self.minimum = maximum, minimum

    def forward(self, boxes, scores, classes=None):
        return F.nms_padded(boxes, scores, 0.45, self.maximum, self.minimum, classes)


def example(make, batch: int, n: int, by_class: bool) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(n)
    boxes = torch.from_numpy(np.stack([make(rng, n)[0] for _ in range(batch)]))
    scores = torch.from_numpy(rng.permutation(batch * n).reshape(batch, n).astype(np.float32) / (batch * n))
    return (boxes, scores, torch.from_numpy(rng.integers(-2, 5, (batch, n)))) if by_class else (boxes, scores)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize(("maximum", "minimum"), [(10, 0.2), (70, None)])
def test_nms_padded(maximum: int, minimum: float | None, by_class: bool, tmp_path) -> None:
    module = Detector(maximum, minimum)
    batch, boxes = torch.export.Dim("batch"), torch.export.Dim("boxes")
    given = example(spread, 2, 60, by_class)
    session = exported(module, given, tmp_path, dynamic_shapes=({0: batch, 1: boxes},) * len(given))
    for make, count, n in ((spread, 2, 60), (clusters, 3, 100), (spread, 1, 5)):
        given = example(make, count, n, by_class)
        for g, e in zip(run(session, *given), module(*given), strict=True):
            np.testing.assert_array_equal(g, e.numpy())


def quiet(name: str) -> torch.nn.Module:
    arguments, _ = ARGUMENTS[name]
    model = getattr(M, name)(num_classes=3, in_channels=1, **arguments).eval()
    with torch.no_grad():  # or all scores of untrained heads are nearly one
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var.uniform_(0.3, 0.6)
    return model


@pytest.fixture
def without_suppression(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained detector's scores are so alike that rounding orders them: all of its boxes, as they come."""

    def select(boxes, scores, classes, *_):
        return Detections(boxes, scores, classes, scores.sum(-1))

    for name in ("yolo_v1", "yolox"):
        monkeypatch.setattr(importlib.import_module(f"fastcnn.models.{name}"), "select", select)


@pytest.mark.slow
@pytest.mark.usefixtures("without_suppression")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_models(name: str, tmp_path: Path) -> None:
    """Every model, for any batch."""
    model, size = quiet(name), ARGUMENTS[name][1]
    session = exported(model, (torch.randn(2, 1, *size),), tmp_path, dynamic_shapes=({0: ANY},))
    for batch in (2, 3, 1):
        check(session, model, torch.randn(batch, 1, *size))


@pytest.mark.slow
def test_detector(tmp_path: Path) -> None:
    """A trained YOLOX-nano to the last step: which boxes, in which order, and how many."""
    model = M.load_model("yolox-shapes").model.eval()
    images = torch.stack([sample.image for sample in Shapes(3, 160, seed=5)])
    session = exported(model, (images[:2],), tmp_path, dynamic_shapes=({0: ANY},))
    check(session, model, images)
    assert (run(session, images)[3] > 0).all()


@pytest.mark.slow
@pytest.mark.usefixtures("without_suppression")
@pytest.mark.parametrize("name", ["lenet5", "unet", "efficientnet_b0", "resnet18", "yolox_nano"])
def test_optimized(name: str, tmp_path: Path) -> None:
    """Packed weights are unpacked: the file has no more than the model's own."""
    model, size = quiet(name), ARGUMENTS[name][1]
    fast = fastcnn.optimize(model, torch.randn(2, 1, *size))
    session = exported(fast, (torch.randn(2, 1, *size),), tmp_path, dynamic_shapes=(({0: ANY},),))
    for batch in (2, 3):
        check(session, fast, torch.randn(batch, 1, *size))
    files = sum(f.stat().st_size for f in tmp_path.iterdir())
    assert files < 1.1 * sum(4 * p.numel() for p in model.parameters()) + 500_000


EPILOGUES = [
    "none",
    "relu",
    "clamp",
    "leaky_relu",
    "elu",
    "silu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "softplus",
]


def test_epilogues(tmp_path: Path) -> None:
    weight, bias = torch.randn(6, 2, 3, 3), torch.randn(6)
    settings: dict[str, Any] = {"padding": 1, "groups": 2, "alpha": 0.3}
    layers = [F.PackedConvolution(weight, bias, activation=name, **settings) for name in EPILOGUES]
    for layer in layers:
        layer.packed(layer.algorithm((2, 4, 8, 9)))

    def call(x, residual, scale, input_scale):
        return [layer(x, residual=residual, scale=scale, input_scale=input_scale) for layer in layers]

    given = torch.randn(2, 4, 8, 9), torch.randn(2, 6, 8, 9), torch.rand(2, 6), torch.rand(2, 4)
    check(exported(Call(call), given, tmp_path), Call(call), *given)


def test_image_operators_are_named(tmp_path: Path) -> None:
    layer = N.Conv2d(1, 1, 3, padding=1)

    def objects(x):
        mask = F.remove_small_objects(layer(x) > 0, 4)
        return F.watershed(F.distance_transform_edt(mask), F.label(mask))

    with pytest.raises(Exception, match="no form of distance_transform_edt, label, remove_small_objects, watershed;"):
        exported(Call(objects), (torch.randn(1, 1, 8, 9),), tmp_path)
