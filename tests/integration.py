"""An independent integration of a crossbar: scipy's DOP853 around a nodal solve of its own.

Of spicecim it uses the testbench's numbers and, of the library's models, the definition: `current`, `rate` and the
places where these are not smooth. It shares nothing with either engine. The integration starts anew at every corner of
the drive, at the extremes of sinusoids, and where a cell crosses a voltage or a state at which its equations are not
smooth: that instant is looked for in the step that passes it, and the step is repeated up to there.

Hard stops are ideal here: a state stays at its stop until its rate points inwards. The models' equations slow it down
over the last `STOP_WIDTH` of x, which differs by that at most.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853
from scipy.linalg.lapack import dgesv
from scipy.optimize import brentq

from spicecim.devices.device import Device
from spicecim.devices.models.stanford_pku import StanfordPku
from spicecim.devices.models.yakopcic import Yakopcic
from spicecim.drives import Drive
from spicecim.testbench import Crossbar, Testbench

FloatArray = NDArray[np.float64]

TOLERANCE = 1e-10
"""Relative, of a step; absolute too, since all states are of the order of 1."""


class OracleError(ArithmeticError):
    """The integration or the nodal solve did not get through: nothing is known of this testbench."""


class Cells(Protocol):
    """Equal cells with k states each, whose current is a conductance of the states times a shape of the voltage.

    Voltages are (..., n), states (..., n, k).
    """

    stops: tuple[float, float] | None
    """Where the one state ends, if it has hard stops."""
    ohmic: bool
    """Whether the shape is the voltage itself."""
    series: float
    """Resistance in series with each cell (ohm)."""

    def conductance(self, s: FloatArray) -> FloatArray:
        """Factor (..., n) of the current that depends on the states."""

    def shape(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Factor (..., n) of the current that depends on the voltage, and its derivative."""

    def rate(self, v: FloatArray, s: FloatArray) -> FloatArray:
        """Rate of each state (1/s), as it is without hard stops."""

    def levels(self, v: FloatArray, s: FloatArray) -> FloatArray:
        """Quantities (..., n, m) at whose zeros current or rate is not smooth."""

    def start(self, x: FloatArray) -> FloatArray:
        """States (n, k) of the normalized states (n,)."""

    def x(self, s: FloatArray) -> FloatArray:
        """Normalized states (..., n)."""


