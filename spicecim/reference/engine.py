"""The engine `reference`: a testbench to waveforms, at any instants asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices.device import Device
from spicecim.devices.varied import stacked_cells
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.physics import check_physics
from spicecim.quantities import shown
from spicecim.reference.coupled.follow import STORING_TOLERANCE, TOLERANCE, follow_coupled
from spicecim.reference.coupled.step import system
from spicecim.reference.drive import drive_slopes
from spicecim.reference.error_estimates import COARSE, Compared, Errors
from spicecim.reference.guards import one_thread, watched
from spicecim.reference.ideal import follow_integrated
from spicecim.reference.independent import TOLERANCE as INDEPENDENT_TOLERANCE
from spicecim.reference.record import Block, Record
from spicecim.reference.step_control import Statistics
from spicecim.reference.tables.separable import follow_separable
from spicecim.testbench import FINEST_TOLERANCE, Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

_FINEST = 1e-2
"""Tolerance relative to the first one below which no further run is made."""
_SAFETY = 1.5
"""Of the difference from a coarser run at stops, what is stated: the finer run may be no nearer where cells drive
themselves ever faster."""
_LEAST_AT_STOPS = 20.0
"""Estimated error of x behind wires, relative to the tolerance of a step, below which it is not told of devices with
hard stops: single steps of Pershin and Di Ventra's device were off by up to 11 tolerances unseen."""
_MOST_CELLS = 1024
"""Most cells of a crossbar that shares its steps with others: arrays of more are long enough alone."""
_ROUNDING = 1e-9
"""Part of the duration that an instant may lie beyond it."""


