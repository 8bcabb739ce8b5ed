"""The validation from the first to the last claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from spicecim.files import write_text
from spicecim.json_text import json_text, write_summary
from spicecim.validation.forms_architecture import figure_data, figures
from spicecim.validation.forms_architecture.criteria import JudgedClaim, claims_page, judge, stated_claims
from spicecim.validation.forms_architecture.fragments import TrainedFragments
from spicecim.validation.forms_architecture.frames import Frames
from spicecim.validation.forms_architecture.measures import measures
from spicecim.validation.report import validation_report
from spicecim.version import __version__

_TEXTS = ("claims.md", "claims.json", "summary.json")
_FIGURES = ("components", "efficiency", "frames", "sensitivity", "utilization", "crossbar_power")
_IMAGES, _FEW_IMAGES = 500, 100
_SEED = 0


def validate_forms_architecture(
    folder: str | Path, quick: bool = False, progress: Callable[[str, float], None] = lambda name, fraction: None
) -> list[JudgedClaim]:
    """Put the claims about FORMS beside ISAAC beside what follows from components, networks and devices.

    Parameters
    ----------
    folder
        Folder for ``claims.json`` (a list), ``claims.md``, ``summary.json``, figures and the data behind each.
    quick
        Fewer images for the converters of trained fragments.
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
    with validation_report(folder, _FIGURES, _TEXTS) as report:
        progress("training", 0.0)
        images = _FEW_IMAGES if quick else _IMAGES
        frames, trained = Frames(), TrainedFragments(images, _SEED)
        measured = measures(frames, trained)
        claims = []
        for number, (name, measure) in enumerate(measured.items()):
            progress("claims", number / len(measured))
            claims.append(judge(stated_claims()[name], measure()))
        for number, (name, (measure_data, plot)) in enumerate(_figures(trained).items()):
            progress("figures", number / len(_FIGURES))
            data = measure_data()
            report.add_figure(name, plot(data), data)
        write_text(report.folder / "claims.md", claims_page(claims))
        write_text(report.folder / "claims.json", json_text(claims) + "\n")
        settings = {"spicecim_version": __version__, "quick": quick, "images": images, "seed": _SEED}
        verdicts = {claim.id: claim.verdict for claim in claims}
        write_summary(report.folder / "summary.json", {**settings, "verdicts": verdicts})
        return claims


def _figures(
    trained: TrainedFragments,
) -> dict[str, tuple[Callable[[], xr.Dataset], Callable[[xr.Dataset], Figure]]]:
    """What measures the data of each figure, and what draws it from them, by its name."""
    return {
        "components": (figure_data.components_data, figures.plot_components),
        "efficiency": (figure_data.efficiency_data, figures.plot_efficiency),
        "frames": (figure_data.frames_data, figures.plot_frames),
        "sensitivity": (figure_data.sensitivity_data, figures.plot_sensitivity),
        "utilization": (figure_data.utilization_data, figures.plot_utilization),
        "crossbar_power": (lambda: figure_data.crossbar_power_data(trained), figures.plot_crossbar_power),
    }
