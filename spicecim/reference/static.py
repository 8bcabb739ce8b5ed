"""A crossbar at rest, its states held: the voltages over all cells, for one or many inputs.

With v the voltages over the cells, f(v) their currents, u the voltages of the drivers and Z the resistances that cells
share (see `network`), what is solved is

    v + Z f(v) = u.

A factorization of 1 + Z G at some conductances G corrects all inputs, again and again (the simplified Newton method:
P. Deuflhard, Newton Methods for Nonlinear Problems, Springer (2004), doi:10.1007/978-3-642-23899-4, section 2.1). Of
ohmic cells the first correction is the solution. Elsewhere the error falls by a ratio that tells how many corrections
are left: where that is more than a factorization costs, there is a new one at the present conductances, or, where the
inputs are too different for a common one, one for each of them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.deadline import check_deadline
from spicecim.devices.cell import voltage_over
from spicecim.devices.device import Device
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.coupled.co_content import solve_increasing
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.step import System, system
from spicecim.reference.guards import check_finite, one_thread
from spicecim.reference.newton import SETTLED, Unknowns, solve_damped
from spicecim.reference.wires.floating import FloatingNetwork
from spicecim.reference.wires.network import AnyFactors, Network
from spicecim.reference.wires.nodal import TOO_FAR_APART
from spicecim.testbench import Testbench

_SOLVED = 1e-10
"""Current that a cell may be off by, relative to the input's largest of a cell, and voltage, relative to the largest
over a cell."""
_ROUNDED = 1e-11
"""Voltage that a cell may be off by, relative to the largest of the drivers, where corrections no longer make it
less."""
_OHMIC = 1e-13
"""Difference of a current from that of a resistor, relative to it, that is rounding."""
_STUCK = 0.5
"""Ratio of successive errors from which on they do not."""
_COST = 12.0
"""Corrections of an input that take as long as a factorization."""
_COMMON, _MOST = 3, 30
"""Factorizations that several inputs share, and those of a single one, before another way is taken."""
_GUESSES, _GUESSED = 300, 0.01
"""Most of Newton's steps for the first guess, and its last step relative to the largest voltage."""
_HARDLY_HELD = 1e-6
"""Last change where lines float, relative to the largest voltage, that may be left if it cannot be less: of a line that
transistors which are off hold by 1e-12 S, the rounding of what flows through their memristors is 1e-8 V."""
_BLOCK = 8_000_000
"""Most cells times inputs that are solved at once, to bound the memory."""


_RESIDUAL, _CORRECTIONS = 1e-11, 6
"""Residual of ohmic cells relative to the largest voltage, and most corrections to it: one nearly always does."""


class AtRest(NamedTuple):
    """Inputs at rest."""

    v_cell: FloatArray
    """Voltages over the cells (input, row, column), volt."""
    i_cell: FloatArray
    """Currents into the cells' rows (input, row, column), ampere."""
    i_row: FloatArray
    """Currents out of the drivers (input, row), ampere."""
    i_column: FloatArray
    """Currents into the sense nodes (input, column), ampere."""
    lines: FloatArray
    """Voltages at the ends of the lines (input, line), volt: those of the drivers, or of lines that float."""
    outputs: FloatArray
    """Outputs of the lines' amplifiers (input, line), volt; without lines where there are none."""
    residual: float
    """Current that a cell is off by what it conducts at the voltage that the wires leave it, relative to the input's
    largest current of a cell: the worst."""


class _Found(NamedTuple):
    """What is found of inputs so far, changed in place."""

    v: FloatArray
    """Voltages over the cells (input, row, column), volt."""
    i: FloatArray
    """Currents of the cells (input, row, column), ampere, of those that are solved."""
    off: FloatArray
    """Current (input,) that a cell of these is off by, as in `AtRest`."""
    rounds: NDArray[np.int_]
    """Corrections so far (input,)."""


