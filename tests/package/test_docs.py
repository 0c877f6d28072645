"""The examples in the docstrings run."""

import doctest
import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest

import fastcnn

FOLDER = Path(fastcnn.__file__).parent
MODULES = sorted(
    ".".join(("fastcnn", *f.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for f in FOLDER.rglob("*.py")
    if f.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_every_public_function_says_what_it_takes():
    for name in fastcnn.ops.__all__:
        member = getattr(fastcnn.ops, name)
        text = inspect.getdoc(member) or ""
        assert ">>>" in text or not callable(member), f"fastcnn.ops.{name} has no example"
        if inspect.isfunction(member):
            for part in ("Args:", "Returns:"):
                # The 1-D and 3-D forms refer to the 2-D one.
                assert part in text or f"`{name[:-2]}2d`" in text, f"fastcnn.ops.{name} lacks {part}"


def test_the_summary_of_the_benchmarks_is_that_of_their_results():
    from benchmarks import report

    text = report.DOCUMENT.read_text(encoding="utf-8")
    assert report.updated(text) == text, "run python -m benchmarks.report"


def test_the_table_of_operations_is_that_of_today():
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("op_table", root / "scripts" / "op_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (root / "README.md").read_text(encoding="utf-8")
    assert script.updated(text) == text, "run scripts/op_table.py"
