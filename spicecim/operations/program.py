"""Write-verify: pulses and reads in turn until every cell conducts what it should."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import InputError, ProgrammingError, ProgrammingWarning
from spicecim.fields import FloatArray
from spicecim.operations.cycles import CycleToCycle, cycle_to_cycle_of
from spicecim.operations.disturb import Disturb
from spicecim.operations.kept import reached_kept, warn_once
from spicecim.operations.operation import Kind, Operation
from spicecim.operations.pulses import Pulses, check_count, check_pulses, chosen_pulses
from spicecim.operations.schemes import SCHEMES, Scheme
from spicecim.operations.sequence import line_numbers, operate
from spicecim.operations.window import check_target, check_told_apart, conductance, target_values
from spicecim.quantities import input_quantity, shown
from spicecim.testbench import Testbench

_MOST_STEPS, _OVERSHOT = 3, 2
"""Levels by which the next pulse is stronger or weaker at most, and by which it is weaker beyond a target."""

_FAR = 0.1
"""Error of x that is told of a cell whose conductance is within the tolerance."""

READ_SHARE = 0.2
"""Read voltage relative to the SET pulses' where none is given."""


@dataclass
class _Program:
    """The array while it is programmed, and what was done to it."""

    bench: Testbench
    target: FloatArray
    span: FloatArray
    """Range of each cell's conductance (row, column), S."""
    tolerance: float
    pulses: dict[str, Pulses]
    scheme: Scheme
    read: Operation
    """A read of the first row."""
    engine: str
    most: int
    cycles: CycleToCycle | None
    asked_x: FloatArray | None
    """The target as x (row, column), if it is of x."""
    counts: NDArray[np.int_] = field(init=False)
    found: FloatArray = field(init=False)
    """Conductances as they were found (row, column), NaN before; S."""
    latest: FloatArray = field(init=False)
    """Those of the last read (row, column), NaN before; S."""
    doing: str = ""
    disturb: Disturb = field(init=False)
    history: list[tuple[str, int, int, float, float]] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros(self.bench.shape, dtype=int)
        self.disturb = Disturb(self.bench.shape)
        self.found, self.latest = np.full((2, *self.bench.shape), np.nan)

    def operate(self, operation: Operation, worst: float) -> FloatArray:
        """Run an operation on one row, note what it did, and return the currents of the columns (column,), A."""
        draws = self.cycles is not None and operation.kind != "read"
        found_as = self.cycles.drawn(self.bench, len(self.history)) if self.cycles is not None and draws else None
        done = operate(self.bench, operation, self.engine, found_as=found_as)
        cells = int(self.disturb.note(operation, done.moved).sum())
        self.bench = done.bench
        self.warnings += done.warnings
        self.history.append((operation.kind, operation.rows[0], cells, done.energy, worst))
        return done.current

    def how_far(self) -> str:
        """What is done, for whoever ends it; empty before the first operation."""
        return f"{self.doing}, after {len(self.history)} operations" if self.history else ""

    def conductances(self, row: int) -> FloatArray:
        """Read the conductances (column,) of a row, S."""
        read = self.read.model_copy(update={"rows": (row,)})
        found = self.operate(read, np.nan) / float(self.read.voltage)
        self.latest[row] = found
        return found

    def follow(self, by: str, passes: int, progress: Callable[[float], None] | None) -> None:
        """Go through the rows with cells off their targets, and read all rows, until there are none."""
        columns = np.arange(self.bench.shape[1])
        for number in range(passes):
            missed = ~(np.abs(self.latest - self.target) <= self.tolerance * self.span)
            rows = np.flatnonzero(missed.any(axis=1)).tolist()
            if not rows:
                break
            for done, row in enumerate(rows):
                self.doing = f"writing row {row} in pass {number + 1} of {passes} at most"
                for group in [columns] if by == "row" else [*columns[missed[row]][:, None]]:
                    self.write(row, group)
                if progress is not None:
                    progress((number + (done + 1) / len(rows)) / passes)
            self.doing = f"reading all rows after pass {number + 1}"
            for each in range(self.bench.shape[0]):
                self.conductances(each)

    def write(self, row: int, columns: NDArray[np.int_]) -> None:
        """Pulse cells of a row until all are at their targets, or have had their pulses."""
        target, span = self.target[row], self.span[row]
        level = {kind: np.zeros(len(target), dtype=int) for kind in self.pulses}
        before = self.conductances(row)
        self.found[row] = np.where(np.isnan(self.found[row]), before, self.found[row])
        for _ in range(self.most):
            error = (before - target) / span
            missed = columns[np.abs(error[columns]) > self.tolerance]
            if not len(missed):
                return
            pulsed: dict[str, NDArray[np.int_]] = {}
            kinds: tuple[tuple[Kind, float], ...] = ("set", 1.0), ("reset", -1.0)
            for kind, direction in kinds:
                cells = missed[direction * error[missed] < 0]
                if len(cells):
                    pulsed[kind] = cells
                    self._pulse(kind, row, cells, level[kind][cells], float(np.abs(error[cells]).max()))
            after = self.conductances(row)
            for kind, direction in kinds:
                if kind in pulsed:
                    cells = pulsed[kind]
                    moved = direction * (after - before)[cells] / span[cells]
                    left = direction * (target - after)[cells] / span[cells]
                    stronger = level[kind][cells] + _steps(moved, left)
                    level[kind][cells] = np.clip(stronger, 0, self.pulses[kind].levels - 1)
            before = after

    def _pulse(self, kind: Kind, row: int, columns: NDArray[np.int_], level: NDArray[np.int_], worst: float) -> None:
        pulses = self.pulses[kind]
        self.operate(_operation(kind, row, columns.tolist(), pulses, level, self.scheme), worst)
        self.counts[row, columns] += 1


