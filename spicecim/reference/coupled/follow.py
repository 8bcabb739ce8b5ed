"""A crossbar over time, cells and wires on one clock.

One solver for all that wires and cells have: resistances, capacitances, library devices and Verilog-A modules. Steps by
collocation take cells and wires together (see `step`). Where nothing stores charge, the network is solved at every
stage, dense if it is small enough (see `ladder`). Where something does, the steps are those of Radau IIA, so that time
constants of the wires far below the step cost nothing once they have settled; where the drive has a corner, the steps
resolve what the capacitances draw then, if it counts beside the other currents. Steps set the error of the polynomials
between the stages too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from spicecim.drives import Drive
from spicecim.errors import ConvergenceError, ModelError
from spicecim.fields import FloatArray
from spicecim.reference.coupled.cells import combine
from spicecim.reference.coupled.companion import Companion
from spicecim.reference.coupled.course import Course, State
from spicecim.reference.coupled.dense_output import DenseOutput
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.implicit_cells import ImplicitCells
from spicecim.reference.coupled.step import DEGREE, STAGES, Linearized, System, carried, correct, solve_step
from spicecim.reference.drive import LineVoltages
from spicecim.reference.error_estimates import Errors, relative_to_peaks
from spicecim.reference.guards import JUST_BEYOND, NoConvergence, check_finite, check_time, one_thread
from spicecim.reference.record import Block
from spicecim.reference.static import at_rest
from spicecim.reference.step_control import Statistics, StepControl
from spicecim.reference.tables.kinks import Crossing, first_crossing
from spicecim.reference.wires.capacitance import CURRENT_SHARE, NO_LAYER, CapacitiveNetwork, Ends, Layer

TOLERANCE, STORING_TOLERANCE = 1e-6, 3e-8
"""Allowed error of x in a step: where nothing stores charge, and where something does. That of the potentials between
the stages may be more, relative to the drive's largest voltage: it acts by its mean over the step alone."""
_STEPS = StepControl(DEGREE + 1, safety=0.8, growth=2.0, per_period=8.0)
_STORING_STEPS = StepControl(STAGES + 1, kept=1.3)
"""A step that keeps its length keeps its factors, where these depend on it."""

_JUST_PAST = 1e-7
"""Of the way to a kink, what a step goes beyond it: the equations are then those of the other side."""
_AT_START = 1e-9
"""Place in an attempt before which a kink is the one that the last step was to end at, and missed by its own error."""
_SETTLED = 3.0
"""First step after a kink, relative to the time constant of the state that met it."""
_LEAST_PEAK = 1e-3
"""Peak of a current relative to the largest of all below which it counts as that much."""
_LEFT = 3.0
"""Error left by an implicit Euler step, relative to the ratio of a time constant to it."""


class Outcome(NamedTuple):
    """What is to be said of a run."""

    errors: Errors | None
    """What the estimated errors of all steps come to: summed or, if that is more, carried on by the equations. None
    where something stores charge."""
    peaks: Ends
    """Largest currents of the drivers (row,) and sense nodes (column,) at the instants asked for, or `_LEAST_PEAK` of
    the largest of all (A)."""
    statistics: Statistics


