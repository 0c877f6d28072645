"""Whole jobs on images, made of the ops: arrays in, results out. Works on NumPy arrays and torch tensors alike."""

from fastcnn.pipelines.overlay import contact_sheet, draw_boxes, draw_outlines
from fastcnn.pipelines.report import write_region_csv
from fastcnn.pipelines.segmentation import Instances, Settings, segment_instances

__all__ = [
    "Instances",
    "Settings",
    "contact_sheet",
    "draw_boxes",
    "draw_outlines",
    "segment_instances",
    "write_region_csv",
]
