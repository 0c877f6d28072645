"""Region tables as CSV."""

import csv

import numpy as np

import fastcnn.ops
from fastcnn.pipelines import write_region_csv


def table(labels, intensity):
    return fastcnn.ops.region_table(labels, intensity)


def test_one_image(tmp_path):
    labels = np.zeros((6, 9), np.int32)
    labels[1:3, 2:6] = 1
    labels[4, 8] = 2
    intensity = np.arange(54, dtype=np.float32).reshape(6, 9)
    write_region_csv(tmp_path / "a.csv", table(labels, intensity), np.int32(2))
    assert (tmp_path / "a.csv").read_text() == (
        "label,area,centroid_y,centroid_x,bbox_x1,bbox_y1,bbox_x2,bbox_y2,intensity_mean,intensity_min,intensity_max\n"
        "1,8,1.500,3.500,2,1,6,3,17,11,23\n"
        "2,1,4.000,8.000,8,4,9,5,44,44,44\n"
    )


def test_pages(tmp_path):
    labels = np.zeros((3, 4, 5), np.int32)
    labels[0, 0, 0] = 1
    labels[0, 3, 3] = 2
    labels[2, 1, 1] = 1
    write_region_csv(tmp_path / "a.csv", table(labels, labels.astype(np.float32)), np.array([2, 0, 1]))
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["page"], r["label"], r["centroid_y"]) for r in rows] == [
        ("1", "1", "0.000"), ("1", "2", "3.000"), ("3", "1", "1.000"),
    ]  # fmt: skip


def test_no_objects(tmp_path):
    labels = np.zeros((4, 5), np.int32)
    write_region_csv(tmp_path / "a.csv", table(labels, labels.astype(np.float32)), np.int32(0))
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1
