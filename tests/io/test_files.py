"""Files are read as other libraries read them, and written so that others read the same."""

import os

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from fastcnn import ArgumentError
from fastcnn.io import ImageFileError, read_image, replacing, write_image

SHAPES = {None: (13, 17), 3: (13, 17, 3), 4: (13, 17, 4)}


def noise(dtype, shape, seed=0):
    values = np.random.default_rng(seed).integers(0, 65536, shape)
    if np.dtype(dtype).kind == "f":
        return (values / 7.0 - 1000).astype(dtype)
    return (values % 2 == 0) if dtype is bool else values.astype(dtype)


def opencv(path, image):
    colour = image[..., [2, 1, 0, 3][: image.shape[2]]] if image.ndim == 3 else image
    assert cv2.imwrite(str(path), colour)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_png_keeps_every_bit(tmp_path, dtype, channels):
    image = noise(dtype, SHAPES[channels])
    opencv(tmp_path / "a.png", image)
    picture = read_image(tmp_path / "a.png")
    assert picture.pixels.dtype == dtype
    assert picture.channels == channels
    assert picture.pages is None
    assert picture.size == (13, 17)
    np.testing.assert_array_equal(picture.pixels, image)


def png(width, height, depth, colour, rows, *chunks):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*c) for c in chunks) + body + chunk(b"IEND", b"")


def test_png_of_deep_grey_with_alpha(tmp_path):
    image = noise(np.uint16, (5, 7, 2))
    (tmp_path / "a.png").write_bytes(png(7, 5, 16, 4, [row.astype(">u2").tobytes() for row in image]))
    picture = read_image(tmp_path / "a.png")
    assert picture.channels == 2
    np.testing.assert_array_equal(picture.pixels, image)


@pytest.mark.parametrize("interlace", [False, True])
def test_png_of_one_bit(tmp_path, interlace):
    image = noise(bool, (9, 11))
    Image.fromarray(image).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    assert picture.pixels.dtype == bool
    np.testing.assert_array_equal(picture.pixels, image)


def test_png_with_a_palette_is_rgb(tmp_path):
    image = Image.fromarray(noise(np.uint8, (9, 11, 3))).quantize(16)
    image.save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    assert picture.channels == 3
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("depth", [8, 16])
def test_pngs_transparent_colour_is_an_alpha_channel(tmp_path, depth):
    kind = ">u2" if depth == 16 else "u1"
    grey = np.array([[1, 2, 3]])
    key = np.array([2], ">u2").tobytes()
    (tmp_path / "g.png").write_bytes(png(3, 1, depth, 0, [grey.astype(kind).tobytes()], (b"tRNS", key)))
    picture = read_image(tmp_path / "g.png")
    white = 2**depth - 1
    np.testing.assert_array_equal(picture.pixels, [[[1, white], [2, 0], [3, white]]])
    np.testing.assert_array_equal(picture.grey(), [[1, 0, 3]])
    colour = np.array([[[1, 1, 1], [1, 2, 3]]])
    key = np.array([1, 2, 3], ">u2").tobytes()
    (tmp_path / "c.png").write_bytes(png(2, 1, depth, 2, [colour.astype(kind).tobytes()], (b"tRNS", key)))
    np.testing.assert_array_equal(read_image(tmp_path / "c.png").pixels[..., 3], [[white, 0]])


@pytest.mark.parametrize("channels", [None, 3])
def test_jpeg_is_what_pillow_decodes(tmp_path, channels):
    Image.fromarray(noise(np.uint8, SHAPES[channels])).save(tmp_path / "a.jpg")
    picture = read_image(tmp_path / "a.jpg")
    assert picture.channels == channels
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(tmp_path / "a.jpg")))


def test_cmyk_jpeg_is_rgb(tmp_path):
    Image.fromarray(noise(np.uint8, (13, 17, 3))).convert("CMYK").save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").channels == 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "lzw"])
