"""Which readouts of a column add, and how far the tones of its rows stay apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicecim.devices import make_device
from spicecim.encodings.frequency_weighting.readout import (
    crosstalk,
    dc_sum,
    in_phase_sum,
    plan_frequencies,
    sequential_mean,
    sequential_rectified,
)
from spicecim.encodings.frequency_weighting.responses import cycle_responses
from spicecim.engines import simulate
from spicecim.errors import InputError, MeasurementError
from spicecim.measure import rectified_mean_current
from spicecim.testbench import Testbench

WINDOW = 1.0


def column(states, cycles, amplitudes, model="linear_drift", preset="biolek", points=400, **crossbar):
    """One column, a row each at a whole number of cycles in the window."""
    return Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": np.reshape(states, (-1, 1)), **crossbar},
        drive={"kind": "sine", "amplitude": amplitudes, "frequency": np.array(cycles) / WINDOW},
        analysis={"duration": WINDOW, "points_per_period": points, "probe": "cells", "accuracy": 0.1},
    )


def alone(waveforms, row):
    """The same run with the current of one row in the column."""
    current = waveforms["i_cell"].isel(row=row, drop=True)
    return waveforms.assign(i_column=current.transpose("time", "column"))


column_strategy = st.integers(2, 5).flatmap(
    lambda rows: st.tuples(
        st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=rows, max_size=rows),
        st.lists(st.integers(1, 30), min_size=rows, max_size=rows, unique=True),
        st.lists(st.sampled_from([-1.0, -0.6, 0.3, 0.8, 1.0]), min_size=rows, max_size=rows),
    )
)


@settings(deadline=None, max_examples=10)
@given(drawn=column_strategy)
def test_in_phase_and_dc_readouts_add_exactly(drawn):
    """They are linear in the current: of the column, the sum over its cells, whatever states and frequencies."""
    run = simulate(column(*drawn, points=40), "reference")
    scale = float(abs(run["i_cell"]).max())
    for readout in (in_phase_sum, dc_sum):
        parts = sum(float(readout(alone(run, row))[0]) for row in range(len(drawn[0])))
        assert float(readout(run)[0]) == pytest.approx(parts, rel=1e-10, abs=1e-12 * scale)


@settings(deadline=None, max_examples=10)
@given(drawn=column_strategy)
def test_rectified_rows_in_turn_add_and_the_rectified_column_does_not_exceed_them(drawn):
    run = simulate(column(*drawn, points=40), "reference")
    each = sum(float(sequential_rectified(run.isel(row=[row]))[0]) for row in range(len(drawn[0])))
    assert float(sequential_rectified(run)[0]) == pytest.approx(each, rel=1e-12)
    over_window = sum(float(rectified_mean_current(alone(run, row))[0]) for row in range(len(drawn[0])))
    assert float(rectified_mean_current(run)[0]) <= over_window * (1 + 1e-12)


def test_the_rectified_mean_of_a_column_is_not_the_sum_of_its_rows():
    run = simulate(column([1.0, 1.0], [7, 10], [1.0, 1.0]), "reference")
    each = sum(float(rectified_mean_current(alone(run, row))[0]) for row in range(2))
    assert float(rectified_mean_current(run)[0]) < 0.9 * each


def test_rows_in_turn_are_single_cycles():
    run = simulate(column([0.0, 0.3], [3, 8], [1.0, -0.7], "yakopcic", "oblea", points=2000), "reference")
    exact = cycle_responses(make_device("yakopcic", "oblea"), [1.0, -0.7], [3.0, 8.0], [0.0, 0.3])
    assert float(sequential_rectified(run)[0]) == pytest.approx(exact.rectified.sum(), rel=1e-5)
    assert float(sequential_mean(run)[0]) == pytest.approx(exact.dc.sum(), rel=1e-5)


def test_an_in_phase_sum_is_that_of_the_rows_and_their_crosstalk():
    """Hard-stopped drift comes back after every cycle: each row adds its own in-phase current, and harmonics little."""
    cycles, amplitudes = [11, 13, 17], [0.9, 0.5, 0.7]
    bench = Testbench.from_dict(
        {
            **column([0.0, 0.0, 0.0], cycles, amplitudes, points=2000).to_dict(),
            "device": {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 3e-13}},
        }
    )
    run = simulate(bench, "reference")
    own = cycle_responses(bench.device.build(), amplitudes, cycles, 0.0).in_phase
    tones = crosstalk(run).values[:, 0]
    # the trapezoidal rule on an abrupt switch limits this
    assert float(in_phase_sum(run)[0]) == pytest.approx(own.sum() + tones.sum(), rel=2e-3)
    assert np.abs(tones).max() < 2e-3 * own.sum()


def test_a_harmonic_of_another_row_spoils_the_sum():
    """The reason for a frequency plan: at three times the frequency lies the third harmonic."""
    kept = simulate(column([0.0, 0.0], [5, 16], [1.0, 0.2], "yakopcic", "oblea"), "reference")
    spoilt = simulate(column([0.0, 0.0], [5, 15], [1.0, 0.2], "yakopcic", "oblea"), "reference")
    # the slower row, whose cycles are all alike after the first
    assert abs(float(crosstalk(spoilt)[0, 0])) > 1e-3 * float(in_phase_sum(alone(spoilt, 0))[0])
    assert abs(float(crosstalk(kept)[0, 0])) < 1e-6 * float(in_phase_sum(alone(kept, 0))[0])


def test_rows_of_one_frequency_share_a_tone():
    run = simulate(column([0.2, 0.9], [7, 7], [0.4, 1.0]), "reference")
    parts = [float(in_phase_sum(alone(run, row))[0]) for row in range(2)]
    assert float(in_phase_sum(run)[0]) == pytest.approx(sum(parts), rel=1e-12)
    assert np.abs(crosstalk(run)).max() == 0


@settings(deadline=None, max_examples=60)
@given(wanted=st.lists(st.floats(1.0, 300.0), min_size=1, max_size=9), tolerance=st.sampled_from([1e-2, 1e-3]))
def test_planned_tones_are_near_and_none_is_a_multiple_of_another(wanted, tolerance):
    plan = plan_frequencies(wanted, tolerance)
    assert plan.error <= tolerance
    np.testing.assert_allclose(plan.frequency * plan.window, plan.cycles, rtol=1e-12)
    tones = np.unique(plan.cycles)
    assert len(tones) == 1 or tones.min() > 1
    for tone in tones:
        assert not any(other != tone and other % tone == 0 for other in tones)
    same = np.equal.outer(np.array(wanted), wanted)
    assert np.all(np.equal.outer(plan.cycles, plan.cycles)[same])


@pytest.mark.parametrize("wanted", [[], [0.0], [1.0, -1.0], [np.nan], 3.0])
def test_frequencies_that_cannot_be_planned_are_refused(wanted):
    with pytest.raises(InputError, match="wanted"):
        plan_frequencies(wanted)


def test_a_plan_that_would_take_too_long_is_refused():
    with pytest.raises(InputError, match="tolerance"):
        plan_frequencies([1e-3, 1e5], 1e-6)


def test_readouts_refuse_what_they_cannot_read():
    run = simulate(column([0.5, 0.5], [2, 3], [1.0, 1.0], wire_row=1.0, points=40), "reference")
    with pytest.raises(MeasurementError, match="ideal wires"):
        sequential_rectified(run)
    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": [[0.5]]},
        drive={"kind": "samples", "time": [0, 1], "voltages": [[0, 0.1]]},
        analysis={"probe": "cells", "duration": 1.0},
    )
    run = simulate(bench, "reference")
    for readout in (sequential_rectified, sequential_mean, in_phase_sum, crosstalk):
        with pytest.raises(MeasurementError, match="sine"):
            readout(run)
