"""`simulate`: one testbench, any engine.

An engine of one's own is a class like those here, made known by `register_engine` or by an entry point.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import ArrayLike

from spicecim.cell_currents import current_warning
from spicecim.deadline import run_within
from spicecim.errors import AccuracyWarning, ConvergenceError, InputError, UnsupportedError, WaveformError
from spicecim.fixed_points import fixed_point_warning
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.places import named
from spicecim.quantities import shown
from spicecim.reached import missed_accuracy, unsteady_start
from spicecim.registry import Registry
from spicecim.testbench import Testbench
from spicecim.waveforms import check_waveforms

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[float], None]

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """What simulates testbenches. A class without arguments, of which one instance is made."""

    def obstacle(self) -> str | None:
        """Return what keeps it from running on this machine, and what to do; None if nothing does."""

    def uncovered(self, testbench: Testbench) -> str | None:
        """Return what of a testbench it does not cover, with the field's name; None if it covers all."""

    def run(
        self, testbench: Testbench, *, time: ArrayLike | None, progress: Progress | None, estimate: bool
    ) -> xr.Dataset:
        """Simulate a testbench that it covers, and return what `spicecim.waveforms.make_waveforms` makes.

        `time` are the instants (s) asked for, `estimate` whether a second run may be spent on telling the error. The
        attributes ``current_error`` and ``state_error`` tell it where it is known.
        """


class _Ngspice:
    def obstacle(self) -> str | None:
        return None  # starting it says so

    def uncovered(self, testbench: Testbench) -> str | None:
        return None

    def run(
        self, testbench: Testbench, *, time: ArrayLike | None, progress: Progress | None, estimate: bool
    ) -> xr.Dataset:
        from spicecim.ngspice.engine import run_ngspice

        if time is not None:
            raise InputError("time: ngspice chooses its own instants; only the reference engine takes them")
        run = run_ngspice(testbench, time_limit=None, progress=progress)
        if not estimate:
            return run.waveforms
        from spicecim.estimates import estimate_error

        return run.waveforms.assign_attrs(estimate_error(testbench, run)._asdict())


class _Reference:
    def obstacle(self) -> str | None:
        return None

    def uncovered(self, testbench: Testbench) -> str | None:
        return None  # its own errors say more

    def run(
        self, testbench: Testbench, *, time: ArrayLike | None, progress: Progress | None, estimate: bool
    ) -> xr.Dataset:
        from spicecim.reference.engine import simulate_reference

        return simulate_reference(testbench, time=time, progress=progress)


def _check_engine(name: str, engine: Any) -> None:
    missing = [method for method in ("obstacle", "uncovered", "run") if not callable(getattr(engine, method, None))]
    if not isinstance(engine, type):
        raise InputError(f"{name}: must be a class with obstacle, uncovered and run; it is {named(engine)}")
    if missing:
        raise InputError(f"{named(engine)}: lacks {' and '.join(missing)}")


ENGINES: Registry[type[Engine]] = Registry(
    "engine", lambda: {"ngspice": _Ngspice, "reference": _Reference}, _check_engine
)
"""Engines by name."""


def _check_waveforms(name: str, engine: Engine, waveforms: Any) -> None:
    import xarray as xr

    try:
        if not isinstance(waveforms, xr.Dataset):
            raise WaveformError(f"it gives {type(waveforms).__name__}")
        missing = [attribute for attribute in ("engine", "testbench") if attribute not in waveforms.attrs]
        if missing:
            raise WaveformError(f"the dataset has no attribute {' and '.join(missing)}")
        check_waveforms(waveforms, "v_row", "i_row", "i_column", instants=1)
    except WaveformError as error:
        raise WaveformError(f"engine {name}: {named(type(engine).run)} must give waveforms: {error}") from None


def register_engine(name: str, engine: type[Engine], *, replace: bool = False) -> None:
    """Make an engine known by a name, for this process.

    A package does the same by an entry point of the group ``spicecim.engines``.

    Parameters
    ----------
    name
        What `simulate` and the command line know it by.
    engine
        A class with the methods of `Engine`.
    replace
        Whether an engine of that name may be replaced.

    Raises
    ------
    InputError
        If the class lacks a method, or the name is taken.
    """
    ENGINES.register(name, engine, replace=replace)


