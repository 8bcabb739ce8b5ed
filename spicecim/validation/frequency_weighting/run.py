"""The validation of frequency weighting from the first curve to the claims table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme
from spicecim.encodings.frequency_weighting.disturb import repeated_reads
from spicecim.encodings.frequency_weighting.images import WEIGHT_MAX
from spicecim.encodings.frequency_weighting.responses import Readout
from spicecim.encodings.integers import IntArray
from spicecim.images import photograph
from spicecim.validation.claims import JudgedClaim, stated_claims
from spicecim.validation.frequency_weighting import curves, figures, measures
from spicecim.validation.frequency_weighting.chips import area_of_the_chip, chip_energies, energy_per_convolution
from spicecim.validation.frequency_weighting.patches import (
    CORNERS,
    Patches,
    compare_corners,
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
from spicecim.validation.report import Progress, ValidationReport, run_validation

if TYPE_CHECKING:
    from spicecim.validation.frequency_weighting.accuracy import PixelScheme

CLAIMS = Path(__file__).with_name("claims.yaml")
SEED = 1904

_FIGURES = (
    "calibration", "loops", "products", "linearity", "pictures", "psnr", "agreement", "power", "chips", "accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    subjects: tuple[Subject, ...] = (DRIFT, OBLEA, VTEAM, MIAO)
    power_subjects: tuple[Subject, ...] = (DRIFT, OBLEA, VTEAM, MIAO, JO)
    power_levels: int = LEVELS
    product_step: int = 1
    """Of how many pixels and weights one is multiplied."""
    schemes: tuple[AmplitudeScheme, ...] = ("fixed", "predistorted", "coscaled")
    other_readouts: tuple[Readout, ...] = ("in_phase", "dc")
    patches: int = 64
    seeds: int = 5
    bits: tuple[int, ...] = (4, 6, 8)
    epochs: int = 80
    accuracy_fixed: bool = True
    """Whether accuracy is measured of drift at a fixed frequency too."""
    amplitudes: bool = True
    """Whether the amplitude at which the worst case is the published one is looked for."""
    corners: tuple[tuple[int, ...], tuple[int, ...]] = CORNERS
    reads: tuple[int, ...] = (1, 10, 100, 1000)
    """Which of many reads without a rewrite are looked at."""


QUICK = Extent(
    subjects=(DRIFT, OBLEA),
    power_subjects=(DRIFT, OBLEA, VTEAM),
    power_levels=32,
    product_step=5,
    schemes=("fixed", "coscaled"),
    other_readouts=(),
    patches=4,
    seeds=4,
    bits=(4, 8),
    epochs=15,
    accuracy_fixed=False,
    amplitudes=False,
    corners=((1, 255), (0, 127, 128, 255)),
    reads=(1, 10, 100),
)


def validate_frequency_weighting(
    folder: Path | str, quick: bool = False, progress: Progress = lambda task, fraction: None
) -> list[JudgedClaim]:
    """Measure what the claims of frequency weighting come to, and write claims, figures and their data to a folder.

    Parameters
    ----------
    folder
        Folder for ``claims.json`` (a list), ``claims.md``, ``summary.json``, and each figure as PNG, PDF and the netCDF
        behind it.
    quick
        Whether to take fewer devices, levels, patches and seeds: below a minute on two idle processors.
    progress
        Called with what is being done and the fraction of it that is.

    Returns
    -------
    list of JudgedClaim
        The claims with what was measured and verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured, as is the next.
    MissingPackageError
        If PyTorch, the extra ``networks``, is not installed.
    """
    from spicecim.validation.frequency_weighting.accuracy import digits_accuracy

    extent = QUICK if quick else Extent()

    def measure(report: ValidationReport) -> dict[str, object]:
        _measure(report, extent, digits_accuracy, progress)
        return {
            "quick": quick,
            "seed": SEED,
            "patches": extent.patches,
            "product_step": extent.product_step,
            "power_levels": extent.power_levels,
            "network_seeds": extent.seeds,
        }

    return run_validation(folder, "Frequency weighting", stated_claims(CLAIMS), _FIGURES, measure)


def _measure(
    report: ValidationReport, extent: Extent, digits_accuracy: Callable[..., xr.Dataset], progress: Progress
) -> None:
    image: IntArray = photograph("camera").astype(int)
    drift_and_threshold = (DRIFT, OBLEA)

    cases: list[tuple[Subject, PixelScheme]] = [(DRIFT, "coscaled"), (OBLEA, "coscaled"), (OBLEA, "bit by bit")]
    if extent.accuracy_fixed:
        cases.append((DRIFT, "fixed"))
    digits = report.beside(lambda: digits_accuracy(cases, range(extent.seeds), extent.bits, extent.epochs))
    progress("calibration", 0.0)
    calibration = curves.calibration_curves(extent.subjects)
    report.add_figure("calibration", figures.plot_calibration(calibration), calibration)
    loops = curves.loops(drift_and_threshold)
    report.add_figure("loops", figures.plot_loops(loops), loops)

    progress("products", 0.0)
    surfaces = curves.product_surfaces(extent.subjects, ("fixed", "coscaled"), extent.product_step)
    report.add_figure("products", figures.plot_surfaces(surfaces.sel(device=_titles(drift_and_threshold))), surfaces)
    linearity = curves.linearity_curves(extent.subjects, "fixed")
    report.add_figure("linearity", figures.plot_linearity(linearity), linearity)
    pictures = _pictures(extent, image, report, progress)

    patches = draw_patches(image, extent.patches, SEED)
    agreement = _agreement(patches, extent, progress)
    runs = (("cells", agreement.cells), ("crossbar", agreement.crossbars))
    shown = [(f"{title}, {kind}", data) for kind, found in runs for title, data in found.items()]
    report.add_figure("agreement", figures.plot_agreement(shown), _side_by_side(shown))
    report.judge("engines-agree", *measures.engines_agree(agreement))
    report.judge("product-of-drift", *measures.product_of_drift(surfaces, agreement.corners, DRIFT.title))
    reads = _repeated_reads(extent.subjects, extent.reads)
    report.judge("product-of-8-bits", *measures.product_of_8_bits(surfaces, pictures, reads))

    power = convolution_power(extent.power_subjects, image, extent.power_levels, _task(progress, "power"))
    report.add_figure("power", figures.plot_power_by_scheme(power), power)
    report.judge("power-16", *measures.power_16(power, agreement.cells))
    report.judge("power-of-one-device", *measures.power_saved(power, "conductance"))
    report.judge("energy-saved", *measures.energy_saved(power))
    progress("worst case", 0.0)
    report.judge("worst-case", *_worst_case(power, extent))
    report.judge("area-of-the-array", *_area_of_the_array(patches))

    progress("chips", 0.0)
    report.judge("area-of-the-chip", *area_of_the_chip())
    chips = chip_energies(extent.power_subjects, image, extent.power_levels)
    report.add_figure("chips", figures.plot_chips(chips), chips)
    report.judge("energy-per-convolution", *energy_per_convolution(chips))

    progress("accuracy on digits", 0.0)
    accuracy = digits.result()
    report.add_figure("accuracy", figures.plot_accuracy(accuracy), accuracy)
    report.judge("accuracy", *measures.accuracy_over_binarized(accuracy))


def _agreement(patches: Patches, extent: Extent, progress: Progress) -> measures.Agreement:
    """Run patches and corners of the range in ngspice."""
    cells, crossbars = compare_patches((DRIFT, OBLEA), patches, _task(progress, "patches in ngspice"))
    schemes: tuple[AmplitudeScheme, ...] = ("fixed", "coscaled")
    cases = [(subject, scheme) for subject in extent.subjects for scheme in schemes]
    corners = compare_corners(cases, extent.corners, progress=_task(progress, "corners in ngspice"))
    return measures.Agreement(cells, crossbars, corners)


def _pictures(extent: Extent, image: IntArray, report: ValidationReport, progress: Progress) -> xr.Dataset:
    cases = [Case(subject, scheme) for subject in extent.subjects for scheme in extent.schemes]
    cases += [Case(subject, "coscaled", readout) for subject in extent.subjects for readout in extent.other_readouts]
    found = convolve_image(image, cases, _task(progress, "camera image"))
    shown = [Case(subject, scheme).title for subject in (DRIFT, OBLEA) for scheme in ("fixed", "coscaled")]
    report.add_figure("pictures", figures.plot_pictures(found.sel(case=shown)), found.sel(case=shown))
    ratios = found.drop_vars(["output", "exact", "image"])
    drawn = (ratios["readout"] == "rectified") & (ratios["scheme"] != "predistorted")
    report.add_figure("psnr", figures.plot_psnr(ratios.sel(case=drawn)), ratios)
    return found


def _repeated_reads(subjects: Sequence[Subject], numbers: Sequence[int]) -> xr.Dataset:
    """Change of the state by one read, and of later reads, over all levels at the largest pixel."""
    state, error = [], []
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


def _worst_case(power: xr.Dataset, extent: Extent) -> measures.Found:
    """Run the convolution that draws most in ngspice too."""
    found = {}
    for subject in extent.power_subjects:
        for branches, title in (("off", "OFF"), ("both", "both")):
            encoding = subject.encoding(branches=branches)
            level = int(encoding.calibration.responses().power.argmax())
            found[f"{subject.title}, {title}"] = crossbar_power(encoding, level)
    return measures.worst_case(power, extent.power_subjects, found, extent.amplitudes)


def _area_of_the_array(patches: Patches) -> measures.Found:
    """Encode nine 8-bit magnitudes by every scheme and count."""
    weights, pixels = np.abs(patches.weight[0])[:, None], np.clip(patches.pixel[:1], 1, PIXEL_MAX)
    weights = np.clip(weights, 1, WEIGHT_MAX)
    schemes = {
        "frequency weighting": DRIFT.encoding(),
        "eight one-bit devices": DRIFT.bit_sliced(),
        "conductance-weighted": DRIFT.conductance_weighted(),
    }
    programmed = {name: scheme.program(weights) for name, scheme in schemes.items()}
    counts = {name: (one.resources.cells, one.cycles(pixels)) for name, one in programmed.items()}
    return measures.area_of_the_array(counts, weights.size)


def _side_by_side(shown: Sequence[tuple[str, xr.Dataset]]) -> xr.Dataset:
    errors = [data[["readout_error", "power_error"]].expand_dims(run=[title]) for title, data in shown]
    drawn = shown[0][1][["pixel", "weight"]]
    return xr.concat(errors, dim="run").merge(drawn).assign_attrs(seed=SEED)


def _titles(subjects: Sequence[Subject]) -> list[str]:
    return [subject.title for subject in subjects]


def _task(progress: Progress, name: str) -> Callable[[float], None]:
    return lambda fraction: progress(name, fraction)
