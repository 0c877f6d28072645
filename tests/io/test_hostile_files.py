"""Untrusted files: each is refused with a reason, and none crashes the process."""

import os
import resource
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from fastcnn.io import MAX_PIXELS, ImageFileError, read_image

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)


def refusal(path, data=None, **options):
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ImageFileError) as caught:
        read_image(path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text[len(f"{path}: ") :]


def stored(tmp_path, kind, **options):
    path = tmp_path / f"whole.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, np.stack([IMAGE] * 3), photometric="minisblack", metadata=None, **options)
    else:
        Image.fromarray(IMAGE).save(path, **options)
    return path.read_bytes()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows=b"", *chunks):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(width, height, data, compression=1, bits=8, link=0):
    """One strip at 8, then the page's tags."""
    tags = [(256, width), (257, height), (258, bits), (259, compression), (262, 1), (273, 8), (277, 1), (278, height),
            (279, len(data))]  # fmt: skip
    data += b"\0" * (len(data) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = 8 + len(data)
    return (
        struct.pack("<2sHI", b"II", 42, start) + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", link)
    )


def test_missing(tmp_path):
    assert refusal(tmp_path / "no.png") == "no such file or directory"


def test_a_folder(tmp_path):
    assert refusal(tmp_path) == "is a folder"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "pipe.png") == "is not a regular file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is readable to root")
def test_unreadable(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    assert refusal(tmp_path / "a.png") == "permission denied"


def test_empty(tmp_path):
    assert refusal(tmp_path / "a.png", b"") == "is empty"


@pytest.mark.parametrize("data", [b"hello", b"GIF89a", b"%!PS-Adobe", b"BM" + bytes(100), b"\x80\x04\x95", b"\0" * 500])
def test_no_image(tmp_path, data):
    assert refusal(tmp_path / "a.png", data) == "is not a PNG, JPEG or TIFF image"


@pytest.mark.parametrize(("kind", "options"), [("png", {}), ("jpg", {}), ("tif", {}), ("tif", {"compression": "zlib"})])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 0.97])
def test_truncated(tmp_path, kind, options, part):
    whole = stored(tmp_path, kind, **options)
    assert "truncated" in refusal(tmp_path / "a", whole[: 9 + int(part * len(whole))])


def test_truncated_by_lzw(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "whole.tif", compression="tiff_lzw")
    whole = (tmp_path / "whole.tif").read_bytes()
    assert "truncated" in refusal(tmp_path / "a", whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "data", [png(0, 5), png(5, 0), png(0, 0), tiff(0, 0, b""), tiff(0, 9, b"abc"), tiff(9, 0, b"a")]
)
def test_zero_sized(tmp_path, data):
    assert refusal(tmp_path / "a", data).startswith("has no pixels")


@pytest.mark.parametrize(
    "data",
    [png(40_000, 40_000), png(2**31 - 1, 2**31 - 1), png(MAX_PIXELS + 1, 1), tiff(2**31, 2**31, b"abc"),
     tiff(40_000, 40_000, b"abc", 8)],
)  # fmt: skip
def test_over_the_limit(tmp_path, data):
    assert "over the limit of 268435456" in refusal(tmp_path / "a", data)


