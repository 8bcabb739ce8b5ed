"""Parameters drawn anew for every pulse, and the figures and commands of what pulses do."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.errors import InputError
from spicecim.operations import Pulses
from spicecim.operations.cycles import CycleToCycle
from spicecim.plotting import plot_endurance, plot_levels, plot_potentiation, plot_program, plot_semilog

DEVICE = {"model": "yakopcic"}
PULSE = Pulses(voltage="300mV", width="20us")
SPREAD = {"Vp": sc.lognormal(0.1), "Ap": sc.lognormal(0.2)}


def bench_of(state, **device):
    return sc.Testbench(
        device={**DEVICE, **device},
        crossbar={"state": state},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
        analysis={"points_per_period": 16},
    )


def test_a_pulse_draws_for_itself_what_vary_draws():
    """Each SET pulse is that of an array varied by its own seed; a read between draws nothing and moves nothing."""
    bench = bench_of(np.full((2, 2), 0.2))
    write = sc.Operation(kind="set", cells=0, voltage=0.3, width="50us")
    read = sc.Operation(kind="read", cells=0, voltage=0.1, width="10us")
    done = sc.run_sequence(bench, [write, read, write], cycle_to_cycle=SPREAD, seed=7)
    moved = np.diff(np.concatenate([done.x_start.values[None], done.x.values]), axis=0)
    assert np.all(moved[1] == 0.0)
    # two pulses, two cells: four draws
    assert len(np.unique(moved[[0, 2], 0].round(9))) == 4
    again = sc.run_sequence(bench, [write, read, write], cycle_to_cycle=dict(reversed(SPREAD.items())), seed=7)
    xr.testing.assert_identical(done, again)
    other = sc.run_sequence(bench, [write], cycle_to_cycle=SPREAD, seed=8)
    assert not np.allclose(other.x[0], done.x[0])
    plain = sc.run_sequence(bench, [write, read, write])
    assert np.ptp(plain.x.values[0, 0]) < 1e-12


def test_the_draws_follow_the_distribution():
    """Far from its ends x moves by Ap times a constant, so that its movements have Ap's distribution."""
    bench = bench_of(np.full((40, 25), 0.15))
    write = sc.Operation(kind="set", rows=range(40), voltage=0.3, width="5us")
    plain, drawn = (
        sc.run_sequence(bench, [write], **given).x.values[0] - 0.15
        for given in ({}, {"cycle_to_cycle": {"Ap": sc.lognormal(0.2)}, "seed": 1})
    )
    logarithm = np.log(drawn / plain).ravel()
    assert abs(logarithm.mean()) < 4 * 0.2 / np.sqrt(1000)
    assert logarithm.std() == pytest.approx(0.2, rel=4 / np.sqrt(2000))


@pytest.mark.ngspice
def test_both_engines_get_the_same_pulses():
    bench = bench_of(np.full((2, 3), 0.3))
    writes = [sc.Operation(kind=kind, cells=(0, 1), voltage=0.3, width="50us") for kind in ("set", "reset")]
    runs = [
        sc.run_sequence(bench, writes, cycle_to_cycle=SPREAD, seed=3, engine=engine)
        for engine in ("reference", "ngspice")
    ]
    np.testing.assert_allclose(runs[0].x, runs[1].x, rtol=0, atol=1e-4)


def test_endurance_scatters_and_potentiation_does_too():
    given = {"device": DEVICE, "read_voltage": 0.1, "x0": 0.3}
    drawn = {"cycle_to_cycle": SPREAD, "seed": 3}
    plain = sc.endurance(set_pulse=PULSE, reset_pulse=PULSE, cycles=6, **given)
    cycles = sc.endurance(set_pulse=PULSE, reset_pulse=PULSE, cycles=6, **given, **drawn)
    steps = [np.abs(np.diff(run.low.values, 2)).max() for run in (plain, cycles)]
    assert steps[1] > 5 * steps[0]
    # with a spread of next to nothing, pulses one by one are the pulses of one run
    hardly = sc.endurance(
        set_pulse=PULSE, reset_pulse=PULSE, cycles=6, **given, cycle_to_cycle={"Vp": sc.lognormal(1e-12)}, seed=3
    )
    np.testing.assert_allclose(hardly.low, plain.low, rtol=1e-6)
    curve = sc.potentiation(set_pulses=PULSE, reset_pulses=PULSE, pulses=4, **given, **drawn)
    assert np.all(np.diff(curve.x[:5]) > 0)
    assert np.ptp(np.diff(curve.x[:5])) > 0.1 * np.diff(curve.x[:5]).mean()
    for figure, title in ((plot_endurance(cycles), "cycle"), (plot_potentiation(curve), "pulse")):
        assert figure.axes[0].get_xlabel() == title
    (high, low) = plot_endurance(cycles).axes[1].lines
    assert np.array_equal(np.unique(low.get_xdata()), np.unique(cycles.low))
    assert high.get_ydata()[-1] == 1.0


