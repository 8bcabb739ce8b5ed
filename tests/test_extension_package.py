"""A package outside the tree that adds a device, a drive, an engine, an encoding and a measure, installed and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

PACKAGE = Path(__file__).parent / "extension_package"
BENCH = {
    "device": {"model": "soft_switch"},
    "crossbar": {"state": [[0.2, 0.9]]},
    "drive": {"kind": "ringing", "amplitude": 1, "frequency": "1k", "decay": "2m"},
    "analysis": {"periods": 3, "probe": "cells"},
}

FROM_PYTHON = f"""
import numpy as np
import spicecim as sc

bench = sc.Testbench.from_dict({BENCH!r})
spice = sc.simulate(bench)
fast = sc.simulate(bench, "reference", time=spice.time.values)
assert sc.compare(fast, spice).max_error.max() < 1e-3
held = sc.simulate(bench, "held", time=spice.time.values)
# of 1 V, the state 0.2 conducts 10 uS and 0.2 of the 990 uS that lie between both
assert np.allclose(held.i_column[:, 0], held.v_row[:, 0] * (1e-5 + 0.2 * 9.9e-4), rtol=1e-12)

# the rate k v^3 x (1 - x) has a solution: ln(x / (1 - x)) grows by k times the integral of v^3
fine = np.linspace(0.0, 3e-3, 300001)
v = np.exp(-fine / 2e-3) * np.sin(2e3 * np.pi * fine)
grown = 1e4 * np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] ** 3 + v[:-1] ** 3)) * 1e-8])
logit = np.log(0.2 / 0.8) + np.interp(fast.time.values, fine, grown)
assert np.abs(fast.x[:, 0, 0] - 1 / (1 + np.exp(-logit))).max() < 1e-5

loops = sc.hysteresis("soft_switch", frequency=[500, 1e3], engine="reference")
assert (loops.measures.lobe_area > 0).all()

from spicecim.encodings import ENCODINGS
from spicecim.encodings.comparison import compare_encodings
from spicecim.measure import MEASURES

