"""Measured values from files: found, cleaned, refused with one clear error, and measured cycle by cycle."""

import numpy as np
import pytest
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.measurement.dataset import cycles_of
from spicecim.plotting import plot_cycles, plot_measurement

T = np.linspace(0.0, 1.0, 41)
V = np.sin(2 * np.pi * T)
AMPS = 1e-3 * V * (1.0 + 0.3 * np.cos(2 * np.pi * T))


def written(folder, text):
    path = folder / "measured.csv"
    path.write_text(text)
    return path


def rows(*columns, between=",", comma=False):
    lines = [between.join(f"{value:.9g}" for value in row) for row in zip(*columns, strict=True)]
    text = "\n".join(lines)
    return text.replace(".", ",") if comma else text


@pytest.mark.parametrize(
    ("heading", "columns", "between", "comma"),
    [
        ("Time (s),Voltage (V),Current (A)", (T, V, AMPS), ",", False),
        ("I/uA;t [ms];U [mV]", (AMPS * 1e6, T * 1e3, V * 1e3), ";", True),
        ("Keithley;2450\n\nIndex\tTime\tAV\tAI", (np.arange(41), T, V, AMPS), "\t", False),
        ("Repeat: 1\nTimestamp (s), Source Value (V), Reading (mA)", (T, V, AMPS * 1e3), ",", False),
    ],
)
def test_columns_are_found_by_name_and_unit(tmp_path, heading, columns, between, comma):
    path = written(tmp_path, heading + "\n" + rows(*columns, between=between, comma=comma) + "\n")
    found = sc.load_measurement(path, series_resistance="1k")
    np.testing.assert_allclose(found.time, T, atol=1e-9)
    np.testing.assert_allclose(found.voltage, V, atol=1e-8)
    np.testing.assert_allclose(found.current, AMPS, atol=1e-11)
    assert found.attrs["series_resistance"] == 1000.0
    assert len(found.attrs["sha256"]) == 64


def test_sweeps_beside_and_below_each_other(tmp_path):
    beside = written(tmp_path, "t,V1,I1,V2,I2\n" + rows(T, V, AMPS, 0.5 * V, 2 * AMPS))
    found = sc.load_measurement(beside)
    assert found.voltage.values[found.sweep.values == 1].max() == pytest.approx(0.5)
    blocks = written(tmp_path, "t,V,I\n" + rows(T, V, AMPS) + "\n\nt,V,I\n" + rows(T, V, 2 * AMPS))
    assert sc.load_measurement(blocks).sweep.values.max() == 1
    numbered = "t,V,I,cycle\n" + rows(np.tile(T, 2), np.tile(V, 2), np.tile(AMPS, 2), np.repeat([1, 2], 41))
    assert sc.load_measurement(written(tmp_path, numbered)).sweep.values.max() == 1


BAD = {
    "no header": (rows(T, V, AMPS), "no headings"),
    "unequal": ("t,V,I\n" + rows(T, V, AMPS) + "\n1.1,0.5\n", "unequal length"),
    "back": ("t,V,I\n" + rows(T[::-1], V, AMPS), "the time must increase"),
    "one sign": ("t,V,I\n" + rows(T, np.abs(V), np.abs(AMPS)), "one_sided"),
    "magnitudes": ("t,V,I\n" + rows(T, V, np.abs(AMPS)), "magnitudes"),
    "constant": ("t,V,I\n" + rows(T, V, np.ones(41)), "throughout"),
    "nan": ("t,V,I\n" + rows(T, V, np.where(T == 0.5, np.nan, AMPS)), "line 22: has no number for the current"),
    "two points": ("t,V,I\n0,0,0\n1,1,1\n", "has 2 samples"),
    "scale factor": ("t,V,I (UA)\n" + rows(T, V, AMPS), "no column of the current"),
    "no time": ("V,I\n" + rows(V, AMPS), "interval"),
    "no table": ("hello\nworld\n", "no table"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_clear_error_each(tmp_path, case):
    text, told = BAD[case]
    path = written(tmp_path, text)
    with pytest.raises(sc.InputError, match=told) as caught:
        sc.load_measurement(path)
    assert "\n" not in str(caught.value)
    result = CliRunner().invoke(app, ["measurement", str(path)])
    assert isinstance(result.exception, sc.InputError)


def test_cleaning_marks_compliance_and_leaves_out_what_stands_twice():
    held = np.minimum(AMPS, 0.8e-3)
    again = [np.insert(array, 7, array[7]) for array in (T, V, held + 2e-6)]
    found = sc.make_measurement([tuple(again)])
    assert found.attrs["duplicates"] == 1
    assert found.attrs["compliance_positive"] == pytest.approx(0.802e-3)
    assert "compliance_negative" not in found.attrs
    assert found.attrs["current_offset"] == pytest.approx(2e-6, rel=0.05)
    assert np.array_equal(found.in_compliance.values, np.delete(again[2] > 0.8e-3, 7))


def test_cycles_are_measured_one_by_one(tmp_path):
    measured = sc.synthetic_measurement("metastable_switch", frequency=[100], points=80, cycles=3, seed=2)
    assert np.bincount(measured.cycle.values).tolist() == pytest.approx([80] * 3, abs=2)
    found = sc.measure_cycles(measured)
    assert found.sizes["loop"] == 3
    assert (found.on_off_ratio > 1.2).all()
    # a positive voltage switches it on
    assert (found.lobe_area_positive > 0).all()
    assert (np.diff(cycles_of(np.abs(V))) >= 0).all()
    assert len(plot_measurement(measured).axes) == 2
    assert len(plot_cycles(found).axes) == 3
    with pytest.raises(sc.InputError, match="read_voltage"):
        sc.measure_cycles(measured, "9V")
    assert len(sc.split_cycles(measured)) == 3
