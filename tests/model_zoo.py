"""Networks of timm and segmentation_models_pytorch, small inputs, with random weights and batch-norm statistics."""

from __future__ import annotations

import importlib
import warnings

import torch

import fastcnn.compat.torchvision  # noqa: F401  # before torchvision
from benchmarks.network_models import randomise_statistics

_TIMM = ("resnet18", "seresnet18", "efficientnet_lite0", "efficientnet_b0", "mobilenetv3_small_100", "regnety_002",
         "densenetblur121d", "repvgg_a0", "convnext_atto", "res2net50_14w_8s")  # fmt: skip
_SMP = {
    "Unet": "resnet18",
    "UnetPlusPlus": "resnet18",
    "Linknet": "mobilenet_v2",
    "FPN": "resnet18",
    "DeepLabV3Plus": "resnet18",
    "PSPNet": "resnet18",
}
NAMES = (*_TIMM, *_SMP)


def create(name: str, size: int = 64) -> tuple[torch.nn.Module, torch.Tensor]:
    """The model in eval mode, and an input for it."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in _SMP:
            smp = importlib.import_module("segmentation_models_pytorch")
            model = getattr(smp, name)(_SMP[name], encoder_weights=None, classes=3)
        else:
            model = importlib.import_module("timm").create_model(name, num_classes=10)
    return randomise_statistics(model).eval(), torch.randn(2, 3, size, size)
