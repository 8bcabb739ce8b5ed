"""Lines that are driven, grounded or floating: against closed forms, a nodal solve of scipy's, and ngspice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import lil_array
from scipy.sparse.linalg import spsolve

from spicecim.engines import simulate
from spicecim.errors import ConvergenceError, InputError, MeasurementError, TestbenchError
from spicecim.measure import column_driver_power, delivered_energy, energy_balance, tone_current, total_power
from spicecim.ngspice.engine import render_netlist
from spicecim.operations import chosen_pulses
from spicecim.plotting import plot_row_drives
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench
from spicecim.variation import normal, read_noise, vary
from spicecim.waveforms import load_waveforms, save_waveforms, testbench_of

OHMIC = {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e5}}
OHMS = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}
PULSE = {"kind": "pulse", "rise": 1e-4, "fall": 2e-4, "width": 3e-3, "period": 1e-2}
SINE = {"kind": "sine", "amplitude": 0.45, "frequency": 100}


def bench_of(shape=(3, 2), device="yakopcic", drive=SINE, rows=None, columns=None, analysis=None, **crossbar):
    state = np.random.default_rng(5).uniform(0.1, 0.7, shape)
    return Testbench.from_dict(
        {
            "device": {"model": device} if isinstance(device, str) else device,
            "crossbar": {"state": state, **crossbar},
            "drive": drive,
            "analysis": {"probe": "cells", **(analysis or {})},
            **({"rows": rows} if rows else {}),
            **({"columns": columns} if columns else {}),
        }
    )


def nodal(g, volts, floating, wire_row, wire_column, source_resistance, sense_resistance):
    """Currents (line,) out of the lines' drivers by a node for every place of every wire, every resistance above 0."""
    rows, columns = g.shape
    cells, count = np.arange(g.size).reshape(g.shape), 2 * g.size + rows + columns
    matrix, right = lil_array((count, count)), np.zeros(count)

    def connect(a, b, ohm):
        for one, other in ((a, b), (b, a)):
            matrix[one, one] += 1.0 / ohm
            matrix[one, other] -= 1.0 / ohm

    ends = 2 * g.size + np.arange(rows + columns)
    for row, column in np.ndindex(rows, columns):
        here, below = cells[row, column], g.size + cells[row, column]
        connect(here, below, 1.0 / g[row, column])
        if column:
            connect(here, cells[row, column - 1], wire_row)
        else:
            connect(here, ends[row], wire_row + source_resistance)
        if row < rows - 1:
            connect(below, g.size + cells[row + 1, column], wire_column)
        else:
            connect(below, ends[rows + column], wire_column + sense_resistance)
    laplacian = matrix.tocsr()
    for line in np.flatnonzero(~floating):
        matrix[[ends[line]], :] = 0.0
        matrix[ends[line], ends[line]] = 1.0
        right[ends[line]] = volts[line]
    potentials = spsolve(matrix.tocsc(), right)
    return (laplacian @ potentials)[ends], potentials[ends]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**16))
def test_any_lines_of_an_ohmic_crossbar_are_as_a_nodal_solve_has_them(rows, columns, seed):
    rng = np.random.default_rng(seed)
    floating = rng.random(rows + columns) < 0.5
    floating[rng.integers(rows + columns)] = False
    ohms = {name: 10.0 ** rng.uniform(-1, 3) for name in OHMS}
    volts = rng.uniform(-1, 1, rows + columns)
    some = np.flatnonzero(floating)
    bench = Testbench.from_dict(
        {
            "device": OHMIC,
            "crossbar": {"state": rng.random((rows, columns)), **ohms},
            "drive": SINE,
            "rows": {"floating": some[some < rows]},
            "columns": {"floating": some[some >= rows] - rows},
        }
    )
    found = operating_point(bench, volts[:rows], volts[rows:])
    g = 1e-5 + (1e-3 - 1e-5) * bench.crossbar.state
    currents, ends = nodal(g, volts, floating, **ohms)
    lines = np.concatenate([found["i_row"], -found["i_column"]])
    # the nodal solve rounds what the wires conduct
    rounding = 8.0 * np.finfo(float).eps / min(ohms.values())
    np.testing.assert_allclose(lines, currents, rtol=0, atol=1e-9 * np.abs(currents).max() + rounding)
    v_column = found["v_column"] if "v_column" in found else np.zeros(columns)
    np.testing.assert_allclose(np.concatenate([found["v_row"], v_column]), ends, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 2), (4, 7), (16, 16)])
