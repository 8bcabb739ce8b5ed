"""Columns that end in a transimpedance amplifier: against closed forms, and one engine against the other."""

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import TestbenchError, WaveformError
from spicecim.measure import amplifier_power, energy_balance, total_power
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


def test_what_needs_an_amplifier_says_so():
    bench = Testbench.from_dict({"device": OHMIC, "crossbar": {"state": [[1.0]]}, "drive": SINE})
    with pytest.raises(WaveformError, match="v_sense"):
        amplifier_power(simulate(bench, engine="reference"))


@pytest.mark.parametrize(
    ("sense", "message"),
    [
        ({"gain": -10, "feedback": 1e3}, "columns.sense.gain: must be between 1 and 1e+12; it is -10"),
        ({"gain": 100}, "columns.sense.feedback: is required"),
        ({"gain": 100, "feedback": 0}, "columns.sense.feedback: must be between 0.001 and 1e+15; it is 0"),
        ({"gain": 100, "feedback": [1e3]}, "columns.sense: feedback must have one number per column, 2 of them"),
        ({"gain": 100, "feedback": 1e3, "bandwidth": 0}, "columns.sense.bandwidth: must be between"),
        ({"gain": 100, "feedback": 1e3, "feedback_capacitance": [-1, 0]}, "element [0] is -1"),
        ({"kind": "ota", "gain": 100, "feedback": 1e3}, "columns.sense.kind"),
    ],
)
def test_wrong_amplifiers_are_named(sense, message):
    with pytest.raises(TestbenchError) as caught:
        bench_of([[1.0, 1.0]], sense)
    assert message in str(caught.value)
