"""Lines that end in a transimpedance amplifier: against closed forms, and one engine against the other."""

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import TestbenchError, WaveformError
from spicecim.measure import amplifier_power, energy_balance, row_amplifier_power, total_power
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench
from spicecim.waveforms import load_waveforms, save_waveforms

OHMIC = {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e5}}
SINE = {"kind": "sine", "amplitude": 0.45, "frequency": 100}


def bench_of(state, sense, device=OHMIC, drive=SINE, columns=None, analysis=None, **crossbar):
    return Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": state, **crossbar},
            "drive": drive,
            "columns": {"sense": sense, **(columns or {})},
            "analysis": {"probe": "cells", **(analysis or {})},
        }
    )


def test_at_rest_the_input_misses_its_reference_by_the_current_over_the_gain():
    rng = np.random.default_rng(4)
    state, feedback, gain = rng.random((5, 3)), np.array([1e3, 2e4, 5e2]), 200.0
    bench = bench_of(state, {"gain": gain, "feedback": feedback, "bandwidth": "1 MHz"})
    v_row, v_column = rng.uniform(-0.2, 0.2, 5), rng.uniform(-0.1, 0.1, 3)
    found = operating_point(bench, v_row, v_column)
    g = 1e-5 + (1e-3 - 1e-5) * state
    # every column by itself: its cells feed a resistance to a part of the reference
    seen, near = feedback / (1 + gain), gain / (1 + gain) * v_column
    current = (g.T @ v_row - g.sum(axis=0) * near) / (1 + seen * g.sum(axis=0))
    np.testing.assert_allclose(found["i_column"], current, rtol=1e-11)
    np.testing.assert_allclose(found["v_column"], near + seen * current, rtol=1e-11)
    np.testing.assert_allclose(found["v_sense"], near + (seen - feedback) * current, rtol=1e-11)


def ramp(since, tau):
    """Response of one pole to a ramp of slope 1 from time 0 on."""
    return np.where(since > 0, since - tau * -np.expm1(-np.maximum(since, 0) / tau), 0.0)


@pytest.mark.parametrize("engine", ["reference", "ngspice"])
def test_a_step_settles_with_the_one_pole_of_the_closed_loop(engine):
    gain, bandwidth, feedback, level, rise = 500.0, 1e6, 4e3, 0.1, 2e-7
    g = np.array([1e-3, 5e-4])
    bench = bench_of(
        (g[None] - 1e-5) / (1e-3 - 1e-5),
        {"gain": gain, "bandwidth": bandwidth, "feedback": feedback},
        drive={"kind": "pulse", "high": level, "rise": rise, "fall": rise, "width": 1e-5, "period": 1e-4},
        analysis={"duration": 8e-6, "accuracy": 1e-4},
    )
    tau = gain / (2 * np.pi * bandwidth)
    # a column's cell and the feedback divide: of the output a part 1 / (1 + R g) comes back
    back = gain / (1 + feedback * g)
    closed, at_rest = tau / (1 + back), -back * feedback * g / (1 + back)
    run, allowed = simulate(bench, engine=engine), {"reference": 1e-6, "ngspice": 1e-4}[engine]
    time = run["time"].values[:, None]
    wanted = at_rest * level / rise * (ramp(time, closed) - ramp(time - rise, closed))
    np.testing.assert_allclose(run["v_sense"], wanted, rtol=0, atol=allowed * np.abs(wanted).max())
    tip = (wanted + feedback * g * np.minimum(time / rise, 1) * level) / (1 + feedback * g)
    np.testing.assert_allclose(run["v_column"], tip, rtol=0, atol=allowed * np.abs(wanted).max())


