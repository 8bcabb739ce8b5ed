"""The validation from the first to the last claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from spicecim.validation.claims import JudgedClaim, stated_claims
from spicecim.validation.forms_architecture import figure_data, figures
from spicecim.validation.forms_architecture.fragments import TrainedFragments, perceptrons
from spicecim.validation.forms_architecture.frames import Frames
from spicecim.validation.forms_architecture.measures import details, measures
from spicecim.validation.report import Progress, ValidationReport, run_validation

CLAIMS = Path(__file__).with_name("claims.yaml")
_FIGURES = ("components", "efficiency", "frames", "sensitivity", "utilization", "crossbar_power")
_IMAGES, _FEW_IMAGES = 500, 100
_SEEDS, _FEW_SEEDS = 20, 10


def validate_forms_architecture(
    folder: str | Path, quick: bool = False, progress: Progress = lambda name, fraction: None
) -> list[JudgedClaim]:
    """Put the claims about FORMS beside ISAAC beside what follows from components, networks and devices.

    Parameters
    ----------
    folder
        Folder for ``claims.json`` (a list), ``claims.md``, ``summary.json``, figures and the data behind each.
    quick
        Fewer images and fewer perceptrons for the converters and the power of trained fragments.
    progress
        Called with what is being done and the fraction of it that is.

    Returns
    -------
    list of JudgedClaim
        The claims with what was measured and verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured.
    """

    def measure(report: ValidationReport) -> dict[str, Any]:
        images, seeds = (_FEW_IMAGES, _FEW_SEEDS) if quick else (_IMAGES, _SEEDS)
        trained = perceptrons(images, seeds, lambda fraction: progress("perceptrons", fraction))
        measured, further = measures(Frames(), TrainedFragments(images), trained), details(trained)
        for number, (name, measure_claim) in enumerate(measured.items()):
            progress("claims", number / len(measured))
            report.judge(name, measure_claim(), further.get(name))
        for number, (name, (measure_data, plot)) in enumerate(_figures(trained).items()):
            progress("figures", number / len(_FIGURES))
            data = measure_data()
            report.add_figure(name, plot(data), data)
        return {"quick": quick, "images": images, "seeds": seeds}

    return run_validation(folder, "FORMS beside ISAAC", stated_claims(CLAIMS), _FIGURES, measure)


def _figures(
    trained: xr.Dataset,
) -> dict[str, tuple[Callable[[], xr.Dataset], Callable[[xr.Dataset], Figure]]]:
    """What measures the data of each figure, and what draws it from them, by its name."""
    return {
        "components": (figure_data.components_data, figures.plot_components),
        "efficiency": (figure_data.efficiency_data, figures.plot_efficiency),
        "frames": (figure_data.frames_data, figures.plot_frames),
        "sensitivity": (figure_data.sensitivity_data, figures.plot_sensitivity),
        "utilization": (figure_data.utilization_data, figures.plot_utilization),
        "crossbar_power": (
            lambda: figure_data.crossbar_power_data(trained["power"].mean("seed")),
            figures.plot_crossbar_power,
        ),
    }
