"""The directive `peers`: a table of what a library's functions are called here, from peers.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

TITLES = {"opencv": "OpenCV", "skimage": "scikit-image", "scipy": "SciPy"}
FILE = Path(__file__).parents[1] / "peers.json"


def _reference(op: str) -> nodes.Element:
    target = f"fastcnn.ops.{op}"
    return pending_xref(
        "", nodes.literal("", op), refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True
    )


def _code(text: str) -> list[nodes.Node]:
    """Return text, what stands between backticks as code."""
    parts = text.split("`")
    return [nodes.literal("", part) if i % 2 else nodes.Text(part) for i, part in enumerate(parts) if part]


class Peers(Directive):
    """All that is known of one peer."""

    required_arguments = 1
    headings: ClassVar = ("{}", "fastcnn", "differences")

    def run(self) -> list[nodes.Node]:
        """Return the table, by the peer's names."""
        peer = self.arguments[0]
        known = json.loads(FILE.read_text(encoding="utf-8"))
        rows = sorted((of[peer]["name"], op, of[peer].get("note", "")) for op, of in known.items() if peer in of)
        if not rows:
            raise self.error(f"peers.json has nothing of {peer}")
        group = nodes.tgroup("", cols=3)
        group += [nodes.colspec(colwidth=width) for width in (35, 25, 40)]
        head, body = nodes.thead(), nodes.tbody()
        head += _row([[nodes.Text(text.format(TITLES.get(peer, peer)))] for text in self.headings])
        body += [_row([[nodes.literal("", name)], [_reference(op)], _code(note)]) for name, op, note in rows]
        group += [head, body]
        return [nodes.table("", group)]


def _row(cells: list[list[nodes.Node]]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", "", *cell))
    return row


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive; a changed table makes its pages anew."""
    app.add_directive("peers", Peers)
    app.connect("env-before-read-docs", _outdated)
    return {"parallel_read_safe": True}


def _outdated(app: Sphinx, env: Any, docnames: list[str]) -> None:
    docnames += [name for name in env.found_docs if name.startswith("coming_from/") and name not in docnames]
