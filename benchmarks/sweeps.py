"""Sweeps: time, overhead, efficiency, memory, tasks on a cluster, and a distribution against its closed form.

``sweeps.py [SECTION...] [--runs N] [--folder DIR]`` prints a line per figure; sections are reference, ngspice,
overhead, efficiency, cluster, distribution; all of them if none is given.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import pickle
import resource
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import spicecim as sc
from spicecim.measure import mean_current
from spicecim.sweeps.executors import Work
from spicecim.sweeps.plan import make_plan
from spicecim.sweeps.work import Job, run_batch

OHMIC = {"model": "resistor", "parameters": {"Ron": 1e4, "Roff": 1e6}}
MEMRISTIVE = {"model": "yakopcic", "preset": "oblea"}
VARY = {"Ron": {"lognormal": 0.05}}
VARY_MEMRISTIVE = {"a1": {"lognormal": 0.05}, "Vp": {"lognormal": 0.05}}


def bench(device: Mapping[str, Any] = OHMIC) -> sc.Testbench:
    """A crossbar of 8 x 8 cells, one period of a sine."""
    states = np.random.default_rng(1).uniform(0.1, 0.9, (8, 8))
    return sc.Testbench(
        device=dict(device),
        crossbar={"state": states},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": 100, "offset": 0.02},
        analysis={"points_per_period": 64},
    )


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def own_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def memory_of(pid: int) -> float:
    """Memory of a process (MB) that it does not share; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    kinds = [line.split() for line in lines if line.startswith("Private_")]
    return sum(float(line[1]) for line in kinds) / 1e3


