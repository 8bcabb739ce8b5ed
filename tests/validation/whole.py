"""Whole validations through the command line, and what every one of them leaves."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr

VERDICTS = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verdicts.py"))
SPICECIM = Path(sys.executable).with_name("spicecim")


class Run:
    """A quick validation.

    Parameters
    ----------
    name
        Name of the validation.
    folder
        An empty folder for the results.
    """

    def __init__(self, name, folder):
        command = [SPICECIM, "validate", name, "-o", folder, "--quick"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=950)
        assert run.returncode == 0, run.stderr
        assert run.stderr == ""
        self.name, self.folder, self.printed = name, folder, run.stdout
        self.claims = {claim["id"]: claim for claim in json.loads((folder / "claims.json").read_text())}
        self.summary = json.loads((folder / "summary.json").read_text())

    def data(self, name):
        """Data behind a figure."""
        with xr.open_dataset(self.folder / f"{name}.nc", engine="h5netcdf") as stored:
            return stored.load()

    def check(self, stated, figures):
        """Check that the claims are those that are stated, on the page too, and that the folder holds what it lists."""
        page = (self.folder / "claims.md").read_text()
        assert list(self.claims) == list(stated)
        for name, claim in self.claims.items():
            assert claim["claim"] == stated[name].claim
            assert claim["verdict"] in ("holds", "holds in part", "does not hold")
            assert set(claim["published"]) == set(claim["measured"]) == set(claim["met"])
            assert f"](#{name}) | **{claim['verdict']}** |" in page
            assert f"## {name}" in page
            assert name in self.printed
        assert self.summary["quick"] is True
        assert self.summary["verdicts"] == {name: claim["verdict"] for name, claim in self.claims.items()}
        assert {path.name for path in self.folder.iterdir()} == set(self.summary["artifacts"])
        for name in figures:
            assert {f"{name}.png", f"{name}.pdf", f"{name}.nc"} <= set(self.summary["artifacts"])
            assert (self.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert f"({name}.png)" in page
            assert self.data(name).data_vars

    def check_documented(self, relative, left_out=()):
        """Check that the full run in the documents has the same verdicts and, within `relative`, what both measured."""
        documented = VERDICTS["judged"](self.name)
        for name, claim in documented.items():
            assert self.claims[name]["verdict"] == claim.verdict, name
            measured = {} if name in left_out else self.claims[name]["measured"]
            for what in set(measured) & set(claim.measured):
                np.testing.assert_allclose(
                    measured[what], claim.measured[what], rtol=relative, err_msg=f"{name}: {what}"
                )
