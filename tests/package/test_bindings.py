"""The compiled modules against their schemas, a program that an earlier version saved, and the stub."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import fastcnn
import fastcnn.ops
from fastcnn import _core
from fastcnn._info import library

SAVED = Path(__file__).parent / "saved"


def test_schemas_stay() -> None:
    """Saved programs name them. New ones may come; the file is of the commit before the adapters became one."""
    for name, schema in json.loads((SAVED / "schemas.json").read_text()).items():
        assert str(getattr(torch.ops.fastcnn, name).default._schema) == schema


@pytest.mark.skipif(torch.__version__ < "2.13", reason="the file is torch 2.13's")
def test_a_saved_program_runs() -> None:
    program = torch.export.load(SAVED / "program.pt2")
    expected = load_file(SAVED / "results.safetensors")
    image = expected.pop("image")
    got = program.module()(image)
    assert len(got) == len(expected)
    for (name, value), result in zip(sorted(expected.items()), got, strict=True):
        torch.testing.assert_close(result, value, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"result {n}: {m}")


def test_stub_of_the_core() -> None:
    """The same functions, with as many arguments; ops are called by their names."""
    path = Path(fastcnn.__file__).parent / "_core.pyi"
    written = {f.name: len(f.args.args) for f in ast.parse(path.read_text()).body if isinstance(f, ast.FunctionDef)}
    ops = {name.partition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("fastcnn::")}
    functions = {n: getattr(_core, n) for n in dir(_core) if callable(getattr(_core, n)) and n not in ops}
    assert len(ops - set(dir(_core))) < len(ops) / 2  # derivatives
    # "erosion(arg0: object, arg1: ...) -> object"
    assert written == {name: len(re.findall(r"\barg\d+:", f.__doc__ or "")) for name, f in functions.items()}


@pytest.mark.skipif(library("fastcnn_cuda") is None, reason="this build has no CUDA library")
def test_cuda_kernels_are_registered_where_they_are_loaded() -> None:
    """No GPU is needed for that."""
    code = """
import ctypes, torch
from fastcnn._info import library
ctypes.CDLL(str(library("fastcnn_cuda")))
import fastcnn.ops
has = torch._C._dispatch_has_kernel_for_dispatch_key
print([name for name in ("erosion", "dilation", "opening", "nms") if has(f"fastcnn::{name}", "CUDA")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['erosion', 'dilation']"