def test_the_limit_is_exact(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", max_pixels=40 * 60).size == (40, 60)
    assert (
        refusal(tmp_path / "a.png", max_pixels=40 * 60 - 1) == "has 60 x 40 pixels, over the limit of 2399 (max_pixels)"
    )


def test_pages_count_together(tmp_path):
    stored(tmp_path, "tif")
    assert "has 60 x 40 x 3 pages pixels, over" in refusal(tmp_path / "whole.tif", max_pixels=7199)
    assert read_image(tmp_path / "whole.tif", max_pixels=7200).pages == 3


class TestBombs:
    """Small files that unpack to much memory."""

    ZEROS = zlib.compress(bytes(1 << 28), 9)

    @pytest.fixture(autouse=True)
    def memory(self):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "unpacked it"

    def test_a_strip(self, tmp_path):
        assert "truncated or damaged" in refusal(tmp_path / "a", tiff(10, 10, self.ZEROS, 8))

    def test_pixel_data(self, tmp_path):
        # The rows are there, and far more behind them, which is never unpacked.
        rows = b"\0" * 300
        data = png(10, 10, rows).replace(chunk(b"IDAT", zlib.compress(rows)), chunk(b"IDAT", self.ZEROS))
        (tmp_path / "a").write_bytes(data)
        assert read_image(tmp_path / "a").size == (10, 10)

    @pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
    def test_texts(self, tmp_path, kind):
        refusal(tmp_path / "a", png(1, 1, b"\0\0", chunk(kind, b"k\0\0" + self.ZEROS)))


class TestTiff:
    def test_pages_in_a_loop(self, tmp_path):
        assert "loop" in refusal(tmp_path / "a", tiff(2, 2, b"abcd", link=12))

    def test_a_link_out_of_the_file(self, tmp_path):
        assert refusal(tmp_path / "a", tiff(2, 2, b"abcd", link=5000)) == "is truncated"

    def test_no_page(self, tmp_path):
        assert refusal(tmp_path / "a", b"II*\0\0\0\0\0") == "has no pages"

    def test_pages_of_different_sizes(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            file.write(IMAGE)
            file.write(IMAGE[:9])
        assert refusal(tmp_path / "a.tif") == "has pages of different sizes or kinds (60 x 40 uint8, 60 x 9 uint8)"

    @pytest.mark.parametrize(
        ("image", "options", "text"),
        [
            (np.zeros((4, 5), np.complex64), {}, "has pixels of kind complex64, which is not supported"),
            (np.zeros((4, 5, 4), np.uint8), {"photometric": "separated"}, "has the colour space SEPARATED"),
            (np.zeros((4, 5, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "has 5 channels"),
        ],
    )
    def test_what_is_not_supported(self, tmp_path, image, options, text):
        tifffile.imwrite(tmp_path / "a.tif", image, **options)
        assert refusal(tmp_path / "a.tif").startswith(text)

    def test_other_files_are_not_followed(self, tmp_path):
        """An OME-TIFF may name other files; only the given one is read."""
        tifffile.imwrite(tmp_path / "b.ome.tif", IMAGE)
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
            text = file.ome_metadata
        assert text
        text = text.replace("<TiffData", '<TiffData FileName="b.ome.tif"', 1)
        tifffile.imwrite(tmp_path / "a.ome.tif", 255 - IMAGE, description=text, metadata=None)
        picture = read_image(tmp_path / "a.ome.tif")
        np.testing.assert_array_equal(picture.pixels, 255 - IMAGE)


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "zlib", "lzw"])
def test_changed_bytes_give_pixels_or_a_reason(tmp_path, kind):
    if kind == "lzw":
        Image.fromarray(IMAGE).save(tmp_path / "whole", "TIFF", compression="tiff_lzw")
        whole = (tmp_path / "whole").read_bytes()
    else:
        whole = stored(tmp_path, "tif", compression="zlib") if kind == "zlib" else stored(tmp_path, kind)
    rng = np.random.default_rng(1)
    reasons = []
    for i in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), 400) if i % 2 else len(data), rng.integers(1, 6)):
            data[at] = rng.integers(256)
        (tmp_path / "a").write_bytes(data)
        try:
            assert read_image(tmp_path / "a", max_pixels=1 << 20).pixels.size > 0
        except ImageFileError as error:
            reasons.append(str(error))
    assert len(reasons) > 10
    assert not any("\n" in reason for reason in reasons)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    import pickle

    def forbidden(*args, **kwargs):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    np.save(tmp_path / "a.npy", np.array([object()], dtype=object), allow_pickle=True)
    assert refusal(tmp_path / "a.npy") == "is not a PNG, JPEG or TIFF image"
