"""Cost and output of an import, and its error messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_the_installed_package_is_tested():
    if os.environ.get("CI"):
        assert "site-packages" in fastcnn.__file__


@pytest.mark.parametrize(
    "module", ["fastcnn", "fastcnn.ops", "fastcnn.image", "fastcnn.cli", "fastcnn.io", "fastcnn.pipelines"]
)
def test_no_torch(module):
    done = run(f"import sys, {module}; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_lazy_submodules():
    done = run("import fastcnn; fastcnn.image.erosion; fastcnn.ops.erosion")
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fastcnn.nothing  # noqa: B018
    assert "ops" in dir(fastcnn)


def test_the_older_name_for_arrays():
    """`fastcnn.image` has the same functions, but not the losses and the packed convolution, which need torch."""
    done = run("import sys, fastcnn.image, fastcnn.ops as F; assert 'torch' not in sys.modules; F.PackedConvolution")
    assert done.returncode == 0, done.stderr
    for_tensors = {"PackedConvolution", *(name for name in fastcnn.ops.__all__ if name.endswith("_loss"))}
    assert set(fastcnn.ops.__all__) - for_tensors == set(fastcnn.image.__all__)
    assert all(getattr(fastcnn.image, name) is getattr(fastcnn.ops, name) for name in fastcnn.image.__all__)
    assert set(dir(fastcnn.ops)) == set(fastcnn.ops.__all__)


def test_info():
    info = fastcnn.info()
    json.dumps(info)
    assert info["version"] == fastcnn.__version__
    # The metadata of PyPI's CUDA builds leaves out which (2.10.0, where the module says 2.10.0+cu128).
    assert info["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert info["isa"]["used"] in info["isa"]["available"]
    assert info["threads"] == fastcnn.get_num_threads()
    assert info["cuda"]["available"] == (info["cuda"]["why_not"] is None)


@pytest.mark.parametrize("isa", fastcnn.info()["isa"]["available"])
def test_forced_isa(isa):
    done = run("import fastcnn; print(fastcnn.info()['isa']['used'])", FASTCNN_FORCE_ISA=isa)
    assert done.stdout.strip() == isa, done.stderr


def test_unknown_forced_isa():
    done = run("import fastcnn; fastcnn.info()", FASTCNN_FORCE_ISA="mmx")
    assert "FASTCNN_FORCE_ISA: expected baseline, avx2, avx512 or neon, got mmx" in done.stderr


def test_headers_are_installed():
    folder = Path(fastcnn.info()["folder"])
    if not (folder / "include").exists():
        pytest.skip("running from the sources")
    assert (folder / "include/fastcnn/c_api.h").exists()
    assert (folder / "share/cmake/fastcnn/fastcnnConfig.cmake").exists()
    assert (folder / "py.typed").exists()


def test_set_num_threads():
    before = fastcnn.get_num_threads()
    try:
        fastcnn.set_num_threads(3)
        assert fastcnn.get_num_threads() == 3
        for n in (0, -1, 1025):
            with pytest.raises(fastcnn.ArgumentError, match="set_num_threads: expected n in"):
                fastcnn.set_num_threads(n)
    finally:
        fastcnn.set_num_threads(before)


def test_error_types():
    """Code written for NumPy catches ValueError, code written for torch RuntimeError."""
    image = np.zeros((4, 4), np.float32)
    for array in (image, torch.from_numpy(image)):
        for kind in (ValueError, RuntimeError):
            with pytest.raises(kind, match="erosion: expected border"):
                fastcnn.ops.erosion(array, border="?")


def test_tensors_that_no_kernel_takes():
    with pytest.raises(
        fastcnn.BackendError, match=r"erosion: expected strided tensors .*, got a sparse_coo one on cpu"
    ):
        fastcnn.ops.erosion(torch.zeros(4, 4).to_sparse())


def test_release_scratch():
    fastcnn.ops.erosion(np.zeros((2, 300, 300), np.float32), 5)
    fastcnn.release_scratch()
    fastcnn.ops.erosion(np.zeros((2, 300, 300), np.float32), 5)
