"""What a validation leaves in a folder: claims with their verdicts, figures, and the data behind each figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from spicecim.cell_currents import warned_once
from spicecim.files import result_folder, write_text
from spicecim.forked import Beside
from spicecim.json_text import json_text, write_summary
from spicecim.netcdf import write_netcdf
from spicecim.plotting import FORMATS, save_figure
from spicecim.validation.claims import JudgedClaim, Range, StatedClaim, judge
from spicecim.validation.page import claims_page
from spicecim.version import __version__

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction of it that is."""

_TEXTS = ("claims.md", "claims.json", "summary.json")


class ValidationReport:
    """The results of a validation as they come; figures are drawn beside what is measured meanwhile.

    Parameters
    ----------
    folder
        The folder to write into.
    stated
        The claims by their ids, before anything is measured.
    """

    def __init__(self, folder: Path, stated: Mapping[str, StatedClaim]) -> None:
        self.folder = folder
        self._stated = stated
        self._judged: dict[str, JudgedClaim] = {}
        self._drawing: Beside | None = None
        self._beside: list[Beside] = []

    @property
    def claims(self) -> list[JudgedClaim]:
        """The claims with their verdicts, in the order in which they are stated.

        Raises
        ------
        KeyError
            If one was not measured.
        """
        return [self._judged[name] for name in self._stated]

    def judge(
        self, name: str, measured: Mapping[str, float | Range], details: Mapping[str, float | Range] | None = None
    ) -> None:
        """Judge a claim by what was measured; see `spicecim.validation.claims.judge`."""
        self._judged[name] = judge(self._stated[name], measured, details)

    def add_figure(self, name: str, figure: Figure, data: xr.Dataset) -> None:
        """Save a figure, and the data behind it as netCDF, under a name.

        The files of the figure are there when the next one is added, or after `finish_drawing`.
        """
        self.finish_drawing()
        self._drawing = self.beside(lambda: save_figure(figure, self.folder / name))
        self.add_data(name, data)

    def finish_drawing(self) -> None:
        """Wait until all figures are saved."""
        if self._drawing:
            self._drawing.result()
            self._drawing = None

    def beside(self, job: Callable[[], Any]) -> Beside:
        """Begin a job in a fork, which goes on beside what is measured here and ends with the validation."""
        begun = Beside(job)
        self._beside.append(begun)
        return begun

    def end(self) -> None:
        """End all jobs that are still at work."""
        for job in self._beside:
            job.end()

    def add_data(self, name: str, data: xr.Dataset) -> None:
        """Save data as netCDF under a name."""
        write_netcdf(data, self.folder / f"{name}.nc")


def run_validation(
    folder: Path | str,
    title: str,
    stated: Mapping[str, StatedClaim],
    names: Sequence[str],
    measure: Callable[[ValidationReport], Mapping[str, Any]],
) -> list[JudgedClaim]:
    """Measure the claims of a validation, judge them, and write everything to a folder, all of it or nothing.

    Parameters
    ----------
    folder
        Folder for the results; see `spicecim.files.result_folder`.
    title
        Heading of the page of claims.
    stated
        The claims by their ids.
    names
        Names of figures and data.
    measure
        Measures every claim, judges it in the report that it gets, and adds figures; returns the settings of the run.

    Returns
    -------
    list of JudgedClaim
        The claims with their verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured.
    KeyError
        If a claim was not measured.
    """
    files = [f"{name}.{suffix}" for name in names for suffix in (*FORMATS, "nc")]
    with (
        result_folder(folder, dict.fromkeys([*files, *_TEXTS], 0)) as scratch,
        warned_once(),
        threadpool_limits(limits=1),  # with matrices this small, more threads wait for each other most of the time
    ):
        report = ValidationReport(scratch, stated)
        try:
            settings = {"spicecim_version": __version__, **measure(report)}
            report.finish_drawing()
        finally:
            report.end()
        claims = report.claims
        figures = [name for name in names if (scratch / f"{name}.png").exists()]
        write_text(scratch / "claims.md", claims_page(claims, title, figures, settings))
        write_text(scratch / "claims.json", json_text(claims) + "\n")
        verdicts = {claim.id: claim.verdict for claim in claims}
        write_summary(scratch / "summary.json", {**settings, "verdicts": verdicts})
    return claims