def _operation(
    kind: Kind, row: int, columns: list[int], pulses: Pulses, level: NDArray[np.int_], scheme: str
) -> Operation:  # fmt: skip
    """A pulse on cells of a row, each with its own level."""
    return Operation(
        kind=kind, rows=[row], columns=columns, scheme=cast(Scheme, scheme),
        voltage=pulses.voltages(level), width=pulses.widths(level), gate=pulses.gate,
    )  # fmt: skip


def _steps(moved: FloatArray, left: FloatArray) -> NDArray[np.int_]:
    """Levels by which the next pulse is to be stronger, by how far the last one moved a cell and how far it has to go.

    A level is taken to double the movement. A cell that did not move is tried a level stronger.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.floor(np.log2(left / moved))
    steps = np.where(moved > 0, np.clip(steps, -_MOST_STEPS, _MOST_STEPS), 1)
    return np.where(left > 0, steps, -_OVERSHOT).astype(int)


def program(
    bench: Testbench,
    target: ArrayLike,
    *,
    quantity: str = "conductance",
    tolerance: float = 0.01,
    set_pulses: Pulses | None = None,
    reset_pulses: Pulses | None = None,
    scheme: str | None = None,
    by: str = "row",
    most_pulses: int = 30,
    passes: int = 3,
    read_voltage: float | str | None = None,
    cycle_to_cycle: Any = None,
    seed: int | None = None,
    read_gate: float | str | None = None,
    engine: str = "reference",
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Program an array by write-verify: pulse, read, decide, until every cell conducts what it should.

    The rows are programmed one after the other. A row is read (its drivers at the read voltage, all other lines at
    0 V); cells below their target get a SET pulse, cells above it a RESET pulse, those within the tolerance none. The
    next pulse of a cell is stronger if the last one moved it by less than half of what is left, by a level for every
    factor of two, and weaker if it moved it by more than that. Writing disturbs half-selected cells: in the end all
    rows are read, and those with a cell off its target are programmed again, in up to `passes` passes.

    Parameters
    ----------
    bench
        The array in its initial states. Of its drive, only the largest voltage is used, where pulses are left out.
    target
        Conductance at the read voltage (S), or x, of each cell (row, column).
    quantity
        ``"conductance"`` or ``"x"``: what the target is of.
    tolerance
        Allowed error of a conductance, relative to the range of its cell (x from 0 to 1).
    set_pulses, reset_pulses
        The pulses; by default those that `spicecim.operations.chosen_pulses` chooses.
    scheme
        What unselected lines are at (see `spicecim.operations.schemes`): V/2 if left out, or, where cells have
        transistors, ``"word_lines"``, which selects rows by their word lines.
    by
        ``"row"``: the cells of a row get their pulses at once, each with the width and voltage of its own level;
        ``"cell"``: one cell after the other. Where word lines run along columns, pulses whose voltage differs by level
        are for one cell after the other.
    most_pulses
        Rounds of pulse and read that a row (or cell) gets in one pass.
    passes
        How often the array is gone through at most.
    read_voltage
        Voltage of the reads (V); a fifth of the SET pulses' if left out. Cells with a selector need one above its
        threshold.
    cycle_to_cycle
        Parameters that every cell draws anew about its own value for every pulse that writes, such as
        ``{"Vp": lognormal(0.05)}``, as `spicecim.vary` takes them; a read draws nothing. It hands on x.
    seed
        Whole number that goes with it: the same gives the same pulses in both engines.
    read_gate
        Voltage (V) of the word lines of reads, where cells have transistors; the largest of their drive if left out.
    engine
        The name of an engine.
    progress
        Called with the fraction of the rows of a pass that is done.

    Returns
    -------
    xarray.Dataset
        Per cell (row, column): ``target`` and ``result``, the conductance (S) of the last read; ``x``; ``target_x``, if
        the target is of x; ``error``, of the conductance, relative to the cell's range; ``converged``, whether it is
        within the tolerance; ``pulses``; ``disturb``, the largest change, with its sign, of x since the cell was last
        written, by operations in which it was not selected; ``disturb_at_end``, what there is of it at the end.
        ``energy`` (J) is what the drivers of all lines delivered. The history is over ``step``, an operation each:
        ``step_kind``, ``step_row``, ``step_cells`` (how many were selected), ``step_energy`` (J), ``step_error`` (the
        largest before a pulse).

    Raises
    ------
    InputError
        If a target is outside of its device's range, a read does not tell states apart, or an argument is not valid.
    ProgrammingError
        If no cell that was off its target came nearer: the pulses do not program the device. It says how far the cells
        came, and its attribute ``result`` is what they came to. Or if an operation failed after others were done: the
        error is its cause, and ``result`` is what was reached before, NaN where no cell was read yet, with an attribute
        ``unfinished`` that says how far it came. An interrupt (`KeyboardInterrupt`) and any other exception have such a
        ``result``, too.

    Warns
    -----
    ProgrammingWarning
        If a cell is not within the tolerance at the end; or, of a target x, if it is and is in another state, as a read
        does not tell both apart.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic"},
    ...     crossbar={"state": np.full((2, 3), 0.1)},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> done = sc.program(bench, [[0.2, 0.4, 0.6], [0.9, 0.7, 0.1]], quantity="x")
    >>> bool(done.converged.all()), bool(abs(done.error).max() < 0.01)
    (True, True)
    """
    if not isinstance(bench, Testbench):
        raise InputError(f"bench: must be a Testbench; it is {shown(bench)}")
    tolerance = input_quantity("tolerance", tolerance)
    if scheme is None:
        scheme = "v/2" if bench.cell is None else "word_lines"
    _check_choices(by, scheme, tolerance, most_pulses, passes)
    for name, pulses in (("set_pulses", set_pulses), ("reset_pulses", reset_pulses)):
        if pulses is not None:
            check_pulses(name, pulses)
    if set_pulses is None or reset_pulses is None:
        chosen = chosen_pulses(bench)
        set_pulses, reset_pulses = set_pulses or chosen[0], reset_pulses or chosen[1]
    if read_voltage is None:
        read_voltage = READ_SHARE * set_pulses.voltage
    volts = input_quantity("read_voltage", read_voltage, "V")
    if volts <= 0:
        raise InputError(f"read_voltage: must be above 0 V; it is {volts:g}")
    gate = None if read_gate is None else input_quantity("read_gate", read_gate, "V")
    read = Operation(kind="read", rows=[0], voltage=volts, width=set_pulses.width, gate=gate)
    kinds: tuple[tuple[Kind, Pulses], ...] = ("set", set_pulses), ("reset", reset_pulses)
    for kind, pulses in kinds:
        _operation(kind, 0, [0], pulses, np.zeros(1, dtype=int), scheme).testbench(bench)  # says what does not fit
    asked = target_values(target)
    wanted = check_target(bench, asked, quantity, volts, gate)
    span = conductance(bench, 1.0, volts, gate) - conductance(bench, 0.0, volts, gate)
    if quantity == "x":
        check_told_apart(bench, wanted, tolerance * span, volts, gate)
    work = _Program(
        bench, wanted, span, tolerance, {"set": set_pulses, "reset": reset_pulses}, cast(Scheme, scheme), read, engine,
        most_pulses, cycle_to_cycle_of(cycle_to_cycle, seed, bench), asked if quantity == "x" else None,
    )  # fmt: skip
    with reached_kept(lambda: _labeled(work), work.how_far, work.warnings):
        work.follow(by, passes, progress)
    warn_once(work.warnings, stacklevel=3)
    result = _labeled(work)
    _judge(result, (work.found - wanted) / span, tolerance, _undone(work) + _behind_wires(work))
    if quantity == "x":
        _judge_states(result, asked, volts, _behind_wires(work))
    return result