class LibraryCells:
    """Cells of a model of the library."""

    series = 0.0

    def __init__(self, device: Device) -> None:
        self._device = device
        self.stops = device.stops()
        self.ohmic = not isinstance(device, Yakopcic | StanfordPku)
        self._unit = float(self.shape(np.array(1.0))[0])

    def conductance(self, s: FloatArray) -> FloatArray:
        return self._device.current(1.0, s[..., 0]) / self._unit

    def shape(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        device = self._device
        if isinstance(device, Yakopcic):
            scale = np.where(v >= 0, device.a1, device.a2)
            return scale * np.sinh(device.b * v), scale * device.b * np.cosh(device.b * v)
        if isinstance(device, StanfordPku):
            return np.sinh(v / device.V0), np.cosh(v / device.V0) / device.V0
        return v, np.ones_like(v)

    def rate(self, v: FloatArray, s: FloatArray) -> FloatArray:
        inside = s[..., 0]
        if self.stops:
            (lower, upper), (at_lower, at_upper) = self.stops, self._device.stop_widths()
            inside = np.clip(inside, lower + 2 * at_lower, upper - 2 * at_upper)
        return self._device.rate(v, inside)[..., None]

    def levels(self, v: FloatArray, s: FloatArray) -> FloatArray:
        device, state = self._device, s[..., 0]
        if isinstance(device, StanfordPku):
            # where the gap's motion sets in, and where it has set in, at either polarity
            field = (device.gamma0 - device.beta * np.clip(state, *self.stops) ** 3) * v / device.tox / device.F_min
            return np.stack([field - at for at in (-1.0, device.field_width - 1.0, 1.0 - device.field_width, 1.0)], -1)
        # at 0 V nothing has a corner where there is no motion about it
        volts = [each for each in device.voltage_breaks() if each or len(device.voltage_breaks()) == 1]
        levels = [v - each for each in volts]
        if isinstance(device, Yakopcic):
            levels += [state - kink for kink in (device.xp, 1 - device.xn)]
            if device.a1 != device.a2:
                levels.append(v)
        return np.stack(levels or [np.ones_like(v)], axis=-1)

    def start(self, x: FloatArray) -> FloatArray:
        return self._device.state_from_x(x)[:, None]

    def x(self, s: FloatArray) -> FloatArray:
        return self._device.x_from_state(s[..., 0])


class Stretch(NamedTuple):
    """A stretch of time over which all rows' voltages are smooth."""

    start: float
    end: float
    volts: Callable[[Any], FloatArray]
    """Voltages (row,) at an instant, or (time, row) at a column of instants."""


def stretches(drive: Drive, rows: int, duration: float) -> list[Stretch]:
    """Cut a drive at its corners, and at the extremes of each sinusoid."""
    if drive.kind == "sine":
        amplitude, offset, frequency, phase = (
            np.broadcast_to(value, rows) for value in (drive.amplitude, drive.offset, drive.frequency, drive.phase)
        )

        def volts(time: Any) -> FloatArray:
            return offset + amplitude * np.sin(2 * np.pi * frequency * time + phase)

        quarters = np.arange(-2, 4 * duration * frequency.max() + 6)
        extremes = (0.25 + 0.5 * quarters[:, None] - phase / (2 * np.pi)) / frequency
        cuts = _inner(extremes.ravel(), duration)
        return [Stretch(start, end, volts) for start, end in itertools.pairwise([0.0, *cuts, duration])]
    corners, values = zip(*polylines(drive, rows, duration), strict=True)
    cuts = _inner(np.concatenate(corners), duration)
    found = []
    for start, end in itertools.pairwise([0.0, *cuts, duration]):
        # strictly inside, so that corners which rounding tells apart count as one
        ends = [start + 0.25 * (end - start), start + 0.75 * (end - start)]
        a, b = np.array([np.interp(ends, one, level) for one, level in zip(corners, values, strict=True)]).T
        slope = (b - a) / (ends[1] - ends[0])
        found.append(Stretch(start, end, lambda time, a=a, slope=slope, t=ends[0]: a + slope * (time - t)))
    return found


def polylines(drive: Drive, rows: int, duration: float) -> list[tuple[FloatArray, FloatArray]]:
    """Corners (s) and voltages there of each row, of pulses or samples."""
    found = []
    for row in range(rows):
        if drive.kind == "samples":
            found.append((drive.time, drive.voltages[row]))
            continue
        low, high, delay, rise, width, fall, period = (
            float(np.broadcast_to(getattr(drive, name), rows)[row])
            for name in ("low", "high", "delay", "rise", "width", "fall", "period")
        )
        begins = delay + period * np.arange(int(duration / period) + 2)
        instants = (begins[:, None] + [0.0, rise, rise + width, rise + width + fall]).ravel()
        found.append((instants, np.tile([low, high, high, low], len(begins))))
    return found


def cycle(bench: Testbench) -> float:
    """Time (s) that the shift of an edge counts relative to: twice the shortest from a rise of a row to a fall or back.

    A rise or a fall is where its middle is. The period of a sinusoid, and the whole time where no row turns.
    """
    if bench.drive.kind == "sine":
        return float(bench.drive.periods().min())
    shortest = float(bench.drive.periods().min())
    for instants, volts in polylines(bench.drive, bench.shape[0], bench.duration):
        slopes = np.sign(np.diff(volts))
        middles = (0.5 * (instants[1:] + instants[:-1]))[slopes != 0]
        turned = np.flatnonzero(np.diff(slopes[slopes != 0]))
        shortest = min(shortest, 2 * float((middles[turned + 1] - middles[turned]).min(initial=np.inf)))
    return shortest


def _inner(instants: FloatArray, duration: float) -> list[float]:
    """Instants strictly inside, each once."""
    rounding = 1e-13 * duration
    kept = np.sort(instants[(instants > rounding) & (instants < duration - rounding)])
    return kept[np.concatenate([[True], np.diff(kept) > rounding])].tolist() if len(kept) else []


class Wires:
    """The voltages that resistances leave for the cells: ``v = u - Z i``, with a dense Z from the wires' paths.

    A cell's current lowers its row's potential by each resistance that it has in common with another's path from the
    driver, and raises its column's by each in common on the way to the sense node.
    """

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int], cells: Cells) -> None:
        rows, columns = self.shape = shape
        row, column = (index.ravel() for index in np.indices(shape))
        self.row = row
        along = crossbar.source_resistance + crossbar.wire_row * (np.minimum.outer(column, column) + 1)
        down = crossbar.sense_resistance + crossbar.wire_column * (rows - np.maximum.outer(row, row))
        self.along = np.where(np.equal.outer(row, row), along, 0.0)
        self.down = np.where(np.equal.outer(column, column), down, 0.0)
        self.z = self.along + self.down + cells.series * np.eye(rows * columns)
        self.ideal = not self.z.any()
        self._cells = cells
        self._guess: FloatArray | None = None
        self._unit = np.eye(rows * columns)

    def voltages(self, u: FloatArray, s: FloatArray) -> FloatArray:
        """Voltages (..., n) across cells in states (..., n, k), at row voltages u (..., row)."""
        u = u[..., self.row]
        if self.ideal:
            return u
        conductance = self._cells.conductance(s)
        loaded = self.z * conductance[..., None, :]  # Z times the diagonal of the conductances
        if self._cells.ohmic:
            return _solve(self._unit + loaded, u)
        most = np.maximum(u, 0).max(axis=-1, keepdims=True) - np.minimum(u, 0).min(axis=-1, keepdims=True)
        v = np.clip(u if self._guess is None or self._guess.shape != u.shape else self._guess, -most, most)
        step, last, share, enough = np.zeros_like(v), np.inf, 1.0, float(most.max())
        for _ in range(200):
            shape, slope = self._cells.shape(v)
            missed = v + (loaded @ shape[..., None])[..., 0] - u
            left = np.abs(missed).max()
            if not left <= 2 * last + 1e-13 * enough:  # too far: half of it
                share *= 0.5
                v = v + share * step
                continue
            last, share = left, 1.0
            step = _solve(self._unit + loaded * slope[..., None, :], missed)
            v = np.clip(v - step, -most, most)
            if np.abs(step).max() <= 1e-8 * enough:  # what is left is its square
                self._guess = v
                return v
        raise OracleError(f"no voltages found: they miss by {left:.2g} V")

    def currents(self, v: FloatArray, s: FloatArray) -> FloatArray:
        return self._cells.conductance(s) * self._cells.shape(v)[0]


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    if right.ndim > 1:
        return np.linalg.solve(matrix, right[..., None])[..., 0]
    solution, failed = dgesv(matrix, right)[2:]
    if failed:
        raise OracleError("a singular matrix")
    return solution


