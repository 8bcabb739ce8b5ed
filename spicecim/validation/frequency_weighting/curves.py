"""Curves and surfaces behind the figures of devices: calibration, linearity, products, and loops from ngspice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme, pixel_drive
from spicecim.encodings.frequency_weighting.linearity import (
    differential_nonlinearity,
    effective_bits,
    integral_nonlinearity,
    level_noise,
)
from spicecim.engines import simulate
from spicecim.hysteresis_sweep import cell_loop
from spicecim.validation.frequency_weighting.subjects import LEVELS, Subject, calibrated

_POINTS = 240
_PIXELS = (255, 192, 128, 64)
_UNCERTAINTIES = np.geomspace(1e-5, 0.1, 9)
_LOOP_LEVELS = (0, 64, 127, 128, 192, 255)


def calibration_curves(subjects: Sequence[Subject]) -> xr.Dataset:
    """Conductance (S) against frequency (Hz) from both states, with the bands and the levels of the weights."""
    parts = []
    for subject in subjects:
        levels = calibrated(subject)
        curves = []
        for sweep in levels.branches:
            frequency = np.geomspace(sweep.frequency[0], sweep.frequency[-1], _POINTS)
            curves.append((frequency, sweep.at(frequency), np.array(sweep.band)))
        frequency, conductance, band = (np.stack(values) for values in zip(*curves, strict=True))
        part = xr.Dataset(
            {
                "frequency": (("branch", "point"), frequency, {"units": "Hz"}),
                "conductance": (("branch", "point"), conductance, {"units": "S"}),
                "band": (("branch", "end"), band, {"units": "Hz"}),
                "level_frequency": ("level", levels.frequency, {"units": "Hz"}),
                "level_conductance": ("level", levels.conductance, {"units": "S"}),
                "level_error": ((), levels.error),
                "amplitude": ((), levels.amplitude, {"units": "V"}),
            },
            coords={"branch": ["OFF", "ON"]},
        )
        parts.append(part.expand_dims(device=[subject.title]))
    return xr.concat(parts, dim="device")


def linearity_curves(subjects: Sequence[Subject], scheme: AmplitudeScheme = "coscaled") -> xr.Dataset:
    """INL and DNL (LSB) of the products of several pixels, and effective bits under uncertainty of rate or frequency.

    The nonlinearities are those of the steps from weight to weight at one pixel: a gain that depends on the pixel is
    none of them.
    """
    parts = []
    for subject in subjects:
        levels = calibrated(subject)
        drive, pixel = pixel_drive(levels, scheme), np.array(_PIXELS)[:, None]
        current = drive.responses(pixel, np.arange(LEVELS)).current(levels.readout)
        products = drive.product(current, pixel)
        bits = [effective_bits(levels.conductance, level_noise(levels, rate=float(share))) for share in _UNCERTAINTIES]
        inl, dnl = integral_nonlinearity(products), differential_nonlinearity(products)
        part = xr.Dataset(
            {
                "inl": (("pixel", "level"), inl, {"units": "LSB"}),
                "dnl": (("pixel", "level"), np.pad(dnl, ((0, 0), (1, 0))), {"units": "LSB"}),
                "effective_bits": ("uncertainty", bits),
            },
            coords={"pixel": list(_PIXELS), "level": np.arange(LEVELS), "uncertainty": _UNCERTAINTIES},
        )
        parts.append(part.expand_dims(device=[subject.title]))
    return xr.concat(parts, dim="device")


def product_surfaces(subjects: Sequence[Subject], schemes: Sequence[AmplitudeScheme], step: int = 1) -> xr.Dataset:
    """Error of every pixel times every weight, relative to the largest product (device, scheme, pixel, level).

    With a step, of every so many pixels and weights, from 0 to the largest; it must divide 255.
    """
    pixel, level = np.arange(0, PIXEL_MAX + 1, step), np.arange(0, LEVELS, step)
    exact = np.outer(pixel, level)
    error = np.empty((len(subjects), len(schemes), *exact.shape))
    for at in np.ndindex(error.shape[:2]):
        drive = pixel_drive(calibrated(subjects[at[0]]), schemes[at[1]])
        current = drive.responses(pixel[:, None], level).current(drive.calibration.readout)
        error[at] = (drive.product(current, pixel[:, None]) - exact) / exact[-1, -1]
    return xr.Dataset(
        {"error": (("device", "scheme", "pixel", "level"), error)},
        coords={
            "device": [subject.title for subject in subjects],
            "scheme": list(schemes),
            "pixel": pixel,
            "level": level,
        },
    )


def loops(subjects: Sequence[Subject]) -> xr.Dataset:
    """Voltage (V) and current (A) of the largest pixel over one cycle, for weights along the range, in ngspice."""
    phase = np.linspace(0.0, 1.0, 401)
    found = np.empty((2, len(subjects), len(_LOOP_LEVELS), len(phase)))
    for number, subject in enumerate(subjects):
        encoding = subject.encoding(points_per_period=1000)
        for place, level in enumerate(_LOOP_LEVELS):
            time, v, i = cell_loop(simulate(encoding.testbench([PIXEL_MAX], [level]), "ngspice", estimate=False))
            found[:, number, place] = [np.interp(phase * time[-1], time, values) for values in (v, i)]
    grid = ("device", "level", "phase")
    return xr.Dataset(
        {"v": (grid, found[0], {"units": "V"}), "i": (grid, found[1], {"units": "A"})},
        coords={"device": [subject.title for subject in subjects], "level": list(_LOOP_LEVELS), "phase": phase},
    )