def test_sneak_paths_of_a_floating_read_are_the_closed_form(shape):
    rows, columns = shape
    bench = Testbench.from_dict(
        {
            "device": OHMIC,
            "crossbar": {"state": np.full(shape, 1.0)},
            "drive": SINE,
            "rows": {"floating": [f"1-{rows - 1}"]},
            "columns": {"floating": [f"1-{columns - 1}"]},
        }
    )
    found = operating_point(bench, np.eye(1, rows)[0])
    # through the row's other cells, all cells of neither line, the column's other cells
    sneak = 1e3 * (1 / (columns - 1) + 1 / ((rows - 1) * (columns - 1)) + 1 / (rows - 1))
    assert float(found["i_column"][0]) == pytest.approx(1e-3 + 1 / sneak, rel=1e-12)
    assert np.all(found["i_column"][1:] == 0.0)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("given_", "crossbar"),
    [
        # driven columns, straight and smooth
        ({"columns": {"drive": {**PULSE, "high": [0.3, -0.4]}}}, {}),
        ({"columns": {"drive": {**SINE, "phase": 1.0}}, "rows": {"grounded": [1]}}, OHMS),
        # floating lines, alone and with all else
        ({"rows": {"floating": [1]}, "columns": {"floating": [0]}}, {}),
        ({"rows": {"floating": [0]}, "columns": {"drive": {**PULSE, "high": 0.3}, "floating": [1]}}, OHMS),
        ({"rows": {"floating": [2]}, "columns": {"floating": [1]}}, {**OHMS, "wire_capacitance": 1e-9}),
        ({"columns": {"floating": [1], "drive": {**SINE, "amplitude": 0.1}}}, {"wire_capacitance": 1e-9}),
    ],
)
def test_both_engines_agree_on_every_line(given_, crossbar):
    bench = bench_of(**given_, **crossbar, analysis={"accuracy": 3e-4})
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    largest = max(float(abs(reference[name]).max()) for name in ("i_row", "i_column"))
    for name in ("i_row", "i_column", "i_cell"):
        assert float(abs(reference[name] - spice[name]).max()) < 1e-4 * largest
    for name in ("v_row", "v_column", "x"):
        assert float(abs(reference[name] - spice[name]).max()) < 1e-4
    moving = "wire_capacitance" in crossbar
    for run in (spice, reference):
        assert energy_balance(run).error < (1e-3 if moving else 1e-9)  # integrals over the instants


@pytest.mark.parametrize("device", ["yakopcic", "stanford_pku"])
@pytest.mark.parametrize("ohm", [0.0, 20.0])
def test_only_the_difference_of_lines_counts(device, ohm):
    volts = np.array([[0.0, 0.3, -0.2, 0.25, 0.0], [0.1, -0.3, 0.4, -0.1, 0.2], [0.0, 0.1, 0.2, 0.3, -0.3]])
    time = [0.0, 1e-6, 2e-6, 3e-6, 4e-6]
    shift = [0.0, 0.15, -0.2, 0.1, 0.3]

    def run(rows, columns):
        drives = ({"kind": "samples", "time": time, "voltages": voltages} for voltages in (rows, columns))
        drive, own = drives
        bench = bench_of(device=device, drive=drive, columns={"drive": own}, wire_row=ohm, wire_column=ohm)
        return simulate(bench, "reference", time=np.linspace(0, 4e-6, 33))

    plain, shifted = run(volts, np.zeros((2, 5))), run(volts + shift, np.zeros((2, 5)) + shift)
    scale = float(abs(plain.i_row).max())
    # each run keeps to its own steps where the shift changes where they lie
    assert float(abs(plain.i_column - shifted.i_column).max()) < 1e-6 * scale
    assert float(abs(plain.x - shifted.x).max()) < 1e-6


