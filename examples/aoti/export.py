"""Make a package of a model that a C++ program runs without Python: AOTInductor.

    python examples/aoti/export.py unet-cells cells.pt2     # one of fastcnn's trained models, or a file of yours
    torch=$(python -c 'import torch; print(torch.utils.cmake_prefix_path)')
    cmake -S examples/aoti -B build/aoti -DCMAKE_PREFIX_PATH="$torch" && cmake --build build/aoti
    fastcnn=$(python -c 'import fastcnn; print(fastcnn.info()["folder"])')
    build/aoti/run_package cells.pt2 "$fastcnn" picture.bin 1 1 256 256    # float32 pixels, from 0 to 1

The package has everything, to the last step: detectors end in boxes, segmentation in labels and a table of regions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fastcnn.models import ObjectSegmenter, load_model


def prepared(source: str, size: tuple[int, int] | None) -> tuple[torch.nn.Module, torch.Tensor]:
    """The model with what follows it, and an input of the size that the package will take."""
    found = load_model(source)
    height, width = size or found.about.get("image_size") or (256, 256)
    if not height:  # trained on pictures of their own size
        height = width = 256
    model, model_channels = found.model, found.model.in_channels
    if found.about.get("objects"):
        model = ObjectSegmenter(model, found.about["multiple"], max_objects=256)
    return model.eval(), torch.rand(1, model_channels, height, width)


def package(model: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    """Export, compile and package."""
    with torch.no_grad():
        program = torch.export.export(model, (example,))
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="a name of fastcnn's, or a file of fastcnn train")
    parser.add_argument("package", type=Path, help="what to write, *.pt2")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"))
    arguments = parser.parse_args()
    model, example = prepared(arguments.model, arguments.size)
    package(model, example, arguments.package)
    print(f"{arguments.package}: takes {' x '.join(map(str, example.shape))}")


if __name__ == "__main__":
    main()
