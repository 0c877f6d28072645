"""The whole chain: on the coins, on rendered cells with a known truth, on awkward images, on both fronts."""

from importlib.resources import files

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.data
import skimage.feature
import skimage.filters
import skimage.measure
import skimage.morphology
import skimage.segmentation
import torch

import fastcnn
from fastcnn import ArgumentError
from fastcnn.io import read_image
from fastcnn.pipelines import Settings, segment_instances
from tests.pipelines.scenes import f1, overlaps, renderer

COINS = skimage.data.coins()
# The README's command.
COIN_SETTINGS = {
    "threshold": "local",
    "block_size": 101,
    "offset": -5,
    "sigma": 1,
    "closing": 3,
    "opening": 5,
    "min_size": 300,
    "smooth_distance": 2,
    "min_distance": 15,
}
EXPLICIT = {**COIN_SETTINGS, "fill_holes": "all"}


def chain(image):
    """The README's command in scikit-image and SciPy, none of it ours: (mask, labels)."""
    disk = skimage.morphology.disk
    image = ndi.gaussian_filter(image.astype(np.float32), 1)
    mask = image > skimage.filters.threshold_local(image, 101, "mean", offset=-5)
    # Pixels outside the image count as neither object nor background.
    mask = ndi.binary_erosion(ndi.binary_dilation(mask, disk(3)), disk(3), border_value=1)
    mask = ndi.binary_fill_holes(mask)
    mask = ndi.binary_dilation(ndi.binary_erosion(mask, disk(5), border_value=1), disk(5))
    mask = skimage.morphology.remove_small_objects(mask, max_size=300)
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 2)
    pieces = skimage.measure.label(mask, connectivity=1)
    peaks = skimage.feature.peak_local_max(distance, min_distance=15, labels=pieces, exclude_border=False)
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return mask, skimage.segmentation.watershed(-distance, markers, mask=mask)


@pytest.fixture(scope="module")
def coins():
    return chain(COINS)


@pytest.fixture(scope="module")
def render():
    return renderer().render


def check(result, image):
    """Check the properties of every result."""
    labels, markers = np.asarray(result.labels), np.asarray(result.markers)
    assert labels.shape == image.shape
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels > 0, np.asarray(result.mask))
    np.testing.assert_array_equal(labels[markers > 0], markers[markers > 0])
    for index in np.ndindex(image.shape[:-2]):
        count = int(np.asarray(result.count)[index])
        own, own_markers = labels[index], markers[index]
        np.testing.assert_array_equal(own_markers[own_markers > 0], np.arange(1, count + 1))
        assert set(np.unique(own)) - {0} == set(range(1, count + 1))
        assert skimage.measure.label(own, connectivity=1).max(initial=0) == count, "an object falls apart"
        area = np.asarray(result.regions.area)[index]
        np.testing.assert_array_equal(area[:count], np.bincount(own.ravel(), minlength=count + 1)[1:])
    return result


class TestCoins:
    @pytest.mark.parametrize("settings", [COIN_SETTINGS, EXPLICIT], ids=["documented", "all holes"])
    def test_the_documented_command_finds_24(self, coins, settings):
        mask, labels = coins
        assert labels.max() == 24
        result = check(segment_instances(COINS, **settings), COINS)
        assert result.count == 24
        assert np.mean(result.mask == mask) > 0.999
        assert (overlaps(result.labels, labels).max(0) > 0.98).all()

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x,
            lambda x: x.astype(np.uint16) * 200 + 1000,
            lambda x: x.astype(np.float32) / 255 - 3,
            lambda x: x.T,
            lambda x: x[::-1],
        ],
        ids=["as it is", "16 bit", "float", "turned", "upside down"],
    )
    def test_the_defaults_find_24(self, coins, change):
        image = change(COINS)
        result = check(segment_instances(image), image)
        assert result.count == 24
        truth = change(coins[1]) if image.dtype == np.uint8 else coins[1]
        assert (overlaps(result.labels, truth).max(0) > 0.85).all()
        assert result.settings[0].threshold == "local"

    def test_the_defaults_do_not_depend_on_scale(self, coins):
        double = np.kron(COINS, np.ones((2, 2), np.uint8))
        result = segment_instances(double)
        assert result.count == 24
        assert (overlaps(result.labels, np.kron(coins[1], np.ones((2, 2), int))).max(0) > 0.85).all()

    def test_dark_objects_are_bright_ones_turned_round(self):
        for settings in ({}, EXPLICIT, {**EXPLICIT, "threshold": 100.0}, {**EXPLICIT, "threshold": "otsu"}):
            bright = segment_instances(COINS.astype(np.float32), **settings)
            turned = {**settings, "threshold": 155.0} if settings.get("threshold") == 100.0 else settings
            dark = segment_instances(255 - COINS.astype(np.float32), dark_objects=True, **turned)
            assert dark.count == bright.count
            assert np.mean(dark.labels == bright.labels) > 0.99


