"""The order in which classes of datasets are asked for a folder."""

from __future__ import annotations

import pytest

from fastcnn.data import ImageFolder, MaskFolder, _registry
from fastcnn.data._registry import DATASETS, dataset


def test_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose layout others may have too come last, whenever they are registered."""
    assert (DATASETS["label"][-1], DATASETS["mask"][-1]) == (ImageFolder, MaskFolder)
    monkeypatch.setattr(_registry, "DATASETS", known := {})
    for name, general in (("first", False), ("broad", True), ("second", False)):
        dataset("label", general=general)(type(name, (), {}))
    assert [kind.__name__ for kind in known["label"]] == ["second", "first", "broad"]
