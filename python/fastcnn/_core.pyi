from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def version() -> str: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def release_scratch() -> None: ...
def take_peak_scratch() -> int: ...
def isas() -> list[str]: ...
def running_isa() -> str: ...

# morphology
def erosion(
    image: NDArray[Any], size: Sequence[int], footprint: NDArray[np.bool_] | None, border: str, value: float
) -> NDArray[Any]: ...
def dilation(
    image: NDArray[Any], size: Sequence[int], footprint: NDArray[np.bool_] | None, border: str, value: float
) -> NDArray[Any]: ...
def opening(
    image: NDArray[Any], size: Sequence[int], footprint: NDArray[np.bool_] | None, border: str, value: float
) -> NDArray[Any]: ...
def closing(
    image: NDArray[Any], size: Sequence[int], footprint: NDArray[np.bool_] | None, border: str, value: float
) -> NDArray[Any]: ...
def morphological_gradient(
    image: NDArray[Any], size: Sequence[int], footprint: NDArray[np.bool_] | None, border: str, value: float
) -> NDArray[Any]: ...

# distance
def distance_transform_edt(
    mask: NDArray[Any], sampling: Sequence[float] | None, squared: bool, spatial_dims: int
) -> NDArray[Any]: ...
def distance_transform_edt_indices(
    mask: NDArray[Any], sampling: Sequence[float] | None, squared: bool, spatial_dims: int
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...

# labeling
def label(mask: NDArray[Any], connectivity: int, spatial_dims: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def relabel_sequential(
    labels: NDArray[Any], max_labels: int, spatial_dims: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int32]]: ...
def clear_border(labels: NDArray[Any], spatial_dims: int) -> NDArray[Any]: ...
def region_table(
    labels: NDArray[Any], intensity: NDArray[Any] | None, max_labels: int, spatial_dims: int
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[Any],
    NDArray[Any],
    NDArray[Any],
    NDArray[np.int64],
    NDArray[np.int64],
]: ...

# cleaning
def fill_holes(mask: NDArray[Any], spatial_dims: int) -> NDArray[np.bool_]: ...
def remove_small_objects(mask: NDArray[Any], min_size: int, connectivity: int, spatial_dims: int) -> NDArray[Any]: ...
def remove_small_holes(
    mask: NDArray[Any], max_size: int, connectivity: int, spatial_dims: int
) -> NDArray[np.bool_]: ...

# peaks
def local_maxima(image: NDArray[Any], connectivity: int, spatial_dims: int) -> NDArray[np.bool_]: ...
def local_minima(image: NDArray[Any], connectivity: int, spatial_dims: int) -> NDArray[np.bool_]: ...
def peak_local_max(
    image: NDArray[Any],
    min_distance: int,
    threshold_abs: float | None,
    labels: NDArray[Any] | None,
    spatial_dims: int,
) -> NDArray[np.int64]: ...
def peak_local_max_padded(
    image: NDArray[Any],
    max_peaks: int,
    min_distance: int,
    threshold_abs: float | None,
    labels: NDArray[Any] | None,
    spatial_dims: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...

# filtering
def gaussian_blur(image: NDArray[Any], sigma: Sequence[float], truncate: float, border: str) -> NDArray[Any]: ...

# thresholding
def threshold_otsu(image: NDArray[Any], nbins: int, spatial_dims: int) -> NDArray[Any]: ...
def threshold_local(image: NDArray[Any], block_size: int, method: str, offset: float) -> NDArray[Any]: ...
def binarize_local(image: NDArray[Any], block_size: int, method: str, offset: float) -> NDArray[np.bool_]: ...

# flooding
def watershed(
    image: NDArray[Any],
    markers: NDArray[Any],
    mask: NDArray[Any] | None,
    connectivity: int,
    compactness: float,
    watershed_line: bool,
    spatial_dims: int,
) -> NDArray[Any]: ...

# boxes
def nms(boxes: NDArray[Any], scores: NDArray[Any], iou_threshold: float) -> NDArray[np.int64]: ...
def batched_nms(
    boxes: NDArray[Any], scores: NDArray[Any], idxs: NDArray[Any], iou_threshold: float
) -> NDArray[np.int64]: ...
def nms_ref(
    boxes: NDArray[Any], scores: NDArray[Any], idxs: NDArray[Any] | None, iou_threshold: float
) -> NDArray[np.int64]: ...
def nms_rotated(boxes: NDArray[Any], scores: NDArray[Any], iou_threshold: float) -> NDArray[np.int64]: ...
def nms_padded(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    iou_threshold: float,
    max_output: int,
    score_threshold: float | None,
    classes: NDArray[Any] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def soft_nms(
    boxes: NDArray[Any], scores: NDArray[Any], iou_threshold: float, sigma: float, gaussian: bool, min_score: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
def matrix_nms(
    boxes: NDArray[Any], scores: NDArray[Any], sigma: float, gaussian: bool, min_score: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
def box_overlaps(boxes1: NDArray[Any], boxes2: NDArray[Any], kind: int, eps: float) -> NDArray[Any]: ...
def box_iou_rotated(boxes1: NDArray[Any], boxes2: NDArray[Any]) -> NDArray[Any]: ...
def masks_to_boxes(masks: NDArray[Any]) -> NDArray[np.float32]: ...

# roi
def roi_align(
    input: NDArray[Any],
    rois: NDArray[Any],
    spatial_scale: float,
    height: int,
    width: int,
    sampling_ratio: int,
    aligned: bool,
) -> NDArray[Any]: ...
def roi_pool(
    input: NDArray[Any], rois: NDArray[Any], spatial_scale: float, height: int, width: int
) -> tuple[NDArray[Any], NDArray[np.int32]]: ...
def _roi_pool_values(
    input: NDArray[Any], rois: NDArray[Any], spatial_scale: float, height: int, width: int
) -> NDArray[Any]: ...
def ps_roi_align(
    input: NDArray[Any], rois: NDArray[Any], spatial_scale: float, height: int, width: int, sampling_ratio: int
) -> tuple[NDArray[Any], NDArray[np.int32]]: ...
def ps_roi_pool(
    input: NDArray[Any], rois: NDArray[Any], spatial_scale: float, height: int, width: int
) -> tuple[NDArray[Any], NDArray[np.int32]]: ...

# features
def hog(
    image: NDArray[Any],
    orientations: int,
    sizes: Sequence[int],
    norm: int,
    square_root: bool,
    interpolated: bool,
    with_cells: bool,
) -> tuple[NDArray[Any], NDArray[Any]]: ...

# geometry
def resize(image: NDArray[Any], height: int, width: int, mode: str, antialias: bool) -> NDArray[Any]: ...
def warp_affine(
    image: NDArray[Any], maps: NDArray[Any], height: int, width: int, mode: str, fill: float
) -> NDArray[Any]: ...

# deform
def deform_columns(
    input: NDArray[Any],
    offset: NDArray[Any],
    mask: NDArray[Any] | None,
    sizes: Sequence[int],
    groups: int,
    offset_groups: int,
) -> NDArray[Any]: ...

# proposals
def felzenszwalb(image: NDArray[Any], scale: float, sigma: float, min_size: int) -> NDArray[Any]: ...
def selective_search(
    image: NDArray[Any],
    quality: bool,
    scales: Sequence[float],
    sigma: float,
    min_size: int,
    max_boxes: int,
    seed: int,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def selective_search_padded(
    image: NDArray[Any],
    quality: bool,
    scales: Sequence[float],
    sigma: float,
    min_size: int,
    max_boxes: int,
    seed: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...

# conv
def convolution(
    input: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> NDArray[Any]: ...
def convolution_transpose(
    input: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    output_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> NDArray[Any]: ...
def packed_conv_size(
    weight_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    transposed: bool,
    f64: bool,
    algorithm: str,
) -> int: ...
def choose_conv_algorithm(
    input: Sequence[int],
    weight_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    output_size: Sequence[int],
    f64: bool,
    threads: int,
    packed: bool,
    finite: bool,
) -> str: ...
def conv_candidates(
    input: Sequence[int],
    weight_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    output_size: Sequence[int],
    f64: bool,
    threads: int,
    packed: bool,
) -> list[tuple[str, bool, bool]]: ...
def conv_algorithms() -> list[str]: ...
def set_conv_algorithm(name: str) -> None: ...
def get_conv_algorithm() -> str: ...

# pooling
def max_pool(
    input: NDArray[Any],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> NDArray[Any]: ...
def max_pool_with_indices(
    input: NDArray[Any],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
def adaptive_max_pool(input: NDArray[Any], output_size: Sequence[int]) -> NDArray[Any]: ...
def adaptive_max_pool_with_indices(
    input: NDArray[Any], output_size: Sequence[int]
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
def avg_pool(
    input: NDArray[Any],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> NDArray[Any]: ...
def adaptive_avg_pool(input: NDArray[Any], output_size: Sequence[int]) -> NDArray[Any]: ...
def max_unpool(input: NDArray[Any], indices: NDArray[Any], output_size: Sequence[int]) -> NDArray[Any]: ...