class TestCells:
    def test_the_sample_is_what_its_script_renders(self, render):
        shipped = read_image(files("fastcnn") / "data" / "cells.png").pixels
        scene = render()
        assert scene.labels.max() == 80
        # Different mathematics libraries may round a pixel the other way.
        assert np.abs(shipped.astype(int) - scene.image).max() <= 1

    def test_the_defaults_find_the_samples_nuclei(self, render):
        scene = render()
        result = check(segment_instances(scene.image), scene.image)
        assert abs(int(result.count) - 80) <= 2
        assert f1(result.labels, scene.labels) > 0.97

    @pytest.mark.parametrize(
        ("scene", "minimum"),
        [
            ({"seed": 1}, 0.96),
            ({"seed": 2, "count": 40}, 0.96),
            ({"seed": 5, "count": 160}, 0.9),
            ({"seed": 6, "radius": 7.0, "count": 200}, 0.85),
            ({"seed": 7, "radius": 60.0, "size": 768, "count": 25}, 0.9),
            ({"seed": 8, "background": 0.0}, 0.95),
            ({"seed": 9, "background": 2.5}, 0.9),
            ({"seed": 10, "noise": 4.0}, 0.93),
            ({"seed": 12, "count": 1}, 1.0),
        ],
        ids=str,
    )
    def test_the_defaults_on_other_pictures(self, render, scene, minimum):
        image, truth = render(**scene)
        assert f1(segment_instances(image).labels, truth) >= minimum
        assert f1(segment_instances(255 - image, dark_objects=True).labels, truth) >= minimum - 0.02

    def test_measured_settings_reproduce_the_result(self, render):
        image = render(seed=14).image
        measured = segment_instances(image)
        settings = measured.settings[0]
        assert None not in settings._replace(block_size=0, offset=0)
        again = segment_instances(image, **settings._asdict())
        np.testing.assert_array_equal(again.labels, measured.labels)
        assert again.settings == (settings,)


class TestSteps:
    """Every parameter does what it says, on an image of plain shapes."""

    IMAGE = np.zeros((60, 80), np.float32)
    IMAGE[10:30, 10:30] = 100
    IMAGE[18:22, 18:22] = 0  # a hole of 16
    IMAGE[40:43, 10:13] = 100  # a speck of 9
    IMAGE[10:30, 50:52] = 100  # a line, two wide
    IMAGE[35:55, 40:60] = 50
    PLAIN: dict = {
        "threshold": 25.0, "sigma": 0, "closing": 0, "opening": 0, "fill_holes": 0, "min_size": 0,
        "smooth_distance": 0, "min_distance": 20,
    }  # fmt: skip

    def mask(self, **change):
        result = check(segment_instances(self.IMAGE, **{**self.PLAIN, **change}), self.IMAGE)
        return result.mask

    def test_plain(self):
        np.testing.assert_array_equal(self.mask(), self.IMAGE > 25)

    def test_threshold(self):
        np.testing.assert_array_equal(self.mask(threshold=75), self.IMAGE > 75)
        np.testing.assert_array_equal(self.mask(threshold=100), np.zeros((60, 80), bool))

    def test_otsu(self):
        np.testing.assert_array_equal(self.mask(threshold="otsu"), self.IMAGE > 25)

    def test_dark_objects(self):
        np.testing.assert_array_equal(self.mask(threshold=75, dark_objects=True), self.IMAGE < 75)

    def test_fill_holes(self):
        filled = self.IMAGE > 25
        filled[18:22, 18:22] = True
        np.testing.assert_array_equal(self.mask(fill_holes=15), self.IMAGE > 25)
        np.testing.assert_array_equal(self.mask(fill_holes=16), filled)
        np.testing.assert_array_equal(self.mask(fill_holes="all"), filled)

    def test_min_size(self):
        without = self.IMAGE > 25
        np.testing.assert_array_equal(self.mask(min_size=8), without)
        without[40:43, 10:13] = False
        np.testing.assert_array_equal(self.mask(min_size=9), without)

    def test_opening_and_closing(self):
        disk = skimage.morphology.disk
        mask = self.IMAGE > 25
        np.testing.assert_array_equal(self.mask(opening=2), ndi.binary_opening(mask, disk(2)))
        closed = ndi.binary_closing(np.pad(mask, 9), disk(3))[9:-9, 9:-9]
        np.testing.assert_array_equal(self.mask(closing=3), closed)

    def test_local(self):
        for block, offset in ((9, -10.0), (31, 3.0)):
            local = skimage.filters.threshold_local(self.IMAGE.astype(np.float64), block, "mean", offset=offset)
            clear = abs(self.IMAGE - local) > 1e-3
            found = self.mask(threshold="local", block_size=block, offset=offset)
            np.testing.assert_array_equal(found[clear], (local < self.IMAGE)[clear])

    def test_sigma(self):
        blurred = ndi.gaussian_filter(self.IMAGE, 2.0)
        clear = abs(blurred - 25) > 1e-3
        np.testing.assert_array_equal(self.mask(sigma=2.0)[clear], (blurred > 25)[clear])

    def test_min_distance_and_smoothing_separate(self):
        y, x = np.mgrid[:60, :100]
        image = ((np.hypot(y - 30, x - 30) < 18) | (np.hypot(y - 30, x - 60) < 18)).astype(np.float32)
        two = segment_instances(image, **{**self.PLAIN, "threshold": 0.5, "smooth_distance": 1, "min_distance": 10})
        assert check(two, image).count == 2
        assert (two.labels[:, 30] <= 1).all()
        assert set(two.labels[30, [30, 60]]) == {1, 2}
        one = segment_instances(image, **{**self.PLAIN, "threshold": 0.5, "smooth_distance": 1, "min_distance": 40})
        assert check(one, image).count == 1

    def test_the_table_is_of_the_image_as_given(self):
        for dark in (False, True):
            result = segment_instances(self.IMAGE, **{**self.PLAIN, "threshold": 25 if dark else 75}, dark_objects=dark)
            for label in range(1, int(result.count) + 1):
                inside = self.IMAGE[result.labels == label]
                assert result.regions.intensity_mean[label - 1] == pytest.approx(inside.mean())
                assert result.regions.intensity_min[label - 1] == inside.min()
                assert result.regions.intensity_max[label - 1] == inside.max()


