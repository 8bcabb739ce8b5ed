"""Currents beyond those of published cells: a model without a limit of its own gives any current that is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from spicecim.device_choice import DeviceSection
from spicecim.errors import CurrentWarning
from spicecim.waveforms import testbench_of


def largest_cell_current(waveforms: xr.Dataset) -> float:
    """Largest current (A) that a cell is known to carry.

    Without the cells' own currents it is known from those of rows and columns only that a cell carries the mean of its
    row or column at least, which is the current itself where there is one cell.
    """
    if "i_cell" in waveforms:
        return _largest(waveforms["i_cell"])
    if testbench_of(waveforms).crossbar.parasitics().storing:
        return 0.0  # what charges a wire is no current of a cell
    rows, columns = waveforms.sizes["row"], waveforms.sizes["column"]
    return max(_largest(waveforms["i_column"]) / rows, _largest(waveforms["i_row"]) / columns)


def _largest(current: xr.DataArray) -> float:
    return max(float(np.max(current.values)), -float(np.min(current.values)))


def current_warning(runs: Iterable[xr.Dataset]) -> CurrentWarning | None:
    """Return what to say of a cell that carries more than its device was published with; None if none does.

    Of several runs of one device, that of the largest current.
    """
    found, run = max(((largest_cell_current(run), run) for run in runs), key=lambda each: each[0])
    return excess_warning(found, testbench_of(run).device)


def excess_warning(found: float, device: DeviceSection) -> CurrentWarning | None:
    """Return what to say of a cell that carries a current (A), if it is more than its device was published with."""
    limit, whose = device.largest_current()
    if not found > limit:
        return None
    return CurrentWarning(
        f"a cell carries {found:.3g} A, above {limit:g} A ({whose}): more than published cells take, which the model "
        "does not limit; lower the drive's voltages or put a resistance in series (crossbar.source_resistance)",
        found,
    )


@contextmanager
def current_warnings() -> Iterator[list[CurrentWarning]]:
    """Keep what runs within warn of their currents in a list, instead of showing it."""
    kept: list[CurrentWarning] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", CurrentWarning)
        show = warnings.showwarning

        def keep(message: Any, *where: Any, **more: Any) -> None:
            if isinstance(message, CurrentWarning):
                kept.append(message)
            else:
                show(message, *where, **more)

        warnings.showwarning = keep
        yield kept


def of_the_largest(kept: list[CurrentWarning]) -> CurrentWarning | None:
    """Return the warning of the largest current; None if there is none."""
    return max(kept, key=lambda warning: warning.current, default=None)


@contextmanager
def warned_once() -> Iterator[None]:
    """Let all runs within warn of their currents once, when they are done: of the largest."""
    with current_warnings() as kept:
        yield
    if largest := of_the_largest(kept):
        # from the caller of the function with the context: past this one and that of contextlib
        warnings.warn(largest, stacklevel=4)