def below(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found + [each for child in found for each in below(child)]


class Memory:
    """Memory of this process and the largest of those below it, ngspice's among them, every second in a thread."""

    def __enter__(self) -> Memory:
        self.samples: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self.samples.append((memory_of(os.getpid()), max(map(memory_of, below(os.getpid())), default=0.0)))

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def __str__(self) -> str:
        if len(self.samples) < 8:
            return "too short to say"
        quarter = len(self.samples) // 4
        middle = np.median(self.samples[quarter : 2 * quarter], axis=0)
        end = np.median(self.samples[-quarter:], axis=0)
        return (
            f"parent {middle[0]:.0f} MB in the second quarter, {end[0]:.0f} MB in the last; "
            f"largest worker {middle[1]:.0f} and {end[1]:.0f} MB"
        )


def many(engine: str, runs: int, folder: Path) -> None:
    """Time a sweep of memristive cells with 2 processes, and its memory."""
    started, before = time.perf_counter(), own_seconds()
    with Memory() as memory:
        found = sc.sweep(
            bench(MEMRISTIVE), samples=runs, vary=VARY_MEMRISTIVE, engine=engine, store=folder, workers=2
        )  # fmt: skip
    wall, used = time.perf_counter() - started, own_seconds() - before
    start = time.perf_counter()
    sc.open_sweep(folder)
    opened = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say(
        f"{engine}: {runs} runs of 8 x 8, {int((found['status'] == 'done').sum())} done: {wall:.1f} s by the clock "
        f"({runs / wall:.1f} runs/s), {used:.1f} s of processor time ({1e3 * used / runs:.2f} ms per run); "
        f"opened in {opened:.2f} s; {size / 1e6:.1f} MB on the disk"
    )
    say(f"{engine}: memory: {memory}")


def overhead(runs: int, folder: Path) -> None:
    """Processor time of stored runs over that of the bare simulations of the same testbenches, in turns."""
    own = bench()
    plan = make_plan(own, samples=runs, vary=VARY)
    recipes = [recipe for _, recipe in plan.recipes()]
    job = Job(plan.base, plan.scatter, plan.engine, plan.measures, False, None)
    bare = stored = 0.0
    run_batch(job, recipes[:2])
    for turn in range(4):
        part = recipes[turn::4]
        benches = [sc.vary(own, VARY, seed=int(each.seed or 0)) for each in part]
        start = time.process_time()
        for each in benches:
            mean_current(sc.simulate(each, "reference"))
        bare += time.process_time() - start
        start = time.process_time()
        sc.sweep(own, samples=len(part), vary=VARY, seed=turn, store=folder / str(turn), executor="serial")
        stored += time.process_time() - start
    say(
        f"overhead: a stored run takes {1e3 * stored / runs:.2f} ms of processor time with drawing its cells, the "
        f"bare simulation with its measure {1e3 * bare / runs:.2f} ms: {1e3 * (stored - bare) / runs:.2f} ms more "
        f"({runs} runs)"
    )


def half(folder: str, seed: int, runs: int) -> None:
    """One of two serial sweeps."""
    sc.sweep(bench(), samples=runs, vary=VARY, seed=seed, store=folder, executor="serial")


def efficiency(runs: int, folder: Path) -> None:
    """Two processes of one sweep against two serial sweeps of half the runs, side by side, by clock and by work."""
    clock, work = [], []
    for turn in range(3):
        start, before = time.perf_counter(), own_seconds()
        context = multiprocessing.get_context("fork")
        halves = [
            context.Process(target=half, args=(str(folder / f"half-{turn}-{number}"), 10 * turn + number, runs // 2))
            for number in range(2)
        ]
        for process in halves:
            process.start()
        for process in halves:
            process.join()
        apart = time.perf_counter() - start, own_seconds() - before
        start, before = time.perf_counter(), own_seconds()
        sc.sweep(bench(), samples=runs, vary=VARY, seed=100 + turn, store=folder / f"whole-{turn}", workers=2)
        together = time.perf_counter() - start, own_seconds() - before
        clock.append(apart[0] / together[0])
        work.append(apart[1] / together[1])
    say(
        f"efficiency of 2 processes over two serial halves: {np.median(clock):.3f} by the clock "
        f"({', '.join(f'{each:.3f}' for each in clock)}), {np.median(work):.3f} by processor time ({runs} runs)"
    )


def nothing(number: int) -> int:
    """A task that takes no time."""
    return number


def cluster(folder: Path) -> None:
    """Tasks per second of a Dask scheduler, and bytes per task."""
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        client.gather(client.map(nothing, range(100), pure=False))
        start = time.perf_counter()
        client.gather(client.map(nothing, range(2000), pure=False))
        rate = 2000 / (time.perf_counter() - start)
        start = time.perf_counter()
        sc.sweep(bench(), samples=400, vary=VARY, store=folder, executor=client)
        wall = time.perf_counter() - start
    plan = make_plan(bench(), samples=500, vary=VARY)
    recipes = [recipe for _, recipe in plan.recipes()]
    work = Work(Job(plan.base, plan.scatter, plan.engine, plan.measures, False, None), recipes)
    one, all_of = (len(pickle.dumps((work.job, work.recipes_of(list(range(count)))))) for count in (1, 500))
    back = len(pickle.dumps(work([0])))
    per_run = (all_of - one) / 499
    say(
        f"cluster: the scheduler passes {rate:.0f} empty tasks per second; a task takes {one - per_run:.0f} bytes and "
        f"{per_run:.0f} per run, a run {back} bytes back; 400 runs on 2 threads of a worker process took {wall:.1f} s"
    )
    say(
        f"cluster: 1,000 workers with runs of 10 ms ask for 100,000 runs per second; with batches of half a second for "
        f"2,000 tasks per second, {2000 / rate:.1f} times what the scheduler passes here: batch=500 asks for 200"
    )


def distribution(runs: int, folder: Path) -> None:
    """The current of a column of ohmic cells with normal conductances is normal, with a known deviation.

    A test by Kolmogorov and Smirnov tells a deviation that is 5 % off from about 20,000 draws on, so the first column
    of each array is tested alone and then all columns.
    """
    found = sc.sweep(ohmic_columns, samples=runs, measures={"read": read}, store=folder, workers=2)
    mean, deviation = ROWS * 0.2 * 1e-4, ROWS**0.5 * 0.2 * 1e-4 * 0.05
    others = {"the right one": (1, 1), "5 % more current": (1.05, 1), "5 % more deviation": (1, 1.05)}
    for current in (found["read"].values[:, 0], found["read"].values.ravel()):
        tests = {
            title: stats.kstest(current, "norm", (first * mean, second * deviation)).pvalue
            for title, (first, second) in others.items()
        }
        spread = (len(current) - 1) * current.var(ddof=1) / (np.array([1.0, 1.05]) * deviation) ** 2
        right, wide = 2 * np.minimum(stats.chi2.cdf(spread, len(current) - 1), stats.chi2.sf(spread, len(current) - 1))
        say(
            f"distribution of {len(current)} column currents of {ROWS} ohmic cells: Kolmogorov-Smirnov p = "
            + ", ".join(f"{p:.2g} for {title}" for title, p in tests.items())
            + f"; chi-squared test of the variance p = {right:.2g} for the right one, {wide:.2g} for 5 % more deviation"
        )


ROWS = 16


def ohmic_columns(seed: int) -> sc.Testbench:
    """Eight columns of cells of 100 uS, each conductance drawn with a deviation of 5 %."""
    conductance = 1e-4 * (1.0 + 0.05 * np.random.default_rng(seed).standard_normal((ROWS, 8)))
    return sc.Testbench(
        device={"model": "resistor", "parameters": {"Ron": 1.0 / conductance, "Roff": 1e9}},
        crossbar={"state": np.ones((ROWS, 8))},
        drive={"kind": "sine", "amplitude": 0.2, "frequency": 1e3},
        analysis={"points_per_period": 16},
    )


def read(waveforms: Any) -> Any:
    """Current of each column at the top of the sine."""
    return waveforms["i_column"].max("time")


def main() -> None:
    """Measure what is asked for."""
    sections = ("reference", "ngspice", "overhead", "efficiency", "cluster", "distribution")
    parser = argparse.ArgumentParser()
    parser.add_argument("section", nargs="*", choices=[*sections, []])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder = Path(scratch)
        for section in given.section or sections:
            if section in ("reference", "ngspice"):
                many(section, given.runs or (10_000 if section == "reference" else 1000), folder / section)
            elif section == "cluster":
                cluster(folder / section)
            else:
                runs = given.runs or {"overhead": 400, "efficiency": 600, "distribution": 10_000}[section]
                {"overhead": overhead, "efficiency": efficiency, "distribution": distribution}[section](
                    runs, folder / section
                )


if __name__ == "__main__":
    main()