def test_a_floating_row_charges_through_its_cell_as_a_capacitor_does():
    slope, farad, duration = 1e3, 2e-9, 1e-4
    ramp = {"kind": "samples", "time": [0, duration], "voltages": [[0, slope * duration]]}
    bench = Testbench.from_dict(
        {
            "device": OHMIC,
            "crossbar": {"state": [[1.0]], "wire_capacitance": farad},
            "drive": {**SINE, "frequency": 1 / duration},
            "rows": {"floating": [0]},
            "columns": {"drive": ramp},
        }
    )
    run = simulate(bench, "reference")
    t, tau = run.time.values, 1e3 * farad
    closed = slope * (t - tau * (1 - np.exp(-t / tau)))
    np.testing.assert_allclose(run.v_row[:, 0], closed, rtol=0, atol=1e-6 * slope * duration)
    # what charges the row comes from the column's driver, which charges its own wire, too
    into = -(slope * farad + (slope * t - closed) / 1e3)
    np.testing.assert_allclose(run.i_column[1:, 0], into[1:], rtol=0, atol=1e-5 * np.abs(into).max())


def test_a_floating_line_needs_a_path():
    bench = bench_of((2, 2), {"model": "yakopcic"}, rows={"floating": [1]}, state=[[0.5, 0.5], [0.0, 0.0]])
    with pytest.raises(ConvergenceError, match="row 1 floats, and none of its cells conducts"):
        operating_point(bench, [0.1, 0.0])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"rows": {"floating": [3]}}, "rows.floating: names row 3; there are rows 0 to 2"),
        ({"columns": {"grounded": ["1-2"]}}, "columns.grounded: names column 2; there are columns 0 to 1"),
        ({"rows": {"floating": [1], "grounded": [1]}}, "rows.floating: names row 1, which is grounded"),
        ({"rows": {"floating": "all"}}, "rows.floating: must be a list of numbers of lines"),
        ({"rows": {"floating": [True]}}, "rows.floating: must hold numbers of lines from 0 on"),
        ({"rows": {"floating": ["0-99999999"]}}, "rows.floating: has a range of too many lines"),
        ({"rows": {"floating": ["0-2"]}, "columns": {"floating": [0, 1]}}, "every row and column floats"),
        ({"rows": {"drive": SINE}}, "rows.drive"),
        ({"columns": {"drive": {**SINE, "amplitude": [1, 2, 3]}}}, "columns.drive.amplitude: has 3 values for 2"),
        (
            {"columns": {"drive": {"kind": "samples", "time": [0, 1e-3], "voltages": [[0, 1]] * 2}}},
            "analysis.duration: 0.01 s goes past the last sample at 0.001 s",
        ),
    ],
)  # fmt: skip
def test_lines_that_are_not_there_are_errors(sections, message):
    with pytest.raises(TestbenchError, match=message.replace(".", r"\.")):
        bench_of(**sections, analysis={"duration": 1e-2})


def test_voltages_of_columns_are_checked():
    bench = bench_of(columns={"floating": [0]})
    with pytest.raises(InputError, match="v_column: needs v_row, too, as the testbench drives its rows"):
        operating_point(bench, v_column=[0, 0])
    with pytest.raises(InputError, match=r"v_column: must be voltages \(column,\)"):
        operating_point(bench, [0, 0, 0], [0, 0, 0])
    with pytest.raises(InputError, match="v_column: must be of as many inputs"):
        operating_point(bench, [[0, 0, 0]] * 2, [[0, 0]] * 3)


