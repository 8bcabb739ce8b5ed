"""Operations one after the other, each on the array as the last one left it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spicecim.engines import simulate
from spicecim.errors import AccuracyWarning, InputError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.measure import total_energy
from spicecim.operations.cycles import cycle_to_cycle_of
from spicecim.operations.disturb import Disturb
from spicecim.operations.kept import reached_kept, warn_once
from spicecim.operations.operation import Operation, at_end
from spicecim.quantities import shown
from spicecim.testbench import Testbench


class Done(NamedTuple):
    """What an operation did."""

    bench: Testbench
    """The array afterwards."""
    moved: FloatArray
    """Change of x of each cell (row, column)."""
    energy: float
    """Energy that the drivers of all lines delivered (J)."""
    current: FloatArray
    """Current into each column's driver before the pulse falls (column,), A."""
    warnings: list[Warning]
    """What the engine warned of."""


def operate(
    bench: Testbench,
    operation: Operation,
    engine: str,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    *,
    found_as: Testbench | None = None,
) -> Done:
    """Run one operation on an array; `found_as` is the array with what is drawn for this operation alone."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = simulate(operation.testbench(bench if found_as is None else found_as), engine, time_limit=time_limit)
    after = at_end(bench, run)
    found = [each.message for each in caught if isinstance(each.message, Warning)]
    if operation.kind != "read" and run.attrs.get("state_error", np.inf) <= bench.analysis.accuracy:
        # half-selected cells on both sides of 0 V cancel in a column: the error relative to its peak says nothing then
        found = [each for each in found if not isinstance(each, AccuracyWarning)]
    return Done(
        after,
        after.crossbar.state - bench.crossbar.state,
        float(total_energy(run)),
        run["i_column"].sel(time=operation.plateau, method="nearest").values,
        found,
    )


class _Sequence:
    """The array between operations, and what they did to it."""

    def __init__(self, bench: Testbench, engine: str) -> None:
        self.bench, self.engine = bench, engine
        self.warnings: list[Warning] = []
        self._start, self._disturb = bench.crossbar.state, Disturb(bench.shape)
        self._history: list[tuple[str, NDArray[np.bool_], Done]] = []

    def note(self, operation: Operation, done: Done) -> None:
        self._history.append((operation.kind, self._disturb.note(operation, done.moved), done))
        self.bench = done.bench
        self.warnings += done.warnings

    def how_far(self, count: int) -> str:
        """How many operations of so many are done, for whoever ends it; empty before the first one is."""
        return f"after {len(self._history)} of {count} operations" if self._history else ""

    def labeled(self) -> xr.Dataset:
        kinds, selections, dones = zip(*self._history, strict=True)
        states = np.stack([each.bench.crossbar.state for each in dones])
        currents = np.stack([each.current for each in dones])
        energies = np.array([each.energy for each in dones])
        over = ("operation", "row", "column")
        return xr.Dataset(
            {
                "x": (over, states, {"units": "1", "long_name": "state after the operation"}),
                "selected": (over, np.stack(selections), {"long_name": "whether the operation was for the cell"}),
                "i_column": (over[::2], currents, {"units": "A", "long_name": "column current"}),
                "energy": (over[:1], energies, {"units": "J", "long_name": "energy by all drivers"}),
                "x_start": (over[1:], self._start, {"units": "1", "long_name": "state before the first operation"}),
                **self._disturb.variables(),
            },
            coords={"kind": ("operation", list(kinds)), **line_numbers(self.bench.shape)},
            attrs={"engine": self.engine},
        )


def run_sequence(
    bench: Testbench,
    operations: Sequence[Operation],
    *,
    cycle_to_cycle: Any = None,
    seed: int | None = None,
    engine: str = "reference",
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Run operations one after the other; each finds the states that the one before left.

    Parameters
    ----------
    bench
        The array in its initial states. Its drive is not used.
    operations
        What is done to it, in order.
    cycle_to_cycle
        Parameters that every cell draws anew about its own value for every pulse that writes, such as
        ``{"Vp": lognormal(0.05)}``, as `spicecim.vary` takes them; a read draws nothing. It hands on x.
    seed
        Whole number that goes with it: the same gives the same pulses in both engines.
    engine
        The name of an engine (see `spicecim.simulate`).
    time_limit
        Seconds after which the run of one operation is stopped; None for no limit.
    progress
        Called with the fraction of the operations that is done.

    Returns
    -------
    xarray.Dataset
        Over the dimension ``operation``: ``x`` after it (operation, row, column), ``selected`` (operation, row,
        column), ``i_column``, the current into each column's driver before the pulse falls (A), and ``energy`` (J) that
        the drivers of all lines delivered. ``x_start`` (row, column) is x before the first one. ``disturb`` is the
        largest change, with its sign, of each cell's x since it was last written, by operations in which it was not
        selected; ``disturb_at_end`` is what there is of it at the end. The coordinate ``kind`` says what each one is.

    Raises
    ------
    InputError
        If an operation is none of this array, or another argument is not valid.
    ProgrammingError
        If an operation fails after others were done: the error is its cause, and its attribute ``result`` is what the
        operations before it did, with an attribute ``unfinished`` that says how many they are. An interrupt
        (`KeyboardInterrupt`) and any other exception have such a ``result``, too.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic"},
    ...     crossbar={"state": np.full((2, 2), 0.5)},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> done = sc.run_sequence(
    ...     bench,
    ...     [
    ...         sc.Operation(kind="set", cells=(0, 1), voltage=0.4, width="100us"),
    ...         sc.Operation(kind="read", cells=0, voltage=0.1, width="10us"),
    ...     ],
    ... )
    >>> (done.x[-1] - done.x_start).round(2).values
    array([[0.01, 0.07],
           [0.  , 0.01]])
    """
    if not isinstance(bench, Testbench):
        raise InputError(f"bench: must be a Testbench; it is {shown(bench)}")
    if not isinstance(operations, list | tuple) or not all(isinstance(each, Operation) for each in operations):
        raise InputError(f"operations: must be a list of Operation; it is {shown(operations)}")
    if not operations:
        raise InputError("operations: there must be one at least")
    for number, operation in enumerate(operations):
        try:
            operation.testbench(bench)  # before any is run
        except InputError as error:
            raise InputError(f"operations[{number}]: {error}") from None
    cycles = cycle_to_cycle_of(cycle_to_cycle, seed, bench)
    work = _Sequence(bench, engine)
    with reached_kept(work.labeled, lambda: work.how_far(len(operations)), work.warnings):
        for number, operation in enumerate(operations):
            draws = cycles is not None and operation.kind != "read"
            found_as = cycles.drawn(work.bench, number) if cycles is not None and draws else None
            work.note(operation, operate(work.bench, operation, engine, time_limit, found_as=found_as))
            if progress is not None:
                progress((number + 1) / len(operations))
    warn_once(work.warnings, stacklevel=3)
    return work.labeled()


def line_numbers(shape: tuple[int, int]) -> dict[str, NDArray[np.int_]]:
    """Coordinates of cells."""
    return {"row": np.arange(shape[0]), "column": np.arange(shape[1])}
