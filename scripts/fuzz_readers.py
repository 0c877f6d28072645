#!/usr/bin/env python
"""Give every reader damaged files for a bounded time: a documented error or a result, never anything else.

    python scripts/fuzz_readers.py --seconds 10            # each reader
    python scripts/fuzz_readers.py tiff png --seconds 300 --seed 7

Valid files are mutated: bytes flipped, overwritten by edge values, removed, doubled, cut, exchanged between files. An
input that raises another exception, takes longer than ten seconds or ends the process is left in --keep.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import random
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fastcnn import ArgumentError
from fastcnn.io import ImageFileError, read_image

EDGES = [b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
         b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"[", b"]", b"}", b'"', b"-1", b"1e999", b"NaN", b"null", b"<",
         b"&x;"]  # fmt: skip
LIMIT = 1 << 16
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (17, 23, 3), dtype=np.uint8)


def tiff_seeds() -> list[bytes]:
    import tifffile
    from PIL import Image

    seeds = []
    packings = [None, "lzw", "zlib", "packbits", "zstd", "lzma", "jpeg", "jpeg2000", "jpegxl", "webp", "png", "lerc"]
    for i, packing in enumerate(packings):
        for options in ({"rowsperstrip": 5}, {"tile": (16, 16)}):
            file = io.BytesIO()
            streams = packing in (None, "lzw", "zlib", "zstd")
            tifffile.imwrite(file, IMAGE, photometric="rgb", compression=packing, byteorder="<>"[i % 2],
                             bigtiff=i % 3 == 0, predictor=True if packing and streams else None,
                             **options)  # fmt: skip
            seeds.append(file.getvalue())
    for packing in ("group3", "group4", "tiff_ccitt"):
        file = io.BytesIO()
        Image.fromarray(IMAGE[..., 0] > 99).save(file, "TIFF", compression=packing)
        seeds.append(file.getvalue())
    for bits in (2, 10):
        file = io.BytesIO()
        tifffile.imwrite(file, IMAGE[..., 0].astype("u1" if bits < 8 else "u2") >> 6, bitspersample=bits, imagej=False)
        seeds.append(file.getvalue())
    file = io.BytesIO()
    tifffile.imwrite(file, IMAGE[None].repeat(3, 0), photometric="rgb", ome=True, compression="zlib")
    return [*seeds, file.getvalue()]


def pillow_seeds(kind: str, modes: str, options: list[dict[str, object]]) -> list[bytes]:
    from PIL import Image

    seeds = []
    for mode in modes.split():
        for more in options:
            file = io.BytesIO()
            Image.fromarray(IMAGE).convert(mode).save(file, kind, **more)
            seeds.append(file.getvalue())
    return seeds


def png_seeds() -> list[bytes]:
    import png

    seeds = pillow_seeds("PNG", "1 L LA P RGB RGBA", [{}])
    for depth in (2, 16):
        file = io.BytesIO()
        rows = (IMAGE[..., 0].astype(int) % (1 << depth)).tolist()
        png.Writer(23, 17, greyscale=True, bitdepth=depth, interlace=True, transparent=1).write(file, rows)
        seeds.append(file.getvalue())
    return seeds


def read_picture(path: Path) -> None:
    for stored in (False, True):
        read_image(path, max_pixels=LIMIT, stored=stored)


def idx_seeds() -> list[bytes]:
    return [struct.pack(">4B3I", 0, 0, 8, 3, 2, 5, 5) + bytes(50), struct.pack(">4BI", 0, 0, 8, 1, 9) + bytes(9)]


def read_idx_file(path: Path) -> None:
    from fastcnn.data.idx import read_idx

    read_idx(path)


def coco_seeds() -> list[bytes]:
    content = {
        "images": [{"id": 1, "file_name": "p.png", "width": 23, "height": 17}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 5, 6], "segmentation": [[1, 2, 6, 2, 6, 8]]},
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [1, 2, 5, 6],
             "segmentation": {"size": [17, 23], "counts": [100, 50, 241]}},
            {"id": 3, "image_id": 1, "category_id": 3, "bbox": [1, 2, 5, 6],
             "segmentation": {"size": [17, 23], "counts": "T3b1a7"}},
        ],
    }  # fmt: skip
    return [json.dumps(content).encode()]


def read_coco(path: Path) -> None:
    from fastcnn.data import CocoDetection

    for masks in (False, True):
        CocoDetection(path.parent, path, masks=masks)[0]


def voc_seeds() -> list[bytes]:
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    item = f"<object><name>cat</name><difficult>0</difficult>{box}</object>"
    return [f"<annotation><filename>p.png</filename>{item}{item}</annotation>".encode()]


def read_voc(path: Path) -> None:
    from fastcnn.data import VocDetection

    (path.parent / "Annotations").mkdir(exist_ok=True)
    (path.parent / "JPEGImages").mkdir(exist_ok=True)
    (path.parent / "JPEGImages" / "p.png").write_bytes((path.parent / "p.png").read_bytes())
    (path.parent / "Annotations" / "a.xml").write_bytes(path.read_bytes())
    VocDetection(path.parent)[0]


def model_seeds() -> list[bytes]:
    from fastcnn import models

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m.safetensors"
        models.save_model(file, models.lenet5(num_classes=2), "lenet5", {"num_classes": 2}, {"task": "classify"})
        return [file.read_bytes()]


def read_model(path: Path) -> None:
    from fastcnn import models

    models.load_model(path)


def read_weights(path: Path) -> None:
    from fastcnn import models

    models.load_weights(models.lenet5(num_classes=2), path)


Reader = tuple[Callable[[], list[bytes]], Callable[[Path], None]]
READERS: dict[str, Reader] = {
    "tiff": (tiff_seeds, read_picture),
    "png": (png_seeds, read_picture),
    "jpeg": (lambda: pillow_seeds("JPEG", "L RGB CMYK", [{}, {"progressive": True}, {"restart_marker_blocks": 2}]),
             read_picture),
    "idx": (idx_seeds, read_idx_file),
    "coco": (coco_seeds, read_coco),
    "voc": (voc_seeds, read_voc),
    "weights": (model_seeds, read_weights),
    "model": (model_seeds, read_model),
}  # fmt: skip


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Change a few places; half of the time near the start, where the headers are."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        if not result:
            break
        end = min(len(result), 512) if rng.random() < 0.5 else len(result)
        at = rng.randrange(end)
        kind = rng.randrange(6)
        if kind == 0:
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            result[at] = rng.randrange(256)
        elif kind == 2:
            edge = rng.choice(EDGES)
            result[at : at + len(edge)] = edge
        elif kind == 3:
            del result[at : at + rng.randint(1, 40)]
        elif kind == 4:
            result[at:at] = result[at : at + rng.randint(1, 40)] * rng.choice((1, 2, 200))
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            piece = other[start : start + rng.randint(1, 60)]
            result[at : at + len(piece)] = piece
    return bytes(result[: rng.randrange(len(result) + 1)] if rng.random() < 0.1 else result)


def fuzz(name: str, seconds: float, seed: int, keep: Path) -> int:
    """Return how many inputs failed."""
    from fastcnn.data import DataError

    seeds, read = READERS[name]
    files, rng = seeds(), random.Random(f"{name}{seed}")
    number = refused = 0
    failed: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("input.safetensors" if name in ("weights", "model") else "input")
        (Path(folder) / "p.png").write_bytes(pillow_seeds("PNG", "RGB", [{}])[0])
        for data in files:
            path.write_bytes(data)
            read(path)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number += 1
            data = mutated(rng.choice(files), files, rng)
            path.write_bytes(data)
            (keep / f"{name}-last").write_bytes(data)  # there to be seen if the process ends
            faulthandler.dump_traceback_later(60, exit=True)
            started = time.monotonic()
            problem = ""
            try:
                read(path)
            except (ImageFileError, DataError, ArgumentError):
                refused += 1
            except Exception as error:
                problem = f"{type(error).__name__}: {str(error)[:100]}"
            faulthandler.cancel_dump_traceback_later()
            if time.monotonic() - started > 10:
                problem = "took longer than ten seconds"
            if problem and problem[:40] not in failed:
                failed[problem[:40]] = keep / f"{name}-{len(failed)}"
                failed[problem[:40]].write_bytes(data)
                print(f"{name}: {problem}: {failed[problem[:40]]}")
    (keep / f"{name}-last").unlink(missing_ok=True)
    print(f"{name}: {number} inputs, {refused} refused, {len(failed)} kinds of failure")
    return len(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--seconds", type=float, default=10, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fastcnn-fuzz")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    return min(1, sum(fuzz(n, options.seconds, options.seed, options.keep) for n in options.readers or READERS))


if __name__ == "__main__":
    sys.exit(main())
