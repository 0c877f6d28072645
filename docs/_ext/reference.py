"""The reference's pages, written before the build: one for each family of ops and each other package, the commands."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).parents[1]
FOLDER = HERE / "reference" / "generated"
PACKAGES = ("models", "losses", "io", "pipelines", "data", "nn", "train")
RESULTS = {"labeling": ("RegionTable", "Relabeling")}  # types of results, which the packages do not export
# Modules whose members stand on another family's page.
NAMES = {"packed": "conv", "anchors": "boxes", "box_losses": "boxes", "suppression": "boxes"}


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def _names(module: ModuleType) -> list[str]:
    return [name for name in module.__all__ if callable(getattr(module, name)) and not name.startswith("__")]


def _summary(names: list[str]) -> str:
    return ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   {name}\n" for name in names) + "\n"


def _entries(module: ModuleType, names: list[str]) -> str:
    lines = []
    for name in names:
        if inspect.isclass(getattr(module, name)):
            lines.append(f".. autoclass:: {name}\n   :members:\n")
        else:
            lines.append(f".. autofunction:: {name}\n")
    return "\n".join(lines) + "\n"


def _families() -> dict[str, list[str]]:
    """Group the ops by the family that defines them."""
    families: dict[str, list[str]] = {}
    ops = importlib.import_module("fastcnn.ops")
    for name in sorted(_names(ops)):
        defined = inspect.unwrap(getattr(ops, name)).__module__.split(".")[2]
        families.setdefault(NAMES.get(defined, defined), []).append(name)
    return families


def _family_page(family: str, names: list[str]) -> str:
    text = _title(family)
    if (HERE / "gallery" / f"{family}.py").exists():
        text += f"In pictures: :doc:`/auto_gallery/{family}`.\n\n"
    ops = importlib.import_module("fastcnn.ops")
    text += ".. currentmodule:: fastcnn.ops\n\n" + _summary(names) + _entries(ops, names)
    if family in RESULTS:
        defined = importlib.import_module(f"fastcnn.ops.{family}")
        text += f".. currentmodule:: {defined.__name__}\n\n" + _entries(defined, list(RESULTS[family]))
    return text


def _package_page(package: str) -> str:
    module = importlib.import_module(f"fastcnn.{package}")
    names = _names(module)
    return (
        _title(f"fastcnn.{package}")
        + f".. automodule:: fastcnn.{package}\n\n"
        + _summary(names)
        + _entries(module, names)
    )


def _commands_page() -> str:
    import typer

    from fastcnn.cli.app import app

    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="fastcnn")
    text = _title("The command line") + "``fastcnn COMMAND --help`` prints the same.\n\n"
    for name, command in root.commands.items():
        inner = command.context_class(command, info_name=name, parent=context)
        text += _title(f"fastcnn {name}", "-") + f".. code-block:: console\n\n   $ {inner.command_path} "
        text += " ".join(command.collect_usage_pieces(inner)) + "\n\n"
        # \b keeps the lines of a paragraph apart, which only a literal block does here.
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            lines = [line for line in paragraph.splitlines() if line.strip() != "\b"]
            kept = len(lines) < len(paragraph.splitlines())
            block = "::\n\n" + "\n".join("   " + line for line in lines)
            text += (block if kept else _escaped(" ".join(lines))) + "\n\n"
        rows = [found for found in (p.get_help_record(inner) for p in command.params) if found is not None]
        if rows:
            text += ".. list-table::\n   :widths: 35 65\n\n"
            for left, right in rows:
                left = left.partition(" <")[0].strip()  # typer's types are Python's
                text += f"   * - ``{left}``\n     - {_escaped(' '.join(right.split()))}\n"
            text += "\n"
    return text


def _escaped(text: str) -> str:
    for sign in "\\*`|_":
        text = text.replace(sign, "\\" + sign)
    return text


def pages() -> dict[str, str]:
    """Return every page's text by its name."""
    found = {f"family_{family}": _family_page(family, names) for family, names in _families().items()}
    found |= {package: _package_page(package) for package in PACKAGES}
    found["deploy"] = _title("fastcnn.deploy") + (
        ".. automodule:: fastcnn.deploy\n\n.. automodule:: fastcnn.deploy.onnx\n   :members:\n"
    )
    found["compat"] = _title("fastcnn.compat") + (
        ".. automodule:: fastcnn.compat\n\n.. automodule:: fastcnn.compat.torchvision\n   :members:\n"
    )
    fastcnn = importlib.import_module("fastcnn")
    names = [n for n in _names(fastcnn) if not inspect.ismodule(getattr(fastcnn, n))]
    found["fastcnn"] = _title("fastcnn") + ".. automodule:: fastcnn\n\n" + _summary(names) + _entries(fastcnn, names)
    found["ops"] = _title("fastcnn.ops") + ".. automodule:: fastcnn.ops\n\n"
    found["commands"] = _commands_page()
    return found


def _write(app: Sphinx, config: Any) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.rst"):
        if path.stem not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = FOLDER / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when the configuration is there."""
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True}