class Resistive:
    """The system of a crossbar without capacitance: its unknowns are the cells' states."""

    def __init__(self, cells: Cells, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        self.cells, self.shape = cells, shape
        self.wires = Wires(crossbar, shape, cells)

    def start(self, s: FloatArray, u: FloatArray) -> FloatArray:
        return s.ravel()

    def states(self, y: FloatArray) -> FloatArray:
        return y.reshape(*y.shape[:-1], self.shape[0] * self.shape[1], -1)

    def voltages(self, u: FloatArray, y: FloatArray) -> FloatArray:
        return self.wires.voltages(u, self.states(y))

    def rates(self, u: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rates of the states and of what follows them in y."""
        s = self.states(y)
        return self.cells.rate(self.voltages(u, y), s).ravel(), np.empty(0)

    def currents(self, u: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Currents out of the drivers (..., row) and into the sense nodes (..., column)."""
        i = self.wires.currents(self.voltages(u, y), self.states(y)).reshape(*y.shape[:-1], *self.shape)
        return i.sum(axis=-1), i.sum(axis=-2)


class Capacitive(Resistive):
    """With a capacitance at both nodes of every cell, whose potentials are unknowns too; every resistance is there."""

    def __init__(self, cells: Cells, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        super().__init__(cells, crossbar, shape)
        if cells.series or not all((crossbar.wire_row, crossbar.wire_column)):
            raise OracleError("a wire without resistance, or a cell with one, beside capacitances")
        rows = shape[0]
        self._capacitance = crossbar.wire_capacitance
        along, down = np.full(shape, crossbar.wire_row), np.full(shape, crossbar.wire_column)
        along[:, 0] += crossbar.source_resistance
        down[rows - 1] += crossbar.sense_resistance
        self._along, self._down = 1 / along, 1 / down
        self._states = cells.start(np.zeros(rows * shape[1])).size

    def start(self, s: FloatArray, u: FloatArray) -> FloatArray:
        i = self.wires.currents(self.wires.voltages(u, s), s)
        return np.concatenate([s.ravel(), u[self.wires.row] - self.wires.along @ i, self.wires.down @ i])

    def states(self, y: FloatArray) -> FloatArray:
        return super().states(y[..., : self._states])

    def _nodes(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        nodes = y[..., self._states :].reshape(*y.shape[:-1], 2, *self.shape)
        return nodes[..., 0, :, :], nodes[..., 1, :, :]

    def voltages(self, u: FloatArray, y: FloatArray) -> FloatArray:
        row, column = self._nodes(y)
        return (row - column).reshape(*y.shape[:-1], -1)

    def rates(self, u: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        row, column = self._nodes(y)
        v, s = self.voltages(u, y), self.states(y)
        i = self.wires.currents(v, s).reshape(self.shape)
        along = self._along * (np.concatenate([u[:, None], row[:, :-1]], axis=1) - row)
        down = self._down * (column - np.concatenate([column[1:], np.zeros((1, self.shape[1]))]))
        into_row = along - np.concatenate([along[:, 1:], np.zeros((self.shape[0], 1))], axis=1) - i
        into_column = np.concatenate([np.zeros((1, self.shape[1])), down[:-1]]) + i - down
        return self.cells.rate(v, s).ravel(), np.concatenate(
            [into_row.ravel(), into_column.ravel()]
        ) / self._capacitance

    def stored(self, y: FloatArray) -> FloatArray:
        """Charge (...,) of all capacitances (C)."""
        return self._capacitance * y[..., self._states :].sum(axis=-1)

    def currents(self, u: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        row, column = self._nodes(y)
        return self._along[:, 0] * (u - row[..., 0]), self._down[-1] * column[..., -1, :]


class Course:
    """A run of a crossbar, from which everything is had at any instant.

    Parameters
    ----------
    bench
        The testbench.
    cells
        Its cells; those of a model of the library if left out.
    tolerance
        Of a step.
    steps
        Least number of steps in the fastest period.
    most
        Most evaluations of the rates.
    pieces
        Those of a course of the same testbench that was kept, which is not integrated again.
    """

    def __init__(
        self, bench: Testbench, cells: Cells | None = None, *, tolerance: float = TOLERANCE, steps: int = 40,
        most: int = 400_000, pieces: list[Any] | None = None,
    ) -> None:  # fmt: skip
        self.bench = bench
        self.cells = cells or LibraryCells(bench.device.build())
        kind = Capacitive if bench.crossbar.wire_capacitance else Resistive
        self.system = kind(self.cells, bench.crossbar, bench.shape)
        self.evaluations, self._most = 0, most
        self._options = {
            "rtol": tolerance, "atol": tolerance, "max_step": float(bench.drive.periods().min()) / steps,
        }  # fmt: skip
        self._stretches = stretches(bench.drive, bench.shape[0], bench.duration)
        self.pieces: list[tuple[float, float, Any]] = [] if pieces is None else pieces
        if pieces is None:
            self._integrate()
        self._starts = [piece[0] for piece in self.pieces]

    def _integrate(self) -> None:
        s = self.cells.start(self.bench.crossbar.state.ravel())
        first = self._stretches[0]
        s = self._settled(s, first.volts(0.0))
        y = self.system.start(s, first.volts(0.0))
        self._at_stop = np.zeros(s.size)
        if self.cells.stops:
            lower, upper = self.cells.stops
            states = s.ravel()
            self._at_stop = np.where(
                states <= lower * (1 + 1e-14), -1.0, np.where(states >= upper * (1 - 1e-14), 1.0, 0.0)
            )
        with np.errstate(over="ignore", invalid="ignore"):
            for stretch in self._stretches:
                y = self._follow(stretch, y)

    def _settled(self, s: FloatArray, u: FloatArray) -> FloatArray:
        settle = getattr(self.cells, "settled", None)
        return s if settle is None else settle(self.system.wires, s, u)

    def _rates(self, stretch: Stretch) -> Callable[[float, FloatArray], FloatArray]:
        def rates(time: float, y: FloatArray) -> FloatArray:
            self.evaluations += 1
            if self.evaluations > self._most:
                raise OracleError(f"more than {self._most} evaluations of the rates")
            try:
                states, others = self.system.rates(stretch.volts(time), y)
            except OracleError:
                return np.full_like(y, np.nan)  # a stage of a step that is too long, which is then rejected
            # at a stop only the way back is open
            states = np.where(states * self._at_stop > 0, 0.0, states)
            return np.concatenate([states, others])

        return rates

    def _levels(self, stretch: Stretch, time: float, y: FloatArray) -> FloatArray:
        s = self.system.states(y)
        levels = self.cells.levels(self.system.voltages(stretch.volts(time), y), s).ravel()
        if self.cells.stops:
            lower, upper = self.cells.stops
            states = s.ravel()
            free = self._at_stop == 0
            return np.concatenate([np.where(free, states - lower, 0.0), np.where(free, upper - states, 0.0), levels])
        return levels

    def _follow(self, stretch: Stretch, y: FloatArray) -> FloatArray:
        time, end, step = stretch.start, stretch.end, None
        rates = self._rates(stretch)
        signs = np.sign(self._levels(stretch, time, y))
        while time < end:
            first = None if step is None else min(step, end - time)
            solver = DOP853(rates, time, y, end, first_step=first, **self._options)
            while solver.status == "running":
                self._advance(solver)
                dense = solver.dense_output()
                crossed = self._first_crossing(stretch, solver, dense, signs)
                if crossed is None:
                    self.pieces.append((solver.t_old, solver.t, dense))
                    time, step = solver.t, solver.step_size
                    y, changed = self._bounded(solver.y)
                    signs = np.sign(self._levels(stretch, time, y))
                    if changed:
                        break
                    continue
                instant, level, near = crossed
                step = solver.step_size
                y = self._repeat(rates, solver.t_old, y, instant)
                time = instant
                y, _ = self._bounded(y, level)
                levels = self._levels(stretch, time, y)
                # which side a level is on that is crossed now, or at once, is seen after the next step
                signs = np.where(np.abs(levels) <= near, 0.0, np.sign(levels))
                signs[level] = 0.0
                break
        return y

    @staticmethod
    def _advance(solver: DOP853) -> None:
        message = solver.step()
        if solver.status == "failed":
            raise OracleError(f"at {solver.t:g} s: {message}")

    def _repeat(self, rates: Any, time: float, y: FloatArray, end: float) -> FloatArray:
        if end <= time:  # a crossing so near the start that no float lies between
            return y
        solver = DOP853(rates, time, y, end, first_step=end - time, **self._options)
        while solver.status == "running":
            self._advance(solver)
            self.pieces.append((solver.t_old, solver.t, solver.dense_output()))
        return solver.y

    def _first_crossing(
        self, stretch: Stretch, solver: DOP853, dense: Any, signs: FloatArray
    ) -> tuple[float, int, FloatArray] | None:  # fmt: skip
        """First instant of a step at which a level changes its sign, which, and what is next to nothing of each."""
        start, end = solver.t_old, solver.t
        before = self._levels(stretch, start, dense(start))
        middle = 0.5 * (start + end)
        for last, y in ((middle, dense(middle)), (end, solver.y)):
            levels = self._levels(stretch, last, y)
            # a level that was left only by rounding has no sign yet
            changed = np.flatnonzero((signs != 0) & (np.sign(before) == signs) & (np.sign(levels) == -signs))
            if len(changed):
                break
        else:
            return None
        found, instant = None, last
        for level in sorted(changed, key=lambda each: before[each] / (before[each] - levels[each])):
            at = self._levels(stretch, instant, dense(instant))[level]
            if found is not None and np.sign(at) != -signs[level]:
                continue
            # an end that is across or not by rounding: a solve that starts elsewhere may tell otherwise
            with contextlib.suppress(ValueError):
                instant = brentq(
                    lambda t, level=level: self._levels(stretch, t, dense(t))[level], start, instant,
                    xtol=1e-10 * (end - start), rtol=1e-15,
                )  # fmt: skip
            found = int(level)
        assert found is not None
        return max(instant, start + 1e-10 * (end - start)), found, 1e-8 * np.abs(levels - before)

    def _bounded(self, y: FloatArray, level: int | None = None) -> tuple[FloatArray, bool]:
        """Put states that have come to a stop onto it, the one whose level was crossed too, and free those that left.

        Returns the unknowns, and whether anything has changed.
        """
        if self.cells.stops is None:
            return y, False
        lower, upper = self.cells.stops
        n, before, y = len(self._at_stop), self._at_stop, y.copy()
        states = y[:n]
        low, high = states < lower, states > upper
        if level is not None and level < 2 * n:
            (low if level < n else high)[level % n] = True
        left = (states > lower * (1 + 1e-13)) & (states < upper * (1 - 1e-13)) & ~low & ~high
        states[low], states[high] = lower, upper
        self._at_stop = np.where(low, -1.0, np.where(high, 1.0, np.where(left, 0.0, before)))
        return y, bool((self._at_stop != before).any())

    def _at(self, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Row voltages (time, row) and unknowns (time, y) at increasing instants."""
        which = np.clip(np.searchsorted(self._starts, time, side="right") - 1, 0, len(self.pieces) - 1)
        begins = [stretch.start for stretch in self._stretches]
        u, y = np.empty((len(time), self.bench.shape[0])), np.empty((len(time), len(self.pieces[0][2].y_old)))
        for piece in np.unique(which):
            start, last, dense = self.pieces[piece]
            stretch = self._stretches[np.searchsorted(begins, 0.5 * (start + last)) - 1]
            chosen = which == piece
            instants = np.minimum(time[chosen], last)
            u[chosen], y[chosen] = stretch.volts(instants[:, None]), dense(instants).T
        return u, y

    def x(self, time: FloatArray) -> FloatArray:
        """Normalized states (time, row, column)."""
        _, y = self._at(np.asarray(time))
        return self.cells.x(self.system.states(y)).reshape(len(time), *self.bench.shape)

    def currents(self, time: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Voltages and currents of the drivers (time, row), and currents into the sense nodes (time, column)."""
        u, y = self._at(np.asarray(time))
        parts = [
            self.system.currents(u[first : first + 512], y[first : first + 512]) for first in range(0, len(time), 512)
        ]
        rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
        return u, rows, columns

    def stored(self, time: FloatArray) -> FloatArray:
        """Charge (time,) of the wires' capacitances (C), if there are any."""
        return self.system.stored(self._at(time)[1])

    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Instants and weights (s) that integrate over the run: five of Gauss in every step."""
        points, weights = np.polynomial.legendre.leggauss(5)
        starts, ends = np.array([piece[:2] for piece in self.pieces]).T
        half = 0.5 * (ends - starts)
        return (starts[:, None] + half[:, None] * (points + 1)).ravel(), (half[:, None] * weights).ravel()