def simulate_reference(
    testbench: Testbench, *, time: ArrayLike | None = None, progress: Callable[[float], None] | None = None
) -> xr.Dataset:
    """Run a testbench in the reference engine.

    With ideal wires every cell sees its row's driver and virtual ground, and the cells do not know of each other (see
    `separable` and `ideal`). Otherwise cells and wires are one system (see `coupled`).

    Parameters
    ----------
    testbench
        What to simulate.
    time
        Instants (s) at which the waveforms are wanted, one at least, strictly increasing, from 0 to the duration; by
        default `Testbench.time_grid`.
    progress
        Called now and then with the fraction of a run that is done; a run that is made again begins at 0.

    Returns
    -------
    xarray.Dataset
        Waveforms. Attributes ``state_error`` (of x) and ``current_error`` (of a column's current relative to its peak,
        the largest) are estimates, as `spicecim.accuracy` measures errors: against tables half as dense or, where a
        device's rate does not separate, a run at a coarser tolerance; with resistive wires, what the estimated errors
        of all steps come to. There, runs that miss the accuracy of the testbench's analysis are made again at tighter
        tolerances. Attributes ``steps``, ``rejected_steps``, ``factorizations`` and ``largest_residual`` are the
        `Statistics` of the run that gave the waveforms.

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
    with watched(progress, testbench.duration):
        return _run([testbench], time)[0]


def simulate_together(testbenches: Sequence[Testbench], *, time: ArrayLike | None = None) -> list[xr.Dataset]:
    """Run testbenches of which `goes_together` is true, or `common_steps` the same.

    Each result is that of `simulate_reference`, of common steps to the estimated errors, which are the largest of all.
    So are the errors that end a run: one ends the run of all.
    """
    with watched(None, float(len(testbenches)), "testbenches"):
        return _run(testbenches, time)


def goes_together(testbench: Testbench) -> bool:
    """Whether cells are followed in one pass with those of other testbenches: by tables, behind ideal wires."""
    own = testbench.device
    return own.separable and not own.arrays() and testbench.cell is None and not _is_resistive(testbench)


def common_steps(testbench: Testbench) -> tuple[Any, ...] | None:
    """What a testbench has in common with those that it can share its steps with; None where it gains nothing.

    That is all but the states and the parameters of a device that is followed by tables, in a small crossbar behind
    resistances that stores nothing.
    """
    crossbar, own, lines = testbench.crossbar, testbench.device, testbench.lines()
    wires = crossbar.parasitics()
    if not own.separable or testbench.cell is not None or crossbar.state.size > _MOST_CELLS:
        return None
    if not wires.resistive or wires.storing or lines.dynamic or lines.free.any() or lines.amplifiers is not None:
        return None
    others = testbench.model_dump_json(exclude={"device": {"parameters"}, "crossbar": {"state"}})
    return testbench.shape, others


def _run(testbenches: Sequence[Testbench], time: ArrayLike | None) -> list[xr.Dataset]:
    records: list[Record] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for testbench in testbenches:
            device = _device(testbench)
            labels = testbench.time_grid() if time is None else _checked_instants(time, testbench.duration)
            records.append(Record(testbench, device, labels, like=records[-1] if records else None))
        outcomes = _follow(records)
        variables = [record.variables() for record in records]
    return [_labeled(*each) for each in zip(records, variables, outcomes, strict=True)]


def _labeled(
    record: Record, variables: dict[str, FloatArray], outcome: tuple[Errors, Statistics]
) -> xr.Dataset:  # fmt: skip
    """Check what was found, and label it."""
    testbench, (errors, statistics) = record.testbench, outcome
    check_physics(testbench, record.instants, variables, record.states(), device=record.device)
    attributes: dict[str, str | float] = {
        "engine": "reference",
        "engine_version": __version__,
        "device_backend": "numpy",
        "spicecim_version": __version__,
        "state_error": float(errors.state),
        "current_error": float(errors.current),
        **statistics._asdict(),
        **testbench.device.provenance(),
    }
    return make_waveforms(testbench, record.labels, variables, attributes)


def check_covered(testbench: Testbench) -> None:
    """Raise `UnsupportedError` if the reference engine does not cover a testbench."""
    _device(testbench)


def takes_long(testbench: Testbench) -> bool:
    """Whether a run takes many times as long as one of a small crossbar in ngspice: where all is one system."""
    return _stores(testbench, _device(testbench))


def _device(testbench: Testbench) -> Device:
    reason = testbench.only_ngspice()
    if reason is not None:
        raise UnsupportedError(f"{reason}; choose the engine ngspice alone")
    return testbench.build_cells()


def _is_resistive(testbench: Testbench) -> bool:
    """Whether cells do not see their lines' drivers directly: through resistances, or where lines float."""
    return testbench.crossbar.parasitics().resistive or bool(testbench.lines().free.any())


def _stores(testbench: Testbench, device: Device) -> bool:
    """Whether cells behind resistances, or the wires with them, store charge, or cells conduct to the ground."""
    if device.explicit:
        storing = testbench.crossbar.parasitics().storing or testbench.lines().dynamic
        return _is_resistive(testbench) and storing
    # A module may conduct to the ground: then the column does not take what the row gives. And a transistor goes by the
    # potentials of both, not by their difference.
    return _is_resistive(testbench) or not device.is_balanced() or testbench.cell is not None


@one_thread
def _follow(records: Sequence[Record]) -> list[tuple[Errors, Statistics]]:
    """Follow the cells and write them to the records; of several, all go together."""
    testbench, device = records[0].testbench, records[0].device
    if _stores(testbench, device) or _is_resistive(testbench):
        if len(records) > 1:
            cells = stacked_cells([record.device for record in records], testbench.shape)
            if cells is not None:
                return _follow_coupled(records, cells)
        return [outcome for record in records for outcome in _follow_coupled([record], record.device)]
    for record in records:
        if record.testbench.crossbar.parasitics().storing:
            _charge_ideal_wires(record)
    parts = [record.parts() for record in records]
    if device.tabulated():
        found = [(errors, Statistics()) for errors in follow_separable([part for some in parts for part in some])]
    else:
        tolerance = testbench.analysis.reference_tolerance or INDEPENDENT_TOLERANCE
        found = [follow_integrated(part, tolerance) for some in parts for part in some]
    outcomes = iter(found)
    return [_joined([next(outcomes) for _ in some]) for some in parts]