def _check_choices(by: str, scheme: str, tolerance: float, most_pulses: int, passes: int) -> None:
    if scheme not in SCHEMES:
        raise InputError(f"scheme: must be one of {', '.join(SCHEMES)}; it is {scheme!r}")
    if by not in ("row", "cell"):
        raise InputError(f"by: must be 'row' or 'cell'; it is {by!r}")
    if not 1e-6 <= tolerance <= 1.0:
        raise InputError(f"tolerance: must be between 1e-6 and 1; it is {tolerance:g}")
    for name, value in (("most_pulses", most_pulses), ("passes", passes)):
        check_count(name, value, 100_000)


def _labeled(work: _Program) -> xr.Dataset:
    error = (work.latest - work.target) / work.span
    kinds, rows, cells, energies, worst = zip(*work.history, strict=True)
    cell = ("row", "column")
    result = xr.Dataset(
        {
            "target": (cell, work.target, {"units": "S", "long_name": "conductance asked for"}),
            "result": (cell, work.latest, {"units": "S", "long_name": "conductance of the last read"}),
            "x": (cell, work.bench.crossbar.state, {"units": "1", "long_name": "state at the end"}),
            "error": (cell, error, {"units": "1", "long_name": "error relative to the cell's range"}),
            "converged": (cell, np.abs(error) <= work.tolerance, {"long_name": "whether it is within the tolerance"}),
            "pulses": (cell, work.counts, {"units": "1", "long_name": "pulses"}),
            **work.disturb.variables(),
            "energy": ((), float(np.sum(energies)), {"units": "J", "long_name": "energy by all drivers"}),
            "step_kind": ("step", np.array(kinds)),
            "step_row": ("step", np.array(rows)),
            "step_cells": ("step", np.array(cells), {"long_name": "cells that were selected"}),
            "step_energy": ("step", np.array(energies), {"units": "J", "long_name": "energy by all drivers"}),
            "step_error": ("step", np.array(worst), {"units": "1", "long_name": "largest error before the pulse"}),
        },
        coords=line_numbers(work.bench.shape),
        attrs={"engine": work.engine, "scheme": work.scheme, "tolerance": work.tolerance},
    )
    if work.asked_x is not None:
        result["target_x"] = (cell, work.asked_x, {"units": "1", "long_name": "x asked for"})
    return result


