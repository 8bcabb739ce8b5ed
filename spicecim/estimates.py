"""The error of an ngspice run: how far it is from a second opinion.

Where the reference engine covers a testbench it runs at the instants of ngspice: another method, with other steps, for
a fraction of the time. What the two differ by, and what the reference engine says of its own error, bound the error
of ngspice. Elsewhere, and where the reference engine gives up, ngspice itself runs once more with coarser steps: its
error is then many times as large, and a share of the difference of the two bounds that of the finer run.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.interpolate import Akima1DInterpolator

from spicecim.accuracy import current_scales, curve_errors, edge_instants
from spicecim.deadline import run_within
from spicecim.errors import SpiceCimError
from spicecim.fields import FloatArray
from spicecim.ngspice.engine import NgspiceRun, run_ngspice
from spicecim.reference.engine import simulate_reference, takes_long
from spicecim.testbench import Testbench

_COARSER_TOLERANCE, _COARSER_ACCURACY, _COARSER_STEPS = 100.0, 16.0, 4
"""How much coarser the second run of ngspice is, whichever of them decides on its steps: its error is then about 16
times that of the first. With 4 times, the second run had the error of the first by chance: at a threshold the error
depends on where a step ends, and the motion of a state may multiply it by hundreds."""
_MARGIN = 1.5
"""What is stated, over the error of the finer run that their difference tells if the other's grows as expected."""
_LEAST_GROWTH = 4.0
"""Least growth of the error that is expected."""
_LEAST_KNOWN = 0.02
"""Of the accuracy asked for, the least that is stated: two runs that share the steps at corners of the drive may share
smaller errors."""
_PATIENCE, _LEAST_PATIENCE = 5.0, 5.0
"""Time for a second opinion, relative to that of the run, and least (s), where there is another way to have one."""
_LOOSEST_TOLERANCE, _LOOSEST_ACCURACY, _FEWEST_POINTS = 1e-2, 0.1, 8
_MOST_VALUES = 20_000_000
"""Most states, of all cells at all instants, that are compared; of more, those at the end alone."""
_MOST_ADDED = 20_000
"""Most instants that are added to resolve edges."""


class Estimate(NamedTuple):
    """Estimated errors of a run, as `spicecim.accuracy` measures them, and what they were found by.

    Attributes
    ----------
    current_error
        Largest error of a column's current relative to its peak; NaN if no second run succeeded.
    state_error
        Largest error of x; NaN also where no states can be seen.
    error_estimate
        What the run was compared with.
    """

    current_error: float
    state_error: float
    error_estimate: str


def estimate_error(testbench: Testbench, run: NgspiceRun) -> Estimate:
    """Estimate the error of a run of a testbench in ngspice, by another run.

    The reference engine comes second where it takes many times as long as ngspice, and is given up after a few times
    as long as ngspice took: a loop of a module is slow in it. Where it agrees with ngspice to the
    accuracy asked for, but does not know its own error to that, the coarser run of ngspice is taken too.
    """
    covered = testbench.only_ngspice() is None
    ways = [_by_reference, _by_coarser_run] if covered else [_by_coarser_run]
    if covered and takes_long(testbench):
        ways.reverse()
    failures = []
    for way in ways:
        patience = max(_LEAST_PATIENCE, _PATIENCE * run.seconds) if way is not ways[-1] else None
        try:
            with run_within(patience):
                return way(testbench, run)
        except (SpiceCimError, MemoryError) as error:  # what a second run cannot do is no fault of the first
            failures.append(str(error).partition("\n")[0] or "out of memory")
    return Estimate(math.nan, math.nan, f"nothing: the second run failed ({'; '.join(failures)})")


