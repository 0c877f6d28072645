"""The names in docs/peers.json exist, and every public op has its entry."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
from pathlib import Path

import pytest

import fastcnn.ops

PEERS = {
    "kornia": "kornia",
    "opencv": "cv2",
    "scipy": "scipy",
    "skimage": "skimage",
    "torch": "torch",
    "torchvision": "torchvision",
}
TABLE = json.loads((Path(__file__).parents[2] / "docs" / "peers.json").read_text(encoding="utf-8"))


def test_every_op_is_a_key() -> None:
    assert sorted(TABLE) == sorted(fastcnn.ops.__all__)


def test_the_form() -> None:
    for op, peers in TABLE.items():
        assert peers.keys() <= PEERS.keys(), op
        for peer, entry in peers.items():
            assert entry.keys() - {"note"} == {"name"}, op
            assert entry["name"].startswith(f"{PEERS[peer]}."), op
            assert entry.get("note", "x").count("`") % 2 == 0, op


@pytest.mark.parametrize("peer", sorted(PEERS))
def test_names_resolve(peer: str) -> None:
    if importlib.util.find_spec(PEERS[peer]) is None:
        pytest.skip(f"{peer} is not installed")
    if peer == "torchvision":
        import fastcnn.compat.torchvision  # noqa: F401  # its wheel may not load beside this torch otherwise
    missing = []
    for op, peers in TABLE.items():
        if peer in peers:
            try:
                pkgutil.resolve_name(peers[peer]["name"])
            except (AttributeError, ImportError):
                missing.append((op, peers[peer]["name"]))
    assert missing == []
