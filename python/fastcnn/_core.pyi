"""The functions of the core that are not ops. `_dispatch.native` calls the ops by their names."""

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
def nms_ref(
    boxes: NDArray[Any], scores: NDArray[Any], idxs: NDArray[Any] | None, iou_threshold: float
) -> NDArray[np.int64]: ...
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
