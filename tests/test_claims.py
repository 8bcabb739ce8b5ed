"""Claims and the folder that a validation leaves."""

import json

import numpy as np
import xarray as xr

from spicecim.plotting import new_figure
from spicecim.validation.claims import Claim, Measurement, claims_markdown
from spicecim.validation.report import validation_report

CLAIM = Claim(
    "power falls | by 16",
    "a paper",
    "average over a cycle",
    (
        Measurement("oblea", "W", 1.1e-3, 1.2e-3),
        Measurement("accuracy", "%", reference=97.25),
        Measurement("loss", "points", reference=-0.5),
    ),
    "holds in part",
    "for one device",
)


def test_a_claim_is_a_table_with_a_line_each_measurement():
    lines = claims_markdown([CLAIM]).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith(
        "| power falls \\| by 16 | a paper | average over a cycle | oblea | 1.1 mW | 1.2 mW | **h"
    )
    assert lines[3] == "|  |  |  | accuracy |  | 97.25 % |  |  |"
    assert lines[4] == "|  |  |  | loss |  | -0.5 points |  |  |"


def test_a_claim_without_a_measurement_keeps_its_line():
    assert "| nothing |" in claims_markdown([Claim("a", "b", "c", (), "not measured", "d")])


def test_a_report_keeps_what_it_has_and_removes_what_an_earlier_one_left(tmp_path):
    figure, axes = new_figure()
    axes[0, 0].plot([0, 1])
    data = xr.Dataset({"y": ("x", np.arange(2.0))})
    with validation_report(tmp_path, ["line"]) as report:
        report.add_figure("line", figure, data)
        report.add_claim(CLAIM)
        report.write(seed=1)
    written = json.loads((tmp_path / "claims.json").read_text())
    assert written["claims"][0]["measurements"][0]["ngspice"] == 1.1e-3
    assert {"line.png", "line.pdf", "line.nc", "claims.md", "claims.json"} == set(written["artifacts"])
    with xr.open_dataset(tmp_path / "line.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["y"], [0.0, 1.0])
    (tmp_path / "mine.txt").write_text("kept")
    with validation_report(tmp_path, ["other"]) as report:
        report.write()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["claims.json", "claims.md", "mine.txt"]
