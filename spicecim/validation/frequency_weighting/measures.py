"""What is measured of each claim: numbers that are judged, and what else was measured beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from spicecim.encodings.frequency_weighting.calibration import Branches
from spicecim.validation.claims import Measured
from spicecim.validation.frequency_weighting.power import amplitude_for
from spicecim.validation.frequency_weighting.subjects import Subject, rms
from spicecim.validation.intervals import mean_interval

_WEIGHTS = {"OFF": "frequency, OFF", "both": "frequency, both"}
_BRANCHES: dict[str, Branches] = {"OFF": "off", "both": "both"}
"""Schemes by the states that hold weights."""


class Found(NamedTuple):
    """What was measured of a claim."""

    measured: Measured
    details: Measured


class Agreement(NamedTuple):
    """ngspice beside the reference engine: patches by device, cell by cell and as crossbars, and corners by case."""

    cells: Mapping[str, xr.Dataset]
    crossbars: Mapping[str, xr.Dataset]
    corners: Mapping[str, xr.Dataset]


def engines_agree(agreement: Agreement) -> Found:
    """Largest differences of readouts and powers, over all devices and by device."""
    details: Measured = {}
    measured: Measured = {}
    for kind, found in (
        ("patches cell by cell", agreement.cells),
        ("patches as crossbars", agreement.crossbars),
        ("corners of the range", agreement.corners),
    ):
        for quantity in ("readout", "power"):
            largest = {case: float(np.abs(data[f"{quantity}_error"]).max()) for case, data in found.items()}
            measured[f"{quantity}, {kind}"] = max(largest.values())
            details |= {f"{quantity}, {kind}: {case}": value for case, value in largest.items()}
    for device, data in agreement.cells.items():
        details[f"{device}: worst cell of the patches, of its full scale"] = float(data["worst_cell_error"])
        details[f"{device}: the same with eight times the instants"] = float(data["finer_cell_error"])
    return Found(measured, details)


def product_of_drift(surfaces: xr.Dataset, corners: Mapping[str, xr.Dataset], drift: str) -> Found:
    """Largest error of the product of co-scaled drift, and of all others."""
    measured: Measured = {
        "reference engine": float(np.abs(surfaces["error"].sel(device=drift, scheme="coscaled")).max()),
        "ngspice": float(np.abs(corners[f"{drift}, coscaled"]["product_error"].sel(engine="ngspice")).max()),
    }
    details: Measured = {}
    for device in surfaces["device"].values:
        for scheme in surfaces["scheme"].values:
            name, error = f"{device}, {scheme}", surfaces["error"].sel(device=device, scheme=scheme)
            details[f"{name}: largest error over all pixels and weights (%)"] = 100 * float(np.abs(error).max())
            if name in corners:
                for engine in ("ngspice", "reference"):
                    worst = np.abs(corners[name]["product_error"].sel(engine=engine)).max()
                    details[f"{name}: largest error at the corners of the range, {engine} (%)"] = 100 * float(worst)
    return Found(measured, details)


def product_of_8_bits(surfaces: xr.Dataset, pictures: xr.Dataset, reads: xr.Dataset) -> Found:
    """Root mean square error of the product by device and amplitude scheme, and what that makes of an image.

    A case of `pictures` whose amplitudes cannot be chosen, or whose readout does not rise, has NaN among the details.
    """
    measured: Measured = {
        f"{device}, {scheme}": 100 * rms(surfaces["error"].sel(device=device, scheme=scheme).values)
        for device in surfaces["device"].values
        for scheme in surfaces["scheme"].values
    }
    details: Measured = {}
    for case in pictures["case"].values:
        psnr = pictures["psnr"].sel(case=case)
        name, kernels = f"{case}: PSNR of the camera image", psnr.sizes["kernel"]
        if psnr.isnull().all():
            details[f"{name} (dB)"] = float("nan")
            continue
        for kernel in ("Sobel x", "Gaussian 3 x 3"):
            details[f"{name}, {kernel} (dB)"] = float(psnr.sel(kernel=kernel))
        worst = str(psnr.idxmin("kernel").item())
        details[f"{name}, worst of {kernels} kernels, {worst} (dB)"] = float(psnr.sel(kernel=worst))
        details[f"{name}, median of {kernels} kernels (dB)"] = float(psnr.median())
    for device in reads["device"].values:
        details[f"{device}: largest change of the state by one read"] = float(reads["state"].sel(device=device))
        for number in reads["read"].values[1:]:
            change = 100 * float(reads["error"].sel(device=device, read=number))
            details[f"{device}: rms change of read {number} from the first, without a rewrite (%)"] = change
    return Found(measured, details)


def power_saved(power: xr.Dataset, baseline: str) -> Found:
    """Power of a baseline over that of the scheme, at the largest pixel and with other pixels."""
    measured: Measured = {}
    details: Measured = {}
    for device in power["device"].values:
        one = power.sel(device=device)
        for weights, scheme in _WEIGHTS.items():
            ratio = one["power"].sel(scheme=baseline) / one["power"].sel(scheme=scheme)
            measured[f"{device}, {weights}"] = float(ratio.sel(statistics="largest pixel"))
            for statistics in ("camera image", "uniform pixels"):
                details[f"{device}, {weights}: {statistics}"] = float(ratio.sel(statistics=statistics))
    return Found(measured, details)


def power_16(power: xr.Dataset, patches: Mapping[str, xr.Dataset]) -> Found:
    """Power of eight one-bit devices over that of the scheme, with what the ratio is made of."""
    measured, details = power_saved(power, "8 one-bit")
    for device in power["device"].values:
        one = power.sel(device=device)
        largest = one.sel(statistics="largest pixel")
        for weights, branches in _BRANCHES.items():
            mean = float(one["levels_conductance"].sel(branches=branches))
            details[f"{device}, {weights}: mean conductance of the levels over that of low resistance"] = mean
            weighted = largest["power"].sel(scheme="8 one-bit") / largest["time_weighted"].sel(branches=branches)
            details[f"{device}, {weights}: largest pixel, energy over time"] = float(weighted)
    for device, data in patches.items():
        median = (data["bit_sliced_power"] / data["power"]).median("patch")
        for engine in ("ngspice", "reference"):
            name = f"{device}, both: median of {data.sizes['patch']} camera patches, {engine}"
            details[name] = float(median.sel(engine=engine))
    return Found(measured, details)


def energy_saved(power: xr.Dataset) -> Found:
    """Energy of eight one-bit devices over that of the scheme, for the camera image."""
    energy = power["energy"].sel(statistics="camera image")
    measured: Measured = {
        f"{device}, {weights}": float(one.sel(scheme="8 one-bit") / one.sel(scheme=scheme))
        for device in power["device"].values
        for one in [energy.sel(device=device)]
        for weights, scheme in _WEIGHTS.items()
    }
    return Found(measured, {})


def worst_case(power: xr.Dataset, subjects: Sequence[Subject], spice: Mapping[str, float], amplitudes: bool) -> Found:
    """Worst case of one convolution (mW), with ngspice's and, if wanted, the amplitude for what is published."""
    measured: Measured = {}
    details: Measured = {}
    for subject in subjects:
        worst = power["worst"].sel(device=subject.title)
        for weights, branches in _BRANCHES.items():
            name = f"{subject.title}, {weights}"
            measured[f"{name}, {subject.amplitude:g} V"] = 1e3 * float(worst.sel(scheme=_WEIGHTS[weights]))
            details[f"{name}, {subject.amplitude:g} V, ngspice"] = 1e3 * spice[name]
            if amplitudes:  # NaN where the least at which the device moves draws more
                details[f"{name}: amplitude for 1.1 mW (V)"] = amplitude_for(subject, branches)
    return Found(measured, details)