found = compare_encodings([ENCODINGS["plain"]()], [[0, 1], [2, 3]], [[1, 0], [1, 1]])
assert np.allclose(found.product.values[0], [[0, 1], [2, 4]])
assert np.array_equal(MEASURES["peak_current"](held), np.abs(held.i_column).max("time"))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Build the package and install it into a folder of its own, without the network; what finds it there."""
    folder = tmp_path_factory.mktemp("extension")
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    shutil.copytree(PACKAGE, source)  # the build may leave files
    quiet = {"check": True, "capture_output": True, "timeout": 120}
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, source], **quiet
    )  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel], **quiet
    )
    return {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}


@pytest.fixture
def spicecim(environment, tmp_path):
    """Run the installed command where the package is installed, in a folder with a testbench and two matrices."""
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(BENCH))
    np.save(tmp_path / "weights.npy", [[0, 1], [2, 3]])
    np.save(tmp_path / "inputs.npy", [[1, 0], [1, 1]])
    program = Path(sys.executable).with_name("spicecim")

    def run(*arguments):
        result = subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


@pytest.mark.ngspice
def test_all_five_work_from_python(environment):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FROM_PYTHON], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr


def test_they_are_listed_with_where_they_come_from(spicecim):
    listed = json.loads(spicecim("extensions", "--json"))
    added = {
        kind: [name for name, origin in found["members"].items() if origin == "the package spicecim-example"]
        for kind, found in listed.items()
    }
    assert added == {
        "device": ["soft_switch"],
        "drive": ["ringing"],
        "engine": ["held"],
        "encoding": ["plain"],
        "measure": ["peak_current"],
    }
    assert not any(found["failures"] for found in listed.values())
    assert "the package spicecim-example" in spicecim("extensions")


@pytest.mark.slow
def test_the_device_is_described_and_exported(spicecim):
    assert "soft_switch" in spicecim("models")
    described = spicecim("models", "soft_switch")
    assert "conductance at x = 1" in described
    assert "1 V at 1 kHz" in described
    assert "module soft_switch" in spicecim("model", "export", "soft_switch")
    assert ".subckt soft_switch" in spicecim("model", "export", "soft_switch", "--format", "subcircuit")


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", ["osdi", pytest.param("behavioral", marks=pytest.mark.slow)])
def test_device_drive_and_measure_run_in_both_engines(spicecim, tmp_path, backend):
    device = {"model": "soft_switch", "backend": backend}
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(BENCH | {"device": device}))
    shown = spicecim("run", "bench.yaml", "-o", "out", "--measure", "peak_current")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["passed"]
    assert summary["device_backend"] == backend
    peaks = summary["measures"]["peak_current"]
    assert np.allclose(peaks["ngspice"], peaks["reference"], rtol=1e-3)
    assert "peak_current" in shown


def test_the_engine_runs_a_testbench(spicecim, tmp_path):
    spicecim("run", "bench.yaml", "-o", "out", "--engine", "held", "--measure", "peak_current")
    peaks = json.loads((tmp_path / "out" / "summary.json").read_text())["measures"]["peak_current"]["held"]
    # the damped sine is highest where its slope is zero: tan(2 pi f t) = 2 pi f decay
    angle = np.arctan(2e3 * np.pi * 2e-3)
    highest = np.exp(-angle / (2e3 * np.pi * 2e-3)) * np.sin(angle)
    assert np.allclose(peaks, highest * (1e-5 + np.array([0.2, 0.9]) * 9.9e-4), rtol=1e-3)


@pytest.mark.slow
def test_the_device_shows_its_loops(spicecim, tmp_path):
    spicecim("hysteresis", "soft_switch", "--frequency", "500", "1k", "-o", "loops")
    assert json.loads((tmp_path / "loops" / "hysteresis.json").read_text())["passed"]


@pytest.mark.parametrize(
    "engine", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("ngspice", "reference")), "held"]
)
def test_the_encoding_multiplies(spicecim, engine):
    files = ("--weights", "weights.npy", "--inputs", "inputs.npy")
    found = json.loads(spicecim("multiply", "plain", *files, "--engine", engine, "--json"))
    assert np.allclose(found["products"], [[0, 1], [2, 4]], atol=1e-9)
    assert found["exact_products"] == [[0, 1], [2, 4]]
    # conductances of 1/3, 2/3 and 1 of 0.1 mS take 1 us at 0.1 V: the first vector reads 1/3, the second 2 in all
    assert found["energy_j"] == pytest.approx((1 / 3 + 2) * 1e-4 * 0.1**2 * 1e-6, rel=1e-6)
    assert "2  4" in spicecim("multiply", "plain", *files, "--engine", engine)


def test_an_encoding_takes_settings(spicecim):
    files = ("--weights", "weights.npy", "--inputs", "inputs.npy")
    found = json.loads(spicecim("multiply", "plain", *files, "--set", "read_voltage=200mV", "--json"))
    assert found["energy_j"] == pytest.approx((1 / 3 + 2) * 1e-4 * 0.2**2 * 1e-6, rel=1e-6)


def test_a_device_takes_one_file_of_80_lines_and_one_of_presets():
    sources = PACKAGE / "spicecim_example"
    assert sorted(path.name for path in sources.glob("soft_switch.*")) == ["soft_switch.py", "soft_switch.yaml"]
    assert len((sources / "soft_switch.py").read_text().splitlines()) <= 80
    others = [path for path in sources.glob("*.py") if path.name != "soft_switch.py"]
    assert not any("soft_switch" in path.read_text() for path in others)


def test_team_takes_one_file_of_80_lines_and_one_of_presets():
    root = PACKAGE.parent.parent
    folders = ("spicecim", "netlist_templates", "models")
    files = [path for folder in folders for path in (root / folder).rglob("*.*") if path.suffix != ".pyc"]
    holding = {path.name for path in files if re.search(r"\bteam\b", path.read_text())}
    assert holding == {"team.py", "team.yaml", "team.va"}  # of which the last is written by `make models`
    assert len((root / "spicecim" / "devices" / "models" / "team.py").read_text().splitlines()) <= 80
