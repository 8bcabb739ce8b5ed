"""The commands ``spicecim model``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spicecim.cli.options import EXIT_ENGINES_DISAGREE, EXIT_MODEL_HAS_ERRORS, JsonFlag, assignments, write_or_print

model_app = typer.Typer(
    no_args_is_help=True, help="Check, cure and adapt models of one's own, and export those of the library."
)


@model_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.va", help="A Verilog-A file.", show_default=False)],
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the module, if the file has several.")
    ] = None,
    state: Annotated[str | None, typer.Option(metavar="NODE", help="Node that holds the state.")] = None,
    initial: Annotated[
        tuple[float, float] | None, typer.Option(metavar="A B", help="Values of the state at x = 0 and at x = 1.")
    ] = None,
    hold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE=VALUE", help="Value at which a further state is held, such as a temperature; may be repeated."
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Value of a parameter; may be repeated.")
    ] = None,
    voltage: Annotated[
        str, typer.Option(metavar="V", help="Largest magnitude of the voltages at which it is probed (V).")
    ] = "2",
    as_json: JsonFlag = False,
) -> None:
    """Tell what a Verilog-A model has, and what is wrong with it as a memristor.

    The exit status is 1 if there is an error among the findings, and 2 if the file cannot be compiled.
    """
    from spicecim.cli import tables
    from spicecim.veriloga.checks import check_model

    report = check_model(
        file, module, state=state, initial=initial, states=assignments("--hold", hold or []), voltage=voltage,
        parameters=assignments("--parameter", parameter or []),
    )  # fmt: skip
    if as_json:
        tables.print_json(report.to_dict())
    else:
        tables.print_report(report)
    if not report.ok:
        raise typer.Exit(EXIT_MODEL_HAS_ERRORS)


@model_app.command()
def adapt(
    file: Annotated[Path, typer.Argument(metavar="FILE.sub", help="A SPICE subcircuit.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT.sub", help="File to write.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the subcircuit, if the file has several.")
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(metavar="ngspice|ltspice|pspice|hspice", help="Simulator that the file was written for."),
    ] = None,
    caret: Annotated[
        str | None, typer.Option(metavar="power|xor", help="Meaning of ^ in a file for LTspice or PSpice.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Rewrite a SPICE subcircuit of another simulator for ngspice, and show the difference.

    Without an output file it is only shown. What is not understood, or not certain, is refused with its line.
    """
    from spicecim.cli import tables
    from spicecim.netlist.adapting import adapt_subcircuit

    adapted = adapt_subcircuit(file, name, dialect=dialect, caret=caret)
    if output is not None:
        write_or_print(adapted.text, output)
        adapted.device["subcircuit"] = output.name
    if as_json:
        tables.print_json(adapted.to_dict())
    else:
        tables.print_adaptation(adapted)


@model_app.command()
def cure(
    file: Annotated[Path, typer.Argument(metavar="FILE.va", help="A Verilog-A file.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.va", help="File to write.")],
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the module, if the file has several.")
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(metavar="NAME|TIME", help="Parameter or variable that holds the time step, or its value (s)."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="log|exp|from|rate-in-ddt|draws", help="A further cure; may be repeated."),
    ] = None,
    amplitude: Annotated[str | None, typer.Option(metavar="V", help="Amplitude of the comparison (V).")] = None,
    frequency: Annotated[str | None, typer.Option(metavar="HZ", help="Frequency of the comparison (Hz).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put what a Verilog-A model keeps in variables into nodes, and compare with the original.

    OUT.va is written if the cured model agrees with the original in both engines; if not, the exit status is 1. It is 2
    if the model cannot be cured: the message names the line and the reason.
    """
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.cure.model import cure_module

    with progress_bar():
        cured = cure_module(
            file, output, module=module, step=step, also=also or [], amplitude=amplitude, frequency=frequency
        )
    if as_json:
        tables.print_json(cured.to_dict())
    else:
        tables.print_cure(cured)
    if not cured.ok:
        raise typer.Exit(EXIT_ENGINES_DISAGREE)


@model_app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model.", show_default=False)],
    preset: Annotated[str | None, typer.Option(help="Published parameter set; the first if left out.")] = None,
    format: Annotated[str, typer.Option(metavar="verilog-a|subcircuit", help="Form to write.")] = "verilog-a",
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
) -> None:
    """Write a model as a Verilog-A module, or as a subcircuit of ngspice, to use elsewhere."""
    from spicecim.cli.progress import progress_bar
    from spicecim.netlist.export import export_model

    with progress_bar():
        text = export_model(name, preset, format)
    write_or_print(text, output)
