"""TIFFs of every layout, written by tifffile or made by hand, hold what was written."""

import io
import itertools
import struct

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from fastcnn.data.sample import load_mask, load_picture
from fastcnn.io import ImageFileError, read_image

STREAMS = [None, "lzw", "zlib", "packbits", "zstd", "lzma"]
DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
LAYOUTS = {
    "grey": ((37, 45), {"photometric": "minisblack"}),
    "white": ((37, 45), {"photometric": "miniswhite"}),
    "rgb": ((37, 45, 3), {"photometric": "rgb"}),
    "planes": ((4, 37, 45), {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]}),
    "pages": ((3, 37, 45), {"photometric": "minisblack"}),
}
SEGMENTS = [{"tile": (16, 32)}, {"rowsperstrip": 7}, {}]


def values(dtype, shape, seed=0):
    """Every bit is used; floats are finite."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    return np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape).copy()


def write(path, image, **options):
    tifffile.imwrite(path, image, metadata=None, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", STREAMS)
def test_matrix(tmp_path, compression, layout):
    shape, options = LAYOUTS[layout]
    wrong = []
    # Strips or tiles, predictor and BigTIFF take turns, each at another pace.
    for i, (dtype, order) in enumerate(itertools.product(DTYPES, "<>"), start=STREAMS.index(compression)):
        if dtype == "?" and layout in ("rgb", "planes"):
            continue  # not written by tifffile
        segments = SEGMENTS[i % 3]
        predictor = None if compression is None or dtype == "?" or i % 4 < 2 else 3 if dtype[0] == "f" else 2
        image = values(dtype, shape, i)
        case = (dtype, order, segments, predictor)
        write(tmp_path / "a.tif", image, byteorder=order, bigtiff=i % 5 < 2, compression=compression,
              predictor=predictor, **segments, **options)  # fmt: skip
        try:
            found = read_image(tmp_path / "a.tif").pixels
        except ImageFileError as error:
            if layout != "white" or np.dtype(dtype).kind in "bu" or "white-is-zero pixels" not in str(error):
                wrong.append((*case, str(error)[-60:]))
            continue
        expected = ~image if layout == "white" else np.moveaxis(image, 0, -1) if layout == "planes" else image
        if found.dtype != image.dtype or not np.array_equal(found, expected):
            wrong.append(case)
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd"])
def test_big_endian_agrees_with_libtiff(tmp_path, dtype, compression):
    image = values(dtype, (13, 17))
    write(tmp_path / "a.tif", image, byteorder=">", compression=compression)
    found = read_image(tmp_path / "a.tif").pixels
    np.testing.assert_array_equal(found, imagecodecs.tiff_decode((tmp_path / "a.tif").read_bytes()))
    if compression != "zstd":
        np.testing.assert_array_equal(found, cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED))


def by_hand(width, height, data, *tags, order="<", colours=None):
    """One strip; tags hold one number each, and the palette follows the pixels."""
    given = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height),
             (279, len(data))]  # fmt: skip
    entries = sorted({**dict(given), **dict(tags)}.items())
    data += b"\0" * (len(data) % 2)
    body = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries)
    if colours is not None:
        body += struct.pack(order + "HHII", 320, 3, colours.size, 8 + len(data))
        data += colours.astype(order + "u2").tobytes()
    entries += [None] * (colours is not None)
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data))
    return head + data + struct.pack(order + "H", len(entries)) + body + bytes(4)


def bits_of(image, bits):
    """Rows of whole bytes, each sample from its highest bit on."""
    digits = np.unpackbits(image.astype(">u4").view(np.uint8).reshape(*image.shape, 4), axis=-1)[..., -bits:]
    return np.packbits(digits.reshape(len(image), -1), axis=-1).tobytes()


PACKED = {1: bytes, 5: imagecodecs.lzw_encode, 8: imagecodecs.zlib_encode, 32773: imagecodecs.packbits_encode}


# By hand, since tifffile writes such depths neither packed nor in big-endian files.
@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 9, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_depths_between(tmp_path, bits, order, compression, photometric):
    dtype = np.uint8 if bits < 8 else np.uint16
    image = (values("u4", (13, 19)) >> (32 - bits)).astype(dtype)
    tags = [(258, bits), (259, compression), (262, int(photometric == "minisblack"))]
    data = bytes(PACKED[compression](bits_of(image, bits)))
    (tmp_path / "a.tif").write_bytes(by_hand(19, 13, data, *tags, order=order))
    white = (1 << bits) - 1
    shown = white - image if photometric == "miniswhite" else image
    picture = read_image(tmp_path / "a.tif")
    assert picture.pixels.dtype == dtype
    assert picture.bits == (None if bits < 8 else bits)
    stretched = np.rint(shown * (255 / white))
    np.testing.assert_array_equal(picture.pixels, stretched if bits < 8 else shown)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", stored=True).pixels, image)
    np.testing.assert_array_equal(load_mask(tmp_path / "a.tif"), image)
    expected = stretched / 255 if bits < 8 else shown / white
    np.testing.assert_allclose(load_picture(tmp_path / "a.tif", None)[0], expected, atol=1e-6)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [17, 24, 31])
def test_depths_beyond(tmp_path, bits, order):
    data = bits_of(values("u4", (13, 19)) >> (32 - bits), bits)
    (tmp_path / "a.tif").write_bytes(by_hand(19, 13, data, (258, bits), order=order))
    with pytest.raises(ImageFileError, match=f"has whole numbers of {bits} bits, which are not supported"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [1, 5, 32773])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_reversed_bits(tmp_path, bits, compression):
    """FillOrder 2: the first pixel stands in the lowest bits."""
    image = values("u1", (6, 16)) >> (8 - bits)
    data = np.packbits(np.unpackbits(image[..., None], axis=-1)[..., -bits:].reshape(6, -1), axis=-1).tobytes()
    turned = imagecodecs.bitorder_encode(bytes(PACKED[compression](data)))
    (tmp_path / "a.tif").write_bytes(by_hand(16, 6, turned, (258, bits), (259, compression), (266, 2)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", stored=True).pixels, image)


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_fax(tmp_path, compression):
    image = np.repeat(values("?", (23, 11)), 3, axis=1)
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, image)


@pytest.mark.parametrize("segments", SEGMENTS, ids=str)
@pytest.mark.parametrize(
    ("compression", "dtype"),
    [("jpeg2000", "u1"), ("jpeg2000", "u2"), ("jpegxl", "u1"), ("jpegxl", "u2"), ("png", "u1"), ("png", "u2"),
     ("webp", "u1"), ("lerc", "u1"), ("lerc", "u2"), ("lerc", "f4")],
)  # fmt: skip
def test_segments_that_are_pictures(tmp_path, compression, dtype, segments):
    for shape, photometric in (((37, 45), "minisblack"), ((37, 45, 3), "rgb"), ((37, 45, 4), "rgb")):
        if compression == "webp" and len(shape) == 2:
            continue
        image = values(dtype, shape)
        if shape[-1] == 4:
            image[..., 3] = np.iinfo(dtype).max if dtype[0] == "u" else 1  # WebP drops colours that cannot be seen
        options = {"extrasamples": ["unassalpha"]} if shape[-1] == 4 else {}
        write(tmp_path / "a.tif", image, compression=compression, photometric=photometric, **segments, **options)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, image)


@pytest.mark.parametrize("segments", SEGMENTS, ids=str)
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_jpeg(tmp_path, photometric, segments):
    image = cv2.resize(values("u1", (4, 5, 3)), (45, 37), interpolation=cv2.INTER_CUBIC)
    image = image if photometric == "rgb" else image[..., 0]
    write(tmp_path / "a.tif", image, compression="jpeg", photometric=photometric, **segments)
    found = read_image(tmp_path / "a.tif").pixels
    assert np.abs(found.astype(int) - image).mean() < 6
    np.testing.assert_allclose(found, imagecodecs.tiff_decode((tmp_path / "a.tif").read_bytes()).astype(int), atol=2)


def test_palettes(tmp_path):
    for bits, compression, order in itertools.product((2, 4, 8), PACKED, "<>"):
        colours = values("u2", (3, 1 << bits))
        image = values("u1", (13, 17)) >> (8 - bits)
        data = bytes(PACKED[compression](bits_of(image, bits)))
        tags = [(258, bits), (259, compression), (262, 3)]
        (tmp_path / "a.tif").write_bytes(by_hand(17, 13, data, *tags, order=order, colours=colours))
        picture = read_image(tmp_path / "a.tif")
        assert picture.channels == 3
        np.testing.assert_array_equal(picture.pixels, np.moveaxis(colours[:, image], 0, -1))
        np.testing.assert_array_equal(load_mask(tmp_path / "a.tif"), image)


def test_floats_of_24_bits(tmp_path):
    image = values("f4", (5, 7))
    data = imagecodecs.float24_encode(image, byteorder="<")
    (tmp_path / "a.tif").write_bytes(by_hand(7, 5, bytes(data), (258, 24), (339, 3)))
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").pixels, image, rtol=2**-15)


class TestRefused:
    """Each says in one line which depth, colour space or packing it is."""

    @pytest.mark.parametrize(
        ("dtype", "shape", "options", "text"),
        [
            ("c8", (5, 6), {"compression": "lzw"}, "pixels of kind complex64"),
            ("i2", (5, 6), {"photometric": "miniswhite"}, "white-is-zero pixels of int16"),
            ("f4", (5, 6), {"photometric": "miniswhite", "compression": "lzw"}, "white-is-zero pixels of float32"),
            ("u1", (5, 6, 4), {"photometric": "separated", "compression": "lzw"}, "the colour space SEPARATED"),
            ("u1", (5, 6, 3), {"photometric": "cielab", "compression": "zlib"}, "the colour space CIELAB"),
            ("u1", (5, 6), {"compression": "jpegxr"}, "packed by JPEGXR"),
            ("u1", (5, 6, 40), {"photometric": "rgb", "planarconfig": "contig"}, "40 channels a pixel"),
        ],
    )
    def test_by_name(self, tmp_path, dtype, shape, options, text):
        image = np.zeros(shape, dtype)
        tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, **options)
        with pytest.raises(ImageFileError, match=text):
            read_image(tmp_path / "a.tif")

    def test_a_codec_that_is_not_there(self, tmp_path, monkeypatch):
        write(tmp_path / "a.tif", values("u1", (5, 6)), compression="lzw")
        monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {})
        with pytest.raises(ImageFileError, match=r"packed by LZW, which needs .* imagecodecs"):
            read_image(tmp_path / "a.tif")

    @pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "png", "webp", "lerc", "jpeg"])
    def test_a_segment_larger_than_its_page(self, tmp_path, compression):
        codec = {"jpeg2000": "jpeg2k", "jpeg": "jpeg8"}.get(compression, compression)
        write(tmp_path / "a.tif", np.zeros((32, 32, 3), np.uint8), compression=compression, photometric="rgb")
        whole = (tmp_path / "a.tif").read_bytes()
        with tifffile.TiffFile(io.BytesIO(whole)) as file:
            page = file.pages[0]
            count = page.tags[279]
        bomb = bytes(getattr(imagecodecs, f"{codec}_encode")(np.zeros((3000, 3000, 3), np.uint8)))
        data = bytearray(whole + bomb)
        struct.pack_into("<I", data, page.tags[273].valueoffset, len(whole))
        struct.pack_into("<I" if count.dtype == 4 else "<H", data, count.valueoffset, min(len(bomb), 65535))
        (tmp_path / "a.tif").write_bytes(data)
        with pytest.raises(ImageFileError):
            read_image(tmp_path / "a.tif")

    @pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd", "zlib", "lzma", "jpeg", "jpeg2000", "jpegxl",
                                             "png", "webp", "lerc"])  # fmt: skip
    def test_a_segment_that_ends_too_soon(self, tmp_path, compression):
        write(tmp_path / "a.tif", values("u1", (40, 40, 3)), compression=compression, photometric="rgb")
        whole = bytearray((tmp_path / "a.tif").read_bytes())
        with tifffile.TiffFile(io.BytesIO(bytes(whole))) as file:
            count = file.pages[0].tags[279]
        for part in range(1, 100, 7):
            less = count.value[0] * part // 100
            struct.pack_into("<I" if count.dtype == 4 else "<H", whole, count.valueoffset, less)
            (tmp_path / "b.tif").write_bytes(whole)
            with pytest.raises(ImageFileError):
                read_image(tmp_path / "b.tif")

    def test_fewer_segments_than_the_page_needs(self, tmp_path):
        write(tmp_path / "a.tif", values("u1", (40, 40)), rowsperstrip=8, compression="zlib")
        whole = bytearray((tmp_path / "a.tif").read_bytes())
        with tifffile.TiffFile(io.BytesIO(bytes(whole))) as file:
            tags = file.pages[0].tags
            for tag in (273, 279):
                struct.pack_into("<I", whole, tags[tag].offset + 4, tags[tag].count - 2)
        (tmp_path / "b.tif").write_bytes(whole)
        with pytest.raises(ImageFileError, match="is truncated"):
            read_image(tmp_path / "b.tif")
