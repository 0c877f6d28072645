"""`fastcnn info` and `fastcnn --version`."""

import json

from typer.testing import CliRunner

import fastcnn
from fastcnn.cli.app import app


def test_info_says_everything():
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    for name in ("version", "torch", "isa used", "isa available", "threads", "cuda built", "cuda why not"):
        assert any(line.startswith(f"{name} ") for line in result.stdout.splitlines()), name
    assert fastcnn.__version__ in result.stdout


def test_info_as_json():
    result = CliRunner().invoke(app, ["info", "--json"])
    assert json.loads(result.stdout) == fastcnn.info()


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"fastcnn {fastcnn.__version__}\n"
