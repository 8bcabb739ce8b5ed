"""What a command says and exits with that a signal ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from spicecim.cli.options import EXIT_BY_SIGNAL
from spicecim.errors import Interruption


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, which batch systems send, interrupt as Ctrl-C does; say on stderr what the interruption says."""

    def interrupt(number: int, _: Any) -> None:
        raise Interruption("", number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt as interruption:
        number = signal.Signals(getattr(interruption, "signal", signal.SIGINT))
        what = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        print(f"{what}: {interruption}" if str(interruption) else what, file=sys.stderr)
        raise typer.Exit(EXIT_BY_SIGNAL + number) from None
    finally:
        signal.signal(signal.SIGTERM, before)