@one_thread
def follow_coupled(
    system: System,
    drive: Drive,
    duration: float,
    initial: FloatArray,
    instants: FloatArray,
    sink: Callable[[slice, Block], None],
    *,
    tolerance: float,
    peaks: Ends | None = None,
) -> Outcome:
    """Follow a crossbar, and hand on its waveforms in blocks of instants.

    Parameters
    ----------
    system
        The crossbar.
    drive
        The drive of all rows.
    duration
        End of the drive (s).
    initial
        State variables at time 0 (..., row, column).
    instants
        Increasing instants (s) between 0 and the duration.
    sink
        Takes the waveforms, block by block in the order of time.
    tolerance
        Allowed error of x in a step.
    peaks
        Largest currents of drivers (row,) and sense nodes (column,), ampere, which errors of what capacitances draw
        count relative to; without them they do not count.

    Raises
    ------
    ConvergenceError
        If there is no solution, or none that steps of any length would find.
    """
    # What is not finite fails its step.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run = _Run(system, drive, duration, initial, instants, sink, tolerance, peaks)
        for segment in range(len(run.breaks) - 1):
            run.follow(segment)
        run.output.finish()
    statistics = Statistics(run.steps, run.rejected, run.factorizations, run.output.largest_residual)
    least = _LEAST_PEAK * max(run.largest, *(part.max() for part in run.output.peaks))
    rows, columns = (np.maximum(part, least) for part in run.output.peaks)
    errors = None
    if run.companion is not None:
        # at few instants the currents may be next to nothing
        reached = np.stack([run.output.peaks[1], run.companion.current_peak])
        errors = Errors(run.companion.error, relative_to_peaks(run.companion.current_error, reached))
    return Outcome(errors, (rows, columns), statistics)


class _Attempt(NamedTuple):
    """A solved step that is yet to be accepted."""

    course: Course
    linear: Linearized
    error: float
    """Estimated error relative to what is allowed."""
    off: FloatArray
    """That of x of each explicit cell (cell,)."""


