"""What a validation leaves in a folder: claims, figures, and the data behind each figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from spicecim.errors import InputError
from spicecim.json_text import write_json
from spicecim.plotting import save_figure
from spicecim.runs import clear_results
from spicecim.validation.claims import Claim, claims_markdown
from spicecim.version import __version__


def existing_folder(folder: Path | str) -> Path:
    """Return the folder of a report, before anything is measured for it.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"folder: must be an existing folder (given: {folder})")
    return path


class ValidationReport:
    """The results of a validation as they come.

    Parameters
    ----------
    folder
        An existing folder. What an earlier validation listed as its artifacts there is removed.
    """

    def __init__(self, folder: Path) -> None:
        clear_results(folder, "claims.json")
        self.folder = folder
        self.claims: list[Claim] = []
        self._artifacts: list[str] = []

    def add_claim(self, claim: Claim) -> None:
        """Add a claim; the files are written anew at once, so that nothing measured is lost."""
        self.claims.append(claim)
        self.write()

    def add_figure(self, name: str, figure: Figure, data: xr.Dataset) -> None:
        """Save a figure, and the data behind it as netCDF, under a name."""
        self._artifacts += [path.name for path in save_figure(figure, self.folder / name)]
        self.add_data(name, data)

    def add_data(self, name: str, data: xr.Dataset) -> None:
        """Save data as netCDF under a name."""
        data.to_netcdf(self.folder / f"{name}.nc", engine="h5netcdf")
        self._artifacts.append(f"{name}.nc")

    def write(self, **settings: Any) -> None:
        """Write ``claims.json`` and ``claims.md``, with settings of the run."""
        (self.folder / "claims.md").write_text(claims_markdown(self.claims), encoding="utf-8")
        values = {
            "spicecim_version": __version__,
            **settings,
            "claims": self.claims,
            "artifacts": [*self._artifacts, "claims.md", "claims.json"],
        }
        write_json(self.folder / "claims.json", values)
