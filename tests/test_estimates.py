"""Every run knows its error, and says when it is not what was asked for."""

import math

import numpy as np
import pytest

import spicecim as sc
from spicecim import estimates
from spicecim.errors import AccuracyWarning, ConvergenceError
from spicecim.measure import rectified_mean_current
from spicecim.ngspice.engine import run_ngspice
from spicecim.reached import missed_accuracy

pytestmark = pytest.mark.ngspice


SUBCIRCUIT = """
.subckt drift plus minus x params: start=0.5
Cx x 0 1 ic={start}
Bx 0 x I={40*V(plus,minus)*V(x)*(1-V(x))}
Bi plus minus I={V(plus,minus)*(1e-5+1e-3*V(x))}
.ends
"""


@pytest.fixture
def subcircuit_bench(tmp_path):
    path = tmp_path / "drift.sub"
    path.write_text(SUBCIRCUIT)

    def make(**analysis):
        return sc.Testbench.from_dict(
            {
                "device": {"subcircuit": str(path), "ports": ["row", "column", "state"]},
                "crossbar": {"state": [[0.2], [0.7]]},
                "drive": {"kind": "sine", "amplitude": [1.0, 0.7], "frequency": 10},
                "analysis": analysis,
            }
        )

    return make


def true_errors(bench, waveforms):
    """Errors of a run against the reference engine, which is far more accurate here."""
    right = sc.simulate(bench, "reference", time=waveforms["time"].values)
    peak = abs(right["i_column"]).max("time")
    return float((abs(right["i_column"] - waveforms["i_column"]).max("time") / peak).max())


@pytest.mark.parametrize("wire", [0.0, 20.0])
def test_an_ngspice_run_knows_its_error(make_bench, wire):
    bench = make_bench(crossbar={"state": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], "wire_row": wire})
    run = sc.simulate(bench, "ngspice")
    assert type(run.attrs["current_error"]) is float
    assert type(run.attrs["state_error"]) is float
    assert run.attrs["error_estimate"] == "the reference engine"
    true = true_errors(bench, run)
    assert true / 3 <= run.attrs["current_error"] <= 3 * true
    assert 0 < run.attrs["state_error"] < 1e-3
    assert missed_accuracy(run) is None


def test_the_states_need_not_be_asked_for(make_bench):
    assert "x" not in sc.simulate(make_bench(), "ngspice")
    bench = make_bench(analysis={"probe": "cells", "points_per_period": 50})
    with_cells = sc.simulate(bench, "ngspice")
    right = sc.simulate(bench, "reference", time=with_cells["time"].values)
    off = float(abs(with_cells["x"] - right["x"]).max())
    assert sc.simulate(make_bench(), "ngspice").attrs["state_error"] == pytest.approx(off, rel=0.2)


def test_of_too_many_states_those_at_the_end_are_compared(make_bench, monkeypatch):
    bench = make_bench(analysis={"probe": "cells"})
    run = run_ngspice(bench)
    monkeypatch.setattr(estimates, "_MOST_VALUES", 100)
    found = estimates.estimate_error(bench, run)
    right = sc.simulate(bench, "reference", time=run.waveforms["time"].values)
    off = float(np.abs(right["x"].values[-1] - run.waveforms["x"].values[-1]).max())
    assert found.state_error == pytest.approx(off + right.attrs["state_error"], rel=1e-6)


def test_a_run_that_misses_the_accuracy_warns_in_one_line(make_bench, monkeypatch):
    monkeypatch.setattr(estimates, "estimate_error", lambda *_: estimates.Estimate(0.02, 0.0, "a guess"))
    with pytest.warns(AccuracyWarning, match="ngspice did not reach the accuracy of 0.001") as caught:
        run = sc.simulate(make_bench(), "ngspice")
    message = str(caught[0].message)
    assert "\n" not in message
    assert "2.0e-02" in message
    assert "analysis.tolerance" in message
    assert caught[0].filename == __file__
    assert run.attrs["current_error"] == 0.02


def test_a_run_may_go_without_the_estimate(make_bench):
    run = sc.simulate(make_bench(), "ngspice", estimate=False)
    assert "current_error" not in run.attrs
    assert missed_accuracy(run) is None