@dataclass
class _Run:
    """The progress of a run."""

    system: System
    drive: Drive
    duration: float
    initial: FloatArray
    instants: FloatArray
    sink: Callable[[slice, Block], None]
    tolerance: float
    peaks: Ends | None
    steps: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    factorizations: int = field(default=0, init=False)
    largest: float = field(default=0.0, init=False)
    """Largest current that the cells of a row or column took together in any step (A)."""
    companion: Companion | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        cells, network = self.system.cells, self.system.network
        self._control = _STORING_STEPS if network.stores else _STEPS
        self._rows = LineVoltages(self.drive, self.duration)
        self.breaks = self._rows.breaks
        # a drive that is zero throughout has no scale, and needs none
        self._scale = self.drive.largest_voltage() or 1.0
        self._longest = float(self._control.longest(self.drive.periods().min(), self.duration))
        self._planned = self._control.first * self._longest
        self._most = self._control.most_attempts(self._longest, self.duration, len(self.breaks))
        self._longest_time = network.longest_time() if isinstance(network, CapacitiveNetwork) else 0.0
        self._linear: Linearized | None = None
        self.output = DenseOutput(
            self.system, self._rows, self.duration, self.instants, self.sink, self._scale, self.tolerance
        )
        states, drive = self.initial.ravel(), self._rows.start()
        try:
            p, _ = at_rest(self.system, drive, states, self._scale)
        except ConvergenceError as error:
            raise ConvergenceError(f"{error} at 0 s") from None
        v = network.terminals(drive[None], p[None])[0]
        y = cells.start(v, states)
        terms = cells.initial_terms(v, y)
        check_finite(*(part for part in terms[:2] if part is not None))
        self._state = State(y, p, v, terms.reactive, terms.charge)
        if isinstance(cells, ExplicitCells) and not network.stores:
            self.companion = Companion(self.system, cells, self._state, self._scale)
        # before time 0 the drive has stood still
        self.output.start(self._state, terms.currents)

    def follow(self, segment: int) -> None:
        """Go from one break of the drive to the next."""
        control, begin = self._control, float(self.breaks[segment])
        room = float(self.breaks[segment + 1]) - begin
        since, last, cells = 0.0, None, self.system.cells
        kink, beyond = None, 0.0  # where a step is to end, and what was planned before that cut it
        wall = 0.0  # the end of the last attempt that failed
        self._layer = self._resolved_layer(segment)
        self._planned = min(float(control.after_break(self._planned, self._longest, room)), self._layer.shortest)
        while since < room:
            check_time(begin + since, self.duration)
            length, lands = control.landing(self._planned, self._longest, room - since, whole=beyond > 0.0)
            length, lands = float(length), bool(lands)
            if self.steps + self.rejected > self._most or (
                not lands and control.too_small(length, since, self.duration)
            ):
                self._give_up(begin + since)
            end = float(self.breaks[segment + 1]) if lands else begin + since + length
            wanted = self.output.wanted(segment, since, end, lands, length)
            tried: _Attempt | None = None
            with suppress(NoConvergence, ModelError):  # where a step leads, a cell may have no inner voltage
                tried = self._attempt(segment, since, length, last, wanted)
            planned = control.failed_shrinkage * length if tried is None else control.next_length(length, tried.error)
            if tried is None or tried.error > 1.0:
                self.rejected += 1
                wall = end
                kink = self._kink(since, length, last, tried)
                beyond = max(beyond, length) if kink else 0.0
                self._planned = kink.place * length if kink else float(planned)
                continue
            course, linear, _, off = tried
            self._planned = max(float(planned), beyond, self._planned if lands else 0.0)
            if kink:
                wall = 0.0
                self._planned = min(self._planned, _SETTLED * cells.settling_time(course.end, kink.cell))
            kink, beyond = None, 0.0
            self.output.step(segment, since, wanted, course, linear)
            if self.companion is not None:
                drive = self._rows.places(self.system.rule, segment, since, length, np.ones(1)).drive
                self.companion.move(self._state, course, linear, drive, off)
            self._state, self.steps, last = self._end(course, linear, segment, since), self.steps + 1, course
            since = room if lands else since + length
            if self.system.network.stores and begin + since < wall:
                self._planned = float(control.towards(wall - begin - since, self._planned, length))
        self.output.end_segment()

    def _attempt(self, segment: int, since: float, length: float, last: Course | None, wanted: FloatArray) -> _Attempt:
        """Solve a step, and estimate its errors."""
        cells, network, rule = self.system.cells, self.system.network, self.system.rule
        allowed = cells.allowed(self._state.y, self._scale, self.tolerance)
        linear = self._linear if self._linear is not None and self._linear.serves(length) else None
        stages = self._rows.places(rule, segment, since, length, rule.stages)
        where = self._rows.places(rule, segment, since, length, self.system.checks)

        def linearized(time: float, v: FloatArray, y: FloatArray) -> Linearized:
            self.factorizations += 1
            try:
                return Linearized(self.system, time, v, y, length)
            except ConvergenceError:
                # where a step too long has led to
                raise NoConvergence from None

        course, linear, checks, off_p = solve_step(
            self.system, self._state, length, (stages, where), self._guess(length, last), allowed, linear, linearized
        )
        self._linear = linear
        p, off = where.values @ course.p, np.empty(0)
        if off_p is None:
            y = checks if cells.explicit else cells.at(course, where)
            found = correct(self.system, course, linear, where, y, p)
            off_p = found.p
        if isinstance(cells, ExplicitCells):
            course, off = cells.refined(course, checks, network.terminals(where.drive, p - off_p), wanted)
            errors = [float(off.max()) / self.tolerance, cells.missed_at_peaks(course) / self.tolerance]
        else:
            errors = [
                float((np.abs(found.y) / allowed.y).max()),
                cells.missed_at_peaks(course, allowed, float(self.breaks[segment]) + since),
            ]
        largest = float(np.abs(off_p).max(initial=0.0))
        errors.append(largest / allowed.potential)
        if isinstance(network, CapacitiveNetwork):
            # At the instants asked for, what the wires follow at once is found afresh.
            left = 1.0
            if cells.explicit and since >= self._layer.length:
                left = min(_LEFT * self._longest_time * linear.shift, 1.0)
            errors.append(left * largest / allowed.left)
            if self.peaks:
                change, conductance = carried(network, linear, found), np.diagonal(linear.cells.direct(0.0), 0, 1, 2)
                missed = network.current_error(found.p, change, linear.shift, conductance, self._scale, self.peaks)
                errors.append(left * missed * CURRENT_SHARE / self.tolerance)
            self.largest = max(self.largest, *(float(np.abs(part).max()) for part in network.ends(found.currents)))
        error = float(np.max(errors))
        if not np.isfinite(error):
            raise NoConvergence
        return _Attempt(course, linear, error, off)

    def _end(self, course: Course, linear: Linearized, segment: int, since: float) -> State:
        """The end of a step, to go on from.

        Explicit cells are in better states there than the potentials were solved with. Among lines that may take long
        to settle, all errors of potentials count: those that follow at once are solved for once more, as what they
        were off by would be an error of the next step, however short that is.
        """
        end, network = course.end, self.system.network
        if not (self.system.cells.explicit and np.isinf(self._longest_time)):
            return end
        where = self._rows.places(self.system.rule, segment, since, course.length, np.ones(1))
        p = end.p - correct(self.system, course, linear, where, end.y[None], end.p[None]).p[0]
        return end._replace(p=p, v=network.terminals(where.drive, p[None])[0])

    def _guess(self, length: float, last: Course | None) -> tuple[FloatArray, FloatArray]:
        """Unknowns of the cells (stage, cell, k) and the network (stage, unknown) by the last polynomial, or held."""
        rule = self.system.rule
        if last is None or length > self._control.farthest_guess * last.length:
            y, p = (np.repeat(part[None], rule.degree, axis=0) for part in (self._state.y, self._state.p))
            return y, p
        matrix = rule.values(1.0 + rule.stages * length / last.length)
        p = matrix @ last.p
        if self.system.cells.explicit:
            return last.y[1:], p  # no guess is needed of what follows from the potentials
        return combine(matrix, last.y), p

    def _kink(self, since: float, length: float, last: Course | None, tried: _Attempt | None) -> Crossing | None:
        """Where an attempt that failed meets the first kink of a cell's equations; None if that is not known.

        An explicit cell meets it as the step before would go on, which was smooth up to there. None too if it is where
        the step starts, as far as rounding and the error of that tell: there would be one step after another to it.
        """
        cells, rule = self.system.cells, self.system.rule
        known, begin = (last, 1.0) if cells.explicit else (tried and tried.course, 0.0)
        if known is None:
            return None
        ratio = length / known.length
        end = min(1.0, self._control.farthest_guess / ratio)

        def distances(at: FloatArray) -> FloatArray:
            matrix = rule.values(begin + at * ratio)
            return cells.kinks(combine(matrix, known.v), combine(matrix, known.y))

        found = None
        with suppress(ModelError):  # too far on, a cell may have no inner voltage
            found = first_crossing(distances, self._magnitudes, end)
        if found is None or found.place < _AT_START:
            return None
        found = found._replace(place=found.place * (1.0 + _JUST_PAST))
        return None if self._control.too_small(found.place * length, since, self.duration) else found

    @cached_property
    def _magnitudes(self) -> FloatArray:
        """What distances from kinks may be (kink,)."""
        return self.system.cells.kink_magnitudes(self._scale)

    def _resolved_layer(self, segment: int) -> Layer:
        """What the corner at the start of a segment sets off, if it is to be resolved."""
        network = self.system.network
        if not isinstance(network, CapacitiveNetwork) or self.peaks is None:
            return NO_LAYER
        begin, own = float(self.breaks[segment]), np.zeros((len(self._state.y), 2))
        if isinstance(self.system.cells, ImplicitCells):
            charge_v = self.system.cells.linear(begin, self._state.v, self._state.y).slopes.current_charge_v
            own = np.abs(np.diagonal(charge_v, axis1=1, axis2=2))
        return network.layer(self._rows.jump(segment), own, self.peaks, self.instants - begin, self.tolerance)

    def _give_up(self, reached: float) -> None:
        """Raise `ConvergenceError`, or `InputError` if a device's equations overflow just beyond where it is."""
        cells, v, y = self.system.cells, JUST_BEYOND * self._state.v, self._state.y
        terms = cells.initial_terms(v, y)
        check_finite(*(part for part in terms[:2] if part is not None))
        raise ConvergenceError(
            f"the reference engine found no solution of the crossbar beyond {reached:g} s of {self.duration:g} s"
        )
