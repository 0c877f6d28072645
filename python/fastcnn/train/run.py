"""A training run, from settings to a folder with all results."""

from __future__ import annotations

import json
import logging
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from fastcnn._errors import ArgumentError
from fastcnn._tasks import task_named
from fastcnn.io import replacing, write_image
from fastcnn.models import save_model
from fastcnn.train.averaging import MovingAverage
from fastcnn.train.loading import Loading
from fastcnn.train.settings import Settings
from fastcnn.train.sources import find_sources
from fastcnn.train.task import Task

SETTINGS, WEIGHTS, METRICS, PICTURES, CHECKPOINTS = (
    "settings.yaml",
    "weights.safetensors",
    "metrics.json",
    "pictures",
    "checkpoints",
)
LAST = "last.ckpt"
# Settings that may differ in a resumed run.
_MAY_CHANGE = ("epochs", "workers")
_PICTURES = 8


class Finished(NamedTuple):
    """The result of a run.

    Attributes:
        folder: with ``weights.safetensors``, which `fastcnn.models.load_model` takes; ``settings.yaml``;
            ``metrics.json``; ``pictures/``; ``curves/``, for TensorBoard; and ``checkpoints/``.
        metrics: of the kept weights, on the validation data.
    """

    folder: Path
    metrics: dict[str, float]


def train(settings: Settings, out: str | os.PathLike[str], *, resume: bool = False, quiet: bool = False) -> Finished:
    """Train a model.

    Args:
        settings: task, data, model and hyperparameters.
        out: the folder to create for the run. A folder that already holds a run is refused, unless `resume` is set.
        resume: continue the run in `out` after the last finished epoch; start a run if there is none. `epochs` may
            change, but not to fewer than are done: the learning rate continues on the curve that this number would
            have had from the start. `workers` may change too.
        quiet: no progress bar and no summary.

    Returns:
        `Finished`. The kept weights are those of the best epoch.

    Raises:
        ArgumentError: settings that contradict themselves, the data, or those of the run to be resumed; a loss that is
            not finite.
        DataError, ImageFileError: data that is missing or broken.

    On one device of one machine, the same settings give the same weights again, and a resumed run gives those of an
    uninterrupted one, unless the model itself draws random numbers (as dropout does).

    Example:
        >>> import tempfile
        >>> from fastcnn.train import Settings, train
        >>> settings = Settings("classify", "digits", epochs=1, batch_size=128)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     finished = train(settings, f"{folder}/run", quiet=True)
        ...     sorted(path.name for path in finished.folder.iterdir())
        ['checkpoints', 'curves', 'metrics.json', 'pictures', 'settings.yaml', 'weights.safetensors']
    """
    folder = Path(out)
    if os.environ.get("LOCAL_RANK", "0") == "0":  # other processes may find a run that has begun
        _check_folder(folder, settings, resume)
    # Hide remarks on the hardware, which are of no use to most users.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for text in (
            ".*does not have many workers.*",  # no workers is the default here, on purpose
            "Checkpoint directory .* exists.*",  # the folder of the resumed run
            ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of torch
        ):
            warnings.filterwarnings("ignore", text)
        return _run(settings, folder, resume, quiet)


def _check_folder(folder: Path, settings: Settings, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"train: {folder} is not a folder")
    there = folder / SETTINGS
    if there.exists():
        if not resume:
            raise ArgumentError(f"train: {folder} holds a run already; resume it, or take another folder")
        before, now = asdict(Settings.load(there)), asdict(settings)
        others = [n for n in now if n not in _MAY_CHANGE and before[n] != now[n]]
        if others:
            listed = ", ".join(f"{name} {before[name]}, not {now[name]}" for name in others)
            raise ArgumentError(f"train: the run in {folder} has other settings than these: {listed} (see {there})")
        done = _epochs_done(folder)
        if done > settings.epochs:
            raise ArgumentError(
                f"train: expected epochs of at least {done}, which {folder} has done, got {settings.epochs}"
            )


def _epochs_done(folder: Path) -> int:
    last = folder / CHECKPOINTS / LAST
    return int(torch.load(last, mmap=True, weights_only=True)["epoch"]) + 1 if last.exists() else 0


def make_task(settings: Settings) -> tuple[Task, Loading]:
    """Return the task and its data."""
    sources = find_sources(settings)
    kind: Any = task_named(settings.task)  # each constructor takes these two
    task: Task = kind(settings, sources)
    loading = Loading(sources, settings, task.augmentation(sources.train), task.preparation(), task.collate)
    return task, loading


def _run(settings: Settings, folder: Path, resume: bool, quiet: bool) -> Finished:
    seed_everything(settings.seed, verbose=False)
    task, loading = make_task(settings)
    # Write the folder only now: a run with wrong settings must leave nothing behind.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        folder.mkdir(parents=True, exist_ok=True)
        settings.save(folder / SETTINGS)
    best = ModelCheckpoint(
        folder / CHECKPOINTS, "best", monitor=task.metric, mode="max", save_last=True, enable_version_counter=False
    )
    callbacks: list[Callback] = [best, LearningRateMonitor("step")]
    if settings.average:
        callbacks.append(MovingAverage(settings.average))
    if settings.patience:
        callbacks.append(EarlyStopping(task.metric, patience=settings.patience, mode="max"))
    if not quiet:
        callbacks.append(RichProgressBar())
    trainer = Trainer(
        accelerator="auto",
        devices=settings.devices,
        strategy="auto" if settings.devices == 1 else "ddp",
        precision=settings.precision,  # type: ignore[arg-type]  # checked
        max_epochs=settings.epochs,
        gradient_clip_val=settings.clip or None,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, "curves", ""),
        log_every_n_steps=min(10, max(1, len(loading.train_set) // settings.batch_size)),
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=not quiet,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    last = folder / CHECKPOINTS / LAST
    try:
        trainer.fit(task, loading, ckpt_path=last if resume and last.exists() else None, weights_only=True)
    except SystemExit:  # which Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    task.load_state_dict(kept)
    # Otherwise it would validate its own weights, those of the last epoch, instead of the kept ones.
    trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, MovingAverage)]  # type: ignore[attr-defined]  # a list
    values = trainer.validate(task, loading, verbose=False)[0]
    metrics = {name: float(value) for name, value in values.items()}
    if trainer.is_global_zero:
        _write(task, loading, folder, metrics)
    trainer.strategy.barrier()
    return Finished(folder, metrics)


def _write(task: Task, loading: Loading, folder: Path, metrics: dict[str, float]) -> None:
    settings = task.settings
    task.eval()
    save_model(
        folder / WEIGHTS, task.network, settings.model_name, task.arguments, {**task.about(), "metrics": metrics},
        half=settings.half,
    )  # fmt: skip
    with replacing(folder / METRICS) as (file,):
        Path(file).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (folder / PICTURES).mkdir(exist_ok=True)
    for i in range(min(_PICTURES, len(loading.validation_set))):
        write_image(folder / PICTURES / f"{i}.png", task.picture(loading.validation_set[i]))
