"""Measured values from files: found, cleaned, refused with one clear error, and measured cycle by cycle."""

import numpy as np
import pytest
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.fitting.fit import data_of
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


def lines(heading, form, end="\n", scale=1.0, comma=False):
    """A file in the style of an instrument: t, v and i go into each line."""
    rows_ = [form.format(n=n + 1, t=t, v=v, i=i * scale) for n, (t, v, i) in enumerate(zip(T, V, AMPS, strict=True))]
    text = end.join(rows_)
    return heading + (text.replace(".", ",") if comma else text) + end


EXPORTS = {
    "Keithley 2400": lines(
        "VOLT,CURR,RES,TIME,STAT\n", "{v:+.6E},{i:+.9E},+9.910000E+37,{t:+.6E},+2.150800E+04", end="\r\n"
    ),
    "Keithley 4200": lines("Time\tAnodeI\tAnodeV\n", "{t:.6E}\t{i:.9E}\t{v:.6E}"),
    "Keithley 4200, repeated": lines("Time(1)\tAnodeI(1)\tAnodeV(1)\n", "{t:.6E}\t{i:.9E}\t{v:.6E}"),
    "KickStart": lines(
        "Model #,2450\nSerial #,04123456\n\nIndex,SMU-1 Voltage (V),SMU-1 Current (A),SMU-1 Time (s)\n",
        "{n},{v:.6f},{i:.9E},{t:.6f}",
    ),
    "Keysight B1500": lines(
        "SetupTitle, I/V\nTestParameter, Channel.UnitType, SMU, SMU\nDimension1, 41, 41, 41\nDimension2, 1, 1, 1\n"
        "DataName, V1, I1, T1\n", "DataValue, {v:.6f}, {i:.9E}, {t:.6f}",
    ),
    "Excel, German": lines(
        "Probe;HfO2 Nr. 3;\nDatum;12.03.2024;\n\nZeit [s];Spannung [V];Strom [µA]\n", "{t:.6f};{v:.6f};{i:.9E}",
        scale=1e6, comma=True,
    ),
    "Excel, German, quoted": lines(
        '"Zeit (s)","Spannung (V)","Strom (A)"\n', '"{t:.6f}"|"{v:.6f}"|"{i:.9E}"', comma=True
    ).replace("|", ","),
    "Excel, French": lines("Temps (s);Tension (V);Courant (A)\n", "{t:.6f};{v:.6f};{i:.9E}", comma=True),
    "Origin, a line of units": lines(
        "Time\tVoltage\tCurrent\ns\tV\tmA\n\t\tsample 3\n", "{t:.6f}\t{v:.6f}\t{i:.9E}", scale=1e3
    ),
    "LabVIEW": lines(
        "LabVIEW Measurement\t\nWriter_Version\t2\n***End_of_Header***\t\n\nChannels\t2\nSamples\t41\t41\n"
        "***End_of_Header***\t\t\t\nX_Value\tVoltage (V)\tCurrent (A)\tComment\n", "{t:.6f}\t{v:.6f}\t{i:.9E}",
    ).replace("X_Value", "Time"),
    "numpy.savetxt": lines("# t[s] V[V] I[A]\n", "{t:.18e} {v:.18e} {i:.18e}"),
    "pandas": lines(",time,voltage,current\n", "{n},{t:.6f},{v:.6f},{i:.9E}"),
    "a clock": lines("Time,Voltage,Current\n", "10:15:{t:09.6f},{v:.6f},{i:.9E}"),
    "a clock, German": lines("Zeit (s);Spannung (V);Strom (A)\n", "10:15:{t:09.6f};{v:.6f};{i:.9E}", comma=True),
}  # fmt: skip


@pytest.mark.parametrize("style", EXPORTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_exports_of_instruments_and_spreadsheets_are_read(tmp_path, style, encoding):
    path = tmp_path / "export.txt"
    path.write_bytes(EXPORTS[style].encode(encoding))
    found = sc.load_measurement(path)
    np.testing.assert_allclose(found.time, T, atol=1e-6)
    np.testing.assert_allclose(found.voltage, V, atol=1e-6)
    np.testing.assert_allclose(found.current, AMPS, atol=1e-11)


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
    "overflow": ("t,V,I\n" + rows(T, V, np.where(T == 0.5, 9.9e37, AMPS)), "line 22: .*overflow"),
    "a text": ("t,V,I\n" + rows(T, V, AMPS).replace(f"{AMPS[20]:.9g}", "off"), "line 22: has no number"),
    "two points": ("t,V,I\n0,0,0\n1,1,1\n", "has 2 samples"),
    "scale factor": ("t,V,I (UA)\n" + rows(T, V, AMPS), "no column of the current"),
    "no time": ("V,I\n" + rows(V, AMPS), "interval"),
    "no table, a long text": ('"' + "x" * 200_000 + "\n", "no table"),
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


def test_currents_beyond_the_range_are_no_compliance():
    read = np.clip(AMPS, -0.8e-3, 0.8e-3)
    found = sc.make_measurement([(T, V, read)], current_range="0.8mA")
    assert np.array_equal(found.saturated.values, np.abs(read) == 0.8e-3)
    assert not found.in_compliance.any()
    assert "compliance_positive" not in found.attrs
    assert found.attrs["current_range"] == 0.8e-3
    # the source keeps its voltage there, and nothing is known but that the current is larger
    data = data_of(found, None)
    assert np.array_equal(data.counts[0], np.abs(read) < 0.8e-3)
    assert np.isinf(data.records.limit).all()
    assert len(plot_measurement(found).axes[0].lines) == 2
    with pytest.raises(sc.InputError, match="current_range: must be positive"):
        sc.make_measurement([(T, V, read)], current_range=0)


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


def test_two_loops_have_the_mean_of_both_as_median(tmp_path):
    volts = np.concatenate([0.5 * V, V[1:]])
    path = written(tmp_path, "t,v,i\n" + rows(np.arange(len(volts)) * 1e-3, volts, 1e-3 * volts))
    result = CliRunner().invoke(app, ["measurement", str(path)])
    assert "1 sweep, 2 loops;" in " ".join(result.output.split())
    peaks = next(line for line in result.output.splitlines() if "peak current" in line)
    assert [part.strip() for part in peaks.split("  ") if part.strip()] == ["peak current", "750 uA", "500 uA", "1 mA"]


def test_distributions_of_two_loops_begin_at_0_and_leave_no_decade_empty():
    measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=80, seed=1)
    found = sc.measure_cycles(measured)
    over, resistances, voltages = plot_cycles(found).axes
    for axes in (resistances, voltages):
        assert [line.get_ydata().tolist() for line in axes.lines] == [[0.0, 0.5, 1.0]] * 2
    for low, high in (over.get_ylim(), resistances.get_xlim()):
        assert 0.5 < low / float(found.low_resistance.min()) < 1.0
        assert 1.0 < high / float(found.high_resistance.max()) < 2.0
