"""Datasets: units, and a file that can be run again."""

import h5py
import numpy as np
import pytest
import xarray as xr

from spicecim import measure
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


def other_bench(w, **sections):
    values = {**testbench_of(w).to_dict(), **sections}
    return w.assign_attrs(testbench=Testbench.from_dict(values).model_dump_json(exclude_none=True))


BROKEN = [
    (lambda w: w.assign(i_row=w["i_row"] * np.nan), "i_row has values that are not finite"),
    (lambda w: w.isel(time=slice(0)), "time must hold at least"),
    (lambda w: w.isel(time=slice(None, None, -1)), "time must .* increase strictly"),
    (lambda w: w.assign(i_row=w["i_column"]), "i_row has dimensions"),
    (lambda w: w.assign(i_column=w["i_column"] * (1 + 0j)), "i_column holds complex128"),
    (lambda w: w.assign(i_column=w["i_column"] > 0), "i_column holds bool"),
    (lambda w: w.assign(i_column=w["i_column"].astype(int)), "i_column holds int64"),
    (lambda w: w.assign(i_column=w["i_column"].astype(str)), "i_column holds <U"),
    (
        lambda w: w.assign_coords(time=w["time"] + np.where(w["time"] > 0, 0, np.nan)),
        "time has values that are not fin",
    ),
    (lambda w: w.assign_coords(time=np.arange(w.sizes["time"])), "time holds int64"),
    (lambda w: w.drop_vars("time"), "no coordinate time"),
    (lambda w: w.assign(i_column=w["i_column"].assign_attrs(units="mA")), "i_column is in 'mA'; its unit must be 'A'"),
    (lambda w: w.assign_coords(time=w["time"].assign_attrs(units="ms")), "time is in 'ms'; its unit must be 's'"),
    (lambda w: w.assign_coords(row=[0, 1, 3]), "row holds 0, 1, 3; its testbench has the rows 0 to 2"),
    (lambda w: w.assign_coords(row=[0, 1, 1]), "row holds 0, 1, 1"),
    (lambda w: w.assign_coords(column=[0.0, 1.0]), "column holds 0.0, 1.0"),
    (lambda w: other_bench(w, crossbar={"state": [[0.1], [0.9], [0.5]]}), "column holds 0, 1; .* columns 0 to 0"),
]
"""What no measurement takes: a change of a run, and the reason."""

OF_ANOTHER_RUN = [
    (lambda w: w.isel(row=[0, 1]), "there are 2 rows; its testbench has 3"),
    (lambda w: w.assign_coords(time=2 * w["time"]), "time goes from 0 to 0.02 s; its testbench lasts 0.01 s"),
    (lambda w: w.assign_coords(time=w["time"] - 1e-3), "time goes from -0.001"),
    (lambda w: w.assign(v_row=-w["v_row"]), "v_row is not what the drive"),
    (lambda w: w.assign(v_row=w["v_row"][:, ::-1].assign_coords(row=w["row"])), "v_row is not what the drive"),
    (lambda w: other_bench(w, drive={"kind": "sine", "amplitude": 0.46, "frequency": [100, 200, 300]}), "v_row is not"),
]
"""What is a part of a run, or a run of another testbench: not to be saved or loaded as the testbench's."""


@pytest.mark.parametrize(("change", "reason"), BROKEN + OF_ANOTHER_RUN)
def test_broken_datasets_are_refused(waveforms, tmp_path, change, reason):
    with pytest.raises(WaveformError, match=reason):
        save_waveforms(change(waveforms), tmp_path / "broken.nc")
    assert not (tmp_path / "broken.nc").exists()


def test_one_instant_is_kept_but_not_measured(waveforms, tmp_path):
    one = simulate(testbench_of(waveforms), "reference", time=[waveforms["time"].values[3]])
    for name in ("i_row", "i_column"):
        np.testing.assert_allclose(one[name].values[0], waveforms[name].values[3], rtol=1e-9, atol=1e-18)
    # at the end of a sine there is nothing but rounding
    assert simulate(testbench_of(waveforms), "reference", time=[waveforms["time"].values[-1]]).sizes["time"] == 1
    kept = load_waveforms(save_waveforms(one, tmp_path / "one.nc"))
    with pytest.raises(WaveformError, match="at least two instants"):
        measure.energy_balance(kept)


