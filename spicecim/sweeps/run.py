"""`sweep`: many runs of testbenches into a store, from which an interrupted or enlarged sweep goes on."""

from __future__ import annotations

import contextlib
import inspect
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from spicecim.errors import FailedRunsWarning, Interruption, NotFiniteWarning
from spicecim.problems import did_you_mean
from spicecim.sweeps.dataset import dataset_of, not_finite
from spicecim.sweeps.design import whole_number
from spicecim.sweeps.executors import Batch, Executor, Lost, Work, chosen_executor
from spicecim.sweeps.plan import Maker, Plan, described_plan, make_plan
from spicecim.sweeps.recipes import Recipe
from spicecim.sweeps.sessions import Session
from spicecim.sweeps.store import CLAIMED, DONE, FAILED, WAITING, Store
from spicecim.sweeps.work import Job, Outcome
from spicecim.testbench import Testbench

_BATCH_SECONDS = 0.5
"""Of work in a batch: what a killed process loses, and how often the store is written to."""
_LARGEST_BATCH = 500
_GROWTH = 4
"""Of a batch over the one before."""
_POLL = 0.2
"""Seconds between looks at runs that another process is at."""


class Progress(NamedTuple):
    """How far a sweep has come: runs of its plan, of these those that failed, runs per second, and seconds left."""

    total: int
    done: int
    failed: int
    rate: float
    left: float

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        speed = f", {self.rate:.3g} runs/s, {_span(self.left)} left" if self.rate else ""
        return f"{self.done} of {self.total} runs{failed}{speed}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


Report = Callable[[Progress], None]