class TestBatch:
    def test_images_do_not_influence_each_other(self, render):
        images = np.stack([render(seed=s, size=128, radius=r, count=20).image for s, r in ((1, 9.0), (2, 14.0))])
        images = np.stack([images, 255 - images, np.zeros_like(images)])
        for settings in ({}, {"threshold": "otsu"}, EXPLICIT):
            whole = check(segment_instances(images, **settings), images)
            assert whole.count.shape == (3, 2)
            for index in np.ndindex(3, 2):
                alone = segment_instances(images[index], **settings)
                np.testing.assert_array_equal(whole.labels[index], alone.labels)
                assert whole.count[index] == alone.count
                n = int(alone.count)
                np.testing.assert_array_equal(whole.regions.bbox[index][:n], alone.regions.bbox)
            assert len(whole.settings) == (6 if settings != EXPLICIT else 1)

    @pytest.mark.parametrize(
        "settings", [{}, {"threshold": "local"}, {"threshold": 5.0}, EXPLICIT], ids=lambda s: ",".join(s) or "defaults"
    )
    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (0, 4, 5), (2, 0, 5), (0, 0, 3)])
    def test_empty(self, shape, settings):
        for image in (np.zeros(shape, np.uint8), torch.zeros(shape)):
            result = segment_instances(image, **settings)
            assert tuple(result.labels.shape) == shape
            assert tuple(result.count.shape) == shape[:-2]
            assert int(result.count.sum()) == 0


