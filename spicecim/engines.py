"""`simulate`: one testbench, either engine."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

from numpy.typing import ArrayLike

from spicecim.deadline import run_within
from spicecim.errors import AccuracyWarning, InputError
from spicecim.fixed_points import warn_of_fixed_points
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.reached import missed_accuracy
from spicecim.testbench import Testbench

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

Engine = Literal["ngspice", "reference"]


def simulate(
    testbench: Testbench,
    engine: Engine = "ngspice",
    *,
    time: ArrayLike | None = None,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Callable[[float], None] | None = None,
    estimate: bool = True,
) -> xr.Dataset:
    """Run a testbench and return its waveforms.

    Parameters
    ----------
    testbench
        What to simulate.
    engine
        ``"ngspice"``, or ``"reference"``, the numpy core.
    time
        Instants (s) at which the reference engine gives the waveforms. ngspice chooses its own.
    time_limit
        Seconds after which the run is stopped with a `TimeLimitError`, an hour if left out; None for no limit. It
        counts from the call on: waiting for another thread's run and compiling a model are part of it.
    progress
        Called now and then by ngspice with the fraction that is done.
    estimate
        Whether an ngspice run is compared with a second one that tells its error (see `spicecim.estimates`). The
        reference engine knows its error without.

    Returns
    -------
    xarray.Dataset
        Variables as in `spicecim.waveforms.VARIABLES`. Attributes ``current_error`` (largest over columns, relative to
        the column's peak) and ``state_error`` (of x) are estimated errors, measured as `spicecim.accuracy` says;
        ``error_estimate`` says by what. NaN stands for an error that is not known.

    Raises
    ------
    InputError
        If the engine does not cover what is asked for.
    SimulationError
        If the simulation did not succeed.

    Warns
    -----
    AccuracyWarning
        If an estimated error is above `analysis.accuracy`, or not known.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.9, 0.1], [0.1, 0.9]]},
    ...     drive={"kind": "sine", "amplitude": 0.45, "frequency": ["100", "1k"]},
    ... )
    >>> sc.simulate(bench, engine="reference").i_column.sizes["column"]
    2
    """
    if engine == "ngspice":
        if time is not None:
            raise InputError("time: ngspice chooses its own instants; only the reference engine takes them")
        with run_within(time_limit):
            waveforms = _ngspice(testbench, progress, estimate)
    elif engine == "reference":
        from spicecim.reference.engine import simulate_reference

        with run_within(time_limit):
            waveforms = simulate_reference(testbench, time=time)
    else:
        raise InputError(f"unknown engine {engine!r}; known are ngspice and reference")
    warn_of_fixed_points(testbench)
    missed = missed_accuracy(waveforms)
    if missed:
        warnings.warn(missed, AccuracyWarning, stacklevel=2)
    return waveforms


def _ngspice(testbench: Testbench, progress: Callable[[float], None] | None, estimate: bool) -> xr.Dataset:
    from spicecim.ngspice.engine import run_ngspice

    run = run_ngspice(testbench, time_limit=None, progress=progress)
    if not estimate:
        return run.waveforms
    from spicecim.estimates import estimate_error

    return run.waveforms.assign_attrs(estimate_error(testbench, run)._asdict())