def sweep(
    testbench: Testbench | Maker,
    axes: Mapping[str, Any] | None = None,
    *,
    store: str | Path,
    executor: Any = None,
    workers: int | None = None,
    retry: bool = False,
    batch: int | None = None,
    progress: Report | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Run a testbench along axes and samples, and return what is measured as one labeled dataset.

    Every run that is complete is in the store, a folder. The same call again does what is left; with further values or
    samples it does what is new. Several processes may work on one store: none does a run that another has or does.

    Parameters
    ----------
    testbench
        What to simulate; or a function that makes a testbench of the values of the axes, which are its arguments. If it
        has an argument ``seed``, it gets that of the sample. With ``engine=None``, the function returns what is
        measured itself, numbers or arrays by name, whatever it does for it.
    axes
        Values by the names of fields, such as ``{"crossbar.wire_row": [0, 1, 5]}``: of a field, a parameter
        (``device.parameters.Ap``), a whole section, or of `vary` and `stuck` (``vary.Ron.normal``). A dictionary in
        place of a list gives labels to the values. All axes are crossed, except those of `zip`.
    store
        Folder of the store; made if it is not there.
    samples
        Samples at every point of the axes.
    measures
        Names (`spicecim.measure.MEASURES`), functions of waveforms, or a dictionary of them by name; by default
        ``mean_current``. A function returns a number, or an array of the same dimensions in all runs, whose sizes may
        differ; a change of its source, or of what it uses of your own modules, has its runs done again.
    executor
        ``"processes"`` (the default), ``"serial"``, the address of a Dask scheduler, a ``distributed.Client``, or any
        `concurrent.futures.Executor`.
    workers
        Number of processes; by default one per processor.
    engine
        ``"reference"``, ``"ngspice"``, the name of one that was registered, or None (see `testbench`).
    zip
        Groups of axes that go in step instead of being crossed: ``[("crossbar.wire_row", "crossbar.wire_column")]``.
    corners
        Values of fields by the names of corners, which become an axis ``corner``.
    vary, correlation, gradients, stuck
        Drawn for every cell, as `spicecim.vary` takes them, with a seed per sample. The same sample has the same cells
        at every point of the axes.
    draw
        Distributions of fields as a whole: of parameters of all cells, of conditions (``drive.amplitude``).
    design
        How what is in `draw` is laid out: ``"random"``, ``"sobol"``, ``"latin-hypercube"``, ``"saltelli"`` (for Sobol
        indices: ``samples * (fields + 2)`` runs), or ``"one-at-a-time"`` (for a tornado plot).
    level
        Standard deviations that ``"one-at-a-time"`` goes to.
    seed
        Of everything that is random.
    waveforms
        Whether to keep the waveforms of each run (`spicecim.sweeps.load_run`).
    time_limit
        Seconds that a run may take, or None.
    folder
        Where files that are named in values of axes are looked for.
    retry
        Whether to run those again that failed.
    batch
        Most runs that a worker gets at a time; by default as many as take half a second.
    progress
        Called with a `Progress` now and then.

    Returns
    -------
    xarray.Dataset
        That of `open_sweep`: a variable per measure over the axes, ``sample`` and the measure's own dimensions, NaN
        where a run failed, and beyond the end of an array that is smaller than that of another run.

    Raises
    ------
    InputError
        If something is not valid; nothing is simulated then.
    StoreError
        If the store cannot be written or is damaged; what it holds stays.
    WorkerCrashError
        If the executor is gone.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, when the runs that were under way are stored; a second one does not wait for these.

    Warns
    -----
    FailedRunsWarning
        If runs failed.
    NotFiniteWarning
        If values that were measured are NaN or infinite. Their runs are done; what is measured of them is kept.

    Examples
    --------
    >>> import tempfile
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.9, 0.1], [0.1, 0.9]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> folder = tempfile.mkdtemp()
    >>> found = sc.sweep(bench, {"drive.amplitude": [0.2, 0.3]}, store=folder, executor="serial")
    >>> dict(found.mean_current.sizes)
    {'drive.amplitude': 2, 'column': 2}

    Any function may take the place of testbenches and their simulation:

    >>> import numpy as np
    >>> def dice(sides, seed):
    ...     return {"rolled": np.random.default_rng(seed).integers(1, sides + 1)}
    >>> rolls = sc.sweep(dice, {"sides": [6, 20]}, samples=3, engine=None, store=tempfile.mkdtemp(), executor="serial")
    >>> dict(rolls.rolled.sizes)
    {'sides': 2, 'sample': 3}
    """
    known = inspect.signature(make_plan).parameters
    for name in settings:
        if name not in known:
            raise TypeError(f"sweep() got an unexpected keyword argument {name!r}{did_you_mean(name, [*known])}")
    plan = make_plan(testbench, axes, **settings)
    return run_plan(plan, store, executor=executor, workers=workers, retry=retry, batch=batch, progress=progress)


def _signature() -> inspect.Signature:
    """Signature of `sweep` with the settings that `make_plan` takes written out."""
    own = inspect.signature(sweep)
    names = [name for name, each in own.parameters.items() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    settings = [each for name, each in inspect.signature(make_plan).parameters.items() if name not in names]
    return own.replace(parameters=[*(own.parameters[name] for name in names), *settings])


sweep.__signature__ = _signature()  # type: ignore[attr-defined]


def retry_sweep(
    store: str | Path, *, executor: Any = None, workers: int | None = None, progress: Report | None = None
) -> xr.Dataset:
    """Run those runs of a store again that failed or are damaged, and all that are left; parameters as in `sweep`."""
    plan = described_plan(Store(store).plan())
    return run_plan(plan, store, executor=executor, workers=workers, retry=True, progress=progress)


def run_plan(
    plan: Plan,
    folder: str | Path,
    *,
    executor: Any = None,
    workers: int | None = None,
    retry: bool = False,
    batch: int | None = None,
    progress: Report | None = None,
) -> xr.Dataset:
    """Do the runs of a plan that a store does not have, and return its dataset; parameters are those of `sweep`."""
    keys: list[str] = []
    recipes: list[Recipe] = []
    for key, recipe in plan.recipes():
        keys.append(key)
        recipes.append(recipe)
    most = None if batch is None else whole_number("batch", batch)
    chosen = chosen_executor(executor, workers)
    try:
        store = Store(folder, create=True)
        store.check()
        store.set_plan(plan.described(), keys)
        function = plan.maker if plan.engine is None else None
        job = Job(plan.base, plan.scatter, plan.engine, plan.measures, plan.waveforms, plan.time_limit, function)
        first: dict[str, int] = {}
        for number, key in enumerate(keys):
            first.setdefault(key, number)
        store.wait_again(store.damaged(list(first)))
        if retry:
            states = store.states(list(first))
            store.wait_again(key for key, state in states.items() if state == FAILED)
        _Sweep(store, Work(job, recipes), first, chosen, most, progress).run()
    finally:
        chosen.close()
    found = dataset_of(store, plan.described())
    _warn(store, found)
    return found


def _warn(store: Store, found: xr.Dataset) -> None:
    if text := not_finite(found):
        warnings.warn(NotFiniteWarning(text), stacklevel=4)
    counts = store.counts()
    if counts.failed:
        ((place, _, kind, text),) = store.failures(1)
        warnings.warn(
            FailedRunsWarning(f"{counts.failed} of {counts.total} runs failed; number {place}: {kind}: {text}"),
            stacklevel=4,
        )


class _Sweep:
    """The runs of a plan while they are being done."""

    def __init__(
        self, store: Store, work: Work, first: Mapping[str, int], executor: Executor, batch: int | None,
        progress: Report | None,
    ) -> None:  # fmt: skip
        self._store, self._work, self._executor = store, work, executor
        self._first, self._keys = first, {number: key for key, number in first.items()}
        self._most, self._progress = batch, progress
        self._waiting: deque[str] = deque()
        self._elsewhere: set[str] = set()
        """Runs that another process has claimed."""
        self._size, self._own = 1, 0
        self._done = self._failed = 0
        self._began = time.monotonic()
        self._lost: list[int] = []
        self._suspects: list[int] = []
        self._signals: list[int] = []
        """Those that have asked to stop."""

    def run(self) -> None:
        """Do all runs that nobody has done, and wait for those that others do."""
        self._note(self._store.states(list(self._first)))
        self._session = Session(self._store.folder)
        try:
            with _interruptible(self._signals):
                while True:
                    self._store.release_dead()
                    self._note(self._store.states([*self._waiting, *self._elsewhere]))
                    if (self._waiting or self._lost) and not self._signals:
                        self._work_off()
                    elif not self._elsewhere or self._signals:
                        break
                    else:
                        time.sleep(_POLL)
            if self._signals:
                raise Interruption(
                    f"{self._done + self._failed} of {len(self._first)} runs are stored in {self._store.folder}; the "
                    "same call goes on with the others",
                    self._signals[0],
                )
        finally:
            with contextlib.suppress(Exception):  # the error that ends the sweep says more; a lock ends the claims
                self._store.release(self._session.name)
            self._session.close()

    def _note(self, states: Mapping[str, str]) -> None:
        """Sort runs by their states."""
        kinds: dict[str, list[str]] = {WAITING: [], CLAIMED: [], DONE: [], FAILED: []}
        for key, state in states.items():
            kinds[state].append(key)
        known = set(self._waiting)
        self._waiting.extend(key for key in kinds[WAITING] if key not in known)
        gone = set(kinds[DONE]) | set(kinds[FAILED]) | set(kinds[CLAIMED])
        if gone & known:
            self._waiting = deque(key for key in self._waiting if key not in gone)
        self._elsewhere = (self._elsewhere | set(kinds[CLAIMED])) - set(kinds[WAITING] + kinds[DONE] + kinds[FAILED])
        self._done += len(kinds[DONE])
        self._failed += len(kinds[FAILED])
        self._report()

    def _work_off(self) -> None:
        with contextlib.closing(self._executor.run(self._work, self._batches())) as results:
            for batch, found in results:
                if isinstance(found, Lost):
                    self._handle_lost(batch)
                else:
                    self._keep(batch, found)
        while self._suspects and not self._signals:
            with contextlib.closing(self._executor.run(self._work, iter([[self._suspects.pop()]]))) as results:
                for batch, found in results:
                    if isinstance(found, Lost):
                        found = [Outcome({}, ("WorkerCrashError", found.reason), [], 0.0, None)]
                    self._keep(batch, found)

    def _batches(self) -> Iterator[Batch]:
        """Claim runs as workers ask for them."""
        while not self._signals:
            if self._lost:
                yield [self._lost.pop()]
                continue
            if not self._waiting:
                return
            share = -(-len(self._waiting) // (2 * self._executor.workers))
            count = min(self._size, share, self._most or _LARGEST_BATCH)
            keys = [self._waiting.popleft() for _ in range(count)]
            mine, others = self._store.claim(self._session.name, keys)
            if others:
                self._note(others)
            if mine:
                yield [self._first[key] for key in mine]

    def _keep(self, batch: Batch, outcomes: list[Outcome]) -> None:
        self._store.save(
            self._session.name, {self._keys[number]: each for number, each in zip(batch, outcomes, strict=True)}
        )
        failed = sum(outcome.error is not None for outcome in outcomes)
        self._done += len(outcomes) - failed
        self._failed += failed
        self._own += len(outcomes)
        each = max(sum(outcome.seconds for outcome in outcomes) / len(outcomes), 1e-6)
        self._size = max(1, min(round(_BATCH_SECONDS / each), _GROWTH * len(batch), _LARGEST_BATCH))
        self._report()

    def _handle_lost(self, batch: Batch) -> None:
        """Do each run of a batch again as one of its own, and at last with nothing beside it.

        A worker may hold several batches: only where nothing else is under way, the run killed it.
        """
        if len(batch) > 1:
            self._lost += batch
        else:
            self._suspects += batch

    def _report(self) -> None:
        if self._progress is None:
            return
        over = self._done + self._failed
        rate = self._own / max(time.monotonic() - self._began, 1e-9)
        left = (len(self._first) - over) / rate if rate else 0.0
        self._progress(Progress(len(self._first), over, self._failed, rate, left))


@contextlib.contextmanager
def _interruptible(signals: list[int]) -> Iterator[None]:
    """Turn a first Ctrl-C or SIGTERM, which batch systems send, into a wish to stop; a second one interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: Any) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise Interruption("", number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