@pytest.mark.slow
def test_write_verify_copes_with_it_and_says_its_levels():
    bench = bench_of(np.full((2, 4), 0.3))
    target = np.tile([0.2, 0.4, 0.6, 0.8], (2, 1))
    given = {"quantity": "x", "tolerance": 0.03}
    done = sc.program(bench, target, **given, cycle_to_cycle={"Ap": sc.lognormal(0.1)}, seed=1)
    assert done.converged.all()
    assert not np.array_equal(done.x, sc.program(bench, target, **given).x)
    figure = plot_levels(done)
    (ticks,) = (line for line in figure.axes[0].lines if line.get_marker() == "|")
    np.testing.assert_allclose(ticks.get_xdata(), [0.2, 0.4, 0.6, 0.8])
    labels = [axes.get_ylabel() for axes in plot_program(done.drop_vars("target_x")).axes]
    assert "conductance (mS)" in labels


def test_semilog_shows_the_cell_that_is_asked_for():
    run = sc.simulate(bench_of([[0.2, 0.4]]).with_analysis(probe="cells"), engine="reference")
    axes = plot_semilog([run, run], column=1).axes[0]
    assert axes.get_yscale() == "log"
    assert np.nanmax(axes.lines[0].get_ydata()) == float(abs(run.i_cell[:, 0, 1]).max())
    with pytest.raises(InputError, match=r"the run has no cell \(0, 2\)"):
        plot_semilog(run, column=2)


def test_the_command_endurance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench_of([[0.3]]).to_yaml("bench.yaml")
    command = ["endurance", "bench.yaml", "-o", "out", "--cycles", "4", "--cycle-to-cycle", "Vp=5%", "--seed", "2"]
    done = CliRunner().invoke(app, [*command, "--set", "width=20us", "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output)
    assert summary["set_pulse"]["width"] == pytest.approx(2e-5)
    assert {"endurance.nc", "endurance.png"} <= {*summary["artifacts"]}
    kept = xr.load_dataset(tmp_path / "out" / "endurance.nc")
    assert float(kept.low.max()) == summary["largest_low_ohm"] < summary["smallest_high_ohm"]
    refused = CliRunner().invoke(app, [*command[:3], "more", "--cycle-to-cycle", "Vp=5%"])
    assert isinstance(refused.exception, InputError)
    assert not (tmp_path / "more" / "summary.json").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cycle_to_cycle": SPREAD}, "cycle_to_cycle: needs a seed"),
        ({"seed": 1}, "seed: is that of cycle_to_cycle"),
        ({"cycle_to_cycle": {"Vq": sc.lognormal(0.1)}, "seed": 1}, "cycle_to_cycle, pulse 0: parameters.Vq: .*Vq"),
        ({"cycle_to_cycle": {"Vp": 0.1}, "seed": 1}, "cycle_to_cycle, pulse 0: parameters.Vp: must be one of"),
        ({"cycle_to_cycle": SPREAD, "seed": -1}, "seed: must be a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_named(given, message):
    write = sc.Operation(kind="set", cells=0, voltage=0.3, width="50us")
    with pytest.raises(InputError, match=message):
        sc.run_sequence(bench_of([[0.2]]), [write], **given)


MODULE = """`include "disciplines.vams"
module scattered(p, n); inout p, n; electrical p, n, x;
  parameter real speed = 1000.0 from (0:inf);
  analog begin
    I(p, n) <+ V(p, n)*(1e-5 + 1e-3*V(x));
    I(x) <+ ddt(V(x)) - speed*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x));
  end
endmodule
"""
"""A module whose speed another author might draw at every pulse, in an @(cross)."""


def of_module(tmp_path, state):
    (tmp_path / "m.va").write_text(MODULE, encoding="utf-8")
    bench = bench_of(state)
    device = {"verilog_a": str(tmp_path / "m.va"), "initial": [0.0, 1.0]}
    return sc.Testbench.from_dict({**bench.model_dump(exclude_none=True), "device": device})


@pytest.mark.compiler
def test_ten_thousand_draws_of_a_module_for_one_pulse(tmp_path):
    bench = of_module(tmp_path, np.full((100, 100), 0.3))
    drawn = [
        CycleToCycle({"speed": sc.normal(0.1)}, seed).drawn(bench, pulse).device.arrays()["speed"]
        for seed, pulse in ((4, 0), (4, 0), (4, 1), (5, 0))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.any(drawn[0] == drawn[2])
    assert not np.any(drawn[0] == drawn[3])
    for speeds in drawn:
        assert speeds.mean() == pytest.approx(1000.0, rel=0.01)
        assert speeds.std() == pytest.approx(100.0, rel=0.01)
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[2].ravel())[0, 1]) < 0.03


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_module_draws_the_same_for_every_pulse_in_both_engines(tmp_path):
    bench = of_module(tmp_path, np.full((2, 2), 0.2))
    write = sc.Operation(kind="set", cells=0, voltage=0.3, width="1ms")
    given = {"cycle_to_cycle": {"speed": sc.normal(0.1)}, "seed": 3}
    fast, spice = (
        sc.run_sequence(bench, [write, write], **given, engine=engine) for engine in ("reference", "ngspice")
    )
    np.testing.assert_allclose(fast.x, spice.x, rtol=0, atol=1e-4)
    # d(ln(1 - x))/dt = -speed v: of the cell of the pulses and, at half of the voltage, of the other one of its column
    moved = -np.diff(np.log1p(-np.concatenate([fast.x_start.values[None], fast.x.values])[:, :, 0]), axis=0)
    drawn = [
        CycleToCycle({"speed": sc.normal(0.1)}, 3).drawn(bench, pulse).device.arrays()["speed"] for pulse in (0, 1)
    ]
    ratio = moved / np.array(drawn)[:, :, 0] / [1.0, 0.5]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)