def _undone(work: _Program) -> str:
    """What to say of cells that moved while they were not selected by more than the tolerance; empty if none did."""
    moved = np.abs(work.disturb.largest)
    row, column = (int(index) for index in np.unravel_index(np.argmax(moved), moved.shape))
    if moved[row, column] <= work.tolerance:
        return ""
    volts = max(float(pulses.voltages([pulses.levels - 1])[0]) for pulses in work.pulses.values())
    why = {
        "v/2": f"half-selected cells see up to {volts / 2.0:.3g} V: lower the pulses' voltage, or take the scheme v/3",
        "v/3": f"they see up to {volts / 3.0:.3g} V: lower the pulses' voltage",
        "grounded": f"those of the selected row see the whole {volts:.3g} V: take the scheme v/2 or v/3",
        "floating": "sneak paths give them a part of the voltage: take the scheme v/2 or v/3",
        "word_lines": f"transistors that are off pass some of the {volts:.3g} V: lower the pulses' voltage",
    }[work.scheme]
    return (
        f"; writing a cell undoes others, x of unselected ones changed by up to {moved[row, column]:.2g}, that of cell "
        f"({row}, {column}), and by more than {work.tolerance:g} in {int((moved > work.tolerance).sum())} of "
        f"{moved.size} cells, because {why}"
    )