def test_what_the_reference_engine_does_not_cover_is_compared_with_a_coarser_run(subcircuit_bench):
    bench = subcircuit_bench()
    run = sc.simulate(bench)
    assert run.attrs["error_estimate"] == "a second run with coarser steps"
    fine = sc.simulate(subcircuit_bench(tolerance=1e-10, points_per_period=4000), estimate=False)
    peak = abs(fine["i_column"]).max("time")
    apart = abs(fine["i_column"].interp(time=run["time"].values) - run["i_column"]).max("time") / peak
    assert float(apart.max()) / 3 < run.attrs["current_error"] < 1e-3
    assert 0 < run.attrs["state_error"] < 1e-3


def test_two_runs_of_ngspice_tell_no_error_below_a_fiftieth_of_the_accuracy(subcircuit_bench, monkeypatch):
    """They share the steps at corners of the drive: an estimate of 5.6e-6 stood beside an error of 2.6e-5."""
    monkeypatch.setattr(estimates, "_differences", lambda *_: (1e-9, math.nan))
    run = sc.simulate(subcircuit_bench())
    assert run.attrs["current_error"] == pytest.approx(2e-5)
    assert math.isnan(run.attrs["state_error"])


@pytest.mark.parametrize(
    ("analysis", "share"),
    [({}, 0.1), ({"points_per_period": 16}, 0.5), ({"points_per_period": 8}, 0.5), ({"accuracy": 0.02}, 0.375)],
)
def test_of_the_difference_more_is_stated_where_the_second_run_cannot_be_much_coarser(
    subcircuit_bench, monkeypatch, analysis, share
):
    monkeypatch.setattr(estimates, "_differences", lambda *_: (1e-2, 2e-2))
    bench = subcircuit_bench(**analysis)
    found = estimates.estimate_error(bench, run_ngspice(bench))
    assert found[:2] == pytest.approx((share * 1e-2, share * 2e-2))


def test_a_run_of_a_subcircuit_warns_too(subcircuit_bench, monkeypatch):
    monkeypatch.setattr(estimates, "_MARGIN", 300.0)
    with pytest.warns(AccuracyWarning, match="ngspice did not reach"):
        sc.simulate(subcircuit_bench(tolerance=1e-3, points_per_period=16))


def test_an_error_that_is_not_known_is_said(subcircuit_bench, monkeypatch):
    def fails(*args, **options):
        raise ConvergenceError("gave up")

    monkeypatch.setattr(estimates, "run_ngspice", fails)
    with pytest.warns(AccuracyWarning, match="the error is not known.*gave up"):
        run = sc.simulate(subcircuit_bench())
    assert math.isnan(run.attrs["current_error"])


def test_ngspice_itself_is_asked_where_the_reference_engine_fails_or_takes_long(make_bench, monkeypatch):
    bench = make_bench(crossbar={"state": [[0.3]] * 3, "wire_row": 5.0, "wire_capacitance": 1e-12})
    assert sc.simulate(bench).attrs["error_estimate"] == "a second run with coarser steps"

    def fails(*args, **options):
        raise ConvergenceError("gave up")

    monkeypatch.setattr(estimates, "simulate_reference", fails)
    assert sc.simulate(make_bench()).attrs["error_estimate"] == "a second run with coarser steps"
    monkeypatch.undo()
    monkeypatch.setattr(estimates, "_by_coarser_run", fails)
    assert sc.simulate(bench).attrs["error_estimate"] == "the reference engine"


@pytest.mark.compiler
def test_a_switching_instant_counts_as_what_it_is():
    bench = sc.Testbench.from_dict(
        {
            "device": {"model": "linear_drift", "preset": "hp"},
            "crossbar": {"state": [[0.3, 0.5]]},
            "drive": {"kind": "sine", "amplitude": 1.0, "frequency": 1.0},
        }
    )
    run = sc.simulate(bench)
    assert run.attrs["current_error"] < 1e-3 < true_errors(bench, run)
    right = sc.simulate(bench, "reference", time=np.linspace(0, 1, 20001))
    for first, second in zip(rectified_mean_current(run).values, rectified_mean_current(right).values, strict=True):
        assert first == pytest.approx(second, rel=1e-3)


def test_a_reference_run_knows_its_error(make_bench):
    run = sc.simulate(make_bench(), "reference")
    assert type(run.attrs["state_error"]) is float
    assert missed_accuracy(run) is None
    assert "the reference engine did not reach" in missed_accuracy(run.assign_attrs(state_error=0.1))