def test_a_sine_settles_to_the_impedance_of_feedback_and_amplifier():
    """With feedback capacitance: i = Y (f - o), o = -A f / (1 + s T), by phasors once the start has died away."""
    gain, bandwidth, feedback, farad, frequency, g = 200.0, 1e5, 1e4, 1e-9, 2e3, 1e-3
    bench = bench_of(
        [[1.0]],
        {"gain": gain, "bandwidth": bandwidth, "feedback": feedback, "feedback_capacitance": farad},
        drive={"kind": "sine", "amplitude": 0.1, "frequency": frequency},
        analysis={"periods": 4},
    )
    s = 2j * np.pi * frequency
    y, open_loop = 1 / feedback + s * farad, gain / (1 + s * gain / (2 * np.pi * bandwidth))
    f = g / (g + y * (1 + open_loop))
    run = simulate(bench, engine="reference", time=np.linspace(3, 4, 41) / frequency)
    turn = np.exp(s * run["time"].values)
    for name, phasor in {"v_column": f, "v_sense": -open_loop * f, "i_column": g * (1 - f)}.items():
        wanted = 0.1 * (phasor * turn).imag
        np.testing.assert_allclose(
            run[name].values[:, 0], wanted, rtol=0, atol=1e-6 * np.abs(wanted).max(), err_msg=name
        )


@pytest.mark.parametrize(
    ("seed", "sense"),
    [
        (3, {"gain": 19.2, "feedback": 1.41e3, "bandwidth": 27.4e3}),
        pytest.param(4, {"gain": 664, "feedback": 1.16e3, "bandwidth": 255e3}, marks=pytest.mark.slow),
    ],
)
def test_potentials_that_follow_at_once_beside_an_output_that_lags_keep_no_step_from_ending(seed, sense):
    """Without line capacitances the amplifiers' outputs alone have a time constant."""
    state = np.random.default_rng(seed).uniform(0.1, 0.9, (2, 2))
    drive = {**SINE, "amplitude": [0.45, 0.3]}
    bench = bench_of(state, sense, {"model": "yakopcic"}, drive, wire_row=2.0, wire_column=3.0)
    time = np.linspace(0, 0.01, 101)
    run, finer = (simulate(bench, engine="reference", time=time, tolerance=each) for each in (3e-8, 3e-9))
    for name in ("i_column", "v_sense", "v_column"):
        assert float(abs(run[name] - finer[name]).max()) <= 1e-6 * float(abs(finer[name]).max()), name
    assert float(abs(run["x"] - finer["x"]).max()) <= 1e-6


