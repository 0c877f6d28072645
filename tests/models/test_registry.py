"""The registry of models: what is in it, what is not, and the table that is made of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

import fastcnn.models as M
from fastcnn import ArgumentError
from fastcnn.models._registry import same_names, sources

ROOT = Path(__file__).parents[2]


def test_every_model_is_a_public_function() -> None:
    """And each public function that is none of them helps."""
    functions = {name for name in M.__all__ if name.islower()}
    helpers = {"border_maps", "load_model", "load_weights", "model", "save_model", "shipped"}
    assert functions - set(M.MODELS) == helpers
    for name, entry in M.MODELS.items():
        assert getattr(M, name) is entry.factory
        assert entry.factory.__name__ == entry.factory.__qualname__ == name


def test_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decorator is all that saving, loading and weights of others need; without it there is no model."""
    monkeypatch.setattr(M._registry, "MODELS", known := dict(M.MODELS))
    monkeypatch.setattr(M._files, "MODELS", known)

    def tiny(width: int = 2) -> torch.nn.Linear:
        return torch.nn.Linear(1, width)

    with pytest.raises(ArgumentError, match="'tiny' is no model of fastcnn"):
        M.save_model(tmp_path / "tiny.safetensors", tiny(), "tiny", {})
    maps = {"elsewhere": lambda network, state, models: {k.replace("w.", ""): v for k, v in state.items()}}
    assert M.model(torch.nn.Linear, maps)(tiny) is tiny
    network = tiny(3)
    M.save_model(tmp_path / "tiny.safetensors", network, "tiny", {"width": 3})
    found = M.load_model(tmp_path / "tiny.safetensors")
    assert torch.equal(found.model.weight, network.weight)
    M.load_weights(network, {"w.weight": torch.ones(3, 1), "w.bias": torch.zeros(3)}, "elsewhere")
    assert network.weight.tolist() == [[1]] * 3
    with pytest.raises(ValueError, match="tiny is registered already"):
        M.model()(tiny)
    with pytest.raises(ValueError, match="expected the class that the weights of other are for"):
        M.model(weights={"timm": same_names}, name="other")(tiny)


def test_sources() -> None:
    assert sources() == ("fastcnn", "segmentation_models", "timm", "torchvision", "yolox")
    with pytest.raises(ArgumentError, match="expected source to be one of fastcnn, segmentation_models, timm, "):
        M.load_weights(M.mlp(), {}, "elsewhere")
    for model, source in ((M.mlp(), "torchvision"), (M.unet(depth=1, width=2), "segmentation_models")):
        with pytest.raises(ArgumentError, match=f"there is no map from {source} to {type(model).__name__}"):
            M.load_weights(model, {}, source)


def test_the_table_of_the_documentation() -> None:
    """It is the registry's."""
    spec = importlib.util.spec_from_file_location("model_table", ROOT / "scripts" / "model_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.DOCUMENT.read_text(encoding="utf-8")
    assert script.updated(text) == text, "run scripts/model_table.py"