def simulate(
    testbench: Testbench,
    engine: str = "ngspice",
    *,
    time: ArrayLike | None = None,
    tolerance: float | str | None = None,
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
        ``"ngspice"``, ``"reference"``, or the name of an engine that was registered.
    time
        Instants (s) at which the reference engine gives the waveforms. ngspice chooses its own.
    tolerance
        Tolerance of the reference engine, in place of the testbench's `analysis.reference_tolerance`.
    time_limit
        Seconds after which the run is stopped with a `TimeLimitError`, an hour if left out; None for no limit. It
        counts from the call on: waiting for another thread's run and compiling a model are part of it. The error says
        how far the run came, and so does the `KeyboardInterrupt` of a run that is interrupted.
    progress
        Called now and then with the fraction that is done. The reference engine may run again for a smaller error: it
        then begins at 0 once more.
    estimate
        Whether an ngspice run is compared with a second one that tells its error (see `spicecim.estimates`). The
        reference engine knows its error without.

    Returns
    -------
    xarray.Dataset
        Variables as in `spicecim.waveforms.VARIABLES`. Attributes ``current_error`` (largest over columns, relative to
        the column's peak) and ``state_error`` (of x) are estimated errors, measured as `spicecim.accuracy` says;
        ``error_estimate`` says by what. NaN stands for an error that is not known. The reference engine's steps,
        factorizations and residual are attributes too (see `docs/testbench.md`).

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
    CurrentWarning
        If a cell carries more current than its preset states or, where that states none, than
        `spicecim.limits.CELL_CURRENT`.

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
    if not isinstance(testbench, Testbench):
        raise InputError(
            f"testbench: must be a Testbench; it is {shown(testbench)}. Testbench.from_dict makes one of a dictionary, "
            "and Testbench.from_yaml of a file"
        )
    chosen = ENGINES[engine]()
    if tolerance is not None:
        if engine != "reference":
            raise InputError(f"tolerance: is that of the reference engine; {engine} takes what the testbench says")
        testbench = testbench.with_analysis(reference_tolerance=tolerance)
    for reason in (chosen.obstacle(), chosen.uncovered(testbench)):
        if reason is not None:
            raise UnsupportedError(reason)
    rows, columns = testbench.shape
    _log.info("%s: %d x %d cells, %g s of %s", engine, rows, columns, testbench.duration, testbench.digest()[:12])
    begun = monotonic()
    try:
        with run_within(time_limit):
            waveforms = chosen.run(testbench, time=time, progress=progress, estimate=estimate)
    except ConvergenceError as error:
        advice = ", or ".join(_advice(testbench, engine))
        message = f"{error.message}; {advice}" if advice else error.message
        raise ConvergenceError(message, error.folder, error.log) from None
    _check_waveforms(engine, chosen, waveforms)
    stated = [
        f"; {name.replace('_', ' ')} {waveforms.attrs[name]:.2g}"
        for name in ("current_error", "state_error")
        if name in waveforms.attrs
    ]
    _log.info("%s: %d instants in %.3g s%s", engine, waveforms.sizes["time"], monotonic() - begun, "".join(stated))
    for warning in warnings_of(testbench, waveforms):
        _log.info("warning: %s", warning)
        warnings.warn(warning, stacklevel=2)
    return waveforms


def _advice(testbench: Testbench, engine: str) -> list[str]:
    """What to do where an engine found no solution."""
    advice = testbench.device.advice()
    if engine == "ngspice" and testbench.only_ngspice() is None:
        advice.append("take the reference engine, which steps in another way")
    return advice


def warnings_of(testbench: Testbench, waveforms: xr.Dataset) -> list[Warning]:
    """Return the warnings that a run calls for."""
    found = fixed_point_warning(testbench), current_warning([waveforms])
    told = missed_accuracy(waveforms), unsteady_start(waveforms)
    return [*(warning for warning in found if warning is not None), *(AccuracyWarning(text) for text in told if text)]
