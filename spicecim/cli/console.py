"""Where the commands print."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """Return a console that prints every text as it stands: brackets are no markup, and ``:x:`` is no picture.

    Names, titles and messages come from files and packages of others.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)
