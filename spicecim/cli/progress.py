"""What is shown while a command works: a progress bar on stderr, and there too what code of others prints."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spicecim.cli.options import SETTINGS

_DELAY = 1.0


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Yield a function that takes what is being done and the fraction of it that is.

    The bar appears when that takes longer than a second; never if `quiet`. Devices, engines and the like may be of
    others, and print: standard output is for the results.
    """
    # rich must not take over the streams as well: one of both would end up in the other
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console, transient=True,
        disable=quiet or SETTINGS["quiet"] or not console.is_terminal, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}
    # one step alone may take long, such as the import of a package
    timer = threading.Timer(_DELAY, bar.start)
    timer.daemon = True
    timer.start()

    def update(name: str, fraction: float) -> None:
        if name not in tasks:
            for task in tasks.values():
                bar.update(task, completed=1.0)
            tasks[name] = bar.add_task(name, total=1.0)
        bar.update(tasks[name], completed=fraction)

    try:
        with redirect_stdout(sys.stderr):
            yield update
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
