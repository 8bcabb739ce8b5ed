"""Datasets: units, and a file that can be run again."""

import numpy as np
import pytest
import xarray as xr

from spicecim.engines import simulate
from spicecim.errors import WaveformError
from spicecim.testbench import Testbench
from spicecim.waveforms import VARIABLES, check_waveforms, load_waveforms, save_waveforms, testbench_of


@pytest.fixture
def waveforms(make_bench):
    return simulate(make_bench(analysis={"points_per_period": 20, "probe": "cells"}), "reference")


def test_every_variable_has_unit_and_name(waveforms):
    for name, variable in waveforms.variables.items():
        assert variable.attrs["long_name"], name
    for name in ("v_row", "i_row", "i_column", "v_cell", "i_cell", "x"):
        assert waveforms[name].attrs["units"] == VARIABLES[name][1]
        assert waveforms[name].dims == VARIABLES[name][0]
    assert waveforms["time"].attrs["units"] == "s"


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_a_saved_run_comes_back_and_can_be_run_again(make_bench, tmp_path, engine):
    bench = make_bench(crossbar={"state": np.full((3, 2), 0.4)}, analysis={"probe": "cells"})
    waveforms = simulate(bench, engine)
    loaded = load_waveforms(save_waveforms(waveforms, tmp_path / "run.nc"))
    assert loaded.identical(waveforms)
    again = testbench_of(loaded)
    assert again == bench
    assert simulate(again, engine).identical(waveforms)


def test_a_testbench_larger_than_an_hdf5_attribute_is_kept(tmp_path):
    state = np.random.default_rng(1).uniform(size=(64, 128))
    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": state},
        drive={"kind": "sine", "amplitude": 0.1, "frequency": 100},
        analysis={"points_per_period": 8},
    )
    waveforms = simulate(bench, "reference")
    assert len(waveforms.attrs["testbench"]) > 65536
    assert testbench_of(load_waveforms(save_waveforms(waveforms, tmp_path / "large.nc"))) == bench


def test_missing_cells_are_asked_for(make_bench):
    with pytest.raises(WaveformError, match="probe = 'cells'"):
        check_waveforms(simulate(make_bench(), "reference"), "i_cell")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.assign(i_row=w["i_row"] * np.nan), "not finite"),
        (lambda w: w.isel(time=[0]), "two instants"),
        (lambda w: w.isel(time=slice(None, None, -1)), "increase"),
        (lambda w: w.assign(i_row=w["i_column"]), "dimensions"),
    ],
)
def test_broken_datasets_are_refused(waveforms, tmp_path, change, reason):
    with pytest.raises(WaveformError, match=reason):
        save_waveforms(change(waveforms), tmp_path / "broken.nc")


def test_variables_of_one_s_own_are_kept(waveforms, tmp_path):
    more = waveforms.assign(note=("row", [1.0, 2.0, np.nan]))
    assert load_waveforms(save_waveforms(more, tmp_path / "more.nc"))["note"].values[0] == 1.0
    with pytest.raises(WaveformError, match="no testbench"):
        save_waveforms(waveforms.drop_attrs(), tmp_path / "none.nc")


def test_files_that_are_no_waveforms_are_refused(tmp_path):
    (tmp_path / "text.nc").write_text("no netCDF")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    for name in ("text.nc", "other.nc", "gone.nc"):
        with pytest.raises(WaveformError, match=name):
            load_waveforms(tmp_path / name)
    with pytest.raises(WaveformError, match="no testbench"):
        testbench_of(xr.Dataset())