def test_orientation_is_obeyed(tmp_path, orientation, kind):
    image = Image.fromarray(np.repeat(np.repeat(np.array([[0, 90, 200], [40, 140, 255]], np.uint8), 8, 0), 8, 1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    if kind == "lzw":
        image.save(tmp_path / "a", "TIFF", exif=exif, compression="tiff_lzw")
    else:
        image.save(tmp_path / "a", {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}[kind], exif=exif)
    tolerance = 3 if kind == "jpg" else 0
    np.testing.assert_allclose(read_image(tmp_path / "a").pixels.astype(int), expected, atol=tolerance)


TIFF_DTYPES = [bool, np.uint8, np.uint16, np.uint32, np.int16, np.int32, np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", TIFF_DTYPES)
@pytest.mark.parametrize("pages", [None, 1, 3])
def test_tiff_keeps_every_dtype(tmp_path, dtype, pages):
    image = noise(dtype, (13, 17) if pages is None else (pages, 13, 17))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    picture = read_image(tmp_path / "a.tif")
    assert picture.pages == (pages if pages == 3 else None)
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels, image[0] if pages == 1 else image)


@pytest.mark.parametrize("layout", [{"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}, {"rowsperstrip": 5},
                                    {"compression": "zlib"}, {"compression": "lzma"}, {"metadata": None},
                                    {"compression": "zlib", "predictor": True}, {"ome": True}, {"imagej": True},
                                    {"truncate": True}], ids=str)  # fmt: skip
def test_tiff_layouts(tmp_path, layout):
    image = noise(np.uint16, (3, 33, 40))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", **layout)
    picture = read_image(tmp_path / "a.tif")
    assert picture.pages == 3
    np.testing.assert_array_equal(picture.pixels, image)


def test_tiff_pages_written_one_by_one(tmp_path):
    image = noise(np.uint16, (3, 13, 17))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in image:
            tiff.write(page)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("pages", [1, 2])
def test_tiff_colour(tmp_path, dtype, planar, channels, pages):
    image = noise(dtype, (pages, 13, 17, channels))
    stored = image if planar == "contig" else np.moveaxis(image, -1, 1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    picture = read_image(tmp_path / "a.tif")
    assert picture.channels == channels
    np.testing.assert_array_equal(picture.pixels, image if pages > 1 else image[0])


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32])
def test_tiffs_that_pillow_packed(tmp_path, compression, dtype):
    pages = [noise(dtype, (13, 17), seed) for seed in range(3)]
    images = [Image.fromarray(p) for p in pages]
    images[0].save(tmp_path / "a.tif", compression=compression, save_all=True, append_images=images[1:])
    picture = read_image(tmp_path / "a.tif")
    assert picture.pages == 3
    np.testing.assert_array_equal(picture.pixels, np.stack(pages))


def test_jpeg_in_tiff(tmp_path):
    Image.fromarray(noise(np.uint8, (13, 17, 3))).save(tmp_path / "a.tif", compression="jpeg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.asarray(Image.open(tmp_path / "a.tif")))


def test_deep_colour_in_lzw(tmp_path):
    image = noise(np.uint16, (13, 17, 3))
    assert cv2.imwrite(str(tmp_path / "a.tif"), image, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, image[..., ::-1])


def test_white_is_zero_is_turned_round(tmp_path):
    image = noise(np.uint8, (13, 17))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, 255 - image)


def test_tiff_palette(tmp_path):
    colours = noise(np.uint16, (3, 256))
    image = noise(np.uint8, (13, 17))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.moveaxis(colours[:, image], 0, -1))


def test_premultiplied_alpha_is_undone(tmp_path):
    image = np.array([[[100, 50, 25, 128], [0, 0, 0, 0], [9, 8, 7, 255]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["assocalpha"])
    picture = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels[0, :, :3], [[199, 100, 50], [0, 0, 0], [9, 8, 7]])


def test_reduced_copies_are_left_out(tmp_path):
    image = noise(np.uint8, (32, 48))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(image)
        tiff.write(image[::2, ::2], subfiletype=1)
    picture = read_image(tmp_path / "a.tif")
    assert picture.pages is None
    np.testing.assert_array_equal(picture.pixels, image)


def test_the_name_does_not_matter(tmp_path):
    opencv(tmp_path / "a.png", noise(np.uint8, (13, 17)))
    os.rename(tmp_path / "a.png", tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").size == (13, 17)


@pytest.mark.parametrize("channels", [None, 3, 4])
@pytest.mark.parametrize(
    ("ending", "dtypes"), [("png", [bool, np.uint8, np.uint16]), ("tif", TIFF_DTYPES), ("tiff", [np.uint8])]
)
def test_written_files_are_read_back(tmp_path, ending, dtypes, channels):
    for dtype in dtypes:
        if channels and ((ending == "png" and dtype != np.uint8) or dtype is bool):
            continue
        image = noise(dtype, SHAPES[channels])
        write_image(tmp_path / f"a.{ending}", image)
        picture = read_image(tmp_path / f"a.{ending}")
        assert picture.channels == channels
        assert picture.pixels.dtype == dtype
        np.testing.assert_array_equal(picture.pixels, image)
        if ending == "png" and dtype is not bool:
            other = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(other if channels is None else other[..., [2, 1, 0, 3][:channels]], image)
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{ending}"]


@pytest.mark.parametrize("pages", [3, 4])
def test_three_pages_are_no_colours(tmp_path, pages):
    image = noise(np.int32, (pages, 13, 17))
    write_image(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)
    narrow = noise(np.uint8, (pages, 13, 3))
    write_image(tmp_path / "b.tif", narrow, channels=False)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif").pixels, narrow)


def test_jpeg_is_close(tmp_path):
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    write_image(tmp_path / "a.jpg", ramp)
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - ramp).max() <= 3


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("a.bmp", np.zeros((2, 2), np.uint8), "expected a name ending in .png, .jpg"),
        ("a.png", np.zeros((2, 2), np.float32), "expected bool or uint8 or uint16 for PNG, got float32"),
        ("a.png", np.zeros((2, 2, 3), np.uint16), "expected uint8 for PNG, got uint16"),
        ("a.png", np.full((2, 2), 299), "expected bool or uint8 or uint16 for PNG, got int64"),
        ("a.jpg", np.zeros((2, 2, 4), np.uint8), "expected uint8 for JPEG, got uint8 .4 channels."),
        ("a.jpg", np.zeros((2, 2), bool), "expected uint8 for JPEG, got bool"),
        ("a.png", np.zeros((2, 5, 5), np.uint8), "expected one page for PNG, got 2"),
        ("a.tif", np.zeros((0, 5), np.uint8), r"with pixels, got \(0, 5\)"),
        ("a.tif", np.zeros(5, np.uint8), r"expected shape .* got \(5,\)"),
        ("a.tif", np.zeros((2, 2), complex), "expected bool, integers or floats, got complex128"),
    ],
)
def test_writing_refuses(tmp_path, name, image, text):
    with pytest.raises(ArgumentError, match=text):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_writing_into_a_missing_folder(tmp_path):
    with pytest.raises(ImageFileError, match=r"a\.png: cannot be written \(No such file or directory\)"):
        write_image(tmp_path / "no" / "a.png", np.zeros((2, 2), np.uint8))


class TestReplacing:
    def test_all_or_none(self, tmp_path):
        (tmp_path / "a").write_text("old")

        def interrupted():
            with replacing(tmp_path / "a", tmp_path / "b") as (a, b):
                a.write_text("new")
                b.write_text("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert (tmp_path / "a").read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def test_a_missing_part_leaves_nothing_behind(self, tmp_path):
        with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
            pass
        assert not list(tmp_path.iterdir())

    def test_a_folder_in_the_way(self, tmp_path):
        (tmp_path / "a").mkdir()
        with pytest.raises(ImageFileError, match="is a folder"), replacing(tmp_path / "a"):
            pytest.fail("must not start")

    def test_names_as_long_as_the_system_allows(self, tmp_path):
        name = "n" * 255
        with replacing(tmp_path / name) as (a,):
            a.write_text("x")
        assert (tmp_path / name).exists()


def test_errors_are_one_line():
    error = ImageFileError("a\nb.png", "first\n second")
    assert str(error).endswith(": first second")
    assert isinstance(error, OSError)