class TestAwkward:
    @pytest.mark.parametrize(
        "settings",
        [{}, {"threshold": "otsu"}, {"threshold": "local"}, EXPLICIT],
        ids=lambda s: ",".join(s) or "defaults",
    )
    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 64), (17, 15)])
    def test_sizes(self, shape, settings):
        for seed in range(3):
            image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
            check(segment_instances(image, **settings), image)

    @pytest.mark.parametrize("value", [0, 7, 255])
    def test_constant_images_hold_nothing(self, value):
        image = np.full((40, 50), value, np.uint8)
        for settings in ({}, {"threshold": "otsu"}, {"threshold": "local", "block_size": 9, "offset": -1.0}):
            assert segment_instances(image, **settings).count == 0

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (30, 40), (2, 30, 41)])
    @pytest.mark.parametrize("settings", [{}, {"smooth_distance": 2.0, "min_distance": 3}])
    def test_an_image_without_background_is_one_object(self, shape, settings):
        image = np.full(shape, 100, np.uint8)
        for front in (np.asarray, torch.from_numpy):
            result = check(segment_instances(front(image), threshold=5, **settings), image)
            assert np.asarray(result.labels == 1).all()
            assert np.isfinite(np.asarray(result.distance)).all()

    def test_one_image_without_background_in_a_batch(self):
        image = np.zeros((2, 30, 30), np.uint8)
        image[0] = 100
        image[1, 5:12, 5:12] = 100
        np.testing.assert_array_equal(check(segment_instances(image, threshold=5), image).count, [1, 1])

    @pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int16, np.uint32, np.int64, np.float16, np.float64])
    def test_dtypes(self, dtype):
        y, x = np.mgrid[:40, :60]
        image = ((np.hypot(y - 20, x - 15) < 8) | (np.hypot(y - 20, x - 42) < 8)).astype(dtype)
        assert check(segment_instances(image), image).count == 2
        if dtype not in (np.uint16, np.uint32):
            tensor = torch.from_numpy(image)
            assert segment_instances(tensor).count == 2

    def test_strides(self):
        image = np.ascontiguousarray(COINS)
        expected = segment_instances(image[::2, ::-2].copy()).labels
        np.testing.assert_array_equal(segment_instances(image[::2, ::-2]).labels, expected)

    def test_the_image_is_not_changed(self):
        image = COINS.astype(np.float32)
        before = image.copy()
        segment_instances(image)
        segment_instances(image, dark_objects=True)
        np.testing.assert_array_equal(image, before)


class TestFronts:
    @pytest.mark.parametrize("settings", [{}, {"threshold": "otsu"}, EXPLICIT, {"dark_objects": True}], ids=",".join)
    def test_tensors_and_arrays_agree(self, settings):
        images = np.stack([COINS[:200, :250], COINS[100:300, 100:350]])
        for image in (images, images[0], images.astype(np.float64)):
            expected = segment_instances(image, **settings)
            result = segment_instances(torch.from_numpy(image), **settings)
            assert isinstance(result.labels, torch.Tensor)
            assert result.labels.dtype == torch.int32
            assert isinstance(expected.labels, np.ndarray)
            np.testing.assert_array_equal(result.labels, expected.labels)
            np.testing.assert_array_equal(result.count, expected.count)
            np.testing.assert_array_equal(result.markers, expected.markers)
            np.testing.assert_allclose(result.distance, expected.distance, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(result.regions.area, expected.regions.area)
            assert result.settings == expected.settings

    def test_bfloat16(self):
        image = torch.from_numpy(COINS).to(torch.bfloat16)  # 8 bits: nothing is lost
        assert segment_instances(image).count == 24

    def test_threads(self):
        before = fastcnn.get_num_threads(), torch.get_num_threads()
        results = []
        try:
            for n in (1, 2):
                fastcnn.set_num_threads(n)
                torch.set_num_threads(n)
                results.append([segment_instances(COINS), segment_instances(torch.from_numpy(COINS))])
        finally:
            fastcnn.set_num_threads(before[0])
            torch.set_num_threads(before[1])
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one.labels, two.labels)
            np.testing.assert_array_equal(one.distance, two.distance)
            assert one.settings == two.settings


class TestFixedShape:
    """With max_objects shapes do not depend on the data."""

    IMAGES = np.stack([COINS[:200, :250], COINS[100:300, 100:350], np.zeros((200, 250), np.uint8)])

    @pytest.mark.parametrize("front", [np.asarray, torch.from_numpy], ids=["NumPy", "torch"])
    @pytest.mark.parametrize("lead", [(), (3,), (1, 3)])
    def test_enough(self, front, lead):
        images = self.IMAGES[0] if lead == () else self.IMAGES.reshape(*lead, 200, 250)
        free = segment_instances(front(images), **EXPLICIT)
        fixed = segment_instances(front(images), **EXPLICIT, max_objects=40)
        for name in ("labels", "count", "markers", "mask", "distance"):
            np.testing.assert_array_equal(getattr(fixed, name), getattr(free, name))
        assert fixed.regions.bbox.shape == (*lead, 40, 4)
        n = free.regions.area.shape[-1]
        np.testing.assert_array_equal(fixed.regions.area[..., :n], free.regions.area)
        assert not np.asarray(fixed.regions.area[..., n:]).any()

    @pytest.mark.parametrize("front", [np.asarray, torch.from_numpy], ids=["NumPy", "torch"])
    def test_too_few(self, front):
        free = segment_instances(self.IMAGES[0], **EXPLICIT)
        assert free.count > 3
        result = segment_instances(front(self.IMAGES[:2]), **EXPLICIT, max_objects=3)
        np.testing.assert_array_equal(result.count, [3, 3])
        kept = np.asarray(result.markers[0]) > 0
        heights = np.sort(free.distance[free.markers > 0])
        np.testing.assert_array_equal(np.sort(free.distance[kept]), heights[-3:])
        assert not np.asarray(segment_instances(front(self.IMAGES), **EXPLICIT, max_objects=0).labels).any()