def _joined(outcomes: list[tuple[Errors, Statistics]]) -> tuple[Errors, Statistics]:
    """The largest errors of several parts, and all of their steps."""
    errors, statistics = zip(*outcomes, strict=True)
    return Errors(*map(max, zip(*errors, strict=True))), sum(statistics[1:], statistics[0])


def _charge_ideal_wires(record: Record) -> None:
    """Add what the drivers feed into the capacitances of their wires, if these have no resistance."""
    bench, (rows, columns) = record.testbench, record.testbench.shape
    wires, slopes = bench.crossbar.parasitics(), drive_slopes(record.drive, bench.duration, record.instants)
    # into the columns' sense nodes flows what is left
    i_column = np.zeros_like(record.i_column)
    if slopes.shape[1] > rows:
        i_column -= rows * wires.column_capacitance * slopes[:, rows:]
    record.add_currents(slice(0, rows), columns * wires.row_capacitance * slopes[:, :rows], i_column)


def _follow_coupled(records: Sequence[Record], device: Device) -> list[tuple[Errors, Statistics]]:
    """Follow cells and wires together; of several crossbars (see `common_steps`), with a device for the cells of all.

    Where nothing stores charge, the estimated errors of all steps are carried on by the equations. Where a cell meets a
    hard stop, or drives itself there ever faster behind a resistance, they tell too little, and where something stores
    charge, there are none: the difference from a run at a coarser tolerance shows more. That also tells how large the
    currents are, for errors of what capacitances draw to count relative to.
    """
    testbench, instants = records[0].testbench, records[0].instants
    several = len(records) > 1
    crossbar, lines = system(device, testbench, len(records) if several else None), testbench.lines()
    given = crossbar, lines.drive, testbench.duration, np.stack([record.initial for record in records]), instants
    stores, peaks = crossbar.network.stores, None
    first = tolerance = testbench.analysis.reference_tolerance or (STORING_TOLERANCE if stores else TOLERANCE)
    compared = Compared(device, instants, crossbar.network.cells) if stores or device.stops() else None

    def keep(chosen: slice, block: Block) -> None:
        for number, record in enumerate(records):
            record.write(chosen, block.of_crossbar(number) if several else block)
        if compared:
            compared.keep(chosen, block.states, block.i_column)

    if compared:
        peaks = follow_coupled(*given, keep, tolerance=COARSE * tolerance).peaks
    while True:
        if compared:
            compared.start_another()
        outcome = follow_coupled(*given, keep, tolerance=tolerance, peaks=peaks)
        peaks, errors = outcome.peaks, outcome.errors or Errors(0.0, 0.0)
        if compared:
            found = compared.errors(lines.drive.cycle())
            stated = max(errors.state, _SAFETY * found.state, tolerance if stores else _LEAST_AT_STOPS * tolerance)
            errors = Errors(stated, max(errors.current, _SAFETY * found.current, tolerance))
        finest = tolerance < max(_FINEST * first, COARSE * FINEST_TOLERANCE)
        if max(errors) <= testbench.analysis.accuracy or finest:
            return [(errors, outcome.statistics)] * len(records)
        tolerance /= COARSE


def _checked_instants(time: ArrayLike, duration: float) -> FloatArray:
    try:
        given = np.asarray(time)
    except ValueError:  # lists of different lengths
        given = np.empty(0)
    if np.ma.is_masked(time) or given.dtype.kind not in "iuf":
        raise InputError(f"time must be numbers (seconds), none of them masked; it is {shown(time)}")
    instants = given.astype(float)
    if instants.ndim != 1 or not len(instants):
        raise InputError(f"time must be a list of instants; it is {shown(time)}")
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
