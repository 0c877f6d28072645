"""Training of segmentation: touching objects, or classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.detection import PanopticQuality

from fastcnn._errors import ArgumentError
from fastcnn.data import Affine, Color, Compose, Crop, DataError, Flip, Resize, Sample, Samples
from fastcnn.models import ObjectSegmenter, border_maps
from fastcnn.models.unet import EncoderUNet, UNet
from fastcnn.pipelines import draw_outlines
from fastcnn.train.loading import pictures
from fastcnn.train.metrics import ObjectF1
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources, evenly, warn_of_nothing
from fastcnn.train.task import Task

# Value in class masks for pixels without a class, as in VOC.
VOID = 255
# Number of masks that are examined before training.
_LOOKS = 200


class Segment(Task):
    """Assign pixels to objects, or to classes."""

    name = "segment"
    part = "mask"
    default_model = "unet"
    default_loss = "cross_entropy+dice"

    def __init__(self, settings: Settings, sources: Sources) -> None:
        first = sources.train[0]
        if first.mask is None:
            raise DataError(first.source, "has no mask")
        what = "an object in its mask" if settings.objects else "another class than background in its mask"
        warn_of_nothing(sources, settings, what, partial(_has_something, objects=settings.objects), _LOOKS)
        self.metric = "f1" if settings.objects else "iou"
        classes = 2 if settings.objects else _classes_of(sources.train)
        names = sources.train.class_names or [str(i) for i in range(classes)]
        arguments: dict[str, Any] = {"num_classes": classes, "in_channels": len(first.image)}
        if settings.model_name == "unet" and not settings.model_arguments:
            arguments |= {"depth": 3, "width": 16}
        super().__init__(settings, arguments, names)
        self.classes = classes
        if not isinstance(self.network, UNet | EncoderUNet):
            raise ArgumentError(f"train: {settings.model_name} does not segment")
        self.multiple = self.network.multiple
        self.fixed = settings.image_size if any(settings.image_size) else None
        # Border pixels are rare.
        options = {"class_weights": [1.0, 2.0]} if settings.objects else {"ignore_index": VOID}
        self.loss = self.chosen_loss(**options)
        if settings.objects:
            self.f1, self.quality = ObjectF1(), PanopticQuality({1}, {0}, allow_unknown_preds_category=True)
        else:
            self.iou = MulticlassJaccardIndex(classes, ignore_index=VOID)

    def segmenter(self) -> ObjectSegmenter:
        """Return the network with the post-processing that turns its result into objects."""
        return ObjectSegmenter(self.network, self.multiple)

    def augmentation(self, train: Samples) -> Any:
        """Rotations, flips, scaling, changes of brightness, and a crop."""
        steps: list[Any] = [Resize(self.fixed)] if self.fixed else []
        height, width = train[0].image.shape[-2:] if not self.fixed else self.fixed
        if self.settings.augment:
            steps += [
                Affine(180, (0.8, 1.25), 5, 0.0, fill=0.0, p=0.5),
                Flip(0.5, 0.5),
                Color(0.05, 0.3, 0.2, 0.3, 0.03),
            ]
        steps.append(Crop((height // self.multiple * self.multiple, width // self.multiple * self.multiple)))
        return Compose(steps)

    def preparation(self) -> Any:
        """Resize to the image size, and to a multiple that the network accepts."""
        steps: list[Any] = [Resize(self.fixed)] if self.fixed else []
        return Compose([*steps, _ToMultiple(self.multiple)])

    @staticmethod
    def collate(samples: list[Sample]) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and masks (B, H, W)."""
        masks = [sample.mask for sample in samples]
        if any(mask is None for mask in masks):
            raise DataError(samples[0].source, "or one beside it has no mask")
        return pictures(samples), torch.stack([mask for mask in masks if mask is not None])

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The chosen losses."""
        images, masks = batch
        return self.loss.parts(self.network(images), border_maps(masks) if self.settings.objects else masks)

    def measure(self, batch: Any) -> None:
        """Compare objects, or classes."""
        images, masks = batch
        if not self.settings.objects:
            self.iou.update(self.network(images).argmax(1), masks)
            return
        labels = self.segmenter()(images).labels.long()
        self.f1.update(labels, masks)
        self.quality.update(*(torch.stack([(x > 0).long(), x], -1) for x in (labels, masks)))

    def measured(self) -> dict[str, float]:
        """F1 at an IoU of 0.5 and panoptic quality of objects, or the mean IoU of classes."""
        metrics: dict[str, Any] = {"f1": self.f1, "pq": self.quality} if self.settings.objects else {"iou": self.iou}
        values = {name: float(metric.compute()) for name, metric in metrics.items()}
        for metric in metrics.values():
            metric.reset()
        return values

    def picture(self, sample: Sample) -> NDArray[np.uint8]:
        """Return the image with outlines."""
        image = sample.image[None].to(self.device)
        with torch.no_grad():
            if self.settings.objects:
                labels = self.segmenter()(image).labels[0]
            else:
                labels = self.network(image)[0].argmax(0).int()
        pixels = (sample.image.clamp(0, 1) * 255).byte()
        shown = pixels[0].numpy() if len(pixels) == 1 else pixels[:3].permute(1, 2, 0).contiguous().numpy()
        return draw_outlines(shown, labels.cpu().numpy(), thickness=2)

    def about(self) -> dict[str, Any]:
        """Add the settings of the post-processing."""
        return {**super().about(), "objects": self.settings.objects, "multiple": self.multiple}


def _has_something(samples: Samples, index: int, objects: bool) -> bool:
    mask = samples[index].mask
    return mask is None or bool((mask > 0 if objects else (mask > 0) & (mask != VOID)).any())


def _classes_of(dataset: Samples) -> int:
    """Count the classes in a sample of a dataset's masks, evenly chosen."""
    if dataset.class_names:
        return len(dataset.class_names)
    highest = 1
    for i in evenly(len(dataset), _LOOKS):
        mask = dataset[i].mask
        if mask is not None and (mask != VOID).any():
            highest = max(highest, int(mask[mask != VOID].max()))
    return highest + 1


class _ToMultiple:
    """Crop at the bottom and on the right."""

    def __init__(self, multiple: int) -> None:
        self.multiple = multiple

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        height, width = (side // self.multiple * self.multiple for side in sample.image.shape[-2:])
        if not height or not width:
            raise DataError(sample.source, f"is smaller than {self.multiple} pixels, which the network needs")
        mask = None if sample.mask is None else sample.mask[:height, :width]
        return sample.replaced(image=sample.image[:, :height, :width], mask=mask)
