"""Operations one after the other, each on the array as the last one left it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spicecim.engines import simulate
from spicecim.errors import AccuracyWarning, CurrentWarning, InputError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.measure import total_energy
from spicecim.operations.cycles import cycle_to_cycle_of
from spicecim.operations.disturb import Disturb
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


def warn_once(found: list[Warning], stacklevel: int) -> None:
    """Warn of each kind once: of currents the largest, of all else the first."""
    currents = [each for each in found if isinstance(each, CurrentWarning)]
    if currents:
        warnings.warn(max(currents, key=lambda each: each.current), stacklevel=stacklevel)
    others = {type(each): each for each in reversed(found) if not isinstance(each, CurrentWarning)}
    for other in others.values():
        warnings.warn(other, stacklevel=stacklevel)


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
    cycles = cycle_to_cycle_of(cycle_to_cycle, seed, bench)
    start, disturb = bench.crossbar.state, Disturb(bench.shape)
    states, currents, energies, selections = [], [], [], []
    found: list[Warning] = []
    for number, operation in enumerate(operations):
        draws = cycles is not None and operation.kind != "read"
        found_as = cycles.drawn(bench, number) if cycles is not None and draws else None
        done = operate(bench, operation, engine, time_limit, found_as=found_as)
        selections.append(disturb.note(operation, done.moved))
        bench = done.bench
        states.append(bench.crossbar.state)
        currents.append(done.current)
        energies.append(done.energy)
        found += done.warnings
        if progress is not None:
            progress((number + 1) / len(operations))
    warn_once(found, stacklevel=3)
    over = ("operation", "row", "column")
    return xr.Dataset(
        {
            "x": (over, np.stack(states), {"units": "1", "long_name": "state after the operation"}),
            "selected": (over, np.stack(selections), {"long_name": "whether the operation was for the cell"}),
            "i_column": (("operation", "column"), np.stack(currents), {"units": "A", "long_name": "column current"}),
            "energy": (("operation",), np.array(energies), {"units": "J", "long_name": "energy by all drivers"}),
            "x_start": (over[1:], start, {"units": "1", "long_name": "state before the first operation"}),
            **disturb.variables(),
        },
        coords={"kind": ("operation", [operation.kind for operation in operations]), **line_numbers(bench.shape)},
        attrs={"engine": engine},
    )


def line_numbers(shape: tuple[int, int]) -> dict[str, NDArray[np.int_]]:
    """Coordinates of cells."""
    return {"row": np.arange(shape[0]), "column": np.arange(shape[1])}
