"""Find the objects in an image with a trained network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcnn._errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor

    from fastcnn.models import ModelFile, ObjectMaps


# Larger images are assumed to be a mistake: each feature map of a network would take many GB.
_LARGEST_SIDE = 1 << 15


class FoundBoxes(NamedTuple):
    """Detected objects, by descending score.

    Attributes:
        boxes: float32 (N, 4), ``x1, y1, x2, y2`` in pixels of the image.
        scores: float32 (N).
        classes: int64 (N).
        names: of all classes, by number.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]


def segment_with_model(
    image: Any, model: str | os.PathLike[str] | ModelFile = "unet-cells", *, channel_axis: int | None = None
) -> ObjectMaps:
    """Find the objects in an image with a trained U-Net, and separate touching ones.

    Args:
        image: (..., H, W), or with colour along `channel_axis`. uint8 is used as it is; for other real dtypes, the
            range from the 0.5th to the 99.5th percentile of each image is stretched.
        model: an argument or result of `fastcnn.models.load_model`, trained by ``fastcnn train segment`` for objects.
            "unet-cells" is for bright objects with a radius of about 10 to 16 pixels: resize other images to match.
        channel_axis: the axis of red, green and blue; None for grey images. A network for grey images gets the
            luminance; one for colour images gets a grey image three times.

    Returns:
        `fastcnn.models.ObjectMaps` of arrays: labels int32 (..., H, W), count int32 (...), and the table of regions,
        with intensities of the luminance as given.

    Raises:
        ArgumentError: a model of another task, images without pixels, or wrong shapes.

    Complexity: that of the network. Gradient: none. Deterministic.

    Example:
        >>> from importlib.resources import files
        >>> from fastcnn.io import read_image
        >>> from fastcnn.pipelines import segment_with_model
        >>> cells = segment_with_model(read_image(files("fastcnn") / "data" / "dense_cells.png").grey())
        >>> cells.labels.shape, cells.labels.dtype
        ((320, 320), dtype('int32'))
    """
    import torch

    from fastcnn.models import Model, ObjectSegmenter
    from fastcnn.models.instances import MIN_DISTANCE

    op = "segment_with_model"
    trained = _loaded(model, "segment", op)
    if not trained.about.get("objects"):
        raise ArgumentError(f"{op}: the model is trained for classes, not for objects that touch")
    pixels, grey = _planes(image, channel_axis, _channels(trained), op)
    lead, (height, width) = grey.shape[:-2], grey.shape[-2:]
    # Maximum number of objects that fit next to each other.
    maximum = -(-height // MIN_DISTANCE) * -(-width // MIN_DISTANCE)
    network = trained.model
    assert isinstance(network, Model)  # as all models of the registry
    segmenter = ObjectSegmenter(network, network.multiple, max_objects=maximum)
    with torch.inference_mode():
        found = [
            segmenter.objects(segmenter.logits(one[None]), torch.from_numpy(value)[None])
            for one, value in zip(pixels, grey.reshape(-1, height, width), strict=True)
        ]
    count = np.array([int(f.count) for f in found], np.int32)
    room = int(count.max(initial=0))

    def joined(values: Sequence[Tensor]) -> NDArray[Any]:
        arrays = [value[0].numpy() for value in values]
        return np.stack(arrays).reshape(lead + arrays[0].shape)

    # Drop unused rows. Columns with one value per image have no rows.
    columns = [
        [v if v.ndim == 1 else v[:, :room] for v in column] for column in zip(*(f.regions for f in found), strict=True)
    ]
    regions = type(found[0].regions)(*map(joined, columns))
    labels = joined([f.labels for f in found])
    return type(found[0])(labels, count.reshape(lead), regions)  # type: ignore[arg-type]  # of arrays


def detect(
    image: Any,
    model: str | os.PathLike[str] | ModelFile = "yolox-shapes",
    *,
    threshold: float = 0.4,
    image_size: int | None = None,
) -> FoundBoxes:
    """Find objects in an image with a trained detector.

    Args:
        image: (H, W) or (H, W, 3). uint8 is used as it is; for any other real dtype, the range from the 0.5th to the
            99.5th percentile is stretched.
        model: an argument or result of `fastcnn.models.load_model`, trained by ``fastcnn train detect``.
        threshold: minimum score.
        image_size: the longer side is resized to it for the network. None: as in training.

    Returns:
        `FoundBoxes`.

    Raises:
        ArgumentError: a model of another task, an image without pixels or of another shape, a threshold outside
            [0, 1], or an image_size outside 1 to 32768.

    Complexity: that of the network. Gradient: none. Deterministic.

    Example:
        >>> from fastcnn.data import Shapes
        >>> from fastcnn.pipelines import detect
        >>> picture = (Shapes(1, seed=7)[0].image * 255).byte().permute(1, 2, 0).numpy()
        >>> found = detect(picture)
        >>> found.boxes.shape, len(Shapes(1, seed=7)[0].boxes)
        ((7, 4), 7)
    """
    import torch

    from fastcnn import ops
    from fastcnn.models import Detector

    op = "detect"
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"{op}: expected threshold from 0 to 1, got {threshold}")
    trained = _loaded(model, "detect", op)
    network = trained.model
    if not isinstance(network, Detector):
        raise ArgumentError(f"{op}: the model is no detector")
    channel_axis = None if np.ndim(image) == 2 else -1
    pixels, _ = _planes(image, channel_axis, _channels(trained), op)
    if len(pixels) != 1:
        raise ArgumentError(f"{op}: expected image of shape (H, W) or (H, W, 3), got {np.shape(image)}")
    height, width = pixels.shape[-2:]
    longer = image_size or max(trained.about.get("image_size") or (0, 0)) or max(height, width)
    if not 0 < longer <= _LARGEST_SIDE:
        raise ArgumentError(f"{op}: expected image_size of 1 to {_LARGEST_SIDE}, got {longer}")
    scale = longer / max(height, width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    size = network.size_for(inner)
    if size[0] < inner[0] or size[1] < inner[1]:
        raise ArgumentError(f"{op}: the network takes pictures of {size[0]} x {size[1]} only")
    with torch.inference_mode():
        resized = ops.resize(pixels, inner, antialias=True)
        padded = torch.full((1, pixels.shape[1], *size), 0.5)
        padded[..., : inner[0], : inner[1]] = resized
        found = network(padded)
        shown = found.scores[0] > threshold
        factors = torch.tensor([width / inner[1], height / inner[0]] * 2)
        boxes = ops.clip_boxes_to_image(found.boxes[0][shown] * factors, (height, width))
    names = tuple(trained.about.get("classes") or map(str, range(network.num_classes)))
    return FoundBoxes(boxes.numpy(), found.scores[0][shown].numpy(), found.classes[0][shown].numpy(), names)


def _channels(trained: ModelFile) -> int:
    from fastcnn.models import Model

    assert isinstance(trained.model, Model)  # as all models of the registry
    return trained.model.in_channels


def _loaded(model: Any, task: str, op: str) -> ModelFile:
    from fastcnn.models import ModelFile, load_model

    found = model if isinstance(model, ModelFile) else load_model(model)
    if found.about.get("task") != task:
        raise ArgumentError(f"{op}: the model is trained to {str(found.about.get('task'))[:60]}, not to {task}")
    return found


def _planes(image: Any, channel_axis: int | None, channels: int, op: str) -> tuple[Tensor, NDArray[np.float32]]:
    """Return the network's input (N, channels, H, W), and the luminance in the image's own range, (..., H, W)."""
    import torch

    from fastcnn.io import to_grey

    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{op}: expected image of bool, integer or float, got {array.dtype}")
    if channel_axis is not None:
        array = np.moveaxis(array, channel_axis, -1)
        if array.ndim < 3 or array.shape[-1] != 3:
            raise ArgumentError(f"{op}: expected 3 channels on channel_axis, got shape {np.shape(image)}")
    lead = array.shape[: -2 if channel_axis is None else -3]
    if array.ndim < 2 or array.size == 0:
        raise ArgumentError(f"{op}: expected an image with pixels, got shape {np.shape(image)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError(f"{op}: expected finite pixels in image, got NaN or infinity")
    grey = array if channel_axis is None else to_grey(array)
    shown = grey if channels == 1 or channel_axis is None else array
    single = shown.reshape(-1, *shown.shape[len(lead) :])
    planes = np.stack([_stretched(one) for one in single])
    planes = planes[:, None] if planes.ndim == 3 else np.moveaxis(planes, -1, 1)
    tensor = torch.from_numpy(np.ascontiguousarray(planes))
    return tensor.expand(-1, channels, -1, -1).contiguous(), np.ascontiguousarray(grey, np.float32)


def _stretched(image: NDArray[Any]) -> NDArray[np.float32]:
    if image.dtype == bool:
        return image.astype(np.float32)
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    low, high = np.percentile(image, (0.5, 99.5))
    scaled = (image.astype(np.float64) - low) / max(float(high - low), 1e-12)
    result: NDArray[np.float32] = np.clip(scaled, 0, 1).astype(np.float32)
    return result