@pytest.mark.parametrize(("change", "reason"), BROKEN)
def test_broken_datasets_are_not_measured(waveforms, change, reason):
    with pytest.raises(WaveformError, match=reason):
        measure.energy_balance(change(waveforms))


@pytest.mark.parametrize(("change", "reason"), BROKEN + OF_ANOTHER_RUN)
def test_broken_files_are_not_loaded(waveforms, tmp_path, change, reason, monkeypatch):
    """As another program would leave them."""
    monkeypatch.setattr("spicecim.waveforms.check_run", lambda _: None)
    path = save_waveforms(change(waveforms).assign_attrs(x=1), tmp_path / "broken.nc")
    monkeypatch.undo()
    with pytest.raises(WaveformError, match=f"cannot read waveforms from .*broken.nc: .*{reason}"):
        load_waveforms(path)


def attribute(name, value):
    def change(file):
        file["i_column"].attrs[name] = value

    return change


def external(file):
    values = file["i_column"]
    shape, dtype = values.shape, values.dtype
    del file["i_column"]
    file.create_dataset("i_column", shape, dtype, external=[("elsewhere.bin", 0, 10**6)])


def virtual(file):
    shape, dtype = file["i_column"].shape, file["i_column"].dtype
    del file["i_column"]
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "i_column", shape)
    file.create_virtual_dataset("i_column", layout)


def linked(file):
    del file["i_column"]
    file["i_column"] = h5py.ExternalLink("elsewhere.h5", "i_column")


def grouped(file):
    file.create_group("more")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (attribute("scale_factor", 2.0), "i_column has the attribute scale_factor"),
        (attribute("add_offset", 1.0), "i_column has the attribute add_offset"),
        (attribute("missing_value", 0.0), "i_column has the attribute missing_value"),
        (attribute("_FillValue", np.float64(0.0)), "i_column has the _FillValue 0.0"),
        (attribute("units", "uA"), "i_column is in 'uA'"),
        (attribute("dtype", "bool"), "i_column holds bool"),
        (external, "the values of i_column are stored in another file"),
        (virtual, "the values of i_column are stored in another file"),
        (linked, "i_column is a link"),
        (grouped, "more is a group"),
    ],
)
def test_values_that_do_not_stand_in_the_file_are_refused(waveforms, tmp_path, change, reason):
    path = save_waveforms(waveforms, tmp_path / "run.nc")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(WaveformError, match=reason):
        load_waveforms(path)


def test_damage_is_found_and_is_one_message(waveforms, tmp_path, rng):
    """Bytes changed anywhere, and files cut short: an error, or the very same numbers."""
    path = save_waveforms(waveforms, tmp_path / "run.nc")
    whole = path.read_bytes()
    found = 0
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged[: int(rng.integers(0, len(whole)))] if rng.uniform() < 0.3 else damaged)
        try:
            loaded = load_waveforms(path)
        except WaveformError as error:
            found += "\n" not in str(error)
            continue
        for name in waveforms.variables:
            np.testing.assert_array_equal(loaded[name], waveforms[name])
    assert found > 10


def test_variables_of_one_s_own_are_kept(waveforms, tmp_path):
    more = waveforms.assign(note=("row", [1.0, 2.0, np.nan]))
    assert load_waveforms(save_waveforms(more, tmp_path / "more.nc"))["note"].values[0] == 1.0
    with pytest.raises(WaveformError, match="no testbench"):
        save_waveforms(waveforms.drop_attrs(), tmp_path / "none.nc")
    with pytest.raises(WaveformError, match="no testbench"):
        save_waveforms(waveforms.assign_attrs(testbench=3), tmp_path / "none.nc")


def test_files_that_are_no_waveforms_are_refused(tmp_path):
    (tmp_path / "text.nc").write_text("no netCDF")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    for name in ("text.nc", "other.nc", "gone.nc"):
        with pytest.raises(WaveformError, match=name):
            load_waveforms(tmp_path / name)
    with pytest.raises(WaveformError, match="no testbench"):
        testbench_of(xr.Dataset())
