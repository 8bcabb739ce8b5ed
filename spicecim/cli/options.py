"""Options that several commands have, exit statuses, and how texts of the command line are read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spicecim.errors import InputError

EXIT_NOTHING_RUNS = 1
EXIT_ENGINES_DISAGREE = 1
EXIT_MODEL_HAS_ERRORS = 1
EXIT_BAD_INPUT = 2
EXIT_SIMULATION_FAILED = 3
EXIT_UNEXPECTED = 4
EXIT_NOT_ACCURATE = 5
EXIT_BY_SIGNAL = 128
"""Less than the exit status of what a signal has ended, by its number."""

SETTINGS = {"debug": False, "quiet": False}
"""What options before the command's name have set: to show tracebacks, and neither progress nor warnings."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Bench = Annotated[Path, typer.Argument(metavar="BENCH.yaml", help="Testbench file.", show_default=False)]
TimeLimit = Annotated[
    str,
    typer.Option(metavar="SECONDS|none", help="Longest time of an engine's run (s); none for no limit."),
]
ReportFlag = Annotated[
    bool, typer.Option("--report", help="Also write report.html, a page that opens without a network.")
]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")]


CycleToCycle = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SPREAD",
        help="Lognormal spread of a parameter, drawn anew for every SET and RESET pulse, as Vp=5%; may be repeated.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the random draws.")]


def spreads(texts: list[str] | None) -> dict[str, dict[str, str]] | None:
    """Return the distributions of --cycle-to-cycle by parameter; None where there are none."""
    given = assignments("--cycle-to-cycle", texts or [])
    return {name: {"lognormal": spread} for name, spread in given.items()} or None


def assignments(option: str, texts: list[str]) -> dict[str, str]:
    """Return the values by name of an option that is given as NAME=VALUE; raises `InputError` for another form."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise InputError(f"{option} {text}: must be NAME=VALUE, such as Roff=16k")
        if name.strip() in values:
            raise InputError(f"{option} {name.strip()}: is given twice")
        values[name.strip()] = value.strip()
    return values


def time_limit_of(time_limit: str) -> str | None:
    """Return the time limit of the option; None where there is none."""
    return None if time_limit == "none" else time_limit


def report_if(wanted: bool, folder: Path) -> None:
    """Write the page of a folder of results if it is wanted.

    To be called when the results are printed: an error here ends the command.
    """
    if wanted:
        from spicecim.report import write_report

        write_report(folder)


def write_or_print(text: str, output: Path | None) -> None:
    """Write a text to a file, or to standard output."""
    from spicecim.files import write_text

    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
