"""Docstrings as they are written here: names in single backticks, sections of one line such as "Complexity: ..."."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.roles import XRefRole

# A section starts a line or a sentence, and lasts to the next one or to the end of its paragraph.
_TITLES = r"(?:Complexity|Gradient|Scratch|Memory|Determinism|References?)(?:(?:, | and )\w+)*"
_SECTION = re.compile(rf"(?:^|(?<=[.;] ))(?:({_TITLES}):(?: |$)|(?=Deterministic\b))")


class Name(XRefRole):
    """The default role: code, and a link where the name is documented. Names that begin with fastcnn. have to be."""

    def process_link(
        self, env: Any, refnode: nodes.Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        """Look the name up as Python does, in the module that is documented."""
        target = target.removesuffix("()")
        refnode["refdomain"], refnode["reftype"] = "py", "obj"
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        refnode["may_be_missing"] = not target.startswith("fastcnn.")
        return title, target


def _without_link(app: Sphinx, env: Any, node: pending_xref, contnode: nodes.Element) -> nodes.Element | None:
    return contnode if node.get("may_be_missing") else None


def _as_fields(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make fields of the sections that are no arguments, results or errors, beside which they stand then."""
    result: list[str] = []
    i = 0
    while i < len(lines):
        first = _SECTION.match(lines[i])
        if first is None:
            inner = _SECTION.search(lines[i])
            if inner is None or lines[i].startswith(" "):
                result.append(lines[i])
                i += 1
                continue
            # A sentence before it belongs to the text.
            result += [lines[i][: inner.start()].rstrip(), ""]
            lines[i] = lines[i][inner.start() :]
            continue
        paragraph = [lines[i]]
        i += 1
        block = not lines[i - 1][first.end() :].strip() and first[1] is not None
        while i < len(lines) and lines[i].strip() and (not block or lines[i].startswith(" ")):
            paragraph.append(lines[i])
            i += 1
        text = " ".join(line.strip() for line in paragraph)
        starts = list(_SECTION.finditer(text))
        ends = [found.start() for found in starts[1:]] + [len(text)]
        while result and not result[-1].strip():
            result.pop()
        result.append("")
        for found, end in zip(starts, ends, strict=True):
            title = found[1] or "Determinism"
            result.append(f":{title}: {text[found.end() : end].strip()}")
        result.append("")
    lines[:] = result


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the role the default one."""
    app.add_role("name", Name(innernodeclass=nodes.literal))
    app.config.default_role = "name"
    app.connect("missing-reference", _without_link)
    app.connect("autodoc-process-docstring", _as_fields, priority=400)  # before napoleon
    return {"parallel_read_safe": True}
