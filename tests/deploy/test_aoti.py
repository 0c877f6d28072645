"""AOTInductor: the trained models, packaged with what follows them, run by a C++ program without Python."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import fastcnn
import fastcnn.models as M
from fastcnn.data import Cells, Shapes
from fastcnn.train import Settings, find_sources
from tests.models.test_four_ways import ARGUMENTS

FOLDER = Path(__file__).parents[2] / "examples" / "aoti"
DTYPES = {"float": np.float32, "int": np.int32, "long": np.int64, "long int": np.int64, "double": np.float64}


def exporter():
    spec = importlib.util.spec_from_file_location("aoti_export", FOLDER / "export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built as its README line says."""
    build = tmp_path_factory.mktemp("aoti")
    cmake = next((p for p in (Path(sys.executable).with_name("cmake"), Path("/usr/bin/cmake")) if p.exists()), "cmake")
    for command in (
        [cmake, "-S", FOLDER, "-B", build, f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"],
        [cmake, "--build", build],
    ):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "run_package"


def picture(name: str) -> torch.Tensor:
    if name == "lenet5-digits":
        sample = find_sources(Settings("classify", "digits")).validation[0]
        return fastcnn.ops.resize(sample.image, (28, 28), antialias=True)[None]
    if name == "unet-cells":
        return Cells(1, 128, seed=5)[0].image[None]
    return Shapes(1, 160, seed=5)[0].image[None]


def check(program: Path, model: torch.nn.Module, image: torch.Tensor, folder: Path) -> None:
    """Every count, label and class as in eager, and values to 1e-4 of the largest."""
    with torch.no_grad():
        expected = [x for x in pytree.tree_leaves(model(image)) if isinstance(x, torch.Tensor)]
    exporter().package(model, image, folder / "model.pt2")
    (folder / "picture.bin").write_bytes(image.numpy().tobytes())
    command = [program, folder / "model.pt2", fastcnn.info()["folder"], folder / "picture.bin", *image.shape]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for i, (line, wanted) in enumerate(zip(done.stdout.strip().splitlines(), expected, strict=True)):
        dtype = line.split(" ", 1)[1].split(" [")[0]
        got = np.frombuffer((folder / f"picture.bin.{i}").read_bytes(), DTYPES[dtype]).reshape(wanted.shape)
        if wanted.is_floating_point():
            # Dozens of layers, each of sums of thousands in another order. Where there is no object, NaN on both sides.
            largest = float(wanted.nan_to_num().abs().max())
            np.testing.assert_allclose(got, wanted.numpy(), rtol=0, atol=1e-4 * largest, equal_nan=True)
        else:
            np.testing.assert_array_equal(got, wanted.numpy())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # Inductor's own
@pytest.mark.parametrize("name", ["lenet5-digits", "unet-cells", "yolox-shapes"])
def test_trained(program: Path, name: str, tmp_path: Path) -> None:
    """To the last step: boxes, or labels and a table of regions."""
    image = picture(name)
    model, example = exporter().prepared(name, tuple(image.shape[-2:]))
    assert example.shape == image.shape
    check(program, model, image, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # Inductor's own
@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v2", "efficientnet_b0", "resnet50", "vgg16_bn", "yolo_v1"])
def test_others(program: Path, name: str, tmp_path: Path) -> None:
    arguments, size = ARGUMENTS[name]
    torch.manual_seed(1)
    model = getattr(M, name)(num_classes=3, in_channels=1, **arguments).eval()
    check(program, model, torch.randn(1, 1, *size), tmp_path)


def test_the_program_says_what_is_wrong(program: Path, tmp_path: Path) -> None:
    (tmp_path / "short.bin").write_bytes(b"1234")
    for words, status, text in (
        ((), 2, "usage: run_package"),
        (("p", tmp_path, "x", 1, 1, 1, 1), 1, "libfastcnn_torch.so"),
        (("p", fastcnn.info()["folder"], "x", 1, 1, 1, 1), 1, "run_package: "),
    ):
        done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True)
        assert done.returncode == status
        assert text in done.stderr
