"""The commands ``spicecim validate``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from spicecim.cli.options import Folder, JsonFlag, ReportFlag, report_if

validate_app = typer.Typer(no_args_is_help=True, help="Put published claims beside what is measured.")

Quick = Annotated[bool, typer.Option("--quick", help="A smaller run, below a minute on two idle cores.")]


@validate_app.command("frequency-weighting")
def frequency_weighting(
    output: Folder, quick: Quick = False, report: ReportFlag = False, as_json: JsonFlag = False
) -> None:
    """Frequency-weighted convolution (AICAS 2019): its claims beside what both engines measure."""
    from spicecim.validation.frequency_weighting import validate_frequency_weighting

    _validate(validate_frequency_weighting, output, quick, report, as_json)


@validate_app.command("polarized-columns")
def polarized_columns(
    output: Folder, quick: Quick = False, report: ReportFlag = False, as_json: JsonFlag = False
) -> None:
    """Polarized columns (FORMS): from trained networks to column currents, beside two crossbars and an offset."""
    from spicecim.validation.polarized_columns import validate_polarized_columns

    _validate(validate_polarized_columns, output, quick, report, as_json)


@validate_app.command("forms-architecture")
def forms_architecture(
    output: Folder, quick: Quick = False, report: ReportFlag = False, as_json: JsonFlag = False
) -> None:
    """FORMS beside ISAAC: throughput, area, power and frames per second from their components."""
    from spicecim.validation.forms_architecture import validate_forms_architecture

    _validate(validate_forms_architecture, output, quick, report, as_json)


def _validate(validate: Callable[..., Any], output: Path, quick: bool, report: bool, as_json: bool) -> None:
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar

    with progress_bar(quiet=as_json) as progress:
        claims = validate(output, quick, progress)
    if as_json:
        tables.print_json(claims)
    else:
        tables.print_claims(claims, output)
    report_if(report, output)