def test_numbers_of_lines_are_read_from_a_file(tmp_path):
    text = bench_of(rows={"grounded": [1]}, columns={"floating": ["0-0"]}).to_yaml()
    (tmp_path / "bench.yaml").write_text(text)
    bench = Testbench.from_yaml(tmp_path / "bench.yaml")
    assert bench.rows.grounded == (1,)
    assert bench.columns.floating == (0,)
    for wrong in ([1.5], [-1.0], [float("inf")], [float("nan")], [True]):
        with pytest.raises(TestbenchError, match=r"rows\.grounded: must hold numbers of lines"):
            bench_of(rows={"grounded": wrong})


def test_a_testbench_with_lines_comes_back_from_yaml_and_from_a_saved_run(tmp_path):
    bench = bench_of(columns={"drive": {**PULSE, "high": 0.3}, "floating": [1]}, rows={"grounded": [2]})
    assert Testbench.from_dict(bench.to_dict()) == bench
    run = simulate(bench, "reference")
    again = load_waveforms(save_waveforms(run, tmp_path / "run.nc"))
    assert again.identical(run)
    assert float(abs(run.v_row[:, 2]).max()) == 0.0
    assert float(abs(run.i_column[:, 1]).max()) == 0.0


def test_the_short_form_is_as_it_was():
    bench = bench_of()
    assert {"rows", "columns"}.isdisjoint(bench.to_dict())
    assert "v_column" not in simulate(bench, "reference")
    assert bench.lines().drive is bench.drive


@pytest.mark.ngspice
def test_netlists_have_no_source_at_a_floating_line():
    text = render_netlist(bench_of(rows={"floating": [1]}, columns={"drive": {**PULSE, "high": 0.3}, "floating": [0]}))
    assert "Vrow_1" not in text
    assert "Vsense_0" not in text
    assert "Vsense_1 sense_1 0 PULSE(" in text


def test_the_drivers_of_columns_count_in_the_power():
    # a column held above its rows feeds the crossbar
    bench = bench_of(drive={**SINE, "amplitude": 0.0}, columns={"drive": {**SINE, "amplitude": 0.1}})
    run = simulate(bench, "reference")
    assert float(delivered_energy(run).sum()) == 0.0
    assert float(column_driver_power(run).sum("column").max()) > 0.0
    np.testing.assert_allclose(total_power(run), column_driver_power(run).sum("column"), rtol=1e-12)


def test_what_draws_and_adds_noise_keeps_the_lines():
    bench = bench_of(columns={"drive": {**PULSE, "high": 0.3}, "floating": [1]}, rows={"grounded": [2]})
    for other in (vary(bench, {"a1": normal(0.1)}, seed=1), read_noise(bench, bandwidth=1e3, seed=1)):
        assert (other.rows, other.columns) == (bench.rows, bench.columns)


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_no_current_flows_where_one_line_alone_is_connected(engine):
    bench = bench_of(
        (1, 2), "umich", rows={"floating": [0]}, columns={"drive": {**PULSE, "high": 0.3}, "floating": [1]}
    )
    run = simulate(bench, engine, estimate=False)
    assert float(abs(run.i_column).max()) < 1e-15
    np.testing.assert_allclose(run.v_row[:, 0], run.v_column[:, 0], atol=1e-9)


def undriven(**sections):
    bench = bench_of(**{"columns": {"drive": {**SINE, "frequency": [100, 200]}}, **sections})
    return Testbench.from_dict({name: value for name, value in bench.to_dict().items() if name != "drive"})


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {**OHMS, "rows": {"sense": {"gain": 1e4, "feedback": 1e2}}},
        {**OHMS, "device": OHMIC, "rows": {"floating": [0]}, "wire_capacitance": 1e-12},
        {"columns": {"drive": {**PULSE, "high": [0.3, 0.2]}, "floating": [1]}, "rows": {"floating": [1]}},
        {"columns": {"drive": {"kind": "samples", "time": [0, 5e-3, 1e-2], "voltages": [[0, 0.4, 0]] * 2}}},
    ],
)
def test_rows_without_a_drive_are_at_0_v(sections):
    bench = undriven(**sections)
    assert bench.drive is None
    zero = {**SINE, "amplitude": 0}
    driven = Testbench.from_dict({**bench.to_dict(), "drive": zero})
    assert bench.duration == driven.duration == 1e-2
    run, same = (simulate(each, engine="reference", time=driven.time_grid()) for each in (bench, driven))
    for name in same:
        scale = float(abs(same[name]).max()) or 1.0
        np.testing.assert_allclose(run[name].values, same[name].values, rtol=0, atol=1e-9 * scale, err_msg=name)
    assert energy_balance(run).error < 1e-6


