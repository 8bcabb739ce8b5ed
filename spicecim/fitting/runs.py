"""A measurement or a fit as a folder of results: dataset, figures, summary."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from spicecim.errors import CurrentWarning, InputError
from spicecim.files import result_folder
from spicecim.fitting.fit import fit
from spicecim.fitting.result import Fit
from spicecim.fitting.verification import verify
from spicecim.json_text import write_summary
from spicecim.measurement.cycles import measure_cycles
from spicecim.netcdf import write_netcdf
from spicecim.plotting import FORMATS, plot_cycles, plot_fit, plot_measurement, save_figure
from spicecim.version import __version__

Report = Callable[[str, float], None]


def run_measurement(folder: Path, measurement: xr.Dataset, read_voltage: str | None = None) -> dict[str, Any]:
    """Write dataset, figures and ``measurement.json`` of a measurement, and return what was measured of it."""
    figures = [f"{name}.{suffix}" for name in ("measurement", "cycles") for suffix in FORMATS]
    with result_folder(folder, dict.fromkeys(["measurement.nc", *figures, "measurement.json"], 0)) as scratch:
        measures = measure_cycles(measurement, read_voltage)
        write_netcdf(measurement, scratch / "measurement.nc")
        save_figure(plot_measurement(measurement), scratch / "measurement")
        if measures.sizes["loop"] > 1:
            save_figure(plot_cycles(measures), scratch / "cycles")
        return write_summary(scratch / "measurement.json", described(measurement, measures))


def described(measurement: xr.Dataset, measures: xr.Dataset) -> dict[str, Any]:
    """Return plain values of a measurement: its size, attributes, and the measures of its cycles."""
    return {
        "spicecim_version": __version__,
        **{str(name): value for name, value in measurement.attrs.items()},
        "samples": measurement.sizes["point"],
        "held_samples": int(measurement["in_compliance"].sum()),
        "saturated_samples": int(measurement["saturated"].sum()),
        "sweeps": int(measurement["sweep"].max()) + 1,
        "loops": measures.sizes["loop"],
        "measures": {str(name): values.values.tolist() for name, values in measures.items()},
        "units": {str(name): values.attrs["units"] for name, values in measures.items()},
    }


def run_fit(
    folder: Path,
    measurement: xr.Dataset,
    models: Sequence[str],
    *,
    engine: str = "ngspice",
    save: Path | None = None,
    progress: Report = lambda task, fraction: None,
    **settings: Any,
) -> dict[str, Any]:
    """Fit models to a measurement, write curves, figures and ``fit.json``, and return what was found.

    The first values of the result are those of the model with the lowest BIC; ``models`` holds a line for each. With
    an engine it is run there too (``none`` for none). `settings` are those of `spicecim.fit`.
    """
    own = [name for name in ("preset", "free", "fixed", "bounds") if settings.get(name)]
    if len(models) > 1 and own:
        raise InputError(f"{own[0]}: is for one model; {len(models)} are given")
    names = ["fit.nc", *(f"fit.{suffix}" for suffix in FORMATS), "preset.yaml", "fit.json"]
    with result_folder(folder, dict.fromkeys(names, 0)) as scratch:
        fits = {}
        for model in models:
            report = lambda fraction, model=model: progress(f"fit of {model}", fraction)  # noqa: E731
            fits[model] = fit(measurement, model, progress=report, **settings)
        best = min(fits.values(), key=lambda found: found.bic)
        found = best.to_dict()
        if engine != "none":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CurrentWarning)
                found["verified"] = {"engine": engine, **verify(best, engine)}
        write_netcdf(best.curves, scratch / "fit.nc")
        save_figure(plot_fit(best.curves), scratch / "fit")
        best.save(scratch / "preset.yaml")
        if save is not None:
            best.save(save)
        correlation = best.correlation
        found["correlation"] = {
            "parameters": correlation["parameter"].values.tolist(),
            "matrix": correlation.values.tolist(),
        }
        found["models"] = {name: _line(each) for name, each in fits.items()}
        return write_summary(scratch / "fit.json", found)


def _line(found: Fit) -> Mapping[str, Any]:
    """What tells models apart."""
    return {
        "aic": found.aic, "bic": found.bic, "free": len(found.parameters), "residual_rms": found.residual_rms,
        "chi_square": found.chi_square, "degrees_of_freedom": found.degrees_of_freedom,
    }  # fmt: skip
