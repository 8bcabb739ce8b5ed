"""The camera image through the scheme: how near each readout and amplitude scheme comes to exact 8-bit convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from spicecim.encodings.frequency_weighting.amplitude import AmplitudeScheme, pixel_drive, product_table
from spicecim.encodings.frequency_weighting.images import (
    convolve,
    exact_convolution,
    kernels,
    peak_signal_to_noise,
)
from spicecim.encodings.frequency_weighting.responses import Readout
from spicecim.encodings.integers import IntArray
from spicecim.errors import InputError
from spicecim.validation.frequency_weighting.subjects import Subject, calibrated

SHOWN_KERNEL = "Sobel x"


class Case(NamedTuple):
    """A device, how pixels become amplitudes, and what is read."""

    subject: Subject
    scheme: AmplitudeScheme
    readout: Readout = "rectified"

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.subject.title}, {self.scheme}, {self.readout}"


def convolve_image(
    image: IntArray, cases: Sequence[Case], progress: Callable[[float], None] = lambda fraction: None
) -> xr.Dataset:
    """Convolve an image by all kernels in every case.

    Returns
    -------
    xarray.Dataset
        Along ``case``: ``psnr`` (case, kernel), dB; ``output`` (case, row, column) of `SHOWN_KERNEL` beside ``exact``
        (row, column), in pixels times levels, and the ``image``. A case whose amplitudes cannot be chosen has NaN.
    """
    shapes = kernels()
    used = np.unique(np.concatenate([np.abs(kernel).ravel() for kernel in shapes.values()]))
    exact = {name: exact_convolution(image, kernel) for name, kernel in shapes.items()}
    psnr = np.full((len(cases), len(shapes)), np.nan)
    output = np.full((len(cases), *exact[SHOWN_KERNEL].shape), np.nan)
    for number, case in enumerate(cases):
        try:
            levels = calibrated(case.subject, readout=case.readout)
            table = product_table(pixel_drive(levels, case.scheme), used)
        except InputError:
            # a readout that does not rise with the amplitude, or does not depend on the frequency
            continue
        for column, (name, kernel) in enumerate(shapes.items()):
            found = convolve(table, image, kernel)
            psnr[number, column] = peak_signal_to_noise(found, exact[name])
            if name == SHOWN_KERNEL:
                output[number] = found
        progress((number + 1) / len(cases))
    return xr.Dataset(
        {
            "psnr": (("case", "kernel"), psnr, {"units": "dB"}),
            "output": (("case", "row", "column"), output),
            "exact": (("row", "column"), exact[SHOWN_KERNEL]),
            "image": (("image_row", "image_column"), image),
        },
        coords={
            "case": [case.title for case in cases],
            "device": ("case", [case.subject.title for case in cases]),
            "scheme": ("case", [case.scheme for case in cases]),
            "readout": ("case", [case.readout for case in cases]),
            "kernel": list(shapes),
        },
        attrs={"shown_kernel": SHOWN_KERNEL},
    )
