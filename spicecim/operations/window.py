"""What a device can be programmed to, and which polarity sets it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.quantities import shown
from spicecim.testbench import Testbench


def conductance(bench: Testbench, x: ArrayLike, voltage: float, gate: float | None = None) -> FloatArray:
    """Conductance (S) of cells in states x at a voltage (V): current over voltage, without wires.

    Parameters
    ----------
    bench
        The array; parameters of its device may differ from cell to cell.
    x
        Normalized states (row, column), or one for all cells.
    voltage
        The voltage (V) at which it is read.
    gate
        The voltage of the word lines (V) where cells have transistors; the largest of their drive if left out.

    Returns
    -------
    numpy.ndarray
        Conductances (row, column).

    Raises
    ------
    InputError
        If the voltage is 0, or no number.
    UnsupportedError
        If the device's equations are not known, as those of a SPICE subcircuit.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> sc.operations.conductance(bench, x=1.0, voltage=0.1)
    array([[0.001]])
    """
    if not np.isfinite(voltage) or not voltage:
        raise InputError(f"voltage: must be a number other than 0; it is {shown(voltage)}")
    device = bench.build_cells(bench.largest_gates() if gate is None else gate)
    states = device.state_from_x(np.broadcast_to(np.asarray(x, dtype=float), bench.shape))
    return np.asarray(np.broadcast_to(device.current(voltage, states), bench.shape)) / voltage


def target_values(target: ArrayLike) -> FloatArray:
    """Return a target as an array; raises InputError if it holds anything but numbers."""
    try:
        values = np.asarray(target)
    except ValueError:  # rows of different lengths
        raise InputError(f"target: must be numbers (row, column); it is {shown(target)}") from None
    if values.dtype.kind not in "fiu":
        raise InputError(f"target: must be numbers (row, column); it is {shown(target)}")
    return values.astype(float)


def check_target(
    bench: Testbench, target: FloatArray, quantity: str, voltage: float, gate: float | None = None
) -> FloatArray:  # fmt: skip
    """Return the conductances (row, column) of a target; raises InputError if a cell cannot have its own."""
    if target.shape != bench.shape:
        wanted = " x ".join(map(str, bench.shape))
        if target.ndim != 2:
            raise InputError(f"target: must be {wanted} numbers (row, column); it has {target.ndim} dimensions")
        raise InputError(f"target: has {' x '.join(map(str, target.shape))} values for {wanted} cells")
    if quantity not in ("conductance", "x"):
        raise InputError(f"quantity: must be 'conductance' or 'x'; it is {quantity!r}")
    if not np.isfinite(target).all():
        raise InputError("target: must be finite numbers")
    lowest, highest = (conductance(bench, x, voltage, gate) for x in (0.0, 1.0))
    least, most = (np.zeros(bench.shape), np.ones(bench.shape)) if quantity == "x" else (lowest, highest)
    slack = 1e-9 * (most - least)
    outside = (target < least - slack) | (target > most + slack)
    if outside.any():
        row, column = (int(index) for index in np.argwhere(outside)[0])
        unit, where = "", ""
        if quantity == "conductance":
            unit, where = " S", f" at the read voltage of {voltage:g} V"
            if target.min() >= 0 and target.max() <= 1:
                where += "; if the target is x, say so: quantity x (on the command line --quantity x)"
        # of a cell that does not conduct, the solver of cells with transistors leaves rounding
        low, high = (0.0 if abs(end) <= slack[row, column] else end for end in (least[row, column], most[row, column]))
        raise InputError(
            f"target: cell ({row}, {column}) is {target[row, column]:.4g}{unit}; its device takes "
            f"{low:.4g} to {high:.4g}{unit}{where}"
        )
    if np.any(highest <= lowest):
        raise InputError(f"read_voltage: at {voltage:g} V the device conducts no better at x = 1 than at x = 0")
    return conductance(bench, target, voltage, gate) if quantity == "x" else target


def check_told_apart(
    bench: Testbench, target: FloatArray, allowed: FloatArray, voltage: float, gate: float | None = None
) -> None:  # fmt: skip
    """Raise InputError if a read finds a cell at its target (S) in whatever state it is, within what is allowed (S)."""
    states = [conductance(bench, x, voltage, gate) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    alike = (np.abs(np.stack(states) - target) <= allowed).all(axis=0)
    if alike.any():
        row, column = (int(index) for index in np.argwhere(alike)[0])
        raise InputError(
            f"read_voltage: at {voltage:g} V cell ({row}, {column}) conducts as its target does, within the tolerance, "
            "from x = 0.1 to 0.9: a read does not tell its states apart. Read above the threshold of a selector, with "
            "a gate (read_gate) that opens the transistors, or lower the tolerance"
        )


def polarity(bench: Testbench, voltage: float, gate: float | None = None) -> float:
    """Return 1.0 if a voltage (V) from row to column sets a cell (x grows), -1.0 if the opposite one does.

    Where the equations are not known it is 1.0, the library's convention.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.2, 0.5]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> sc.operations.polarity(bench, 0.3)
    1.0
    >>> sc.operations.polarity(bench.model_copy(update={"device": sc.LibraryDevice(model="vteam")}), 0.3)
    -1.0
    """
    return -1.0 if speed(bench, voltage, gate) < speed(bench, -voltage, gate) else 1.0


def speed(bench: Testbench, voltage: float, gate: float | None = None) -> float:
    """dx/dt (1/s) of the first cell at a voltage (V) and x = 0.5; NaN where the equations are not known."""
    if not bench.device.equations_known:
        return np.nan
    memristor = bench.device.build().examples()[0]
    below, state, above = memristor.state_from_x(np.array([0.499, 0.5, 0.501]))
    if bench.only_ngspice() is not None or bench.cell is None:
        rate = memristor.rate(voltage, state)
    else:
        cells = bench.build_cells(bench.largest_gates() if gate is None else gate)
        rate = np.ravel(cells.rate(voltage, np.full(bench.shape, state)))[0]
    return float(np.squeeze(rate)) * 0.002 / float(above - below)
