"""What a validation leaves in a folder: claims, figures, and the data behind each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from spicecim.cell_currents import warned_once
from spicecim.files import result_folder, write_text
from spicecim.json_text import write_summary
from spicecim.netcdf import write_netcdf
from spicecim.plotting import FORMATS, save_figure
from spicecim.validation.claims import Claim, claims_markdown
from spicecim.version import __version__


class ValidationReport:
    """The results of a validation as they come.

    Parameters
    ----------
    folder
        The folder to write into: see `validation_report`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.claims: list[Claim] = []

    def add_claim(self, claim: Claim) -> None:
        """Add a claim."""
        self.claims.append(claim)

    def add_figure(self, name: str, figure: Figure, data: xr.Dataset) -> None:
        """Save a figure, and the data behind it as netCDF, under a name."""
        save_figure(figure, self.folder / name)
        self.add_data(name, data)

    def add_data(self, name: str, data: xr.Dataset) -> None:
        """Save data as netCDF under a name."""
        write_netcdf(data, self.folder / f"{name}.nc")

    def write(self, **settings: Any) -> None:
        """Write ``claims.json`` and ``claims.md``, with settings of the run."""
        write_text(self.folder / "claims.md", claims_markdown(self.claims))
        write_summary(self.folder / "claims.json", {"spicecim_version": __version__, **settings, "claims": self.claims})


@contextmanager
def validation_report(
    folder: Path | str, names: Sequence[str], texts: Sequence[str] = ("claims.md", "claims.json")
) -> Iterator[ValidationReport]:
    """Make the report whose files become the results in a folder when the context ends without an error.

    Parameters
    ----------
    folder
        Folder for the results; see `spicecim.files.result_folder`.
    names
        Names of figures and data.
    texts
        Names of the other files, the summary last; those that `ValidationReport.write` writes if left out.
    """
    files = [f"{name}.{suffix}" for name in names for suffix in (*FORMATS, "nc")]
    with result_folder(folder, dict.fromkeys([*files, *texts], 0)) as scratch, warned_once():
        yield ValidationReport(scratch)
