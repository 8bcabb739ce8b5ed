"""Power of row drivers, cells and columns, and whether all of it is accounted for.

By Tellegen's theorem the power that the drivers deliver is, at every instant, what cells and resistances dissipate and
capacitances take up. `energy_balance` checks that.

A power is given at the instants of the run and halfway between them: see `spicecim.measure.course` for what it is in
between. All energies and averages are integrals of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from spicecim.errors import MeasurementError
from spicecim.fields import FloatArray
from spicecim.measure.course import Course, course_of, product
from spicecim.measure.grid import relative_error, warn_of_grid
from spicecim.measure.windows import Window, checked_window
from spicecim.testbench import DEFAULT_ACCURACY, Testbench
from spicecim.waveforms import check_waveforms, testbench_of

_AMPLIFIED: dict[str, tuple[str, str, float]] = {
    "row": ("v_row_sense", "i_row", 1.0),
    "column": ("v_sense", "i_column", -1.0),
}
"""Of the amplifiers at a kind of lines: output, the line's current, and its sign where it counts out of the output."""


def row_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that each row driver delivers, over time (time, row).

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.row_power(run).max()) * 1e6, 2)  # 100 mV times 100 uA
    10.0
    """
    check_waveforms(waveforms, "v_row", "i_row")
    return _watts(product(waveforms, waveforms["v_row"], waveforms["i_row"]), "power of the row driver")


def column_driver_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that each column's driver delivers, over time (time, column); none at virtual ground.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> float(sc.measure.column_driver_power(run).max())  # a column at virtual ground takes none
    0.0
    """
    check_waveforms(waveforms, "i_column")
    current = waveforms["i_column"]
    voltage = waveforms["v_column"] if "v_column" in waveforms else xr.zeros_like(current)
    return _watts(product(waveforms, voltage, -current), "power of the column's driver")


def total_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that all drivers deliver, over time (time,).

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.total_power(run).max()) * 1e6, 2)
    11.0
    """
    total = row_power(waveforms).sum("row")
    if "v_column" in waveforms:
        total = total + column_driver_power(waveforms).sum("column")
    return _watts(total, "power of all drivers")


def amplifier_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that the output of each column's amplifier delivers, over time (time, column).

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     columns={"sense": {"gain": 99, "feedback": "1 kohm"}},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.amplifier_power(run).max()) * 1e6, 3)  # 98.02 mV times 99.01 uA
    9.705
    """
    return _output_power(waveforms, "column")


def row_amplifier_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that the output of each row's amplifier delivers, over time (time, row).

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0, "frequency": 1e3},
    ...     rows={"sense": {"gain": 99, "feedback": "1 kohm"}},
    ...     columns={"drive": {"kind": "sine", "amplitude": 0.1, "frequency": 1e3}},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.row_amplifier_power(run).max()) * 1e6, 3)  # 98.02 mV times 99.01 uA
    9.705
    """
    return _output_power(waveforms, "row")


def _output_power(waveforms: xr.Dataset, line: Literal["row", "column"]) -> xr.DataArray:
    output, current, sign = _AMPLIFIED[line]
    check_waveforms(waveforms, output, current)
    return _watts(product(waveforms, waveforms[output], sign * waveforms[current]), f"power of the {line}'s amplifier")


def delivered_energy(waveforms: xr.Dataset) -> xr.DataArray:
    """Energy (J) that each row driver delivers over a run (row,).

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.delivered_energy(run).sum()) * 1e9, 3)  # 5 uW for 1 ms
    5.0
    """
    return _energy(row_power(waveforms)).assign_attrs(units="J", long_name="energy delivered by the row driver")


def total_energy(waveforms: xr.Dataset) -> xr.DataArray:
    """Energy (J) that the drivers of all lines deliver over a run.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.total_energy(run)) * 1e9, 3)
    5.5
    """
    check_waveforms(waveforms, "v_row", "i_row", "i_column")
    voltage, current = (waveforms[name].transpose("time", "row").values for name in ("v_row", "i_row"))
    if "v_column" in waveforms:
        columns, into = (waveforms[name].transpose("time", "column").values for name in ("v_column", "i_column"))
        voltage, current = np.concatenate([voltage, columns], axis=1), np.concatenate([current, -into], axis=1)
    lines = [xr.DataArray(each, {"time": waveforms["time"]}, ("time", "line")) for each in (voltage, current)]
    energy = _energy(product(waveforms, *lines)).sum("line")
    return energy.assign_attrs(units="J", long_name="energy delivered by all drivers")


def cell_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that each cell dissipates, over time (time, row, column); needs ``probe: cells``.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> (sc.measure.average_power(sc.measure.cell_power(run)).values.ravel() * 1e6).round(3)
    array([5. , 0.5])
    """
    check_waveforms(waveforms, "v_cell", "i_cell")
    return _watts(product(waveforms, waveforms["v_cell"], waveforms["i_cell"]), "power of the cell")


