"""One netlist run to complete vectors, or to an error that keeps what is needed to look into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spicecim.deadline import run_within
from spicecim.errors import (
    ConvergenceError,
    IncompleteResultError,
    InputError,
    NetlistError,
    NgspiceNotFoundError,
    SimulationError,
    WorkerCrashError,
)
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.ngspice.client import Progress, Worker, found_steady_state, log_tail, shared_worker
from spicecim.ngspice.messages import LOG_FILE, NETLIST_FILE, Capabilities, Vectors
from spicecim.private_files import temporary_folder

_FAILURES: dict[str, tuple[type[SimulationError], str]] = {
    "library rejected": (NetlistError, "ngspice could not load a compiled model"),
    "netlist rejected": (NetlistError, "ngspice could not read the netlist"),
    "value replaced": (NetlistError, "ngspice replaces a value (it takes no resistance below 1e-12 ohm)"),
    "nothing simulated": (ConvergenceError, "ngspice found no solution at the start"),
    "quit": (WorkerCrashError, "ngspice was told to quit"),
    "out of memory": (WorkerCrashError, "ngspice ran out of memory"),
}

_LARGEST = 1e30
"""A larger voltage or current is no result: ngspice takes 1/0 in a behavioral source for 1e32."""

_STOP_TOLERANCE = 1e-9
"""Relative distance from the stop time at which a transient counts as complete: ngspice's own rounding of steps."""


@dataclass(frozen=True)
class NetlistRun:
    """The vectors that were asked for, complete and finite, and what the ngspice that made them can do.

    And whether it found a steady state at time 0.
    """

    vectors: Vectors
    capabilities: Capabilities
    steady: bool


def run_netlist(
    netlist: str,
    vectors: list[str],
    *,
    stop: float | None = None,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Progress | None = None,
    worker: Worker | None = None,
    compatibility: str = "",
    libraries: tuple[Path, ...] = (),
    check: Callable[[Vectors], None] | None = None,
) -> NetlistRun:
    """Run a netlist with one analysis.

    Parameters
    ----------
    netlist
        The netlist.
    vectors
        Names such as ``time``, ``v(node)`` and ``i(source)``.
    stop
        Stop time (s) that a transient must reach; ``time`` is then among the vectors.
    time_limit
        Seconds after which the run is stopped; None for no limit but that of a run that this is part of.
    progress
        Called now and then with the fraction of a transient that is done.
    worker
        The process to run in; by default the one that all runs share.
    compatibility
        Mode that ngspice reads the netlist in, such as ``"psa"``; empty for none.
    libraries
        Shared libraries of compiled models that the netlist needs.
    check
        Called with the vectors; it may raise `PhysicsError`, to which folder and log are then added.

    Raises
    ------
    SimulationError
        One of its kinds, unless all vectors are there, of one length, finite, and reach the stop time. The folder that
        it names keeps the netlist and the log.
    """
    worker = worker or shared_worker()
    with run_within(time_limit), worker.reserved() as folder:
        try:
            (folder / NETLIST_FILE).write_text(netlist, encoding="utf-8")
            answer = worker.run(folder, vectors, progress, compatibility, libraries)
            if answer.outcome in _FAILURES:
                failure, message = _FAILURES[answer.outcome]
                raise failure(f"{message}: {answer.message}" if answer.message else message)
            complete, steady = _complete(answer.vectors, stop), found_steady_state(folder)
            if check is not None:
                check(complete)
        except NgspiceNotFoundError:
            raise
        except SimulationError as error:
            raise error.kept_in(_kept(folder), log_tail(folder)) from None
    assert answer.capabilities is not None
    return NetlistRun(complete, answer.capabilities, steady)


def _kept(folder: Path) -> Path | None:
    """Copy netlist and log of a failed run to a folder that stays; None where there is no place for one."""
    try:
        kept = temporary_folder()
        for name in (NETLIST_FILE, LOG_FILE):
            if (folder / name).exists():
                shutil.copyfile(folder / name, kept / name)
    except (OSError, InputError):
        return None  # the run's own error says more
    return kept


def _complete(vectors: Vectors, stop: float | None) -> Vectors:
    """Return the vectors if all are there, of one length, finite, and reach the stop time; raise otherwise."""
    missing = [name for name, length in zip(vectors.names, vectors.lengths, strict=True) if not length]
    if missing:
        raise IncompleteResultError(f"ngspice gave no {', '.join(missing[:5])}")
    if stop is not None and abs(vectors["time"][-1] - stop) > _STOP_TOLERANCE * stop:
        reached = float(vectors["time"][-1])
        raise ConvergenceError(f"ngspice gave up at {reached:g} s of {stop:g} s")
    if len(set(vectors.lengths)) != 1:
        raise IncompleteResultError(f"vectors have different lengths: {sorted(set(vectors.lengths))}")
    largest = np.abs(vectors.table).max(axis=1)  # not a number, if one of them is none
    bad = _names_where(vectors, ~np.isfinite(largest))
    if bad:
        raise IncompleteResultError(f"values that are not finite in {bad}")
    huge = _names_where(vectors, largest > _LARGEST)
    if huge:
        raise IncompleteResultError(f"values beyond {_LARGEST:g} in {huge}: the device divides by zero or overflows")
    return vectors


def _names_where(vectors: Vectors, chosen: NDArray[np.bool_]) -> str:
    """Names of the first vectors (vector,) that are chosen."""
    return ", ".join(vectors.names[place] for place in np.flatnonzero(chosen)[:5])
