"""What no result may break, whatever computed it: states within their range, device equations, charge and energy.

These checks see what two runs that agree do not: a model that left its range in both, a current of the state's equation
in a column, a device that gives energy. They cost a few percent of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.errors import PhysicsError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.testbench import Testbench
from spicecim.waveforms import state_variable

ROUNDING = 1e-6
"""What currents, charges and powers may miss, relative to their peak: both engines keep them to 1e-9 and better."""
_LOOSE = 100.0
"""The same relative to ngspice's tolerance, where that is looser: the currents of its last iteration are linearized."""
_OVERSHOOT = 1e-3
"""Distance of x from its range, where the accuracy asked for is no looser: a step of ngspice may end beyond a stop, at
its default tolerance by up to 6e-4."""
_GIVEN = 0.01
"""Power that a Verilog-A module may give, relative to its largest: some hold a small electromotive force."""
_LEAST = 1e-3
"""Peak of a cell's or column's current, relative to the largest, below which it may miss as much as one of that."""
_SOLVED = 1e-12
"""Rounding of a current relative to the largest of a driver."""
_CHARGE_ROUNDING = 100.0
"""Rounding of a line's charge in ngspice, relative to a float's and the largest charge: up to 36 was seen."""
_SEEN = 1e-9
"""Largest voltage of a driver at the instants, relative to the drive's largest, for currents to tell anything."""
_NOTHING = 1e-21
"""Ampere and watt that are none: absolute tolerances of the engines."""
_MOST_VALUES = 1_000_000
"""Most cells and instants whose equations are evaluated; of more, some instants are chosen."""


class States(NamedTuple):
    """State variables s (time, cell) of the cells with the numbers `watched` (cell,), counted row by row."""

    s: FloatArray
    watched: NDArray[np.int_]


def check_physics(
    testbench: Testbench,
    time: FloatArray,
    variables: Mapping[str, FloatArray],
    states: States | None,
    tolerance: float = 0.0,
    device: Device | None = None,
) -> None:
    """Raise `PhysicsError` where the waveforms of an engine break a law.

    Parameters
    ----------
    testbench
        What was run.
    time
        Instants (time,), s.
    variables
        Arrays by the names and with the dimensions of `spicecim.waveforms.VARIABLES`.
    states
        States of cells; None where they cannot be seen.
    tolerance
        Relative tolerance that the engine solved its equations to.
    device
        The device of every cell, where it is built already.
    """
    if not testbench.device.equations_known:
        return  # nor is what it conducts to the ground
    allowed = min(max(ROUNDING, _LOOSE * tolerance), 0.1)
    if states is not None:
        _check_range(testbench, device or testbench.device.build(), time, states)
    if device is None:
        try:
            device = testbench.build_cells()
        except UnsupportedError:
            return  # a transistor of a PDK, which conducts and stores charge to gate and ground too
    highest = max(np.abs(variables[name]).max(initial=0.0) for name in ("v_row", "v_column") if name in variables)
    lines = testbench.lines()
    if highest < _SEEN * lines.drive.largest_voltage() or np.count_nonzero(~lines.floating) < 2:
        return  # what is left of the currents is rounding: there are none without voltages, or between floating lines
    conserved = not testbench.crossbar.parasitics().storing and device.is_balanced()
    if conserved:
        _check_charge(time, variables, allowed)
    if "i_cell" in variables:
        if conserved:
            _check_energy(testbench, time, variables, allowed)
        _check_cells(device, time, variables, states, allowed, _rounded_charge(testbench, time, highest))
    elif states is not None and testbench.crossbar.ideal and states.watched.size == testbench.crossbar.state.size:
        _check_columns(device, time, variables, states, allowed)


