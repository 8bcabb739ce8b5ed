"""The engine `reference`: a testbench to waveforms, at any instants asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices.device import Device
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.physics import check_physics
from spicecim.quantities import shown
from spicecim.reference.coupled import TOLERANCE as COUPLED_TOLERANCE
from spicecim.reference.coupled import follow_coupled
from spicecim.reference.errors import Compared, Errors, relative_to_peaks
from spicecim.reference.excitation import drive_slopes
from spicecim.reference.following import Collocated, Flowing, Follower
from spicecim.reference.ideal import follow_flowing
from spicecim.reference.integrated import follow_integrated
from spicecim.reference.network import Network
from spicecim.reference.readout import Block
from spicecim.reference.record import Record
from spicecim.reference.wired import TOLERANCE as WIRED_TOLERANCE
from spicecim.reference.wired import follow_wired
from spicecim.reference.wiring import Wiring
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

NO_EQUATIONS = "the reference engine has no equations for a SPICE subcircuit"

_COARSE = 30.0
"""Ratio of the tolerances of two runs that are compared, and of a run that misses the accuracy to the next."""
_FINEST = 1e-2
"""Tolerance relative to the first one below which no further run is made."""
_SAFETY = 1.5
"""Of the difference from a coarser run at stops, what is stated: the finer run may be no nearer where cells drive
themselves ever faster."""
_LEAST_AT_STOPS = 20.0
"""Estimated error of x behind wires, relative to the tolerance of a step, below which it is not told of devices with
hard stops: single steps of Pershin and Di Ventra's device were off by up to 11 tolerances unseen."""
_ROUNDING = 1e-9
"""Part of the duration that an instant may lie beyond it."""


def simulate_reference(testbench: Testbench, *, time: ArrayLike | None = None) -> xr.Dataset:
    """Run a testbench in the numpy core.

    With ideal wires every cell sees its row's driver and virtual ground, and the cells do not know of each other.
    Resistive wires around models of the library are solved with the states (see `wired`); with a capacitance, or around
    Verilog-A modules, cells and wires are one system (see `coupled`).

    Parameters
    ----------
    testbench
        What to simulate.
    time
        Instants (s) at which the waveforms are wanted, strictly increasing, from 0 to the duration at most; by default
        `Testbench.time_grid`.

    Returns
    -------
    xarray.Dataset
        Waveforms. Attributes ``state_error`` (of x) and ``current_error`` (of a column's current relative to its peak,
        the largest) are estimates, as `spicecim.accuracy` measures errors: against tables half as dense or, where a
        device's rate does not separate, a run at a coarser tolerance; with resistive wires, what the estimated errors
        of all steps come to. There, attribute ``convergence`` says how the network was solved, and runs that miss the
        accuracy of the testbench's analysis are made again at tighter tolerances.

    Raises
    ------
    UnsupportedError
        If the device is a SPICE subcircuit.
    VerilogAError, ModelError
        If the device is a Verilog-A module that cannot be used as it stands.
    InputError
        If the instants are not increasing or not between 0 and the duration, or if a current or rate overflows.
    ConvergenceError
        If a device whose rate does not separate, or a crossbar with resistive wires, has no solution.
    TimeLimitError
        If the run takes longer than its time limit (see `spicecim.deadline`).
    """
    check_covered(testbench)
    labels = testbench.time_grid() if time is None else _checked_instants(time, testbench.duration)
    # ngspice's last instant may miss the duration by rounding.
    instants = np.minimum(labels, testbench.duration)
    device = _device(testbench)
    record = Record(testbench, device, instants)
    with np.errstate(over="ignore", invalid="ignore"):
        run = _follow(testbench, device, record)
        variables = record.variables()
    check_physics(testbench, instants, variables, record.states())
    attributes: dict[str, str | float] = {
        "engine": "reference",
        "engine_version": __version__,
        "device_backend": "numpy",
        "spicecim_version": __version__,
        "state_error": float(run.errors.state),
        "current_error": float(run.errors.current),
        **run.attributes,
        **testbench.device.provenance(),
    }
    return make_waveforms(testbench, labels, variables, attributes)


def check_covered(testbench: Testbench) -> None:
    """Raise `UnsupportedError` if the reference engine does not cover a testbench."""
    _device(testbench)


def takes_long(testbench: Testbench) -> bool:
    """Whether a run takes many times as long as one of a small crossbar in ngspice: where all is one system."""
    return _is_coupled(testbench, _device(testbench))


class _Run(NamedTuple):
    """Estimated errors, and what else there is to say of a run."""

    errors: Errors
    attributes: Mapping[str, str] = MappingProxyType({})


def _device(testbench: Testbench) -> Device:
    if not testbench.device.equations_known:
        raise UnsupportedError(f"device.subcircuit: {NO_EQUATIONS}; choose the engine ngspice alone")
    return testbench.device.build()


def _is_resistive(testbench: Testbench) -> bool:
    crossbar = testbench.crossbar
    return bool(
        crossbar.wire_row or crossbar.wire_column or crossbar.source_resistance or crossbar.sense_resistance
    )  # fmt: skip


