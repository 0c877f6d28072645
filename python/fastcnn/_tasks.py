"""The tasks of training by name. To import this table imports neither torch nor Lightning."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastcnn.train.task import Task

TASKS = {
    "classify": "fastcnn.train.classify:Classify",
    "segment": "fastcnn.train.segment:Segment",
    "detect": "fastcnn.train.detect:Detect",
}


def task_named(name: str) -> type[Task]:
    """Import the class of a task."""
    module, _, attribute = TASKS[name].partition(":")
    task: type[Task] = getattr(import_module(module), attribute)
    return task
