"""Digits by a support vector machine, a perceptron and LeNet-5: "an SVM copes too", and what a network adds.

All three learn two thirds of scikit-learn's 1,797 digits and are tested on the rest: as they are, and shifted by a
pixel, where the first two, to which each pixel is a feature of its own, lose more than the network that slides its
filters. (Training moves the networks' pictures a little; the SVM learns them as they are.)

    pip install 'fastcnn[train]'
    python examples/classify_digits.py       # writes classify_digits.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from fastcnn.models import load_model

try:
    from sklearn.svm import SVC
except ModuleNotFoundError:
    raise SystemExit("classify_digits.py needs scikit-learn: pip install 'fastcnn[train]'") from None
from fastcnn.train import Settings, find_sources, train


def arrays(part: torch.utils.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 8, 8) and labels."""
    samples = [part[i] for i in range(len(part))]
    return np.stack([s.image[0].numpy() for s in samples]), np.array([s.label for s in samples])


def shifted(images: np.ndarray) -> np.ndarray:
    """One pixel to the right or to the left, in turns."""
    moved = np.zeros_like(images)
    moved[::2, :, 1:], moved[1::2, :, :-1] = images[::2, :, :-1], images[1::2, :, 1:]
    return moved


def network(name: str, epochs: int, folder: str):
    """Train one, and return what classifies pictures."""
    settings = Settings("classify", "digits", name, epochs=epochs, batch_size=32)
    found = load_model(train(settings, Path(folder) / name, quiet=True).folder / "weights.safetensors")

    def classify(images: np.ndarray) -> np.ndarray:
        import fastcnn.ops as F

        resized = F.resize(torch.from_numpy(images)[:, None], found.about["image_size"], antialias=True)
        return found.model(resized).argmax(1).numpy()

    return classify


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("classify_digits.png"))
    arguments = parser.parse_args()
    sources = find_sources(Settings("classify", "digits"))
    (images, labels), (held, wanted) = arrays(sources.train), arrays(sources.validation)
    machine = SVC(gamma=1.0).fit(images.reshape(len(images), -1), labels)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        with console.status("training a perceptron and LeNet-5"):
            methods = {
                "SVM": lambda x: machine.predict(x.reshape(len(x), -1)),
                "perceptron": network("mlp", arguments.epochs, folder),
                "LeNet-5": network("lenet5", arguments.epochs, folder),
            }
        table = Table("", "accuracy", "shifted by a pixel")
        wrong = np.zeros(len(held), bool)
        for name, classify in methods.items():
            found = classify(held)
            wrong |= found != wanted
            moved = classify(shifted(held))
            table.add_row(name, f"{(found == wanted).mean():.4f}", f"{(moved == wanted).mean():.4f}")
    console.print(table)
    # Digits that at least one of the models misclassified.
    tiles = [np.kron(255 - held[i] * 255, np.ones((8, 8))) for i in np.flatnonzero(wrong)[:20]]
    Image.fromarray(np.hstack(tiles or [np.full((64, 64), 255.0)]).astype(np.uint8)).save(arguments.out)
    console.print(f"{arguments.out}: digits that one of them got wrong")


if __name__ == "__main__":
    main()
