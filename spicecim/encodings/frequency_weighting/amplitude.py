"""How a pixel becomes the amplitude of a row's tone, and what that does to the product of pixel and weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from spicecim.encodings.frequency_weighting.calibration import Calibration
from spicecim.encodings.frequency_weighting.responses import CycleResponses, unit_current
from spicecim.encodings.integers import IntArray, check_range
from spicecim.errors import InputError
from spicecim.fields import FloatArray

PIXEL_MAX = 255
"""Largest pixel, which is driven by the amplitude of the calibration."""

AmplitudeScheme = Literal["fixed", "predistorted", "coscaled"]
"""``fixed``
    The amplitude is proportional to the pixel, the frequency that of the weight. The conductance then depends on the
    pixel.
``predistorted``
    The frequency is that of the weight; the amplitude of each pixel is chosen so that the mean over all weights is
    proportional to the pixel. One table in the row drivers, exact for no single weight.
``coscaled``
    Amplitude and frequency are both proportional to the pixel. The flux of a half cycle, A / (pi f), then depends on
    the weight alone, and so does the conductance of a device whose state follows the flux: for drift the product is
    exact. A pixel p takes ``PIXEL_MAX / p`` times as long to read.
"""

_CURVE_POINTS = 129
_FALL = 1e-6
"""Fall of the mean current between two amplitudes, relative to its maximum, that is no rounding."""


@dataclass(frozen=True)
class PixelDrive:
    """Amplitudes and frequencies of row tones by pixel and weight.

    Attributes
    ----------
    calibration
        The levels of the weights.
    scheme
        How pixels become amplitudes.
    amplitudes
        Amplitude of each pixel (PIXEL_MAX + 1,), V.
    """

    calibration: Calibration
    scheme: AmplitudeScheme
    amplitudes: FloatArray

    def tones(self, pixel: ArrayLike, level: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Amplitudes (V, positive) and frequencies (Hz) of pixels and levels of weights, broadcast.

        A pixel of 0 is not driven: its amplitude is 0, its frequency that of the weight.
        """
        pixels, levels = np.broadcast_arrays(
            check_range(pixel, "pixel", 0, PIXEL_MAX), check_range(level, "level", 0, len(self.calibration.x0) - 1)
        )
        frequency = self.calibration.frequency[levels]
        if self.scheme == "coscaled":
            frequency = frequency * np.where(pixels > 0, pixels / PIXEL_MAX, 1.0)
        return self.amplitudes[pixels], frequency

    def responses(self, pixel: ArrayLike, level: ArrayLike) -> CycleResponses:
        """One cycle of every pixel with every level (broadcast)."""
        amplitude, frequency = self.tones(pixel, level)
        return self.calibration.responses(amplitude, frequency, level)

    def product(self, current: ArrayLike, pixel_sum: ArrayLike) -> FloatArray:
        """Products (in pixels times levels) from readouts (A), less what level 0 conducts.

        Parameters
        ----------
        current
            Readouts, or sums of readouts.
        pixel_sum
            The pixel of each, or the sum of the pixels.
        """
        calibration = self.calibration
        siemens = np.asarray(current) / unit_current(calibration.amplitude, calibration.readout)
        return np.asarray(
            (PIXEL_MAX * siemens - calibration.target[0] * np.asarray(pixel_sum)) / calibration.step, dtype=float
        )


def pixel_drive(calibration: Calibration, scheme: AmplitudeScheme = "coscaled") -> PixelDrive:
    """Choose the amplitude of every pixel.

    Raises
    ------
    InputError
        If the amplitudes are to be predistorted, and the mean over all weights does not rise with the amplitude.
    """
    pixels = np.arange(PIXEL_MAX + 1) / PIXEL_MAX
    amplitudes = calibration.amplitude * pixels
    if scheme == "predistorted":
        tried = calibration.amplitude * np.linspace(0.0, 1.0, _CURVE_POINTS)
        mean = calibration.responses(tried[:, None]).current(calibration.readout).mean(axis=1)
        if (np.diff(mean) < -_FALL * mean.max()).any():
            raise InputError(
                "scheme: predistorted amplitudes need a readout whose mean over all weights rises with the amplitude; "
                "this device's does not"
            )
        # where nothing flows below a threshold, small pixels start from it
        rises = mean > np.concatenate([[-np.inf], np.maximum.accumulate(mean)[:-1]])
        amplitudes = np.asarray(PchipInterpolator(mean[rises], tried[rises])(mean[rises][-1] * pixels))
        # rounding must not drive what is dark
        amplitudes[0] = 0.0
    return PixelDrive(calibration, scheme, amplitudes)


@dataclass(frozen=True)
class ProductTable:
    """Every pixel with every level, simulated once (pixel, level); NaN at levels that were left out.

    Attributes
    ----------
    product
        What the readout makes of it, in pixels times levels; ideally pixel times level.
    power
        Average power of the cell during its cycle (W).
    read_time
        Length of the cycle (s); 0 where the pixel is 0, which is not read.
    x_end
        Normalized state after the cycle.
    """

    product: FloatArray
    power: FloatArray
    read_time: FloatArray
    x_end: FloatArray

    @property
    def error(self) -> FloatArray:
        """Error of each product relative to the largest product."""
        pixels, levels = self.product.shape
        exact = np.outer(np.arange(pixels), np.arange(levels))
        return np.asarray((self.product - exact) / exact[-1, -1])

    @property
    def energy(self) -> FloatArray:
        """Energy of each read (J)."""
        return self.power * self.read_time

    def of(self, pixel: IntArray, level: IntArray) -> FloatArray:
        """Products of pixels with levels, of one shape: a look into the table."""
        return np.asarray(self.product[pixel, level])


def product_table(drive: PixelDrive, levels: ArrayLike | None = None) -> ProductTable:
    """Simulate every pixel with every level in the reference engine, or with some levels; the others have NaN."""
    count = len(drive.calibration.x0)
    chosen = np.arange(count) if levels is None else np.unique(check_range(levels, "levels", 0, count - 1))
    pixel = np.arange(PIXEL_MAX + 1)[:, None]
    run = drive.responses(pixel, chosen)
    found = (
        drive.product(run.current(drive.calibration.readout), pixel),
        run.power,
        np.where(pixel > 0, 1.0 / run.frequency, 0.0),
        run.x_end,
    )
    if levels is None:
        return ProductTable(*found)
    whole = np.full((len(found), PIXEL_MAX + 1, count), np.nan)
    whole[:, :, chosen] = found
    return ProductTable(*whole)
