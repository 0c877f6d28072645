"""Weights of timm, segmentation_models_pytorch, torchvision and YOLOX: random ones, the same result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import fastcnn.compat.torchvision  # noqa: F401  # not used by name: without it torchvision may not load here
import fastcnn.models as M
from fastcnn import ArgumentError
from tests.models.graphs import close

import segmentation_models_pytorch as smp  # isort: skip
import timm  # isort: skip
import torchvision  # isort: skip


def uneven(model: torch.nn.Module) -> torch.nn.Module:
    """Norms that are not the identity, or a mix-up of two would not show."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.8, 1.2), (module.bias.data, -0.1, 0.1),
            ):  # fmt: skip
                values.uniform_(low, high)
    return model.eval()


def check(theirs: torch.nn.Module, ours: torch.nn.Module, source: str, size: tuple[int, int] = (64, 96)) -> None:
    uneven(theirs)
    assert M.load_weights(ours.eval(), theirs.state_dict(), source) is ours
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, got = theirs(x), ours(x)
    close(got, expected)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("resnet18", "resnet18"), ("resnet50", "resnet50"), ("vgg11", "vgg11"), ("vgg13_bn", "vgg13_bn"),
        ("mobilenetv2_100", "mobilenet_v2"), ("efficientnet_b0", "efficientnet_b0"),
        ("efficientnet_b2", "efficientnet_b2"),
    ],
)  # fmt: skip
def test_timm(theirs: str, ours: str) -> None:
    size = (224, 224) if theirs.startswith("vgg") else (64, 96)  # its VGG has no mean over bins
    check(timm.create_model(theirs, num_classes=7), getattr(M, ours)(7), "timm", size)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("resnet34", "resnet34"), ("vgg11_bn", "vgg11_bn"), ("vgg16_bn", "vgg16_bn"), ("mobilenet_v2", "mobilenet_v2"),
        ("tu-efficientnet_b0", "efficientnet_b0"), ("tu-efficientnet_b2", "efficientnet_b2"),
        ("tu-resnet18", "resnet18"),
    ],
)  # fmt: skip
def test_segmentation_models(theirs: str, ours: str) -> None:
    check(smp.Unet(theirs, encoder_weights=None, classes=3), M.unet(3, encoder=ours), "segmentation_models", (64, 96))


@pytest.mark.parametrize(
    "name", ["vgg11", "vgg13_bn", "resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "googlenet"]
)
def test_torchvision(name: str) -> None:
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    check(getattr(torchvision.models, name)(num_classes=7, **options), getattr(M, name)(7), "torchvision")


@pytest.mark.parametrize(
    ("theirs", "ours", "variant"),
    [
        ("tf_efficientnet_b0", "efficientnet_b0", "tensorflow"),
        ("tf_efficientnet_b1", "efficientnet_b1", "tensorflow"),
        ("efficientnet_b0", "efficientnet_b0", "timm"),
        ("efficientnet_b5", "efficientnet_b5", "timm"),
    ],
)
def test_variants(theirs: str, ours: str, variant: str) -> None:
    """Padding and eps of the one that is asked for, on even and odd sizes."""
    network = uneven(timm.create_model(theirs, num_classes=7))
    model = getattr(M, ours)(7, variant=variant).eval()
    M.load_weights(model, network, "timm")
    for size in ((64, 96), (65, 33)):
        x = torch.randn(1, 3, *size)
        with torch.no_grad():
            close(model(x), network(x))


def test_other_variants_are_refused(tmp_path: Path) -> None:
    """By what says which network weights are of."""
    state = timm.create_model("tf_efficientnet_b0", num_classes=7).state_dict()
    plain, same = M.efficientnet_b0(7), M.efficientnet_b0(7, variant="tensorflow")
    told = (
        r"load_weights: these weights of timm need another padding or another eps .*: expected an EfficientNet of "
        r"variant tensorflow, got one of torchvision or timm; make it with variant=\.\.\."
    )
    cache = tmp_path / "models--timm--tf_efficientnet_b0.ns_jft_in1k" / "snapshots" / "1"
    beside = tmp_path / "mine"
    for folder in (cache, beside):
        folder.mkdir(parents=True)
        save_file(state, folder / "model.safetensors")
    (beside / "config.json").write_text('{"architecture": "tf_efficientnet_b0"}')
    save_file(state, tmp_path / "tf_efficientnet_b0_aa-827b6e33.safetensors")
    for weights in (
        timm.create_model("tf_efficientnet_b0", num_classes=7), tmp_path / "tf_efficientnet_b0_aa-827b6e33.safetensors",
        cache / "model.safetensors", str(beside / "model.safetensors"), {"arch": "tf_efficientnet_b0", "model": state},
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=told):
            M.load_weights(plain, weights, "timm")
        M.load_weights(same, weights, "timm")
    with pytest.raises(ArgumentError, match="variant timm, got one of tensorflow"):
        M.load_weights(same, timm.create_model("efficientnet_b0", num_classes=7), "timm")
    with pytest.raises(ArgumentError, match=r"weights of torchvision .* variant torchvision, got one of tensorflow"):
        M.load_weights(same, torchvision.models.efficientnet_b0(num_classes=7), "torchvision")
    with torch.device("meta"):
        large = M.efficientnet_b5(7)
    with pytest.raises(ArgumentError, match="variant timm or tensorflow, got one of torchvision"):
        M.load_weights(large, {}, "timm")  # its eps is torchvision's
    with pytest.raises(ArgumentError, match="there is no model here with the blurred strides of resnetblur"):
        M.load_weights(M.resnet18(7), timm.create_model("resnetblur18", num_classes=7), "timm")
    with pytest.raises(ArgumentError, match="efficientnet_b0: expected variant to be one of torchvision, timm, tens"):
        M.efficientnet_b0(variant="keras")


def test_variants_of_encoders() -> None:
    theirs = uneven(smp.Unet("tu-tf_efficientnet_b0", encoder_weights=None, classes=3))
    with pytest.raises(ArgumentError, match=r"variant tensorflow, .*; make it with encoder_arguments="):
        M.load_weights(M.unet(3, encoder="efficientnet_b0"), theirs, "segmentation_models")
    ours = M.unet(3, encoder="efficientnet_b0", encoder_arguments={"variant": "tensorflow"}).eval()
    M.load_weights(ours, theirs, "segmentation_models")
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        close(ours(x), theirs(x))


def test_another_network_of_that_name() -> None:
    """torchvision's AlexNet has the widths of 2014."""
    with pytest.raises(ArgumentError, match="load_weights: there is no map from torchvision to AlexNet"):
        M.load_weights(M.alexnet(), torchvision.models.alexnet().state_dict(), "torchvision")


@pytest.mark.parametrize("size", ["nano", "m"])
def test_yolox_names_and_shapes(size: str) -> None:
    """Against the names and shapes of the authors' modules, as they are made for 80 classes."""
    stored = json.loads((Path(__file__).parent / "yolox_names.json").read_text())[size]
    with torch.device("meta"):
        model = getattr(M, f"yolox_{size}")()
    ours = {name: list(value.shape) for name, value in model.state_dict().items()}
    assert ours == stored
    counted = {name: torch.int64 if name.endswith(".num_batches_tracked") else torch.float32 for name in stored}
    state = (
        {name: torch.full(shape, 0.5, dtype=counted[name]) for name, shape in stored.items()}
        if size == "nano"
        else None
    )
    if state is not None:
        loaded = M.load_weights(M.yolox_nano(), {"model": state, "start_epoch": 3}, "yolox")
        assert all(bool((p == 0.5).all()) for p in loaded.parameters())


def test_files(tmp_path: Path) -> None:
    """Safetensors and checkpoints, wrapped as trainers wrap them; and nothing that could run code."""
    trained = uneven(M.lenet5(variant="relu"))
    state = trained.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 4}, tmp_path / "b.ckpt")
    torch.save(state, tmp_path / "c.pt")
    x = torch.randn(2, 1, 32, 32)
    for name in ("a.safetensors", "b.ckpt", "c.pt"):
        model = M.load_weights(M.lenet5(variant="relu").eval(), tmp_path / name)
        assert torch.equal(model(x), trained(x))

    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (marker,)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-5])
    (tmp_path / "text.pt").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("evil.pt", "cut.safetensors", "text.pt", "missing.pt", "list.pt"):
        with pytest.raises(ArgumentError, match=rf"load_weights: .*{name}: (cannot be read|expected a state dict)"):
            M.load_weights(M.lenet5(variant="relu"), tmp_path / name)
    assert not marker.exists()


