"""Docstrings as they are written here: names in single backticks, sections of one line such as "Complexity: ..."."""

from __future__ import annotations

import inspect
import re
from typing import Any, cast

from docutils import nodes
from reference import RESULTS
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.roles import XRefRole
from sphinx.util.inspect import stringify_signature

# A section starts a line or a sentence, and lasts to the next one or to the end of its paragraph.
_TITLES = r"(?:Returns|Complexity|Gradient|Scratch|Memory|Determinism|References?)(?:(?:, | and )\w+)*"
_SECTION = re.compile(rf"(?:^|(?<=[.;] ))(?:({_TITLES}):(?: |$)|(?=Deterministic\b))")

_ENUMERATED = re.compile(r"\w+\. ")
_attributes: dict[str, list[str]] = {}  # docstrings between the two hooks around napoleon


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


def _signature(app: Sphinx, what: str, name: str, obj: Any, options: Any, args: str, returned: str) -> Any:
    """Show annotations as they are written, not as they are evaluated: an alias of types by its name."""
    if what not in ("function", "method", "class"):
        return None
    if what == "class" and not inspect.isfunction(obj.__init__):
        return None  # an exception: autodoc has nothing to replace
    try:
        signature = inspect.signature(obj.__init__ if what == "class" else inspect.unwrap(obj))
    except (AttributeError, TypeError, ValueError):
        return None
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    # A default has to look like Python; the factory of a dataclass's field does not.
    parameters = [
        p.replace(default=...) if repr(p.default).startswith("<") and p.default is not p.empty else p
        for p in parameters
    ]
    signature = signature.replace(parameters=parameters)
    if what == "class":
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    head, arrow, tail = stringify_signature(signature).rpartition(" -> ")
    if tail in RESULTS.get(obj.__module__.rpartition(".")[2], ()):
        tail = f"{obj.__module__}.{tail}"
    return (head, tail) if arrow and head.endswith(")") else (head + arrow + tail, "")


def _resolved(app: Sphinx, env: Any, node: pending_xref, contnode: nodes.Element) -> nodes.Element | None:
    """Look a class in a signature up by its last name alone; leave names in text that may be missing as they are."""
    target = node["reftarget"]
    if node.get("refdomain") == "py" and node["reftype"] in ("class", "exc") and target.isidentifier():
        domain = env.domains.python_domain
        found = [name for name, _ in domain.find_obj(env, None, None, target, node["reftype"], 1)]
        # Both fronts have a RegionTable: the one nearest to where the reference stands.
        found.sort(key=lambda name: not name.startswith(f"{node.get('py:module')}."))
        for name in found[:1]:
            link = domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, contnode)
            if link is not None:
                return cast("nodes.Element", link)
    return contnode if node.get("may_be_missing") else None


def _as_fields(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make fields of the sections that are no arguments, results or errors, beside which they stand then."""
    if what == "attribute":
        _attributes[name] = list(lines)
        return
    result: list[str] = []
    i = 0
    while i < len(lines):
        inner = None if lines[i].startswith(" ") else _SECTION.search(lines[i])
        if inner is None:
            result.append(lines[i])
            i += 1
            continue
        if inner.start() > 0:  # a sentence before it belongs to the text
            result += [lines[i][: inner.start()].rstrip(), ""]
            lines[i] = lines[i][inner.start() :]
            continue
        while result and not result[-1].strip():
            result.pop()
        result.append("")
        start = i
        i += 1
        if inner[1] is not None and inner.end() >= len(lines[start].rstrip()):
            # A block, which may have paragraphs.
            while i < len(lines) and (not lines[i].strip() or lines[i].startswith(" ")):
                i += 1
            result += _field(inner[1], inspect.cleandoc("\n".join(lines[start + 1 : i])))
        else:
            while i < len(lines) and lines[i].strip():
                i += 1
            text = " ".join(line.strip() for line in lines[start:i])
            sections = list(_SECTION.finditer(text))
            for section, after in zip(sections, [*sections[1:], None], strict=True):
                result += _field(section[1] or "Determinism", text[section.end() : after.start() if after else None])
        result.append("")
    lines[:] = result


def _field(title: str, text: str) -> list[str]:
    text = text.strip().removeprefix("Deterministic: ")
    if _ENUMERATED.match(text):
        text = "\\" + text  # initials are no number of a list
    first, *others = text.splitlines()
    name = title.lower() if title == "Returns" else title
    return [f":{name}: {first}", *("    " + line for line in others)]


def _restored(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Undo what napoleon does to an attribute: to it, text before a colon is a type."""
    if what == "attribute":
        lines[:] = _attributes.pop(name, lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the role the default one."""
    app.add_role("name", Name(innernodeclass=nodes.literal))
    app.config.default_role = "name"
    app.connect("missing-reference", _resolved)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _as_fields, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _restored, priority=600)  # after it
    return {"parallel_read_safe": True}