class ExplicitCrossbar:
    """A crossbar of devices whose current follows from voltage and state.

    Parameters
    ----------
    device
        The device of the cells.
    testbench
        The crossbar's resistances and states.

    Attributes
    ----------
    together
        Number of inputs to solve at once.
    factorizations
        How many there were so far.
    iterations
        Corrections of the input that took most, so far.
    """

    def __init__(self, device: Device, testbench: Testbench) -> None:
        crossbar = testbench.crossbar
        self._device, self._states = device, device.state_from_x(crossbar.state)
        self._network = Network(crossbar, crossbar.state.shape)
        self._factors: AnyFactors | None = None
        self._conductance = np.empty(0)
        self.together = max(1, _BLOCK // crossbar.state.size)
        self.factorizations, self.iterations = 0, 0

    @one_thread
    def solve(self, v_row: FloatArray, first: int) -> AtRest:
        """Solve for voltages of the drivers (input, line), volt; `first` is the number of the first input, for errors.

        Raises
        ------
        InputError
            If a current is beyond a float.
        ConvergenceError
            If there is no solution that Newton's method would find.
        """
        if self._factors is None:
            self._factorize_ohmic(v_row)
        if self._factors is not None and self._conducts_as_factorized(v_row):
            start = self._network.across(v_row)
        else:
            start = behind_own_wires(self._device, self._network, self._network.across(v_row), self._states)
        found = _Found(start.copy(), np.empty(start.shape), np.empty(len(start)), np.zeros(len(start), dtype=int))
        v, i, off, rounds = found
        left = self._correct(v_row, found, np.arange(len(v)))
        common = self._factors, self._conductance
        for one in left[:, None]:
            self._factors = None
            v[one] = np.where(np.isfinite(v[one]).all(), v[one], start[one])
            if len(v) == 1 or len(self._correct(v_row, found, one)):
                try:
                    v[one], made = self._damped(v_row[one], start[one])
                except ConvergenceError as error:
                    raise ConvergenceError(f"input {first + one[0]} has no operating point: {error}") from None
                rounds[one] += made
                i[one] = self._currents(v[one])
                off[one] = self._off(v[one], i[one], self._network.residual(v_row[one], v[one], i[one]))
        self._factors, self._conductance = common
        self.iterations = max(self.iterations, int(rounds.max()))
        return AtRest(v, i, i.sum(axis=2), i.sum(axis=1), v_row, np.empty((len(v), 0)), float(off.max()))

    def _correct(self, v_row: FloatArray, found: _Found, some: NDArray[np.int_]) -> NDArray[np.int_]:
        """Correct what is found of some inputs in place; return the inputs that are left unsolved."""
        v, rounds = found.v, found.rounds
        made, fresh, before = 0, False, np.full(len(v), np.inf)
        most = _MOST if len(some) == 1 else _COMMON
        if self._factors is not None and self._conducts_as_factorized(v_row[some]):
            v[some] = self._factors.correction(self._network.across(v_row[some]))
            rounds[some] += 1
        elif self._network.own_resistance().any():
            if self._factors is None and most:
                self._factorize(v[some])
                made, fresh = 1, True
            if self._factors is None:
                return some
            i = self._currents(v[some])
            before[some] = _largest(self._network.residual(v_row[some], v[some], i))
            # the guess may miss by far more than the drivers' voltages, of which rounding would be left: the first
            # time it is no correction, but what it leads to
            linear = i - self._conductance * v[some]
            leads_to = self._network.residual(v_row[some], np.zeros_like(linear), linear)
            v[some] = -self._factors.correction(leads_to)
            rounds[some] += 1
        while True:
            check_deadline()
            present = v[some]
            i = self._currents(present)
            missed = self._network.residual(v_row[some], present, i)
            size, scale = _largest(missed), _scale(present)
            ratio, solved = size / before[some], size <= _SOLVED * scale
            rounded = (size <= _ROUNDED * _scale(v_row[some])) & (ratio > _STUCK)
            if (solved | rounded).any():
                off = self._off(present, i, missed)
                solved = (solved & (off <= _SOLVED)) | rounded
                found.i[some[solved]], found.off[some[solved]] = i[solved], off[solved]
            some, missed, size, ratio = some[~solved], missed[~solved], size[~solved], ratio[~solved]
            if not len(some):
                return some
            remaining = _remaining(size / scale[~solved], ratio)
            if not np.isfinite(size).all() or (fresh and np.isinf(remaining).any()):
                return some
            factors, fresh = self._factors, made < most and remaining.sum() > _COST
            if fresh:
                factors, made = self._factorize(v[some]), made + 1
            elif factors is None or remaining.max() > 2.0 * _COST:
                return some
            v[some] -= factors.correction(missed)
            before[some] = size
            rounds[some] += 1

    def _factorize_ohmic(self, v_row: FloatArray) -> None:
        """Factorize cells that are ohmic up to the drivers' voltages, behind resistances: they need no guess."""
        highest = np.full((1, *self._states.shape), np.abs(v_row).max())
        conducted = self._device.slope("current", "v", highest[0], self._states) * highest[0]
        i = self._currents(highest[0])
        if self._network.own_resistance().any() and (np.abs(i - conducted) <= _OHMIC * np.abs(i)).all():
            self._factorize(highest)

    def _conducts_as_factorized(self, v_row: FloatArray) -> bool:
        """Whether the cells are ohmic up to the drivers' voltages, with the conductances of the factors."""
        highest = np.abs(v_row).max()
        i = self._currents(np.full(self._states.shape, highest))
        return bool((np.abs(i - self._conductance * highest) <= _OHMIC * np.abs(i)).all())

    def _off(self, v: FloatArray, i: FloatArray, missed: FloatArray) -> FloatArray:
        """Currents (input,) by which cells are off, as in `AtRest`, where they miss voltages (input, row, column)."""
        apart = self._currents(v - missed)
        apart -= i
        return _largest(apart) / _scale(i)

    def _damped(self, v_row: FloatArray, start: FloatArray) -> tuple[FloatArray, int]:
        """Voltages (1, row, column) of a single input by Newton's method with damped steps, and the number of these."""
        scale, rounds = float(_scale(v_row)[0]), 0

        def missed(unknowns: Unknowns) -> FloatArray:
            check_deadline()
            return self._network.residual(v_row, unknowns[0], self._currents(unknowns[0]))

        def correction(unknowns: Unknowns) -> tuple[Unknowns, float]:
            nonlocal rounds
            rounds += 1
            change = self._factorize(unknowns[0]).correction(missed(unknowns))
            return (change,), float(np.abs(change).max()) / scale

        return solve_damped((start,), missed, correction, scale, enough=_ROUNDED)[0], rounds

    def _factorize(self, v: FloatArray) -> AnyFactors:
        """Factorize at the mean of the slopes at voltages (input, row, column)."""
        self.factorizations += 1
        self._conductance = np.zeros(v.shape[1:])
        for each in v:
            self._conductance += self._device.slope("current", "v", each, self._states) / len(v)
        self._factors = self._network.factorize(0.0, self._conductance)
        return self._factors

    def _currents(self, v: FloatArray) -> FloatArray:
        return np.asarray(self._device.current(v, self._states))


class Ohmic(NamedTuple):
    """Ohmic cells at rest; the leading dimensions are those of the inputs."""

    v_cell: FloatArray
    """Voltage over each cell (..., row, column), volt."""
    i_row: FloatArray
    """Current out of each driver (..., row), ampere."""
    i_column: FloatArray
    """Current into each column's sense node (..., column), ampere."""


@one_thread
def solve_ohmic(network: Network, conductance: FloatArray, v_row: FloatArray) -> Ohmic:
    """Solve a crossbar of ohmic cells, factorized once for any number of inputs.

    Parameters
    ----------
    network
        The wires.
    conductance
        Conductance of each cell (row, column), siemens.
    v_row
        Voltages of the drivers (..., row), volt.

    Raises
    ------
    ConvergenceError
        If the resistances are too far apart for the digits of a float.
    """
    factors = network.factorize(0.0, conductance)
    v, largest = np.zeros((*v_row.shape[:-1], *network.shape)), np.abs(v_row).max(initial=0.0)
    for _ in range(_CORRECTIONS):
        v = v - factors.correction(network.residual(v_row, v, conductance * v))
        i = conductance * v
        if np.abs(network.residual(v_row, v, i)).max(initial=0.0) <= _RESIDUAL * largest:
            return Ohmic(v, i.sum(axis=-1), i.sum(axis=-2))
    raise ConvergenceError(TOO_FAR_APART)


def behind_own_wires(device: Device, network: Network, drive: FloatArray, states: FloatArray) -> FloatArray:
    """Voltages (input, row, column) that cells had alone on their wires, as a guess: ``v + R f(v) = u`` for each.

    It keeps Newton's method for all from exponentials of the voltages between the drivers (input, row, column).

    Raises
    ------
    InputError
        If the current at the drivers' voltages is beyond a float.
    """
    check_finite(np.asarray(device.current(drive, states)))
    v, own = drive, network.own_resistance()
    for _ in range(_GUESSES if own.any() else 0):
        step = (v - drive + own * device.current(v, states)) / (1.0 + own * device.slope("current", "v", v, states))
        v = v - step
        if not np.abs(step).max() > _GUESSED * np.abs(drive).max():
            break
    return np.where(np.isfinite(v), v, drive)


def at_rest(system: System, drive: FloatArray, states: FloatArray, scale: float) -> tuple[FloatArray, int]:
    """Unknowns of a network (unknown,) with the states (cell,) held and the drivers at voltages (row,).

    And the number of factorizations that it took. No capacitance draws a current; `scale` is that of voltages.

    Raises
    ------
    InputError
        If the current at the drivers' voltages is beyond a float.
    ConvergenceError
        If there is no solution that Newton's method would find.
    """
    cells, network = system.cells, system.network
    factorizations = 0

    def missed(unknowns: Unknowns) -> FloatArray:
        check_deadline()
        p = unknowns[0]
        currents, _ = cells.held(network.terminals(drive[None], p)[0], states)
        return network.misses(drive[None], p, currents[None], None)

    def correction(unknowns: Unknowns) -> tuple[Unknowns, float]:
        nonlocal factorizations
        factorizations += 1
        _, admittance = cells.held(network.terminals(drive[None], unknowns[0])[0], states)
        factors = network.factorize(0.0, admittance)
        change = factors.correction(missed(unknowns).reshape(1, *network.each)).reshape(1, -1)
        return (change,), float(np.abs(change).max(initial=0.0)) / scale

    start = network.start(drive)[None]
    if isinstance(cells, ExplicitCells) and isinstance(network, FloatingNetwork) and network.floats:
        v = voltage_over(network.terminals(drive[None], start)[0])
        check_finite(np.asarray(cells.device.current(v, states)))
        with suppress(ConvergenceError):  # a current may fall as the voltage rises, or there is no solution at all
            p, factorizations = solve_increasing(cells, network, drive[None], states[None], v[None], scale)
            return p[0], factorizations
    if isinstance(cells, ExplicitCells) and not network.stores:
        across = start[:, : states.size].reshape(1, *network.cells)
        alone = behind_own_wires(cells.of_crossbar, network, across, states.reshape(network.cells))
        start[:, : states.size] = alone.reshape(1, -1)
    else:
        check_finite(missed((start,)))
    enough = _HARDLY_HELD if isinstance(network, FloatingNetwork) and network.floats else SETTLED
    return solve_damped((start,), missed, correction, scale, enough=enough)[0][0], factorizations


def _largest(values: FloatArray) -> FloatArray:
    """Largest magnitude of each input's values (input, ...)."""
    # without an array of magnitudes: of large inputs, memory takes longer than arithmetic
    inputs = tuple(range(1, values.ndim))
    return np.asarray(np.maximum(values.max(axis=inputs), -values.min(axis=inputs)))


def _scale(values: FloatArray) -> FloatArray:
    """The same, or 1 if all are zero."""
    largest = _largest(values)
    return np.where(largest > 0.0, largest, 1.0)


def _remaining(size: FloatArray, ratio: FloatArray) -> FloatArray:
    """Corrections (input,) until errors of a relative size are no more, if they go on to fall by a ratio."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ratio < 1.0, np.log(_SOLVED / size) / np.log(ratio), np.inf)


class AnyCrossbar:
    """A crossbar of cells that have inner nodes, or conduct to the ground, such as Verilog-A modules.

    And one in which lines float.

    Each input is solved by itself. Parameters and attributes are those of `ExplicitCrossbar`.
    """

    together = 1

    def __init__(self, device: Device, testbench: Testbench) -> None:
        crossbar = testbench.crossbar
        self._shape = crossbar.state.shape
        self._states = device.state_from_x(crossbar.state).ravel()
        self._system = system(device, testbench)
        self.factorizations, self.iterations = 0, 0

    def solve(self, v_row: FloatArray, first: int) -> AtRest:
        """Solve for voltages of the drivers (1, line), as `ExplicitCrossbar.solve`."""
        cells, network = self._system.cells, self._system.network
        try:
            p, rounds = at_rest(self._system, v_row[0], self._states, float(_scale(v_row)[0]))
        except ConvergenceError as error:
            raise ConvergenceError(f"input {first} has no operating point: {error}") from None
        self.factorizations += rounds
        self.iterations = max(self.iterations, rounds)
        v = network.terminals(v_row, p[None])[0]
        currents = cells.held(v, self._states)[0]
        off = network.misses(v_row, p[None], currents[None], None)
        moved = cells.held(network.terminals(v_row, p[None] - off)[0], self._states)[0]
        i_row, i_column = network.ends(currents[None])
        residual = float(np.abs(moved - currents).max()) / float(_scale(currents[None])[0])
        v_cell, i_cell = voltage_over(v), currents if currents.ndim == 1 else currents[:, 0]
        each = 1, *self._shape
        lines = network.line_voltages(v_row, p[None])
        outputs = network.outputs(p[None])
        return AtRest(v_cell.reshape(each), i_cell.reshape(each), i_row, i_column, lines, outputs, residual)