def _check_range(testbench: Testbench, device: Device, time: FloatArray, states: States) -> None:
    """Check that no state leaves its range, of a device whose equations keep it there."""
    if not device.keeps_range():
        return
    own = device.of_cells(states.watched)
    stops = own.stops()
    # where a device has stops, its x is cut off there
    x = own.x_from_state(states.s) if stops is None else (states.s - stops[0]) / (stops[1] - stops[0])
    allowed = max(_OVERSHOOT, testbench.analysis.accuracy)
    if x.size == 0 or -allowed <= x.min() <= x.max() <= 1.0 + allowed:
        return
    outside = np.maximum(np.maximum(x - 1.0, -x), 0.0)
    _raise_beyond(
        outside, allowed, time,
        lambda cell: f"cell ({', '.join(map(str, np.unravel_index(states.watched[cell[0]], testbench.shape)))})",
        "x is outside of its range from 0 to 1 by {:.3g} (a lower analysis.tolerance makes ngspice's steps shorter)",
    )  # fmt: skip


def _check_charge(time: FloatArray, variables: Mapping[str, FloatArray], allowed: float) -> None:
    """Check that what enters by the rows leaves by the columns."""
    missed = variables["i_row"].sum(axis=1) - variables["i_column"].sum(axis=1)
    scale = max(_largest_sum(variables["i_row"]), _largest_sum(variables["i_column"]))
    _raise_beyond(missed, allowed * scale, time, lambda _: "the columns", "they take less than the rows give by {:g} A")


def _check_energy(
    testbench: Testbench, time: FloatArray, variables: Mapping[str, FloatArray], allowed: float
) -> None:  # fmt: skip
    """Check at every instant that the drivers' power is what cells and resistances take (Tellegen's theorem)."""
    wires, i_cell = testbench.crossbar.parasitics(), variables["i_cell"]
    parts = [
        variables["v_row"] * variables["i_row"],
        -variables.get("v_column", np.zeros(1)) * variables["i_column"],
        -(variables["v_cell"] * i_cell).reshape(len(time), -1),
        -wires.sources * variables["i_row"] ** 2,
        -wires.senses * variables["i_column"] ** 2,
    ]
    # a segment carries the currents of the cells beyond it
    if wires.rows.any():
        parts.append(-(wires.rows[:, ::-1] * i_cell[:, :, ::-1].cumsum(axis=2) ** 2).reshape(len(time), -1))
    if wires.columns.any():
        parts.append(-(wires.columns * i_cell.cumsum(axis=1) ** 2).reshape(len(time), -1))
    missed = np.sum([part.sum(axis=1) for part in parts], axis=0)
    scale = max(map(_largest_sum, parts))
    _raise_beyond(
        missed, allowed * scale, time, lambda _: "the crossbar",
        "the power that the drivers give and nothing takes is {:g} W",
    )  # fmt: skip


def _check_cells(
    device: Device,
    time: FloatArray,
    variables: Mapping[str, FloatArray],
    states: States | None,
    allowed: float,
    rounded: FloatArray,
) -> None:
    """Check that the cells' currents are those of their equations, and that no cell gives energy."""
    v, i = variables["v_cell"], variables["i_cell"]
    if not _is_static(device):
        return  # what it stores flows back
    given = allowed if device.explicit else max(allowed, _GIVEN)
    power = v * i
    _raise_beyond(
        np.maximum(-power, 0.0), given * float(np.abs(power).max(initial=0.0)), time, _named("cell"),
        "the current flows against the voltage, which gives {:g} W",
    )  # fmt: skip
    if states is None:
        return
    chosen = _chosen(len(time), i[0].size)
    further = [variables[state_variable(name)][chosen] for name in device.further_units()]
    right = _current(device, v[chosen], states.s[chosen].reshape(v[chosen].shape), further)
    _raise_beyond(
        i[chosen] - right, allowed * _scales(i) + _solved_to(variables) + rounded[chosen, None, None], time[chosen],
        _named("cell"),
        "the current is above that of the cell's equation by {:g} A",
    )  # fmt: skip


def _check_columns(
    device: Device,
    time: FloatArray,
    variables: Mapping[str, FloatArray],
    states: States,
    allowed: float,
) -> None:
    """Check that the columns' currents are the sums of what the cells' equations give, with ideal wires."""
    if not _is_static(device) or device.further_units():
        return  # further states are seen with the cells alone
    v_row, i_column = variables["v_row"], variables["i_column"]
    v_column = variables.get("v_column", np.zeros((len(time), 1)))
    chosen = _chosen(len(time), states.watched.size)
    cells = states.s[chosen].reshape(len(chosen), v_row.shape[1], i_column.shape[1])
    current = device.current(v_row[chosen][:, :, None] - v_column[chosen][:, None, :], cells)
    scales = np.abs(current).sum(axis=1).max(axis=0)
    _raise_beyond(
        i_column[chosen] - current.sum(axis=1),
        allowed * np.maximum(scales, _LEAST * scales.max()) + _solved_to(variables), time[chosen],
        _named("column"), "the current is above that of the cells' equations by {:g} A",
    )  # fmt: skip