def _is_coupled(testbench: Testbench, device: Device) -> bool:
    """Whether cells and wires have to be solved as one system of differential and algebraic equations."""
    if device.explicit:
        return _is_resistive(testbench) and bool(testbench.crossbar.wire_capacitance)
    # A module may conduct to the ground: then the column does not take what the row gives.
    return _is_resistive(testbench) or not device.is_balanced()


def _follow(testbench: Testbench, device: Device, record: Record) -> _Run:
    """Follow the cells and write them to the record."""
    crossbar, initial = testbench.crossbar, device.state_from_x(testbench.crossbar.state)
    if _is_coupled(testbench, device):
        return _follow_coupled(testbench, device, initial, record)
    if _is_resistive(testbench):
        return _follow_wired(testbench, device, initial, record)
    if crossbar.wire_capacitance:
        record.add_row_currents(_into_ideal_rows(testbench, record.instants))
    if device.separable:
        return _Run(follow_flowing(device, testbench.drive, testbench.duration, initial, record))
    return _Run(follow_integrated(device, testbench.drive, testbench.duration, initial, record))


def _into_ideal_rows(testbench: Testbench, instants: FloatArray) -> FloatArray:
    """Currents (time, row) that the drivers feed into the capacitances of their wires, if these have no resistance."""
    rows, columns = testbench.shape
    slopes = drive_slopes(testbench.drive, rows, testbench.duration, instants)
    return columns * testbench.crossbar.wire_capacitance * slopes


def _follow_coupled(
    testbench: Testbench, device: Device, initial: FloatArray, record: Record
) -> _Run:  # fmt: skip
    """Follow cells and wires together.

    The run at a coarser tolerance tells how large the currents are, for the other's errors to count relative to.
    """
    cells: Follower
    cells = Flowing(device) if device.separable else Collocated(device.cell())
    given = (cells, Wiring(testbench.crossbar, testbench.shape), testbench.drive, testbench.duration, initial)
    compared, tolerance = Compared(device, record.instants, initial.shape), COUPLED_TOLERANCE

    def keep(chosen: slice, block: Block) -> None:
        record.write_wires(chosen, block)
        compared.keep(chosen, block.states, block.i_column)

    outcome = follow_coupled(*given, record.instants, keep, tolerance=_COARSE * tolerance)
    while True:
        compared.start_another()
        outcome = follow_coupled(*given, record.instants, keep, tolerance=tolerance, peaks=outcome.peaks)
        errors = compared.errors(testbench.drive.cycle())
        if max(errors) <= testbench.analysis.accuracy or tolerance < _FINEST * COUPLED_TOLERANCE:
            return _Run(errors, {"convergence": outcome.report})
        tolerance /= _COARSE


def _follow_wired(testbench: Testbench, device: Device, initial: FloatArray, record: Record) -> _Run:
    """Follow the cells behind resistive wires.

    Where a cell meets a hard stop, or drives itself there ever faster behind a resistance, the errors of the steps that
    are carried on tell too little: a run at a coarser tolerance shows more.
    """
    given = (device, Network(testbench.crossbar, testbench.shape), testbench.drive, testbench.duration, initial)
    compared, tolerance = Compared(device, record.instants, initial.shape) if device.stops() else None, WIRED_TOLERANCE

    def keep(chosen: slice, states: FloatArray, _: FloatArray, i_cell: FloatArray) -> None:
        record.write_cells(chosen, slice(None), slice(None), states, i_cell)
        if compared:
            compared.keep(chosen, states, i_cell.sum(axis=1))

    if compared:
        follow_wired(*given, record.instants, keep, tolerance=_COARSE * tolerance)
    while True:
        record.clear()
        if compared:
            compared.start_another()
        course = follow_wired(*given, record.instants, keep, tolerance=tolerance)
        errors = Errors(course.error, relative_to_peaks(course.current_error, record.i_column))
        if compared:
            found = compared.errors(testbench.drive.cycle())
            least = _LEAST_AT_STOPS * tolerance
            stated = max(errors.state, _SAFETY * found.state, least)
            errors = Errors(stated, max(errors.current, _SAFETY * found.current))
        if max(errors) <= testbench.analysis.accuracy or tolerance < _FINEST * WIRED_TOLERANCE:
            return _Run(errors, {"convergence": course.report})
        tolerance /= _COARSE


def _checked_instants(time: ArrayLike, duration: float) -> FloatArray:
    try:
        given = np.asarray(time)
    except ValueError:  # lists of different lengths
        given = np.empty(0)
    if np.ma.is_masked(time) or given.dtype.kind not in "iuf":
        raise InputError(f"time must be numbers (seconds), none of them masked; it is {shown(time)}")
    instants = given.astype(float)
    if instants.ndim != 1 or len(instants) < 2:
        raise InputError(f"time must be a list of at least two instants; it is {shown(time)}")
    rising = np.diff(instants) > 0
    if not rising.all():
        at = int(np.argmin(rising))
        raise InputError(f"time must increase strictly; {instants[at + 1]:g} s follows {instants[at]:g} s")
    if not 0 <= instants[0] <= instants[-1] <= duration * (1 + _ROUNDING):
        raise InputError(
            f"time must lie between 0 and the duration {duration:g} s; it is from {instants[0]:g} s to "
            f"{instants[-1]:g} s"
        )
    return instants