def area_of_the_array(counts: Mapping[str, tuple[int, int]], weights: int) -> Found:
    """Devices per weight of eight one-bit devices over those of the scheme; `counts` are devices and read cycles."""
    ratio = counts["eight one-bit devices"][0] / counts["frequency weighting"][0]
    details: Measured = {
        f"{name}: {kind} per weight": value / weights
        for name, values in counts.items()
        for kind, value in zip(("devices", "read cycles"), values, strict=True)
    }
    return Found({"devices of the array": ratio}, details)


def accuracy_over_binarized(digits: xr.Dataset) -> Found:
    """Gain over binarized weights (points) with the most bits on devices that vary, and all accuracies (%)."""
    binarized = digits["accuracy"].sel(arithmetic="binarized")
    varied = digits["frequency"].sel(bits=int(digits["bits"].max()), varied=True)
    measured: Measured = {
        str(case): mean_interval(100 * (varied.sel(case=case) - binarized)) for case in digits["case"].values
    }
    details: Measured = {
        f"accuracy, {name} (%)": mean_interval(100 * digits["accuracy"].sel(arithmetic=name))
        for name in digits["arithmetic"].values
    }
    for case in digits["case"].values:
        for bits in digits["bits"].values:
            for varies, text in ((False, ""), (True, ", devices vary")):
                one = digits["frequency"].sel(case=case, bits=bits, varied=varies)
                details[f"accuracy, {case}, {bits} bits{text} (%)"] = mean_interval(100 * one)
    return Found(measured, details)
