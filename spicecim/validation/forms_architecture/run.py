"""The validation from the first to the last claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from spicecim.cell_currents import warned_once
from spicecim.files import result_folder, write_text
from spicecim.json_text import json_text, write_summary
from spicecim.netcdf import write_netcdf
from spicecim.plotting import FORMATS, save_figure
from spicecim.validation.forms_architecture import figure_data, figures
from spicecim.validation.forms_architecture.criteria import JudgedClaim, claims_page, judge, stated_claims
from spicecim.validation.forms_architecture.fragments import TrainedFragments
from spicecim.validation.forms_architecture.frames import Frames
from spicecim.validation.forms_architecture.measures import measures
from spicecim.version import __version__

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
    files = [f"{name}.{suffix}" for name in _FIGURES for suffix in (*FORMATS, "nc")]
    names = dict.fromkeys([*files, "claims.md", "claims.json", "summary.json"], 0)
    with result_folder(folder, names) as scratch, warned_once():
        progress("training", 0.0)
        images = _FEW_IMAGES if quick else _IMAGES
        frames, trained = Frames(), TrainedFragments(images, _SEED)
        measured = measures(frames, trained)
        claims = []
        for number, (name, measure) in enumerate(measured.items()):
            progress("claims", number / len(measured))
            claims.append(judge(stated_claims()[name], measure()))
        for number, (name, (figure, data)) in enumerate(_figures(trained).items()):
            progress("figures", number / len(_FIGURES))
            save_figure(figure, scratch / name)
            write_netcdf(data, scratch / f"{name}.nc")
        write_text(scratch / "claims.md", claims_page(claims))
        write_text(scratch / "claims.json", json_text(claims) + "\n")
        settings = {"spicecim_version": __version__, "quick": quick, "images": images, "seed": _SEED}
        verdicts = {claim.id: claim.verdict for claim in claims}
        write_summary(scratch / "summary.json", {**settings, "verdicts": verdicts})
        return claims


def _figures(trained: TrainedFragments) -> dict[str, tuple[Figure, xr.Dataset]]:
    components, efficiency = figure_data.components_data(), figure_data.efficiency_data()
    frames, utilization = figure_data.frames_data(), figure_data.utilization_data()
    sensitivity = xr.merge([figure_data.sensitivity_data(), figure_data.energy_sweep_data()])
    powers = figure_data.crossbar_power_data(trained)
    return {
        "components": (figures.plot_components(components), components),
        "efficiency": (figures.plot_efficiency(efficiency), efficiency),
        "frames": (figures.plot_frames(frames), frames),
        "sensitivity": (figures.plot_sensitivity(sensitivity), sensitivity),
        "utilization": (figures.plot_utilization(utilization), utilization),
        "crossbar_power": (figures.plot_crossbar_power(powers), powers),
    }
