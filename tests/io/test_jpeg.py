"""A JPEG is read if all its data are there, and only then."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fastcnn.io import ImageFileError, read_image

rng = np.random.default_rng(0)
SMOOTH = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((61, 47), Image.Resampling.BICUBIC)
NOISE = Image.fromarray(rng.integers(0, 256, (33, 40, 3), dtype=np.uint8))


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


KINDS = {
    "colour": jpeg(SMOOTH),
    "noise": jpeg(NOISE, quality=95),
    "best": jpeg(NOISE, quality=100, subsampling=0),
    "half": jpeg(SMOOTH, subsampling=1),
    "grey": jpeg(SMOOTH.convert("L")),
    "cmyk": jpeg(SMOOTH.convert("CMYK")),
    "progressive": jpeg(SMOOTH, progressive=True),
    "progressive grey": jpeg(NOISE.convert("L"), progressive=True, quality=90),
    "optimised": jpeg(NOISE, optimize=True),
    "restarts": jpeg(NOISE, restart_marker_blocks=1),
    "rows of restarts": jpeg(SMOOTH, restart_marker_rows=1, progressive=True),
    "thumbnail": jpeg(SMOOTH, exif=b"Exif\0\0" + jpeg(SMOOTH.resize((16, 12)))),
    # python -c "from PIL import Image; import numpy as np; Image.fromarray(np.add.outer(np.arange(24), np.arange(28))
    # .astype('u1') * 5).convert('RGB').save('a.ppm')"; cjpeg -quality 30 -scans SCANS a.ppm | base64
    # of libjpeg-turbo, SCANS being "0; 1; 2;": a scan for each component.
    "three scans": base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6j"
        "q62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
        "pKSkpKSkpKT/wAARCAAYABwDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
        "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
        "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
        "4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AMOKKrkUVXIoqtLFxWTFFVyKKrkUVWli4rJiiq5FFVyKKrSxcV//xAAfAQADAQEB"
        "AQEBAQEBAAAAAAAAAQIDBAUGBwgJCgv/xAC1EQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQgUQpGhscEJIzNS"
        "8BVictEKFiQ04SXxFxgZGiYnKCkqNTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqCg4SFhoeIiYqSk5SVlpeY"
        "mZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri4+Tl5ufo6ery8/T19vf4+fr/2gAIAQIRAD8AAAD/2gAIAQMR"
        "AD8AAAD/2Q=="
    ),
}
# The same by cjpeg -arithmetic.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6j"
    "q62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKT/yQARCAAYABwDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AEHeEuzNcp6JkAFWHDgiBoCvqXdh"
    "PLuuDUzm/9k="
)


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "a.jpg").write_bytes(data)
        return read_image(tmp_path / "a.jpg").pixels

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_what_pillow_reads(read, kind):
    data = KINDS[kind]
    image = Image.open(io.BytesIO(data))
    expected = np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)
    np.testing.assert_array_equal(read(data), expected)
    for tail in (b"\0", b"\xff\xd9", b"more\xff\xd8\xff\xd9", data):
        np.testing.assert_array_equal(read(data + tail), expected)
    before, marker, after = data.rpartition(b"\xff\xda")
    filled = before + b"\xff\xff" + marker + after  # T.81, B.1.1.2: any marker may follow fill bytes
    np.testing.assert_array_equal(read(filled), expected)


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "ended"])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_percent(read, kind, end):
    data = KINDS[kind]
    passed = []
    for part in range(1, 100):
        try:
            read(data[: len(data) * part // 100] + end)
        except ImageFileError:
            continue
        passed.append(part)
    assert not passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_taller_or_wider_than_the_data(read, kind):
    data = KINDS[kind]
    at = max(data.rfind(bytes([0xFF, frame])) for frame in (0xC0, 0xC1, 0xC2))
    height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
    for taller, wider in ((height + 16, width), (2 * height, width), (height, 2 * width)):
        changed = data[: at + 5] + taller.to_bytes(2, "big") + wider.to_bytes(2, "big") + data[at + 9 :]
        with pytest.raises(ImageFileError, match="truncated"):
            read(changed)


@pytest.mark.parametrize("kind", ["progressive", "rows of restarts", "three scans"])
def test_a_scan_that_is_missing(read, kind):
    data = KINDS[kind]
    last = data.rfind(b"\xff\xda")
    with pytest.raises(ImageFileError, match=r"truncated \(scans are missing\)"):
        read(data[:last] + b"\xff\xd9")


def test_arithmetic_coding(read):
    np.testing.assert_array_equal(read(ARITHMETIC + b"tail"), np.asarray(Image.open(io.BytesIO(ARITHMETIC))))
    with pytest.raises(ImageFileError, match="truncated"):
        read(ARITHMETIC[:-2])


def test_other_kinds_are_named(read):
    data = KINDS["grey"]
    at = data.index(b"\xff\xc0")
    with pytest.raises(ImageFileError, match=r"12"):
        read(data[: at + 4] + b"\x0c" + data[at + 5 :])
    with pytest.raises(ImageFileError, match=r"SOF5|truncated or damaged"):
        read(data[: at + 1] + b"\xc5" + data[at + 2 :])