@pytest.mark.ngspice
def test_ngspice_has_rows_without_a_drive_too():
    bench = undriven(**OHMS, rows={"floating": [0], "sense": {"gain": 1e4, "feedback": 1e2}})
    spice = simulate(bench, engine="ngspice")
    ours = simulate(bench, engine="reference", time=spice["time"].values)
    for name in ("i_row", "i_column", "x"):
        np.testing.assert_allclose(spice[name], ours[name], rtol=0, atol=1e-4 * float(abs(ours[name]).max()))


def test_without_a_drive_of_rows_instants_follow_the_columns(tmp_path):
    columns = {"drive": {**SINE, "frequency": [50, 400]}}
    bench = undriven(columns=columns, analysis={"points_per_period": 100, "periods": 2})
    assert bench.duration == pytest.approx(0.04)
    assert bench.largest_step == pytest.approx(2.5e-5)
    assert Testbench.from_dict(bench.to_dict()) == bench
    assert Testbench.from_yaml(_written(bench, tmp_path)) == bench
    run = simulate(bench, engine="reference")
    save_waveforms(run, tmp_path / "run.nc")
    assert testbench_of(load_waveforms(tmp_path / "run.nc")) == bench
    labels = [text.get_text() for text in plot_row_drives(run).axes[0].get_yticklabels()]
    assert labels == ["row 0", "row 1", "row 2", "column 0", "column 1"]
    with pytest.raises(MeasurementError, match="needs a sine drive of the rows, not none"):
        tone_current(run)
    with pytest.raises(InputError, match="drive: is left out; read_noise is noise of the rows' drivers"):
        read_noise(bench, seed=1, bandwidth=1e4)
    with pytest.raises(InputError, match="drive: is 0 V throughout; give the pulses"):
        chosen_pulses(bench)


def _written(bench, folder):
    bench.to_yaml(folder / "bench.yaml")
    return folder / "bench.yaml"


def test_an_operating_point_needs_no_voltages_of_rows_without_a_drive():
    bench = undriven(device=OHMIC)
    for read in ([0.1, 0.2], [[0.1, 0.2], [0.3, 0.0]]):
        found = operating_point(bench, v_column=read)
        given = operating_point(bench, v_row=np.zeros((*np.shape(read)[:-1], 3)), v_column=read)
        np.testing.assert_array_equal(found["i_row"], given["i_row"])
    for wrong in ([[0.1], [0.1, 0.2]], 0.1, [0.1]):
        with pytest.raises(InputError, match="v_column: must be"):
            operating_point(bench, v_column=wrong)
    volts = bench.columns.drive.voltage(bench.time_grid())
    np.testing.assert_array_equal(operating_point(bench)["v_column"], volts[(volts**2).sum(axis=1).argmax()])


@pytest.mark.parametrize("columns", [None, {"floating": [0]}, {"sense": {"gain": 1e4, "feedback": 1e2}}])
@pytest.mark.parametrize("left_out", [{}, {"drive": None}])
@pytest.mark.parametrize("analysis", [{}, {"periods": 2}, {"duration": 1}])
def test_an_array_that_nothing_drives_is_an_error(columns, left_out, analysis):
    sections = {"device": OHMIC, "crossbar": {"state": [[0.5, 0.5]]}, "columns": columns, "analysis": analysis}
    with pytest.raises(TestbenchError, match=r"drive: is required, unless columns\.drive is given"):
        Testbench.from_dict({**sections, **left_out})
