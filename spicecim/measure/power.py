"""Power of row drivers, cells and columns, and whether all of it is accounted for.

By Tellegen's theorem the power that the drivers deliver is, at every instant, what cells and resistances dissipate and
capacitances take up. `energy_balance` checks that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from spicecim.errors import MeasurementError
from spicecim.measure.windows import Window, average, in_window, integrate
from spicecim.waveforms import check_waveforms, testbench_of


def row_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that each row driver delivers, over time (time, row)."""
    check_waveforms(waveforms, "v_row", "i_row")
    return _watts(waveforms["v_row"] * waveforms["i_row"], "power of the row driver")


def delivered_energy(waveforms: xr.Dataset) -> xr.DataArray:
    """Energy (J) that each row driver delivers over a run (row,).

    Voltages and currents are taken as straight lines between the instants, whose product is integrated exactly: on the
    edges of a pulse the power is a parabola.
    """
    check_waveforms(waveforms, "v_row", "i_row")
    v, i = (waveforms[name].transpose("time", "row").values for name in ("v_row", "i_row"))
    steps = np.diff(waveforms["time"].values)
    ends = 2.0 * (v[:-1] * i[:-1] + v[1:] * i[1:]) + v[:-1] * i[1:] + v[1:] * i[:-1]
    attributes = {"units": "J", "long_name": "energy delivered by the row driver"}
    return xr.DataArray(steps @ ends / 6.0, dims="row", coords={"row": waveforms["row"]}, attrs=attributes)


def cell_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that each cell dissipates, over time (time, row, column); needs ``probe: cells``."""
    check_waveforms(waveforms, "v_cell", "i_cell")
    return _watts(waveforms["v_cell"] * waveforms["i_cell"], "power of the cell")


def column_power(waveforms: xr.Dataset) -> xr.DataArray:
    """Power (W) that the cells of each column dissipate, over time (time, column); needs ``probe: cells``."""
    return _watts(cell_power(waveforms).sum("row"), "power of the column's cells")


def average_power(power: xr.DataArray, window: Window | None = None) -> xr.DataArray:
    """Average (W) of a power over a window."""
    return _watts(average(in_window(power, window)), f"average {power.attrs.get('long_name', 'power')}")


def worst_case_power(power: xr.DataArray, length: float = 0.0) -> xr.DataArray:
    """Return the largest average of a power (W) over any window of a length.

    Parameters
    ----------
    power
        Power over time, of any other dimensions.
    length
        Length of the window (s); 0 gives the largest instantaneous power. Between instants the power is taken as a
        straight line.
    """
    time = power["time"].values
    span = float(time[-1] - time[0])
    if not 0.0 <= length <= span * (1 + 1e-9):
        raise MeasurementError(f"length must be between 0 and the {span:g} s of the waveform; it is {length:g} s")
    if length == 0.0:
        return _watts(power.max("time"), "worst-case power")
    energy = power.cumulative_integrate("time")
    # The average is largest for a window that starts or ends at an instant of the waveform, nearly: between instants
    # the energy is a parabola, whose extremes differ from these by the square of a time step.
    starts = np.unique(np.clip(np.concatenate([time, time - length]), time[0], max(time[0], time[-1] - length)))
    before = energy.interp(time=starts).values
    after = energy.interp(time=np.minimum(starts + length, time[-1])).values
    axis = energy.get_axis_num("time")
    return _watts(
        power.isel(time=0, drop=True).copy(data=((after - before) / length).max(axis=axis)), "worst-case power"
    )


@dataclass(frozen=True)
class EnergyBalance:
    """Energies (J) over a run: delivered by the drivers, and where it went.

    With ideal wires and with resistances the powers balance at every instant, so what is left is rounding. A
    capacitance's stored energy is exact, while the other parts are integrals over the time grid: then the error is that
    of the grid.
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
    """Account for the energy of a run; needs ``probe: cells``."""
    bench = testbench_of(waveforms)
    crossbar = bench.crossbar
    if (waveforms.sizes["row"], waveforms.sizes["column"]) != bench.shape:
        raise MeasurementError("an energy balance needs all rows and columns of the crossbar")
    check_waveforms(waveforms, "v_row", "i_row", "i_column", "v_cell", "i_cell")
    wires = stored = 0.0
    if not crossbar.ideal:
        check_waveforms(waveforms, "v_row_node", "v_column_node")
        row_node, column_node = waveforms["v_row_node"], waveforms["v_column_node"]
        feed = waveforms["v_row"] - crossbar.source_resistance * waveforms["i_row"]
        out = crossbar.sense_resistance * waveforms["i_column"]
        if crossbar.wire_row:
            # With capacitances the current of a segment is no sum of cell currents, but its voltage drop is exact.
            before = row_node.shift(column=1).fillna(feed)
            wires += float(integrate(((before - row_node) ** 2).sum(["row", "column"]))) / crossbar.wire_row
        if crossbar.wire_column:
            after = column_node.shift(row=-1).fillna(out)
            wires += float(integrate(((column_node - after) ** 2).sum(["row", "column"]))) / crossbar.wire_column
        squares = (row_node**2 + column_node**2).sum(["row", "column"])
        stored = 0.5 * crossbar.wire_capacitance * float(squares.isel(time=-1) - squares.isel(time=0))
    return EnergyBalance(
        delivered=float(integrate(row_power(waveforms)).sum()),
        cells=float(integrate(cell_power(waveforms)).sum()),
        wires=wires,
        source=float(integrate(waveforms["i_row"] ** 2).sum()) * crossbar.source_resistance,
        sense=float(integrate(waveforms["i_column"] ** 2).sum()) * crossbar.sense_resistance,
        stored=stored,
    )


def _watts(values: xr.DataArray, long_name: str) -> xr.DataArray:
    return values.assign_attrs(units="W", long_name=long_name)
