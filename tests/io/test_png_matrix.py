"""PNGs of every colour type, depth and interlace, with and without transparency, hold what pypng wrote and reads."""

import itertools
import struct
import zlib

import numpy as np
import png
import pytest
from PIL import Image

from fastcnn.data.sample import load_mask, load_picture
from fastcnn.io import read_image

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CASES = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def written(path, colour, depth, interlace, transparent):
    """Return samples (H, W, S), palette, and the transparent colour."""
    rng = np.random.default_rng(10 * colour + depth)
    samples = rng.integers(0, 1 << depth, (13, 11, SAMPLES[colour]))
    samples[3, 4] = samples[5, 6]
    options, palette, key = {}, None, None
    if colour == 3:
        palette = [tuple(row) for row in rng.integers(0, 256, (1 << depth, 3 + transparent)).tolist()]
        options["palette"] = palette
    elif transparent:
        key = samples[3, 4].tolist()
        options["transparent"] = key[0] if colour == 0 else tuple(key)
    writer = png.Writer(11, 13, greyscale=colour in (0, 4), alpha=colour in (4, 6), bitdepth=depth, interlace=interlace,
                        **options)  # fmt: skip
    with path.open("wb") as file:
        writer.write(file, samples.reshape(13, -1).tolist())
    return samples, palette, key


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("colour", "depth"), CASES)
def test_matrix(tmp_path, colour, depth, interlace, transparent):
    if transparent and colour > 3:
        return  # has alpha already
    path = tmp_path / "a.png"
    samples, palette, key = written(path, colour, depth, interlace, transparent)
    if palette is not None:
        expected = np.array(palette)[samples[..., 0]]
    else:
        stretch = 255 // ((1 << depth) - 1) if 1 < depth < 8 else 1
        expected = samples * stretch
        if key is not None:
            alpha = np.where((samples == key).all(-1), 0, (1 << depth) - 1) * stretch
            assert (alpha == 0).sum() >= 2
            expected = np.concatenate([expected, alpha[..., None]], -1)
    picture = read_image(path)
    assert picture.pixels.dtype == (bool if depth == 1 and palette is None else np.uint16 if depth == 16 else np.uint8)
    assert picture.channels == (None if expected.shape[-1] == 1 else expected.shape[-1])
    np.testing.assert_array_equal(picture.pixels, expected[..., 0] if expected.shape[-1] == 1 else expected)
    with path.open("rb") as file:
        _, _, rows, info = png.Reader(file=file).read()
        np.testing.assert_array_equal(np.vstack([list(row) for row in rows]).reshape(samples.shape), samples)
        assert info["bitdepth"] == depth
    if colour in (0, 3):
        np.testing.assert_array_equal(read_image(path, stored=True).pixels, samples[..., 0])
        np.testing.assert_array_equal(load_mask(path), samples[..., 0])
    if colour == 0:
        np.testing.assert_allclose(load_picture(path, None)[0], samples[..., 0] / ((1 << depth) - 1), atol=1e-6)


def test_only_the_low_bits_of_a_transparent_colour_count(tmp_path):
    """PNG, 11.3.2.1: "If the image bit depth is less than 16 bits, the least significant bits are used"."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for depth, colour in itertools.product((2, 8), (0, 2)):
        if (depth, colour) == (2, 2):
            continue
        samples = np.arange(4 * SAMPLES[colour], dtype=np.uint8).reshape(1, 4, -1) % 4
        row = samples.tobytes() if depth == 8 else bytes([0b00011011])
        high = 0xFF00 if depth == 8 else 0xFFFC
        key = b"".join(struct.pack(">H", high | int(v)) for v in samples[0, 2])
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, depth, colour, 0, 0, 0))
        data += chunk(b"tRNS", key) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(data)
        expected = np.where((samples == samples[0, 2]).all(-1), 0, 255)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels[..., -1], expected)


def test_a_mask_with_a_transparent_class(tmp_path):
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(image).save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(load_mask(tmp_path / "a.png"), image)
