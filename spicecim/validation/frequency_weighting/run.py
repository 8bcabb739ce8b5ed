"""The validation of frequency weighting from the first curve to the claims table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from spicecim.encodings.base import IntArray
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme
from spicecim.encodings.frequency_weighting.disturb import repeated_reads
from spicecim.encodings.frequency_weighting.images import WEIGHT_MAX
from spicecim.encodings.frequency_weighting.responses import Readout
from spicecim.validation.claims import Claim
from spicecim.validation.frequency_weighting import claims, curves, figures
from spicecim.validation.frequency_weighting.patches import (
    Patches,
    compare_corners,
    compare_crossbars,
    compare_patches,
    crossbar_power,
    draw_patches,
)
from spicecim.validation.frequency_weighting.pictures import Case, convolve_image
from spicecim.validation.frequency_weighting.power import convolution_power
from spicecim.validation.frequency_weighting.subjects import (
    DRIFT,
    JO,
    LEVELS,
    MIAO,
    OBLEA,
    VTEAM,
    Subject,
    calibrated,
    rms,
)
from spicecim.validation.report import ValidationReport, validation_report

if TYPE_CHECKING:
    from spicecim.validation.frequency_weighting.accuracy import PixelScheme

SEED = 1904

_FIGURES = (
    "calibration", "loops", "products", "linearity", "pictures", "psnr", "agreement", "power", "accuracy",
)  # fmt: skip

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    subjects: tuple[Subject, ...] = (DRIFT, OBLEA, VTEAM, MIAO)
    power_subjects: tuple[Subject, ...] = (DRIFT, OBLEA, VTEAM, MIAO, JO)
    power_levels: int = LEVELS
    worst_subjects: tuple[Subject, ...] = (DRIFT, OBLEA, VTEAM, MIAO, JO)
    schemes: tuple[AmplitudeScheme, ...] = ("fixed", "predistorted", "coscaled")
    other_readouts: tuple[Readout, ...] = ("in_phase", "dc")
    patches: int = 64
    seeds: int = 5
    bits: tuple[int, ...] = (4, 6, 8)
    epochs: int = 80


QUICK = Extent(
    subjects=(DRIFT, OBLEA),
    power_subjects=(DRIFT, OBLEA, VTEAM),
    power_levels=32,
    worst_subjects=(DRIFT, OBLEA, VTEAM),
    schemes=("fixed", "coscaled"),
    other_readouts=(),
    patches=4,
    seeds=2,
    bits=(4, 8),
    epochs=30,
)


def validate_frequency_weighting(
    folder: Path | str, quick: bool = False, progress: Report = lambda task, fraction: None
) -> list[Claim]:
    """Measure what the claims of frequency weighting come to, and write claims, figures and their data to a folder.

    Parameters
    ----------
    folder
        Folder for ``claims.json``, ``claims.md``, and each figure as PNG, PDF and the netCDF behind it.
    quick
        Whether to take fewer devices, levels, patches and seeds, and end within a minute.
    progress
        Called with what is being done and the fraction of it that is.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured, as is the next.
    MissingPackageError
        If PyTorch, the extra ``training``, is not installed.
    """
    from spicecim.validation.frequency_weighting.accuracy import digits_accuracy

    with validation_report(folder, _FIGURES) as report:
        _measure(report, quick, digits_accuracy, progress)
        return report.claims


def _measure(
    report: ValidationReport, quick: bool, digits_accuracy: Callable[..., xr.Dataset], progress: Report
) -> None:
    extent = QUICK if quick else Extent()
    image = _camera()
    drift_and_threshold = (DRIFT, OBLEA)

    progress("calibration", 0.0)
    calibration = curves.calibration_curves(extent.subjects)
    report.add_figure("calibration", figures.plot_calibration(calibration), calibration)
    loops = curves.loops(drift_and_threshold)
    report.add_figure("loops", figures.plot_loops(loops), loops)

    progress("products", 0.0)
    surfaces = curves.product_surfaces(extent.subjects, ("fixed", "coscaled"))
    report.add_figure("products", figures.plot_surfaces(surfaces.sel(device=_titles(drift_and_threshold))), surfaces)
    linearity = curves.linearity_curves(extent.subjects, "fixed")
    report.add_figure("linearity", figures.plot_linearity(linearity), linearity)

    pictures = _pictures(extent, image, report, progress)

    patches = draw_patches(image, extent.patches, SEED)
    cells = [
        (subject.title, compare_patches(subject, patches, _task(progress, f"patches in ngspice: {subject.title}")))
        for subject in drift_and_threshold
    ]
    crossbars = [
        (subject.title, compare_crossbars(subject, patches, _task(progress, f"crossbars in ngspice: {subject.title}")))
        for subject in drift_and_threshold
    ]
    corners = {
        f"{subject.title}, {scheme}": compare_corners(
            subject, scheme, progress=_task(progress, f"corners in ngspice: {subject.title}")
        )
        for subject in extent.subjects
        for scheme in ("fixed", "coscaled")
    }
    shown = [(f"{title}, {kind}", data) for kind, found in (("cells", cells), ("crossbar", crossbars))
             for title, data in found]  # fmt: skip
    report.add_figure("agreement", figures.plot_agreement(shown), _side_by_side(shown))
    report.add_claim(claims.agreement_claim(cells, crossbars, corners, SEED))
    reads = _repeated_reads(extent.subjects)
    report.add_claim(claims.product_claim(surfaces, pictures, corners, DRIFT.title, reads))

    power = convolution_power(extent.power_subjects, image, extent.power_levels, _task(progress, "power"))
    report.add_figure("power", figures.plot_power_by_scheme(power), power)
    report.add_claim(claims.power_claim(power, cells))
    progress("worst case", 0.0)
    report.add_claim(claims.worst_claim(power, extent.worst_subjects, _worst_in_ngspice(extent.worst_subjects)))
    report.add_claim(_devices_claim(patches))

    cases: list[tuple[Subject, PixelScheme]] = [(DRIFT, "coscaled"), (OBLEA, "coscaled"), (OBLEA, "bit by bit")]
    if not quick:
        cases.append((DRIFT, "fixed"))
    digits = digits_accuracy(
        cases, range(extent.seeds), extent.bits, extent.epochs, progress=_task(progress, "accuracy on digits")
    )
    report.add_figure("accuracy", figures.plot_accuracy(digits), digits)
    report.add_claim(claims.accuracy_claim(digits))
    report.write(
        quick=quick,
        seed=SEED,
        patches=extent.patches,
        power_levels=extent.power_levels,
        network_seeds=list(range(extent.seeds)),
    )


def _pictures(extent: Extent, image: IntArray, report: ValidationReport, progress: Report) -> xr.Dataset:
    cases = [Case(subject, scheme) for subject in extent.subjects for scheme in extent.schemes]
    cases += [Case(subject, "coscaled", readout) for subject in extent.subjects for readout in extent.other_readouts]
    found = convolve_image(image, cases, _task(progress, "camera image"))
    shown = [Case(subject, scheme).title for subject in (DRIFT, OBLEA) for scheme in ("fixed", "coscaled")]
    report.add_figure("pictures", figures.plot_pictures(found.sel(case=shown)), found.sel(case=shown))
    ratios = found.drop_vars(["output", "exact", "image"])
    drawn = (ratios["readout"] == "rectified") & (ratios["scheme"] != "predistorted")
    report.add_figure("psnr", figures.plot_psnr(ratios.sel(case=drawn)), ratios)
    return found


def _repeated_reads(subjects: Sequence[Subject]) -> xr.Dataset:
    """Change of the state by one read, and of later reads, over all levels at the largest pixel."""
    state, error, numbers = [], [], (1, 10, 100, 1000)
    for subject in subjects:
        levels = calibrated(subject)
        volts = levels.polarity * levels.amplitude
        run = repeated_reads(subject.device, volts, levels.frequency, levels.x0, numbers)
        full_scale = float(run.responses.rectified[0].max())
        state.append(float(np.abs(run.responses.x_end[0] - levels.x0).max()))
        error.append([rms(one) for one in run.error("rectified", full_scale)])
    return xr.Dataset(
        {"state": ("device", state), "error": (("device", "read"), error)},
        coords={"device": _titles(subjects), "read": list(numbers)},
    )


def _worst_in_ngspice(subjects: Sequence[Subject]) -> dict[str, float]:
    """Power (W) of the convolution that draws most, in ngspice, by device and branches."""
    found = {}
    for subject in subjects:
        for branches, title in (("off", "OFF"), ("both", "both")):
            encoding = subject.encoding(branches=branches)
            level = int(encoding.calibration.responses().power.argmax())
            found[f"{subject.title}, frequency, {title}"] = crossbar_power(encoding, level)
    return found


def _devices_claim(patches: Patches) -> Claim:
    """Encode nine 8-bit magnitudes by every scheme and count."""
    weights, pixels = np.abs(patches.weight[0])[:, None], np.clip(patches.pixel[:1], 1, PIXEL_MAX)
    weights = np.clip(weights, 1, WEIGHT_MAX)
    schemes = {
        "frequency weighting": DRIFT.encoding(),
        "eight one-bit devices": DRIFT.bit_sliced(),
        "conductance-weighted": DRIFT.conductance_weighted(),
    }
    encoded = {name: scheme.encode(weights, pixels) for name, scheme in schemes.items()}
    return claims.devices_claim({name: (one.devices, one.cycles) for name, one in encoded.items()}, weights.size)


def _side_by_side(shown: Sequence[tuple[str, xr.Dataset]]) -> xr.Dataset:
    errors = [data[["readout_error", "power_error"]].expand_dims(run=[title]) for title, data in shown]
    drawn = shown[0][1][["pixel", "weight"]]
    return xr.concat(errors, dim="run").merge(drawn).assign_attrs(seed=SEED)


def _titles(subjects: Sequence[Subject]) -> list[str]:
    return [subject.title for subject in subjects]


def _task(progress: Report, name: str) -> Callable[[float], None]:
    return lambda fraction: progress(name, fraction)


def _camera() -> IntArray:
    from skimage import data

    image: IntArray = data.camera().astype(int)  # type: ignore[no-untyped-call]
    return image
