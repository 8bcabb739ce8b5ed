"""Photographs that the demonstration and the validations take, from a package that carries them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.errors import MissingPackageError


def photograph(name: str) -> NDArray[np.uint8]:
    """Return a photograph of scikit-image by its name there: pixels (row, column) or (row, column, color), 0 to 255.

    Raises
    ------
    MissingPackageError
        Without scikit-image, the extra ``demo``.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingPackageError.of("demo", f"photographs come with scikit-image ({error})") from None
    image: NDArray[np.uint8] = getattr(data, name)()
    return image
