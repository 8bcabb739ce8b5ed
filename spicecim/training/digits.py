"""The handwritten digits of scikit-learn: 1797 images of 8 x 8 pixels from 0 to 16.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
doi:10.24432/C50P49; scikit-learn carries the part of it that was meant for tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from spicecim.encodings.integers import check_integer

IntArray = NDArray[np.int_]

LARGEST_PIXEL = 16
_TEST_IMAGES = 500


class Digits(NamedTuple):
    """Images (image, height, width) of pixels from 0 to 16, and their labels (image,) from 0 to 9."""

    train_images: IntArray
    train_labels: IntArray
    test_images: IntArray
    test_labels: IntArray


def split_digits(seed: int) -> Digits:
    """Split the digits into 1297 images to train with and 500 to test with, the classes in the same proportions.

    Raises
    ------
    InputError
        If the seed is no integer from 0 to 2^32 - 1.
    """
    check_integer(seed, "seed", 0, 2**32 - 1)
    digits = load_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        digits.images.astype(int), digits.target, test_size=_TEST_IMAGES, random_state=seed, stratify=digits.target
    )
    return Digits(train_images, train_labels, test_images, test_labels)