def _behind_wires(work: _Program) -> str:
    """What to say where resistances count in what a read finds."""
    if not work.bench.crossbar.parasitics().resistive:
        return ""
    return "; a read finds the cell with the resistances of its lines, drivers and sense node in series"


def _judge(result: xr.Dataset, before: FloatArray, tolerance: float, why: str) -> None:
    """Raise or warn if cells are off their targets; `why` is what may be said of the reasons."""
    missed = ~result["converged"].values
    if not missed.any():
        return
    error = result["error"].values
    row, column = (int(index) for index in np.unravel_index(np.argmax(np.abs(error)), error.shape))
    target, reached = (float(result[name][row, column]) for name in ("target", "result"))
    worst = (
        f"cell ({row}, {column}) came to {reached:.4g} S instead of {target:.4g} S by "
        f"{int(result['pulses'][row, column])} pulses, {abs(error[row, column]):.2%} of its range off{why}"
    )
    off = np.abs(before) > tolerance
    if off.any() and not np.any(np.abs(error[off]) < np.abs(before[off]) - 0.1 * tolerance):
        raise ProgrammingError(
            f"the pulses do not program the device: no cell came nearer to its target; {worst}", result
        )
    warnings.warn(
        ProgrammingWarning(f"{int(missed.sum())} of {missed.size} cells are off their targets; {worst}"), stacklevel=3
    )


def _judge_states(result: xr.Dataset, target: FloatArray, volts: float, why: str) -> None:
    """Warn if a cell conducts as its target does, and is in another state than it."""
    x = result["x"].values
    off = np.where(result["converged"].values, np.abs(x - target), 0.0)
    row, column = (int(index) for index in np.unravel_index(np.argmax(off), off.shape))
    if off[row, column] > _FAR:
        warnings.warn(
            ProgrammingWarning(
                f"x of cell ({row}, {column}) is {x[row, column]:.3g} instead of {target[row, column]:.3g}: a read at "
                f"{volts:g} V does not tell both apart within the tolerance, {result.attrs['tolerance']:g} of the "
                f"range of its conductance; lower the tolerance, or give conductances{why}"
            ),
            stacklevel=3,
        )
