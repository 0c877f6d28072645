"""`fastcnn bench`, and the layers it reads."""

import re

import pytest
import torch
from typer.testing import CliRunner

import fastcnn
from fastcnn import _core
from fastcnn.cli.app import app
from fastcnn.cli.bench import TYPICAL
from fastcnn.ops._conv_layer import Layer

SMALL = "2x8x7x6, 12x8x3x3, stride 2x1, padding 1"


def run(*arguments):
    return CliRunner().invoke(app, ["bench", "--seconds", "0", *arguments], env={"COLUMNS": "150"})


def test_one_line_a_layer():
    result = run("--layer", SMALL, "--layer", "1x4x5, 4x2x2, stride 2, transposed, groups 2, float64")
    assert result.exit_code == 0, result.output
    assert f"{_core.running_isa()}, {torch.get_num_threads()} threads" in result.output
    for text in (SMALL, "transposed, groups 2, float64"):
        assert re.search(rf"{text} +│ \w+ +│ +[\d.e-]+ │ +\d+ │ +\d+ % │", result.output), result.output


def test_explain_shows_the_whole_list():
    result = run("--explain", "--layer", SMALL)
    assert result.exit_code == 0, result.output
    taken = Layer.parse(SMALL).algorithm(packed=True, threads=torch.get_num_threads())
    lines = [line.split("│")[1:-1] for line in result.output.splitlines() if line.startswith("│")]
    rows = {cells[0].strip(): [c.strip() for c in cells[1:]] for cells in lines}
    assert list(rows) == [*_core.conv_algorithms(), "torch"]
    assert [name for name, cells in rows.items() if cells[2] == "taken"] == [taken]
    assert rows[taken][:2] == ["yes", "yes"]
    assert rows[taken][-1].endswith("%")


def test_it_leaves_threads_and_algorithm_as_they_were():
    threads = torch.get_num_threads()
    result = run("--threads", "1", "--unpacked", "--explain", "--layer", SMALL)
    assert result.exit_code == 0, result.output
    assert ", 1 threads" in result.output
    assert torch.get_num_threads() == threads
    assert fastcnn.get_conv_algorithm() == "auto"


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("1x64x56x56", "expected the sizes of input and weight"),
        ("1x64x56, 64x64x3x3", "same 3 to 5 dimensions"),
        ("1x4, 4x4", "same 3 to 5 dimensions"),
        ("1x4x9, 4xx3", "expected sizes like"),
        ("1x4x9, 4x4x3, padding -1", "expected sizes like"),
        ("1x4x9, 4x4x3, strides 2", 'got "strides 2"'),
        ("1x4x9, 4x4x3, stride 2x2", "stride of 1 values, got 2"),
        ("1x4x9, 4x4x3, stride 0", "stride of at least 1, got 0"),
        ("1x4x2, 4x4x3", "input of at least the kernel's extent"),
        ("1x4x9, 4x3x3", "input of 3 channels per group"),
        ("1x4x9, 4x2x3, groups 0", "groups of at least 1"),
        ("1x4x9, 4x4x3, float8", 'got "float8"'),
        ("1x4x9, 4x4x3, stride 2, padding same", "stride 1"),
        ("1x4x9, 4x4x3, stride 2, output_padding 2, transposed", "output_padding"),
        ("1x4x9, 0x0x3", "weight without empty dimensions"),
        ("1x4x99999999999999999999, 4x4x3", ""),
    ],
)
def test_a_wrong_layer_is_wrong_usage(layer, text):
    result = run("--layer", layer)
    assert result.exit_code == 2, result.output
    assert text in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.output).split())


def test_layers_are_what_torch_computes():
    more = (
        "1x4x5x5, 6x4x3x5, padding same, bfloat16",
        "2x6x5, 6x2x3, stride 2, dilation 2, output_padding 1, transposed, groups 3",
    )
    for text in (*TYPICAL, SMALL, *more):
        layer = Layer.parse(text)
        options = {**layer.options, "groups": layer.groups}
        with torch.device("meta"):
            result = getattr(torch.nn.functional, layer.op)(
                torch.empty(layer.input), torch.empty(layer.weight), **options
            )
        assert list(result.shape) == layer.output, text
