"""Options that take a list of values: ``--frequency 30 100 1k``."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_NUMBER = re.compile(r"-[.0-9]")


class ListsCommand(TyperCommand):
    """A command whose options that may be repeated take all values that follow them, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat each of these options before each of its values."""
        options = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        return super().parse_args(ctx, spread(args, options))


def spread(args: list[str], options: set[str]) -> list[str]:
    """Return arguments in which each of the options stands before each of its values."""
    spread_out: list[str] = []
    current, waiting = "", False
    for index, arg in enumerate(args):
        if arg == "--":
            return spread_out + args[index:]
        if arg.startswith("-") and not _NUMBER.match(arg):
            name, equals, _ = arg.partition("=")
            current = name if name in options else ""
            waiting = bool(current) and not equals
            spread_out.append(arg)
        elif current and not waiting:
            spread_out += [current, arg]
        else:
            spread_out.append(arg)
            waiting = False
    return spread_out
