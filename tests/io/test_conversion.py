"""Conversions lose nothing, or are refused."""

import numpy as np
import pytest

from fastcnn import ArgumentError
from fastcnn.io import to_dtype, to_grey

INTEGERS = [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64]
FLOATS = [np.float16, np.float32, np.float64]

# Rows of the lecture's greyscale matrix, 258, 297 and 299 among them.
LECTURE = [[194, 68, 197, 251, 237, 299], [187, 196, 235, 75, 1, 258], [195, 206, 123, 297, 177, 121]]


def test_the_lectures_matrix_is_refused_as_uint8():
    with pytest.raises(ArgumentError, match=r"within 0..255 for uint8, got 299 at \(0, 5\); 3 of 18 values are wrong"):
        to_dtype(LECTURE, np.uint8)
    np.testing.assert_array_equal(to_dtype(LECTURE, np.uint16), LECTURE)


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", INTEGERS + FLOATS)
def test_integers_keep_their_range(source, target):
    low, high = int(np.iinfo(target).min), int(np.iinfo(target).max)
    is_float = np.dtype(source).kind == "f"
    limit = np.finfo(source) if is_float else np.iinfo(source)
    for value in (low - 1, low, 0, 1, high, high + 1):
        if not int(limit.min) <= value <= int(limit.max):
            continue
        given = np.array([0, float(value) if is_float else value], source)
        exact = int(given[1])  # what the float made of it
        if low <= exact <= high:
            result = to_dtype(given, target)
            assert result.dtype == target
            assert int(result[1]) == exact
        else:
            with pytest.raises(ArgumentError, match="to_dtype: expected values within"):
                to_dtype(given, target)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5, -0.25])
def test_what_is_no_whole_number_is_no_integer(value):
    with pytest.raises(ArgumentError, match="expected whole numbers for uint8"):
        to_dtype(np.array([[1.0, value]]), np.uint8)


def test_floats_hold_what_they_can():
    np.testing.assert_array_equal(to_dtype(np.array([2**24]), np.float32), np.float32(2**24))
    with pytest.raises(ArgumentError, match="float32 holds exactly, got 16777217"):
        to_dtype(np.array([2**24 + 1]), np.float32)
    with pytest.raises(ArgumentError, match="float16 holds exactly"):
        to_dtype(np.array([70000.0]), np.float16)
    with pytest.raises(ArgumentError, match="float32 holds exactly"):
        to_dtype(np.array([0.1]), np.float32)
    with pytest.raises(ArgumentError, match="float64 holds exactly"):
        to_dtype(np.array([2**63 - 1]), np.float64)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.5])
    np.testing.assert_array_equal(to_dtype(special, np.float16), special.astype(np.float16))


def test_bool_takes_zero_and_one():
    np.testing.assert_array_equal(to_dtype([0, 1, 1], bool), [False, True, True])
    with pytest.raises(ArgumentError, match=r"within 0..1 for bool, got 2 at \(1,\)"):
        to_dtype([0, 2], bool)
    np.testing.assert_array_equal(to_dtype([True, False], np.uint8), [1, 0])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32, np.float32, np.float64])
def test_scaling_keeps_black_and_white(dtype):
    white = {"b": True, "f": 1.0}.get(np.dtype(dtype).kind) or np.iinfo(dtype).max
    result = to_dtype(np.array([False, True]), dtype, scale=True)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array([0, white], dtype))
    np.testing.assert_array_equal(to_dtype(result, bool, scale=True), [False, True])


def test_scaling_up_and_back_is_lossless():
    every = np.arange(256, dtype=np.uint8)
    for dtype in (np.uint16, np.uint32, np.float32, np.float64):
        np.testing.assert_array_equal(to_dtype(to_dtype(every, dtype, scale=True), np.uint8, scale=True), every)
    np.testing.assert_array_equal(to_dtype(every, np.uint16, scale=True), every * np.uint16(257))


@pytest.mark.parametrize("value", [-0.001, 1.001, np.nan, np.inf])
def test_scaling_refuses_what_is_beyond_white(value):
    with pytest.raises(ArgumentError, match=r"expected values within 0\.\.1 to scale"):
        to_dtype(np.array([0.5, value]), np.uint8, scale=True)


def test_scaling_needs_an_agreed_range():
    with pytest.raises(ArgumentError, match="expected image of bool, unsigned integer or float"):
        to_dtype(np.array([1], np.int16), np.uint8, scale=True)
    with pytest.raises(ArgumentError, match="expected dtype of bool, unsigned integer or float"):
        to_dtype(np.array([1], np.uint8), np.int16, scale=True)


def test_other_dtypes_are_type_errors():
    with pytest.raises(TypeError, match="expected image of bool, integer or float, got complex128"):
        to_dtype(np.array([1j]), np.uint8)
    with pytest.raises(TypeError, match="expected dtype of bool, integer or float, got <U3"):
        to_dtype([1], "U3")


def test_the_input_is_not_shared():
    image = np.zeros(3, np.uint8)
    for dtype in (np.uint8, np.float64):
        to_dtype(image, dtype)[:] = 7
    to_dtype(image, np.uint8, scale=True)[:] = 7
    assert not image.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_is_opencvs(dtype):
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(0).integers(0, 256, (31, 17, 3)).astype(dtype)
    grey = to_grey(image)
    assert grey.dtype == dtype
    np.testing.assert_allclose(grey, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), atol=1 if dtype != np.float32 else 1e-4)


def test_grey_pixels_keep_their_value():
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(to_grey(np.stack([every] * 3, -1)), every)
    np.testing.assert_array_equal(to_grey(every[None], channel_axis=0), every)


def test_transparent_pixels_show_the_background():
    image = np.array([[[200, 200, 200, 255], [200, 200, 200, 0], [200, 200, 200, 51]]], np.uint8)
    np.testing.assert_array_equal(to_grey(image), [[200, 0, 40]])
    np.testing.assert_array_equal(to_grey(image, background=1.0), [[200, 255, 244]])
    np.testing.assert_array_equal(to_grey(image[..., 2:]), [[200, 0, 40]])


def test_grey_of_bool_is_bool():
    image = np.array([[[True, True, True], [True, False, False]]])
    np.testing.assert_array_equal(to_grey(image), [[True, False]])


@pytest.mark.parametrize(
    ("image", "options", "text"),
    [
        (np.zeros((2, 2, 5)), {}, "expected 1 to 4 channels, got 5"),
        (np.zeros((2, 2, 3), np.int16), {}, "expected bool, unsigned integers or floats, got int16"),
        (np.zeros((2, 2, 3)), {"channel_axis": 3}, r"expected channel_axis to be an axis of shape \(2, 2, 3\), got 3"),
        (np.zeros((2, 2, 4)), {"background": 2}, "expected background within 0..1, got 2"),
    ],
)
def test_grey_refuses(image, options, text):
    with pytest.raises(ArgumentError, match=text):
        to_grey(image, **options)
