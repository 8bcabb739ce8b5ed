"""The demonstration on the real image, and its artifacts."""

import json
import sys

import numpy as np
import pytest
from command import spicecim
from skimage import data

from spicecim.demo import KERNELS, PATCH, demo_testbench, run_demo
from spicecim.errors import MissingPackageError
from spicecim.waveforms import load_waveforms, testbench_of


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demonstration once, from the command line."""
    folder = tmp_path_factory.mktemp("demo")
    result = spicecim("demo", "-o", folder)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout, json.loads((folder / "summary.json").read_text())


def test_without_the_photograph_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'spicecim\[demo\]'"):
        run_demo(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pixels_set_amplitudes_and_kernels_set_states():
    image = data.camera()
    bench = demo_testbench(image)
    row, column = PATCH
    pixels = image[row : row + 3, column : column + 3].ravel()
    np.testing.assert_allclose(bench.drive.amplitude, 0.45 * pixels / 255)
    assert len(set(pixels.tolist())) == 9
    for index, kernel in enumerate(KERNELS.values()):
        np.testing.assert_array_equal(bench.crossbar.state[:, index], kernel.ravel())
    assert set(np.unique(bench.crossbar.state)) == {0.0, 1.0}


def test_no_row_is_a_harmonic_of_another_and_all_hold_whole_cycles():
    bench = demo_testbench(data.camera())
    frequency = bench.drive.frequency
    ratios = frequency[:, None] / frequency
    off = ~np.eye(9, dtype=bool)
    assert np.all(np.abs(ratios - np.round(ratios))[off & (ratios > 1)] > 0.01)
    np.testing.assert_allclose(frequency * bench.duration, np.round(frequency * bench.duration))


@pytest.mark.ngspice
def test_the_summary_holds_its_numbers(demo):
    _, _, summary = demo
    assert summary["max_relative_error"] < 1e-4
    assert summary["energy_balance_error"] < 1e-9
    assert 0 < summary["average_power_w"] < summary["worst_case_power_w"] < 1
    assert summary["device_backend"] in ("osdi", "behavioral")
    assert int(summary["ngspice_version"].split(".")[0]) >= 30
    assert summary["passed"] is True
    slopes = [values["log_log_slope"] for values in summary["hysteresis"].values()]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3)


@pytest.mark.ngspice
def test_all_artifacts_are_there(demo):
    folder, _, summary = demo
    assert {path.name for path in folder.iterdir()} == set(summary["artifacts"])
    for name in ("image_patch", "row_drives", "column_currents", "power", "hysteresis"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for engine in ("ngspice", "reference"):
        run = load_waveforms(folder / f"{engine}.nc")
        assert run.attrs["engine"] == engine
        assert testbench_of(run) == demo_testbench(data.camera())


@pytest.mark.ngspice
def test_the_table_has_a_line_a_column(demo):
    _, printed, _ = demo
    for name in KERNELS:
        assert name in printed
    assert "in phase: amplitude of a column's current in phase with the rows' sinusoids" in " ".join(printed.split())