def _by_reference(testbench: Testbench, run: NgspiceRun) -> Estimate:
    time = run.waveforms["time"].values
    everywhere = run.watched.size * len(time) <= _MOST_VALUES
    bench = with_cells(testbench) if everywhere else testbench
    own: dict[str, float] = {}

    def curves(instants: FloatArray) -> tuple[FloatArray, FloatArray]:
        known = simulate_reference(bench, time=instants)
        own["state_error"] = known.attrs["state_error"]
        own["current_error"] = known.attrs.get("current_error", own["state_error"])
        x = known["x"].values.reshape(len(instants), -1)[:, run.watched] if everywhere else None
        return known["i_column"].values, np.empty((len(instants), 0)) if x is None else x

    found = run.waveforms["i_column"].values, run.x if everywhere else run.x[:, :0]
    current_error, state_error = _differences(testbench, time, found, curves)
    if not everywhere:
        last = simulate_reference(with_cells(testbench), time=time[[0, -1]])["x"].values[-1].ravel()[run.watched]
        state_error = float(np.abs(run.x[-1] - last).max())
    bounded = current_error + own["current_error"], state_error + own["state_error"]
    accuracy = testbench.analysis.accuracy
    if max(current_error, state_error) <= accuracy < max(bounded):
        with contextlib.suppress(SpiceCimError):
            coarser = _by_coarser_run(testbench, run)
            return Estimate(
                min(bounded[0], max(current_error, coarser.current_error)),
                min(bounded[1], max(state_error, coarser.state_error)),
                f"the reference engine and {coarser.error_estimate}",
            )
    return Estimate(*bounded, "the reference engine")


def _by_coarser_run(testbench: Testbench, run: NgspiceRun) -> Estimate:
    analysis = testbench.analysis
    coarser = {
        "accuracy": min(_LOOSEST_ACCURACY, _COARSER_ACCURACY * analysis.accuracy),
        "tolerance": min(_LOOSEST_TOLERANCE, _COARSER_TOLERANCE * analysis.tolerance),
        "points_per_period": max(_FEWEST_POINTS, analysis.points_per_period // _COARSER_STEPS),
    }
    second = run_ngspice(testbench.with_analysis(**coarser))
    time = second.waveforms["time"].values
    # a straight line between instants would be off by more than the runs
    between = [
        Akima1DInterpolator(run.waveforms["time"].values, values)(np.minimum(time, run.waveforms["time"].values[-1]))
        for values in (run.waveforms["i_column"].values, run.x)
    ]
    found = between[0], between[1]

    def curves(instants: FloatArray) -> tuple[FloatArray, FloatArray]:
        return interpolated(instants, time, second.waveforms["i_column"].values), interpolated(instants, time, second.x)

    # the bounds of the fields may leave the second run less coarse
    longer = analysis.points_per_period / coarser["points_per_period"]
    growth = max(min(coarser["accuracy"] / analysis.accuracy, longer**2), _LEAST_GROWTH)
    current_error, state_error = (
        float(np.maximum(_MARGIN / (growth - 1.0) * difference, _LEAST_KNOWN * analysis.accuracy))
        for difference in _differences(testbench, time, found, curves)
    )
    return Estimate(current_error, state_error, "a second run with coarser steps")


def _differences(
    testbench: Testbench,
    time: FloatArray,
    found: tuple[FloatArray, FloatArray],
    right: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
) -> tuple[float, float]:
    """Errors of currents (time, column) and states (time, cell), NaN without states.

    `right` gives what they are compared with at instants. Where it has an edge between two instants, it is asked again
    at more of them: the edge has to be seen where it is.
    """
    cycle = testbench.lines().drive.cycle()
    currents, states = right(time)
    columns = currents.shape[1]
    scales = current_scales(currents)
    curves, right_curves = np.hstack([found[0] / scales, found[1]]), np.hstack([currents / scales, states])
    most = min(_MOST_ADDED, _MOST_VALUES // right_curves.shape[1])
    added = edge_instants(time, right_curves, cycle, testbench.analysis.accuracy, most)
    if added.size:
        finer = np.union1d(time, added)
        currents, states = right(finer)
        time, curves = finer, interpolated(finer, time, curves)
        right_curves = np.hstack([currents / scales, states])
    errors = curve_errors(time, curves, right_curves, cycle)
    return float(errors[:columns].max()), float(errors[columns:].max()) if errors[columns:].size else math.nan


def with_cells(testbench: Testbench) -> Testbench:
    """Return the testbench with its cells probed."""
    return testbench.with_analysis(probe="cells")


def interpolated(instants: FloatArray, time: FloatArray, curves: FloatArray) -> FloatArray:
    """Curves (time, curve) at other instants, by straight lines."""
    after = np.clip(np.searchsorted(time, instants), 1, len(time) - 1)
    share = ((instants - time[after - 1]) / (time[after] - time[after - 1]))[:, None]
    return (1.0 - share) * curves[after - 1] + share * curves[after]