def column_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that the cells of each column dissipate, over time (time, column); needs ``probe: cells``.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.average_power(sc.measure.column_power(run))[0]) * 1e6, 3)
    5.5
    """
    return _watts(cell_power(waveforms).sum("row"), "power of the column's cells")


def average_power(
    power: xr.DataArray, window: Window | None = None, *, accuracy: float = DEFAULT_ACCURACY
) -> xr.DataArray:
    """Average a power (W) over a window.

    Parameters
    ----------
    power
        Power over time, such as `row_power` gives. A power of one's own goes in straight lines between its instants.
    window
        Start and stop (s); all of it by default.
    accuracy
        Error, relative to the mean magnitude of the power, above which there is a warning.

    Returns
    -------
    xarray.DataArray
        Averages (W); the attribute ``grid_error`` says how well the instants resolve them.

    Warns
    -----
    AccuracyWarning
        If the instants are too few for the accuracy.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.average_power(sc.measure.total_power(run))) * 1e6, 3)  # half of the peak of 10 uW
    5.0
    """
    course, corners = course_of(power)
    ends = np.array(checked_window(course.time, window))

    def average(of: Course) -> FloatArray:
        start, stop = of.integral(ends)
        return np.asarray((stop - start) / (ends[1] - ends[0]))

    like = power.isel(time=0, drop=True)
    mean = like.copy(data=average(course))
    magnitude = like.copy(data=average(Course(course.time, np.abs(course.ends), np.abs(course.middle))))
    error = 3.0 * relative_error(mean, like.copy(data=average(course.coarser(corners))), magnitude)
    name = f"average {power.attrs.get('long_name', 'power')}"
    warn_of_grid(error, accuracy, f"the {name}", stacklevel=3)
    return _watts(mean, name).assign_attrs(grid_error=error)


def worst_case_power(power: xr.DataArray, length: float = 0.0) -> xr.DataArray:
    """Return the largest average of a power (W) over any window of a length.

    Parameters
    ----------
    power
        Power over time, of any other dimensions.
    length
        Length of the window (s); 0 gives the largest instantaneous power.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> power = sc.measure.total_power(run)
    >>> [round(float(sc.measure.worst_case_power(power, length)) * 1e6, 3) for length in (0.0, 1e-3)]
    [10.0, 5.0]
    """
    course, _ = course_of(power)
    time = course.time
    span = float(time[-1] - time[0])
    if not 0.0 <= length <= span * (1 + 1e-9):
        raise MeasurementError(f"length must be between 0 and the {span:g} s of the waveform; it is {length:g} s")
    if length == 0.0:
        return _watts(power.max("time"), "worst-case power")
    ends, middle = course.ends.reshape(len(time), -1), course.middle.reshape(len(time) - 1, -1)
    energies = [_most_energy(Course(time, *one), length) for one in zip(ends.T, middle.T, strict=True)]
    like = power.transpose("time", ...).isel(time=0, drop=True)
    return _watts(like.copy(data=np.reshape(energies, like.shape) / length), "worst-case power")


def _most_energy(course: Course, length: float) -> float:
    """Largest integral of a course over any window of a length (s)."""
    first, last = course.time[0], max(course.time[0], course.time[-1] - length)
    starts = np.unique(np.clip(np.concatenate([course.time, course.time - length]), first, last))
    # Between two of these the energy is a cubic of the window's start; it turns where the powers at both ends of the
    # window are equal. Their difference is a parabola.
    begin, steps = starts[:-1], np.diff(starts)
    at_start, at_middle, at_end = (
        course.value(begin + part * steps + length) - course.value(begin + part * steps) for part in (0.0, 0.5, 1.0)
    )
    linear, square = 4.0 * at_middle - 3.0 * at_start - at_end, 2.0 * (at_start + at_end) - 4.0 * at_middle
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(linear**2 - 4.0 * square * at_start)
        turns = np.concatenate([begin + steps * 2.0 * at_start / (-linear + sign * root) for sign in (1.0, -1.0)])
    starts = np.concatenate([starts, turns[(turns > first) & (turns < last)]])
    return float((course.integral(starts + length) - course.integral(starts)).max())


@dataclass(frozen=True)
class EnergyBalance:
    """Energies (J) over a run: delivered by the drivers, those of amplifiers' outputs among them, and where it went.

    `sense` holds what sense resistances take and, of lines that end in an amplifier, their feedback resistances.

    With ideal wires and with resistances the powers balance at every instant, so what is left is rounding. A
    capacitance's stored energy is exact, while the other parts are integrals over the time grid: then the error is that
    of the grid.

    Examples
    --------
    >>> import spicecim as sc
    >>> balance = sc.measure.EnergyBalance(delivered=1e-9, cells=0.7e-9, wires=0.3e-9, source=0, sense=0, stored=0)
    >>> balance.error < 1e-12
    True
    """

    delivered: float
    cells: float
    wires: float
    source: float
    sense: float
    stored: float

    @property
    def error(self) -> float:
        """Energy that is not accounted for, relative to the largest of the parts."""
        parts = (self.cells, self.wires, self.source, self.sense, self.stored)
        scale = max(abs(self.delivered), *map(abs, parts))
        return abs(self.delivered - sum(parts)) / scale if scale else 0.0


def energy_balance(waveforms: xr.Dataset) -> EnergyBalance:
    """Account for the energy of a run; needs ``probe: cells``.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]], "wire_row": 250},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> balance = sc.energy_balance(run)
    >>> round(balance.wires / balance.delivered, 6), balance.error < 1e-9  # 250 ohm of 1250
    (0.2, True)
    """
    bench = testbench_of(waveforms)
    parts = bench.crossbar.parasitics()
    source, sense = xr.DataArray(parts.sources, dims="row"), xr.DataArray(parts.senses, dims="column")
    check_waveforms(waveforms, "v_row", "i_row", "i_column", "v_cell", "i_cell")
    if (waveforms.sizes["row"], waveforms.sizes["column"]) != bench.shape:
        raise MeasurementError("an energy balance needs all rows and columns of the crossbar")
    wires = stored = 0.0
    if not bench.crossbar.ideal:
        check_waveforms(waveforms, "v_row_node", "v_column_node")
        row_node, column_node = waveforms["v_row_node"], waveforms["v_column_node"]
        feed = waveforms["v_row"] - source * waveforms["i_row"]
        out = sense * waveforms["i_column"]
        if "v_column" in waveforms:
            out = out + waveforms["v_column"]
        # With capacitances the current of a segment is no sum of cell currents, but its voltage drop is exact.
        before, after = row_node.shift(column=1).fillna(feed), column_node.shift(row=-1).fillna(out)
        for ohm, drop in ((parts.rows, before - row_node), (parts.columns, column_node - after)):
            if ohm.any():
                conductance = np.divide(1.0, ohm, out=np.zeros_like(ohm), where=ohm > 0.0)
                wires += _weighted(waveforms, drop, xr.DataArray(conductance, dims=("row", "column")))
        for farad, line, node in (
            (parts.row_capacitance, "row", row_node), (parts.column_capacitance, "column", column_node)
        ):  # fmt: skip
            squares = (node**2 * xr.DataArray(farad, dims=line)).sum(["row", "column"])
            stored += 0.5 * float(squares.isel(time=-1) - squares.isel(time=0))
    taken, kept, passed = _feedback(waveforms, bench)
    return EnergyBalance(
        delivered=float(total_energy(waveforms)) + passed,
        cells=float(_energy(cell_power(waveforms)).sum()),
        wires=wires,
        source=_weighted(waveforms, waveforms["i_row"], source),
        sense=_weighted(waveforms, waveforms["i_column"], sense) + taken,
        stored=stored + kept,
    )


def _feedback(waveforms: xr.Dataset, bench: Testbench) -> tuple[float, float, float]:
    """Energies (J) of the amplifiers' feedback: dissipated, stored, and what the lines and the outputs give it."""
    amplifiers, rows = bench.lines().amplifiers, bench.shape[0]
    if amplifiers is None:
        return 0.0, 0.0, 0.0
    energies = np.zeros(3)
    for line, own, first in (("row", amplifiers.lines < rows, 0), ("column", amplifiers.lines >= rows, rows)):
        if not own.any():
            continue
        output, current, sign = _AMPLIFIED[line]
        check_waveforms(waveforms, f"v_{line}", output)
        sensed = waveforms.isel({line: amplifiers.lines[own] - first})
        across = sensed[f"v_{line}"] - sensed[output]
        taken = _weighted(sensed, across, xr.DataArray(1.0 / amplifiers.resistance[own], dims=line))
        squares = (across**2 * xr.DataArray(amplifiers.capacitance[own], dims=line)).sum(line)
        kept = 0.5 * float(squares.isel(time=-1) - squares.isel(time=0))
        energies += taken, kept, float(_energy(product(sensed, across, -sign * sensed[current])).sum())
    taken, kept, passed = energies.tolist()
    return taken, kept, passed


def _energy(power: xr.DataArray) -> xr.DataArray:
    """Integral of a power over all of its time."""
    course, _ = course_of(power)
    return power.transpose("time", ...).isel(time=0, drop=True).copy(data=course.integral(course.time[-1:])[0])


def _weighted(waveforms: xr.Dataset, values: xr.DataArray, weight: xr.DataArray) -> float:
    """Integral of the square of a waveform times a weight, summed over all else."""
    return float((_energy(product(waveforms, values, values)) * weight).sum())


def _watts(values: xr.DataArray, long_name: str) -> xr.DataArray:
    return values.assign_attrs(units="W", long_name=long_name)
