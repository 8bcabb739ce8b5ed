"""The commands ``spicecim sweep``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from spicecim.cli.interrupts import interruptible
from spicecim.cli.options import EXIT_SIMULATION_FAILED, JsonFlag, ReportFlag, assignments, report_if
from spicecim.errors import InputError

sweep_app = typer.Typer(no_args_is_help=True, help="Run a testbench along axes and samples; keep all runs in a store.")

StoreFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the store.", show_default=False)]
Workers = Annotated[int | None, typer.Option(help="Number of processes; one per processor if left out.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler (tcp://host:8786) in place of processes."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@sweep_app.command()
def run(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="Sweep file.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the store.")],
    workers: Workers = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
    report: ReportFlag = False,
) -> None:
    """Do the runs of a sweep that the store does not have yet.

    The same command again goes on after an interruption. The exit status is 3 if runs failed.
    """
    from spicecim.sweeps.file import read_plan
    from spicecim.sweeps.run import run_plan

    with _progress(quiet or as_json) as show:
        run_plan(read_plan(sweep), output, executor=scheduler, workers=workers, progress=show)
    _finish(output, quiet, as_json, report)


@sweep_app.command()
def retry(
    store: StoreFolder,
    workers: Workers = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Run those again that failed or are damaged, and all that are left. The exit status is 3 if runs failed again."""
    from spicecim.sweeps.run import retry_sweep

    with _progress(quiet or as_json) as show:
        retry_sweep(store, executor=scheduler, workers=workers, progress=show)
    _finish(store, quiet, as_json)


@sweep_app.command()
def status(store: StoreFolder, as_json: JsonFlag = False) -> None:
    """Show how far a sweep has come, also while it runs, and which runs failed."""
    _show(store, as_json)


@sweep_app.command()
def plot(
    store: StoreFolder,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the figures; the store's own if left out."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="NAME=PLACE", help="Place along a dimension, such as column=3.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Draw bands over the axes, distributions, yields, correlations, and what else the design of the sweep gives."""
    from spicecim.cli.progress import progress_bar
    from spicecim.cli.tables import print_json
    from spicecim.plotting import save_figure
    from spicecim.sweeps import open_sweep
    from spicecim.sweeps.figures import plot_sweep

    selection = {name: _place(name, text) for name, text in assignments("--at", at or []).items()}
    folder = output or store / "figures"
    with progress_bar(quiet=as_json) as progress:
        progress("figures", 0.0)
        figures = plot_sweep(open_sweep(store), **selection)
        _make(folder)
        files = [str(file) for name, figure in figures.items() for file in save_figure(figure, folder / name)]
    if as_json:
        print_json({"figures": files})
    elif files:
        typer.echo("\n".join(files))
    else:
        typer.echo("no run has a value yet")


@sweep_app.command()
def repair(store: StoreFolder, as_json: JsonFlag = False) -> None:
    """Save what can be read of a damaged table of runs; the damaged file stays beside it."""
    from spicecim.cli.tables import print_json
    from spicecim.sweeps.repair import repair_sweep

    found = repair_sweep(store)
    if as_json:
        print_json({"saved": found.saved, "damaged": str(found.damaged)})
    else:
        typer.echo(f"{found.saved} finished runs were saved; the damaged table is {found.damaged}")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from None


def _place(name: str, text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"--at {name}={text}: must be a whole number")
    return int(text)


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """Yield what shows the progress of a sweep; an interruption ends with how to go on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from spicecim.errors import FailedRunsWarning, NotFiniteWarning

    console = Console(stderr=True)
    bar = Progress(
        BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console,
        transient=True, disable=quiet or not console.is_terminal, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    task = bar.add_task("", total=None)

    def report(progress: Any) -> None:
        bar.update(task, description=str(progress), completed=progress.done, total=progress.total)

    with interruptible(), bar, warnings.catch_warnings():
        warnings.simplefilter("ignore", FailedRunsWarning)  # what is printed says it
        warnings.simplefilter("ignore", NotFiniteWarning)  # likewise
        yield report


def _finish(store: Path, quiet: bool, as_json: bool, report: bool = False) -> None:
    failed = _show(store, as_json, quiet)
    report_if(report, store)
    if failed:
        raise typer.Exit(EXIT_SIMULATION_FAILED)


_SHOWN = 10


def _show(folder: Path, as_json: bool, quiet: bool = False) -> int:
    """Print the state of a store, and return how many runs failed."""
    from spicecim.cli.tables import print_json
    from spicecim.sweeps.dataset import grid_of
    from spicecim.sweeps.run_values import shown_value, values_of_runs
    from spicecim.sweeps.store import Store, told_not_finite

    store = Store(folder)
    plan, counts, not_finite = store.plan(), store.counts(), store.not_finite()
    failures = store.failures(-1 if as_json else _SHOWN)
    dims, grid = grid_of(plan)
    differing = values_of_runs(grid, dims, [place for place, *_ in failures])
    at = [dict(zip(differing, values, strict=True)) for values in zip(*differing.values(), strict=True)]
    at = at or [{} for _ in failures]
    if as_json:
        axes = {name: len(axis["sources"]) for axis in plan["axes"] for name in axis["labels"]}
        in_step = [list(axis["labels"]) for axis in plan["axes"] if len(axis["labels"]) > 1]
        failed = [
            {**dict(zip(("place", "key", "error", "text"), each, strict=True)), "at": where}
            for each, where in zip(failures, at, strict=True)
        ]
        own = {name: plan[name] for name in ("engine", "samples", "seed", "design", "draws")} | plan["scatter"]
        own["measures"], own["not_finite"] = list(plan["measures"]), not_finite
        print_json({**counts._asdict(), "axes": axes, "in_step": in_step, **own, "failures": failed})
    elif not quiet:
        left = counts.waiting + counts.claimed
        typer.echo(f"{counts.done} of {counts.total} runs done, {counts.failed} failed, {left} left")
        units = {name: grid[name].attrs.get("units", "") for name in differing}
        for (place, _, kind, text), where in zip(failures, at, strict=True):
            values = ", ".join(f"{name} {shown_value(value)} {units[name]}".strip() for name, value in where.items())
            run = f"run {place} ({values})" if values else f"run {place}"
            typer.echo(f"  {run}: {kind}: {' '.join(text.split())[:200]}")
        if counts.failed > len(failures):
            typer.echo(f"  and {counts.failed - len(failures)} more")
        if text := told_not_finite(not_finite):
            typer.echo(f"  {text}")
    return counts.failed
