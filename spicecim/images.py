"""The photograph that the demonstration and the validations take, from a package that carries it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.errors import MissingPackageError


def camera() -> NDArray[np.uint8]:
    """Return scikit-image's photograph of a man with a camera, 512 x 512 pixels from 0 to 255.

    Raises
    ------
    MissingPackageError
        Without scikit-image, the extra ``demo``.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingPackageError.of("demo", f"the photograph comes with scikit-image ({error})") from None
    image: NDArray[np.uint8] = data.camera()  # type: ignore[no-untyped-call]
    return image
