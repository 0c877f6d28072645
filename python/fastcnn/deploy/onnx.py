"""fastcnn's operators in ONNX, for `torch.onnx.export`. Needs the extra ``fastcnn[onnx]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import fastcnn.ops  # noqa: F401  # defines the operators
from fastcnn._errors import ArgumentError
from fastcnn._extras import needing

with needing("fastcnn.deploy.onnx", "onnx"):
    from fastcnn.deploy import _onnx_boxes, _onnx_layers

_FORMS = _onnx_layers.FORMS | _onnx_boxes.FORMS
_NAMESPACE = "fastcnn::"


def _operators() -> dict[str, Any]:
    names = [n for n in torch._C._dispatch_get_all_op_names() if n.startswith(_NAMESPACE) and "." not in n]
    return {name: getattr(torch.ops.fastcnn, name).default for name in (n.removeprefix(_NAMESPACE) for n in names)}


def _without_form(graph: torch.fx.Graph) -> list[str]:
    """Name the operators of a graph that no table could translate."""
    schemas = (getattr(node.target, "_schema", None) for node in graph.nodes)
    names = {s.name.removeprefix(_NAMESPACE) for s in schemas if s is not None and s.name.startswith(_NAMESPACE)}
    return sorted(names - set(_FORMS))


def _refuse(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        # The exporter keeps with each value the node that it comes from: one error for all that the graph has.
        values = [a for a in args if hasattr(a, "producer")]
        nodes = [v.meta.get("node") or (v.producer().meta.get("node") if v.producer() else None) for v in values]
        names = next((_without_form(node.graph) for node in nodes if node is not None), [name])
        raise ArgumentError(
            f"fastcnn.deploy.onnx: ONNX has no form of {', '.join(names)}; export the part of the model before them"
        )

    return refuse


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the table that `torch.onnx.export` takes as ``custom_translation_table``.

    Every network of `fastcnn.models` and every layer of `fastcnn.nn` exports with it, with dynamic sizes too, and so
    does what `fastcnn.optimize` returns, whose weights are unpacked. `nms_padded` becomes NonMaxSuppression, so that a
    detector has its post-processing inside and runs in any ONNX runtime. Two things differ there: ONNX takes the
    corners of inverted boxes in their right order, and boxes whose score is NaN take no part.

    The image operators (watershed, labels, morphology and the like) have no form in ONNX: the export ends with an
    error that names all of the model's.

    Example:
        >>> import torch, fastcnn.ops
        >>> from fastcnn.deploy.onnx import translations
        >>> torch.ops.fastcnn.nms_padded.default in translations()
        True
    """
    return {op: _FORMS.get(name) or _refuse(name) for name, op in _operators().items()}
