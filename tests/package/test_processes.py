"""Threads and forks: every DataLoader worker is a forked child of a process that has used the pool."""

import multiprocessing
import threading

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops
from tests import race

IMAGE = np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8)


class Eroded(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        numpy_front = fastcnn.ops.erosion(np.roll(IMAGE, index, 0), 5)
        torch_front = fastcnn.ops.erosion(torch.from_numpy(np.roll(IMAGE, index, 0)), 5)
        assert (torch.from_numpy(numpy_front) == torch_front).all()
        return torch_front


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_data_loader_workers():
    fastcnn.set_num_threads(2)
    expected = [Eroded()[i] for i in range(6)]  # starts the pool in the parent
    loader = torch.utils.data.DataLoader(Eroded(), num_workers=2, multiprocessing_context="fork", timeout=60)
    for got, e in zip(loader, expected, strict=True):
        assert torch.equal(got[0], e)


def _child(queue):
    queue.put(fastcnn.ops.erosion(IMAGE, 7))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_another_thread_works():
    """The child gets its own pool and scratch cache, whatever was locked in the parent."""
    expected = fastcnn.ops.erosion(IMAGE, 7)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            fastcnn.ops.erosion(IMAGE, 3)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(5):
            queue = context.Queue()
            child = context.Process(target=_child, args=(queue,))
            child.start()
            np.testing.assert_array_equal(queue.get(timeout=60), expected)
            child.join(60)
            assert child.exitcode == 0
    finally:
        stop.set()
        worker.join()


def test_many_callers():
    """Python threads call the NumPy front at the same time (it releases the GIL)."""
    expected = fastcnn.ops.erosion(IMAGE, 5)
    failures = []

    def work():
        for _ in range(20):
            if not np.array_equal(fastcnn.ops.erosion(IMAGE, 5), expected):
                failures.append(1)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


def test_torch_threads():
    """The torch front follows torch.set_num_threads, and gives the same."""
    tensor = torch.from_numpy(IMAGE)
    before = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append(fastcnn.ops.erosion(tensor, 9))
        assert all(torch.equal(r, results[0]) for r in results)
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_every_op_from_many_callers():
    """Results are those of one thread, whatever else runs; children of such a process work too."""
    assert race.run(rounds=1) == []


def test_every_op_has_a_call():
    """An op that is new needs a call in tests/race.py; what only makes footprints, boxes or views needs none."""
    plain = {"box_area", "box_convert", "clip_boxes_to_image", "decode_boxes", "diamond", "disk", "encode_boxes"}
    plain |= {"generate_anchors", "hexagon", "image_pyramid", "line", "rectangle", "remove_small_boxes"}
    plain |= {"sliding_windows", "square"}
    forms = {"adaptive_avg_pool1d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool3d"}
    forms |= {"max_unpool1d", "max_unpool2d", "max_unpool3d", "selective_search_padded"}
    assert set(fastcnn.ops.FOR_ARRAYS) == set(race.CALLS) | plain | forms