class TestGraph:
    """One graph from the image to the table."""

    SETTINGS: dict = {**EXPLICIT, "max_objects": 40}

    def function(self, image):
        return segment_instances(image, **self.SETTINGS)[:-1]

    def compare(self, result, image):
        for one, other in zip(torch.utils._pytree.tree_leaves(result),
                              torch.utils._pytree.tree_leaves(self.function(image)), strict=True):  # fmt: skip
            torch.testing.assert_close(one, other)

    def test_compiled(self):
        images = torch.from_numpy(TestFixedShape.IMAGES)
        compiled = torch.compile(self.function, fullgraph=True, backend="aot_eager")
        self.compare(compiled(images), images)

    def test_exported_with_dynamic_sizes(self):
        module = torch.nn.Module()
        module.forward = self.function

        images = torch.from_numpy(TestFixedShape.IMAGES)
        auto = torch.export.Dim.AUTO
        program = torch.export.export(module, (images,), dynamic_shapes=({0: auto, 1: auto, 2: auto},))
        for image in (images, images[:2, :150, :200]):
            self.compare(program.module()(image), image)

    def test_what_is_measured_stops_a_graph(self):
        compiled = torch.compile(lambda x: segment_instances(x).labels, fullgraph=True, backend="eager")
        with pytest.raises(Exception, match="segment_instances: expected every parameter as a number in a graph"):
            compiled(torch.from_numpy(COINS))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"threshold": "mean"}, ArgumentError, "expected threshold .auto., .otsu., .local. or a number, got 'mean'"),
        ({"threshold": float("nan")}, ArgumentError, "expected threshold to be finite, got nan"),
        ({"threshold": None}, TypeError, "expected threshold to be a number, got NoneType"),
        ({"threshold": True}, TypeError, "expected threshold to be a number, got bool"),
        ({"block_size": 4}, ArgumentError, "expected an odd block_size, got 4"),
        ({"block_size": 0}, ArgumentError, "expected block_size of at least 1, got 0"),
        ({"block_size": 3.0}, TypeError, "expected block_size to be an int, got float"),
        ({"offset": float("inf")}, ArgumentError, "offset"),
        ({"sigma": -1}, ArgumentError, "expected sigma of at least 0, got -1"),
        ({"sigma": float("inf")}, ArgumentError, "sigma"),
        ({"closing": -1}, ArgumentError, "expected closing of at least 0, got -1"),
        ({"opening": 1.5}, TypeError, "expected opening to be an int, got float"),
        ({"fill_holes": "some"}, ArgumentError, "expected fill_holes .all. or a number, got 'some'"),
        ({"fill_holes": -1}, ArgumentError, "expected fill_holes of at least 0, got -1"),
        ({"min_size": -1}, ArgumentError, "expected min_size of at least 0, got -1"),
        ({"smooth_distance": -0.1}, ArgumentError, "expected smooth_distance of at least 0, got -0.1"),
        ({"min_distance": 0}, ArgumentError, "expected min_distance of at least 1, got 0"),
        ({"max_objects": -1}, ArgumentError, "expected max_objects of at least 0, got -1"),
        ({"image": np.zeros(5)}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(5,\)"),
        ({"image": np.zeros((5, 5), complex)}, TypeError, "expected image of bool, integer or float, got complex128"),
        ({"image": torch.zeros(5, 5, dtype=torch.complex64)}, TypeError, "integer or float, got torch.complex64"),
        ({"image": np.array([["a", "b"]])}, TypeError, "expected image of bool, integer or float, got <U1"),
        ({"image": np.array([[1, np.nan]])}, ArgumentError, "expected finite pixels in image, got NaN or infinity"),
        ({"image": torch.tensor([[1, float("inf")]])}, ArgumentError, "expected finite pixels in image"),
    ],
    ids=str,
)
def test_errors(change, error, text):
    image = change.pop("image", COINS) if "image" in change else COINS
    with pytest.raises(error, match=f"segment_instances: .*{text}|{text}"):
        segment_instances(image, **change)


def test_settings_are_the_parameters():
    import inspect

    parameters = list(inspect.signature(segment_instances).parameters.values())[1:-1]  # the image, max_objects
    assert [p.name for p in parameters] == list(Settings._fields)
    assert tuple(p.default for p in parameters) == Settings()
