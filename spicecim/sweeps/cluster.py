"""Sweeps on a Dask cluster: batches are tasks, and workers that are lost are replaced by others."""

from __future__ import annotations

import importlib.metadata
import itertools
import sys
from collections.abc import Iterator
from typing import Any

from spicecim.errors import InputError, MissingPackageError, UnsupportedError, WorkerCrashError
from spicecim.sweeps.executors import Batch, Executor, Lost, Results, Work
from spicecim.sweeps.recipes import Recipe
from spicecim.sweeps.work import Job, Outcome, run_batch
from spicecim.version import __version__

_CONNECT = 20.0
"""Seconds in which a scheduler must answer."""
_AHEAD = 2
"""Batches per thread of the cluster that are with it, so that no worker waits for the next one."""

_serial = itertools.count()


def versions() -> dict[str, str]:
    """Return the versions that a worker must share with the client: what decides results, and what is sent."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "xarray")}
    return {"python": ".".join(map(str, sys.version_info[:2])), "spicecim": __version__, **packages}


def dask_executor(address: Any) -> Executor:
    """Return the executor of a Dask cluster, given the address of its scheduler or a client.

    Raises
    ------
    MissingPackageError
        If Dask is not installed.
    InputError
        If no scheduler answers, or it has no workers.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingPackageError.of("cluster", f"executor: a cluster needs Dask ({error})") from None
    if isinstance(address, str):
        try:
            client = distributed.Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"executor: no Dask scheduler answers at {address}: {error}") from None
        own = True
    else:
        client, own = address, False
    threads = sum(client.nthreads().values())
    if not threads:
        if own:
            client.close()
        raise InputError(f"executor: the Dask scheduler {client.scheduler.address} has no workers yet; start some")

    return Executor(threads, lambda work, batches: _run(client, work, batches), client.close if own else lambda: None)


def remote_batch(job: Job, recipes: list[Recipe], wanted: dict[str, str]) -> list[Outcome]:
    """Run a batch on a worker whose versions are those wanted; raises `UnsupportedError` on any other."""
    own = versions()
    differing = [f"{name} {own[name]}, not {wanted[name]}" for name in wanted if own.get(name) != wanted[name]]
    if differing:
        raise UnsupportedError(f"a Dask worker has {'; '.join(differing)}: its results could differ")
    return run_batch(job, recipes)


def _run(client: Any, work: Work, batches: Iterator[Batch]) -> Results:
    import distributed

    flying: dict[Any, Batch] = {}
    wanted = versions()
    try:
        more = True
        while more or flying:
            ahead = max(1, _AHEAD * sum(client.nthreads().values()))
            while more and len(flying) < ahead:
                batch = next(batches, None)
                more = batch is not None
                if batch is not None:
                    future = client.submit(
                        remote_batch, work.job, work.recipes_of(batch), wanted, pure=False,
                        key=f"spicecim-{next(_serial)}-{batch[0]}",
                    )  # fmt: skip
                    flying[future] = batch
            if not flying:
                return
            with client.as_current():  # wait looks for the client in the context
                done, _ = distributed.wait(list(flying), return_when="FIRST_COMPLETED")
            for future in done:
                yield flying.pop(future), _result(future)
    except (OSError, distributed.CancelledError, distributed.TimeoutError) as error:
        raise WorkerCrashError(
            f"the Dask scheduler is gone ({type(error).__name__}: {error}); what was finished is stored, and the same "
            "call goes on when there is one again"
        ) from None
    finally:
        for future in flying:
            future.cancel()


def _result(future: Any) -> list[Outcome] | Lost:
    import distributed

    if future.status == "cancelled" or future.status == "lost":
        raise distributed.CancelledError(future.key)
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        return Lost("the workers that it was given to died")
    found: list[Outcome] = future.result()
    return found
