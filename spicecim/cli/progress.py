"""A progress bar on stderr that appears when something takes longer than a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_DELAY = 1.0


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Yield a function that takes what is being done and the fraction of it that is; nothing is shown if `quiet`."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=quiet,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}
    started = time.monotonic()

    def update(name: str, fraction: float) -> None:
        if not bar.live.is_started and time.monotonic() - started > _DELAY:
            bar.start()
        if name not in tasks:
            for task in tasks.values():
                bar.update(task, completed=1.0)
            tasks[name] = bar.add_task(name, total=1.0)
        bar.update(tasks[name], completed=fraction)

    try:
        yield update
    finally:
        bar.stop()
