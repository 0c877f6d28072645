"""Complete pipelines built from the ops, from images to results. Works on NumPy arrays and torch tensors."""

from fastcnn.pipelines.learned import FoundBoxes, detect, segment_with_model
from fastcnn.pipelines.overlay import contact_sheet, draw_boxes, draw_outlines
from fastcnn.pipelines.report import write_region_csv
from fastcnn.pipelines.segmentation import Instances, Settings, segment_instances

__all__ = [
    "FoundBoxes",
    "Instances",
    "Settings",
    "contact_sheet",
    "detect",
    "draw_boxes",
    "draw_outlines",
    "segment_instances",
    "segment_with_model",
    "write_region_csv",
]