def _is_static(device: Device) -> bool:
    """Whether the current of a device follows from its voltage and its states alone."""
    if device.explicit or device.further_values():
        return True
    cell, still = device.examples()[0].cell(), np.zeros(1)
    if cell.unknowns > 1:
        return False
    terms = cell.terms(still, np.ones(1), cell.start(np.ones(1), device.state_from_x(np.full(1, 0.5))))
    return not terms.current_charge.any()


def _current(device: Device, v: FloatArray, s: FloatArray, further: Sequence[FloatArray]) -> FloatArray:
    """Currents of all cells by their voltages, states and further states (time, row, column)."""
    if not further:
        return np.asarray(device.current(v, s))
    voltages = v.reshape(len(v), -1).T.ravel()
    states = np.stack([part.reshape(len(v), -1).T.ravel() for part in (s, *further)], axis=1)
    found = device.of_points(len(voltages)).state_terms(voltages, states)
    return np.asarray(found.current.reshape(-1, len(v)).T.reshape(v.shape))


def _chosen(instants: int, cells: int) -> NDArray[np.int_]:
    """Instants to evaluate: all, or some from the first to the last."""
    return np.unique(np.linspace(0, instants - 1, max(2, min(instants, _MOST_VALUES // cells))).astype(int))


def _largest_sum(values: FloatArray) -> float:
    return float(np.abs(values).sum(axis=1).max(initial=0.0))


def _rounded_charge(testbench: Testbench, time: FloatArray, highest: float) -> FloatArray:
    """Current (time,) that the rounding of a line's charge leaves in its cells, over the step to each instant (A).

    Behind a corner of the drive ngspice's steps may be 1e-11 of the run: what is left of a charge then is a current.
    """
    wires = testbench.crossbar.parasitics()
    rows, columns = testbench.shape
    charge = highest * max(float(wires.row_capacitance.max()) * columns, float(wires.column_capacitance.max()) * rows)
    steps = np.diff(time, prepend=time[:1] - (time[1] - time[0]) if len(time) > 1 else time - 1.0)
    return np.asarray(_CHARGE_ROUNDING * np.finfo(float).eps * charge / np.abs(steps))


def _solved_to(variables: Mapping[str, FloatArray]) -> float:
    """Current (A) that rounding in the solution of the whole circuit may leave in any of its branches."""
    return _SOLVED * float(np.abs(variables["i_row"]).max(initial=0.0))


def _scales(values: FloatArray) -> FloatArray:
    """Peaks over time of values (time, ...), those far below the largest raised to a share of it."""
    peaks: FloatArray = np.abs(values).max(axis=0)
    return np.maximum(peaks, _LEAST * float(peaks.max(initial=0.0)))


def _named(what: str) -> Callable[[tuple[int, ...]], str]:
    return lambda place: f"{what} {place[0] if len(place) == 1 else place}"


def _raise_beyond(
    missed: FloatArray,
    limit: FloatArray | float,
    time: FloatArray,
    place: Callable[[tuple[int, ...]], str],
    reason: str,
) -> None:
    """Raise for the worst of the values (time, ...) at the first instant at which one is beyond its limit."""
    beyond = ~(np.abs(missed) <= limit + _NOTHING)
    if not beyond.any():
        return
    instant = int(np.argmax(beyond.reshape(len(time), -1).any(axis=1)))
    then = np.where(beyond[instant], np.abs(missed[instant]), -1.0)
    worst = tuple(int(index) for index in np.unravel_index(int(np.argmax(then)), then.shape))
    value = float(missed[instant][worst])
    raise PhysicsError(reason.format(value), place(worst), float(time[instant]), value)