def test_what_does_not_fit_changes_nothing() -> None:
    model = M.resnet18(5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    with pytest.raises(ArgumentError, match=r"of another shape: fc.weight \(7, 512\) for \(5, 512\), fc.bias"):
        M.load_weights(model, state, "torchvision")
    del state["conv1.weight"]
    state["more"] = torch.zeros(1)
    with pytest.raises(ArgumentError, match=r"missing: conv1.weight; unknown: more; of another"):
        M.load_weights(model, state, "torchvision")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    # All but the last layer.
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    M.load_weights(model, state, "torchvision", skip=("fc.",))
    assert torch.equal(model.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert torch.equal(model.fc.weight, before["fc.weight"])


def test_start_from_other_classes_and_channels(tmp_path: Path) -> None:
    """Matching layers are loaded, layers of another shape keep their values; parameter names must still match."""
    trained = M.yolox_nano(80, in_channels=3)
    torch.save({"model": trained.state_dict()}, tmp_path / "yolox.pth")
    model = M.yolox_nano(4, in_channels=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    M.load_weights(model, tmp_path / "yolox.pth", "yolox", fitting_only=True)
    theirs, kept = trained.state_dict(), []
    for name, value in model.state_dict().items():
        if value.shape != theirs[name].shape:
            kept.append(name)
            assert torch.equal(value, before[name])
        else:
            assert torch.equal(value, theirs[name])
    assert {name.split(".")[1] for name in kept} == {"backbone", "cls_preds"}  # the stem, and the classes
    with pytest.raises(ArgumentError, match="of another shape"):
        M.load_weights(M.yolox_nano(4), trained.state_dict(), "yolox")
    with pytest.raises(ArgumentError, match=r"unknown: fc\.weight"):
        M.load_weights(model, {**theirs, "fc.weight": torch.zeros(1)}, "yolox", fitting_only=True)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"expected source to be one of fastcnn, .*, torchvision, .*, got keras"):
        M.load_weights(M.lenet1(), {}, "keras")
    for source, model in (("timm", M.lenet1()), ("yolox", M.lenet1()), ("segmentation_models", M.lenet1())):
        with pytest.raises(ArgumentError, match=f"there is no map from {source} to LeNet"):
            M.load_weights(model, {}, source)
    with pytest.raises(ArgumentError, match=r"only tu-efficientnet_b... has our padding"):
        M.load_weights(
            M.unet(encoder="efficientnet_b0"),
            {"encoder._conv_stem.weight": torch.zeros(1)},
            "segmentation_models",
        )
    with pytest.raises(ArgumentError, match="expected tensors, got float for a"):
        M.load_weights(M.lenet1(), {"a": 1.0})