def test_a_gain_without_end_is_virtual_ground_and_one_of_finite_gain_a_resistance():
    state = np.random.default_rng(1).uniform(0.1, 0.7, (3, 2))
    wires = {"wire_row": 2.0, "wire_column": 3.0}
    time = np.linspace(0, 0.01, 51)
    plain = {
        "device": {"model": "yakopcic"},
        "crossbar": {"state": state, **wires},
        "drive": SINE,
        "analysis": {"probe": "cells"},
    }
    ideal = simulate(Testbench.from_dict(plain), engine="reference", time=time)
    high = bench_of(state, {"gain": 1e9, "feedback": 1e3}, device={"model": "yakopcic"}, **wires)
    run = simulate(high, engine="reference", time=time)
    assert float(abs(run["i_column"] - ideal["i_column"]).max()) < 1e-6 * float(abs(ideal["i_column"]).max())
    np.testing.assert_allclose(run["v_sense"], -1e3 * run["i_column"], rtol=0, atol=1e-8)
    low = bench_of(state, {"gain": 19, "feedback": [1e3, 2e3]}, device={"model": "yakopcic"}, **wires)
    plain["crossbar"]["sense_resistance"] = [50.0, 100.0]
    one, other = (simulate(each, engine="reference", time=time) for each in (low, Testbench.from_dict(plain)))
    for name in ("i_row", "i_column", "x"):
        assert float(abs(one[name] - other[name]).max()) < 1e-6 * float(abs(other[name]).max()), name


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("sense", "columns", "crossbar"),
    [
        ({"gain": 50, "feedback": [1e3, 3e3, 2e3]}, {}, {}),
        pytest.param(
            {"gain": 50, "bandwidth": "10 kHz", "feedback": 1e4},
            {"floating": [1]},
            {"source_resistance": 10.0},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"gain": 1e3, "bandwidth": "100 kHz", "feedback": 1e4, "feedback_capacitance": [0.0, 1e-10, 1e-9]},
            {"grounded": [0], "drive": {"kind": "sine", "amplitude": 0.05, "frequency": 300}},
            {"wire_row": 2.0, "wire_column": [1.0, 3.0, 5.0], "wire_capacitance": 1e-10},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_both_engines_agree_and_account_for_the_energy(sense, columns, crossbar, tmp_path):
    state = np.random.default_rng(3).uniform(0.1, 0.7, (2, 3))
    bench = bench_of(state, sense, device={"model": "yakopcic"}, columns=columns, **crossbar)
    spice = simulate(bench, engine="ngspice")
    run = simulate(bench, engine="reference", time=spice["time"].values)
    for name in ("i_row", "i_column", "v_column", "v_sense"):
        scale = 0.45 if name == "v_column" else float(abs(spice[name]).max())
        assert float(abs(run[name] - spice[name]).max()) <= 1e-4 * scale, name
    assert float(abs(run["x"] - spice["x"]).max()) <= 1e-4
    stores = "wire_capacitance" in crossbar or "feedback_capacitance" in sense
    for each in (run, spice):
        balance = energy_balance(each)
        assert balance.error < (1e-4 if stores else 1e-9)
        still = [*columns.get("floating", []), *columns.get("grounded", [])]
        assert not np.any(each["v_sense"].values[:, still])
    # what amplifiers and rows deliver, at every instant, is what the array and the feedback take
    across = run["v_column"] - run["v_sense"]
    feedback = (across * run["i_column"]).sum("column")
    given = (run["v_row"] * run["i_row"]).sum("row") + amplifier_power(run).sum("column")
    assert float(abs(given - feedback - total_power(run)).max()) <= 1e-12 * float(abs(given).max())
    save_waveforms(run, tmp_path / "run.nc")
    assert load_waveforms(tmp_path / "run.nc")["v_sense"].equals(run["v_sense"])


def transposed(bench):
    """The testbench with rows and columns exchanged, as well as the voltages' sign: cells see what they saw.

    Row wires begin at column 0 and column wires end at the last row, so that the numbers of lines turn round, too.
    """
    exchanged = {"row": "column", "column": "row", "source": "sense", "sense": "source"}
    crossbar = {}
    for name, value in bench["crossbar"].items():
        kind, _, rest = name.rpartition("_")
        turned = np.asarray(value)[::-1] if np.ndim(value) else value
        if rest in exchanged:
            crossbar[f"{kind}_{exchanged[rest]}"] = turned
        else:
            crossbar["_".join(exchanged.get(each, each) for each in name.split("_"))] = turned
    crossbar["state"] = np.asarray(bench["crossbar"]["state"]).T[::-1, ::-1]

    def turned_section(section, count):
        section = {name: value for name, value in section.items() if name != "drive"}
        section |= {name: [count - 1 - line for line in section.get(name, [])] for name in ("grounded", "floating")}
        if "sense" in section:
            section["sense"] = {
                name: value[::-1] if isinstance(value, list) else value for name, value in section["sense"].items()
            }
        return section

    rows, columns = np.shape(bench["crossbar"]["state"])
    negated = [
        drive | {"amplitude": [-volts for volts in drive["amplitude"][::-1]]}
        for drive in (bench["columns"].get("drive", {**SINE, "amplitude": [0.0] * columns}), bench["drive"])
    ]
    return bench | {
        "crossbar": crossbar,
        "drive": negated[0],
        "rows": turned_section(bench["columns"], columns),
        "columns": turned_section(bench.get("rows", {}), rows) | {"drive": negated[1]},
    }


FEEDBACK = {"gain": 30, "feedback": [1e3, 3e3, 2e3]}
TRANSPOSED = {
    "ideal wires": {"columns": {"sense": FEEDBACK}},
    "wires": {
        "columns": {"sense": FEEDBACK, "grounded": [1]},
        "crossbar": {"wire_row": 2.0, "wire_column": [1.0, 3.0, 5.0], "source_resistance": [10.0, 20.0]},
    },
    "a driven reference and a floating row": {
        "columns": {"sense": FEEDBACK, "drive": {**SINE, "amplitude": [0.02, 0.03, 0.0], "frequency": 200}},
        "rows": {"floating": [1]},
        "crossbar": {"wire_row": 2.0, "sense_resistance": 30.0},
    },
    "what stores": {
        "device": OHMIC,
        "columns": {"sense": {**FEEDBACK, "bandwidth": "10 kHz", "feedback_capacitance": [0.0, 1e-9, 2e-9]}},
        "crossbar": {"wire_row": 2.0, "wire_column": 3.0, "row_capacitance": 1e-9, "column_capacitance": 3e-9},
    },
    "both ends": {
        "columns": {"sense": FEEDBACK},
        "rows": {"sense": {"gain": 20, "feedback": [5e2, 7e2]}},
        "crossbar": {"wire_row": 2.0, "wire_column": 3.0},
    },
}


TRANSPOSED["what stores, beside memristors"] = {**TRANSPOSED["what stores"], "device": {"model": "yakopcic"}}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * ("memristors" in case)) for case in TRANSPOSED]
)
def test_rows_and_columns_are_alike(case):
    given = TRANSPOSED[case]
    state = np.random.default_rng(3).uniform(0.1, 0.7, (2, 3))
    bench = {
        "device": {"model": "yakopcic"},
        "drive": {**SINE, "amplitude": [0.45, 0.3]},
        "analysis": {"probe": "cells", "duration": 2e-3, "reference_tolerance": 1e-10},
        **given,
        "crossbar": {"state": state, **given.get("crossbar", {})},
    }
    time = np.linspace(0, 2e-3, 21)
    run, other = (
        simulate(Testbench.from_dict(each), engine="reference", time=time) for each in (bench, transposed(bench))
    )
    pairs = [
        ("i_column", "i_row", 1),
        ("i_row", "i_column", 1),
        ("v_column", "v_row", -1),
        ("v_sense", "v_row_sense", -1),
    ]
    if "sense" in given.get("rows", {}):
        pairs.append(("v_row_sense", "v_sense", -1))
    for name, of_other, sign in pairs:
        wanted = run[name].values
        error = np.abs(sign * other[of_other].values[:, ::-1] - wanted).max()
        assert error <= 1e-9 * np.abs(wanted).max() > 0, name
    np.testing.assert_allclose(other["x"].values[:, ::-1, ::-1].transpose(0, 2, 1), run["x"], rtol=0, atol=1e-9)
    assert energy_balance(other).error == pytest.approx(energy_balance(run).error, abs=1e-9)
    np.testing.assert_allclose(
        row_amplifier_power(other).values[:, ::-1], amplifier_power(run), rtol=0,
        atol=1e-9 * float(abs(amplifier_power(run)).max()),
    )  # fmt: skip


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "sections",
    [
        {"rows": {"sense": {"gain": 50, "feedback": [1e3, 3e3]}}, "drive": {**SINE, "amplitude": 0}},
        pytest.param(
            {
                "rows": {"sense": {"gain": 1e3, "bandwidth": "100 kHz", "feedback": 1e4}, "grounded": [0]},
                "drive": {**SINE, "amplitude": 0.1},
                "columns": {"sense": {"gain": 100, "feedback": 1e3, "feedback_capacitance": 1e-9}},
                "crossbar": {"wire_row": 2.0, "wire_column": [1.0, 3.0, 5.0], "wire_capacitance": 1e-10},
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_both_engines_agree_on_amplifiers_at_rows(sections, tmp_path):
    columns = {"drive": {**SINE, "amplitude": [0.45, -0.3, 0.2]}, **sections.get("columns", {})}
    state = np.random.default_rng(3).uniform(0.1, 0.7, (2, 3))
    bench = Testbench.from_dict(
        {
            "device": {"model": "yakopcic"},
            "analysis": {"probe": "cells"},
            **sections,
            "crossbar": {"state": state, **sections.get("crossbar", {})},
            "columns": columns,
        }
    )
    spice = simulate(bench, engine="ngspice")
    run = simulate(bench, engine="reference", time=spice["time"].values)
    outputs = ["v_row_sense"] + ["v_sense"] * ("sense" in columns)
    assert outputs == [name for name in run if str(name).endswith("_sense")]
    for name in ("i_row", "i_column", *outputs):
        assert float(abs(run[name] - spice[name]).max()) <= 1e-4 * float(abs(spice[name]).max()), name
    for name in ("v_row", "v_column"):
        assert float(abs(run[name] - spice[name]).max()) <= 1e-4 * 0.45, name
    assert float(abs(run["x"] - spice["x"]).max()) <= 1e-4
    stores = "wire_capacitance" in sections.get("crossbar", {})
    for each in (run, spice):
        assert energy_balance(each).error < (1e-4 if stores else 1e-9)
        assert not np.any(each["v_row_sense"].values[:, [*sections["rows"].get("grounded", [])]])
    save_waveforms(run, tmp_path / "run.nc")
    assert load_waveforms(tmp_path / "run.nc")["v_row_sense"].equals(run["v_row_sense"])


def test_a_transposed_read_multiplies_by_the_transposed_matrix():
    state = np.random.default_rng(5).random((4, 3))
    bench = Testbench.from_dict(
        {
            "device": OHMIC,
            "crossbar": {"state": state},
            "drive": {**SINE, "amplitude": 0},
            "rows": {"sense": {"gain": 1e12, "feedback": 1e3}},
            "columns": {"drive": {**SINE, "amplitude": 0.1}},
        }
    )
    read = np.random.default_rng(6).uniform(-0.1, 0.1, (2, 3))
    found = operating_point(bench, np.zeros((2, 4)), read)
    g = 1e-5 + (1e-3 - 1e-5) * state
    np.testing.assert_allclose(found["i_row"], -read @ g.T, rtol=1e-9)
    np.testing.assert_allclose(found["v_row_sense"], -1e3 * read @ g.T, rtol=1e-9)
    assert "v_sense" not in found


@pytest.mark.parametrize("power", [amplifier_power, row_amplifier_power])
def test_what_needs_an_amplifier_says_so(power):
    bench = Testbench.from_dict({"device": OHMIC, "crossbar": {"state": [[1.0]]}, "drive": SINE})
    with pytest.raises(WaveformError, match="v_row_sense" if power is row_amplifier_power else "v_sense"):
        power(simulate(bench, engine="reference"))


@pytest.mark.parametrize(
    ("sense", "message"),
    [
        ({"gain": -10, "feedback": 1e3}, "columns.sense.gain: must be between 1 and 1e+12; it is -10"),
        ({"gain": 100}, "columns.sense.feedback: is required"),
        ({"gain": 100, "feedback": 0}, "columns.sense.feedback: must be between 0.001 and 1e+15; it is 0"),
        ({"gain": 100, "feedback": [1e3]}, "columns.sense: feedback must have one number per column, 2 of them"),
        ({"gain": 100, "feedback": 1e3, "bandwidth": 0}, "columns.sense.bandwidth: must be between"),
        ({"gain": 100, "feedback": 1e3, "feedback_capacitance": [-1, 0]}, "element [0] is -1"),
        ({"kind": "ota", "gain": 100, "feedback": 1e3}, "columns.sense.kind: must be tia or subcircuit; it is 'ota'"),
    ],
)
def test_wrong_amplifiers_are_named(sense, message):
    with pytest.raises(TestbenchError) as caught:
        bench_of([[1.0, 1.0]], sense)
    assert message in str(caught.value)
    with pytest.raises(TestbenchError) as caught:
        Testbench.from_dict(
            {"device": OHMIC, "crossbar": {"state": [[1.0], [1.0]]}, "drive": SINE, "rows": {"sense": sense}}
        )
    assert message.replace("column", "row") in str(caught.value)


def test_lines_with_amplifiers_do_not_float_alone():
    amplifier = {"gain": 100, "feedback": 1e3}
    bench = {"device": OHMIC, "crossbar": {"state": [[1.0]]}, "drive": SINE}
    lone = {"rows": {"sense": amplifier, "floating": [0]}, "columns": {"sense": amplifier, "floating": [0]}}
    with pytest.raises(TestbenchError, match="every row and column floats"):
        Testbench.from_dict(bench | lone)
