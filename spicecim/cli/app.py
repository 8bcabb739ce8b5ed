"""The commands, and how errors become exit statuses."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from spicecim.cli.interrupts import interruptible
from spicecim.cli.lists import ListsCommand
from spicecim.cli.measured import fit, measurement
from spicecim.cli.model import model_app
from spicecim.cli.options import (
    EXIT_BAD_INPUT,
    EXIT_BY_SIGNAL,
    EXIT_ENGINES_DISAGREE,
    EXIT_NOT_ACCURATE,
    EXIT_NOTHING_RUNS,
    EXIT_SIMULATION_FAILED,
    EXIT_UNEXPECTED,
    SETTINGS,
    Bench,
    CycleToCycle,
    Folder,
    JsonFlag,
    ReportFlag,
    Seed,
    TimeLimit,
    assignments,
    report_if,
    spreads,
    time_limit_of,
    write_or_print,
)
from spicecim.cli.sweep import sweep_app
from spicecim.cli.validate import validate_app
from spicecim.errors import InputError, SimulationError, SpiceCimError
from spicecim.limits import DEFAULT_TIME_LIMIT

app = typer.Typer(
    name="spicecim",
    help="SPICE-backed co-simulation of in-memory computing on memristor crossbars.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

app.add_typer(model_app, name="model")
app.add_typer(validate_app, name="validate")
app.add_typer(sweep_app, name="sweep")


def main() -> None:
    """Run the command line; the entry point of ``spicecim``."""
    signal.signal(signal.SIGTERM, _end)  # so that temporary files go
    warnings.showwarning = lambda message, *where: _say("warning:", "bold yellow", str(message))
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:  # closed from the start
                sys.stdout.flush()  # here, where it can still be told that nobody reads it
    except BrokenPipeError:
        _end_of_pipe()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # which click and rich turn into an exit of 1
            _end_of_pipe()
        raise
    except (SpiceCimError, OSError, MemoryError) as error:
        if SETTINGS["debug"]:
            raise
        failed = isinstance(error, SimulationError)
        _fail(str(error) or "out of memory", EXIT_SIMULATION_FAILED if failed else EXIT_BAD_INPUT)
    except Exception as error:
        if SETTINGS["debug"]:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _fail(f"{what}; this is a fault of spicecim: please report it with what --debug shows", EXIT_UNEXPECTED)


def _end(signal_number: int, _: object) -> NoReturn:
    sys.exit(EXIT_BY_SIGNAL + signal_number)


def _end_of_pipe() -> NoReturn:
    """End as programs do whose output nobody reads any more, such as ``spicecim ... | head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to be flushed at the exit
    sys.exit(EXIT_BY_SIGNAL + signal.SIGPIPE)


def _say(mark: str, style: str, text: str) -> None:
    from rich.text import Text

    from spicecim.cli.console import plain_console

    plain_console(stderr=True, soft_wrap=True).print(Text(mark, style), Text(text))


def _fail(message: str, status: int) -> NoReturn:
    _say("error:", "bold red", message)
    sys.exit(status)


def _version(wanted: bool) -> None:
    if wanted:
        from spicecim.version import __version__

        typer.echo(f"spicecim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where an error occurs.")] = False,
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, help="Log what is done; -vv also what was found in the cache."),
    ] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print neither progress nor warnings.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    SETTINGS["debug"] = debug
    if quiet:
        warnings.showwarning = lambda *_: None
        SETTINGS["quiet"] = True
    shown = [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    console = logging.StreamHandler()
    console.setLevel(shown)
    logging.basicConfig(format="%(name)s: %(message)s", handlers=[console])
    logging.getLogger("spicecim").setLevel(min(shown, logging.INFO))  # for the log in a folder of results


@app.command()
def doctor(
    as_json: JsonFlag = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Install ngspice 43 or newer if it is missing; without root, for this user alone."
        ),
    ] = False,
) -> None:
    """Show the simulation environment: what was found, what is missing, and how to get it."""
    from spicecim.cli import tables
    from spicecim.doctor import examine

    if install:
        from spicecim.ngspice.install import main as install_ngspice

        with redirect_stdout(sys.stderr):
            install_ngspice()
    findings = examine()
    if as_json:
        tables.print_json({finding.name: finding for finding in findings})
    else:
        tables.print_findings(findings)
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(EXIT_NOTHING_RUNS)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Name of a model; all are listed if left out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the device models, or show one with its parameters, published presets and citations."""
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.devices import MODELS

    with progress_bar(quiet=as_json) as progress:
        if name is None:
            MODELS.load(progress)
        described = [tables.describe_model(MODELS[each]) for each in (MODELS if name is None else [name])]
    if as_json:
        tables.print_json(described if name is None else described[0])
    elif name is None:
        tables.print_models(described)
    else:
        tables.print_model(described[0])


@app.command()
def citation(
    bench: Bench,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
) -> None:
    """Print what to cite for a testbench, as BibTeX: its model and preset, and the methods that run it."""
    from spicecim.citation import citation as entries
    from spicecim.testbench import Testbench

    write_or_print(entries(Testbench.from_yaml(bench)) + "\n", output)


@app.command()
def schema() -> None:
    """Print the JSON schema of a testbench."""
    from spicecim.cli import tables
    from spicecim.testbench import Testbench

    tables.print_json(Testbench.model_json_schema())


@app.command()
def netlist(
    bench: Bench,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
    backend: Annotated[
        str, typer.Option(metavar="auto|osdi|behavioral", help="Device as a compiled model, or as behavioral sources.")
    ] = "auto",
    subcircuit: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write the array alone, as a .subckt with its lines as ports."),
    ] = None,
) -> None:
    """Write the netlist of a testbench: what ngspice gets, and what plain `ngspice -b` runs too.

    A compiled device is written beside the output file, as FILE.osdi. Without an output file, or into a pipe, the
    device is written as behavioral sources.
    """
    from spicecim.cli.progress import progress_bar
    from spicecim.ngspice.engine import render_netlist, write_netlist
    from spicecim.testbench import Testbench

    with progress_bar():
        read = Testbench.from_yaml(bench)
        if output is not None and (output.is_file() or not output.exists()):
            write_netlist(read, output, backend, subcircuit=subcircuit)
            return
        if backend == "osdi":
            raise InputError("--backend osdi: needs --output FILE, beside which the compiled device is written")
        form = "behavioral" if read.device.foreign() is None else "auto"
        text = render_netlist(read, form, subcircuit=subcircuit)
    write_or_print(text, output)


@app.command()
def run(
    bench: Bench,
    output: Folder,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|both|NAME", help="Engine that simulates.")] = "both",
    time_limit: TimeLimit = f"{DEFAULT_TIME_LIMIT:g}",
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0, help="Largest difference of column currents between the engines, relative to the column's peak."
        ),
    ] = 1e-4,
    measure: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further measure for summary.json; may be repeated.")
    ] = None,
    report: ReportFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Simulate a testbench and write netlist, datasets, figures and summary.json.

    The exit status is 5 if a run did not reach the accuracy that the testbench asks for (analysis.accuracy), by its
    estimated error; otherwise 1 if both engines ran and their column currents differ by more than the tolerance.
    """
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.runs import run_testbench
    from spicecim.testbench import Testbench

    with progress_bar(quiet=as_json) as progress:
        summary = run_testbench(
            Testbench.from_yaml(bench),
            output,
            engine=engine,
            time_limit=time_limit_of(time_limit),
            tolerance=tolerance,
            measures=measure or (),
            progress=progress,
        )
    if as_json:
        tables.print_json(summary)
    else:
        tables.print_summary(summary, output)
    report_if(report, output)
    if not summary["accurate"]:
        raise typer.Exit(EXIT_NOT_ACCURATE)
    if not summary.get("passed", True):
        raise typer.Exit(EXIT_ENGINES_DISAGREE)


@app.command()
def program(
    bench: Bench,
    output: Folder,
    target: Annotated[Path, typer.Option(metavar="FILE.npy", help="Target of each cell (row, column).")],
    quantity: Annotated[
        str, typer.Option(metavar="conductance|x", help="Quantity of the target: conductance (S), or the state x.")
    ] = "conductance",
    scheme: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEME",
            help="Unselected lines: v/2, v/3, grounded, floating or word_lines; by default the last where cells have "
            "transistors, else v/2.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Allowed error, relative to the conductance range of the cell.")
    ] = 0.01,
    set_pulses: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="SET pulses: voltage, width, voltage_step, width_factor, levels."
        ),
    ] = None,
    reset_pulses: Annotated[
        list[str] | None, typer.Option("--reset", metavar="NAME=VALUE", help="RESET pulses, with the same names.")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="row|cell", help="Program all cells of a row at once, or each cell by itself.")
    ] = "row",
    read_voltage: Annotated[
        str | None, typer.Option(help="Read voltage; a fifth of the SET voltage if left out.")
    ] = None,
    read_gate: Annotated[
        str | None, typer.Option(help="Voltage of the word lines in reads; their largest if left out.")
    ] = None,
    passes: Annotated[int, typer.Option(help="Largest number of passes over the array.")] = 3,
    cycle_to_cycle: CycleToCycle = None,
    seed: Seed = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|NAME", help="Engine that simulates.")] = "reference",
    report: ReportFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Program an array by write-verify; write a dataset, heat maps and summary.json.

    Pulses that are left out have the largest voltage of the testbench's drive, and double in width from level to level.
    The exit status is 5 if a cell is not within the tolerance at the end, and 3 if no cell came nearer to its target or
    an operation failed; what was reached is written all the same. Of a run that Ctrl-C or SIGTERM ends it is written
    into DIR/unfinished.
    """
    from spicecim.array_files import load_array
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.programming_runs import run_program
    from spicecim.testbench import Testbench

    with interruptible(), progress_bar(quiet=as_json) as progress:
        summary = run_program(
            Testbench.from_yaml(bench), load_array(target), output, quantity=quantity, scheme=scheme,
            tolerance=tolerance, set_pulses=assignments("--set", set_pulses or []),
            reset_pulses=assignments("--reset", reset_pulses or []), by=by, read_voltage=read_voltage,
            read_gate=read_gate, passes=passes, cycle_to_cycle=spreads(cycle_to_cycle), seed=seed, engine=engine,
            progress=progress,
        )  # fmt: skip
    if as_json:
        tables.print_json(summary)
    else:
        tables.print_program(summary, output)
    report_if(report, output)
    if summary["failure"]:
        raise SimulationError(summary["failure"])
    if not summary["passed"]:
        raise typer.Exit(EXIT_NOT_ACCURATE)


@app.command()
def endurance(
    bench: Bench,
    output: Folder,
    cycles: Annotated[int, typer.Option(min=1, help="Cycles of one SET and one RESET pulse.")] = 100,
    set_pulse: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="SET pulse: voltage, width.")
    ] = None,
    reset_pulse: Annotated[
        list[str] | None, typer.Option("--reset", metavar="NAME=VALUE", help="RESET pulse: voltage, width.")
    ] = None,
    read_voltage: Annotated[
        str | None, typer.Option(help="Read voltage; a fifth of the SET voltage if left out.")
    ] = None,
    cycle_to_cycle: CycleToCycle = None,
    seed: Seed = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|NAME", help="Engine that simulates.")] = "reference",
    as_json: JsonFlag = False,
) -> None:
    """Cycle the device of a testbench; write its low and high resistances, their distributions and summary.json.

    Pulses that are left out have the largest voltage of the testbench's drive. The exit status is 3 if a run failed;
    the cycles before it are written all the same. Those of a run that Ctrl-C or SIGTERM ends are written into
    DIR/unfinished.
    """
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.programming_runs import run_endurance
    from spicecim.testbench import Testbench

    with interruptible(), progress_bar(quiet=as_json):
        summary = run_endurance(
            Testbench.from_yaml(bench), output, cycles=cycles, set_pulse=assignments("--set", set_pulse or []),
            reset_pulse=assignments("--reset", reset_pulse or []), read_voltage=read_voltage,
            cycle_to_cycle=spreads(cycle_to_cycle), seed=seed, engine=engine,
        )  # fmt: skip
    if as_json:
        tables.print_json(summary)
    else:
        tables.print_endurance(summary, output)
    if summary["failure"]:
        raise SimulationError(summary["failure"])


@app.command("operating-point")
def find_operating_point(
    bench: Bench,
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Voltages of the row drivers (V), as (row) or (input, row); columns are at 0 V.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE.nc", help="File to write.")] = None,
    time_limit: TimeLimit = f"{DEFAULT_TIME_LIMIT:g}",
    as_json: JsonFlag = False,
) -> None:
    """Solve a crossbar at rest, its states held, and show the currents of its columns.

    Without voltages it is driven as at its peak: where the sum of the squares of the drive's voltages is largest.
    """
    from spicecim.array_files import load_array
    from spicecim.cli import tables
    from spicecim.netcdf import write_netcdf
    from spicecim.reference.operating_point import operating_point
    from spicecim.testbench import Testbench
    from spicecim.waveforms import with_testbench_stored

    voltages = None if inputs is None else load_array(inputs)
    found = operating_point(Testbench.from_yaml(bench), voltages, time_limit=time_limit_of(time_limit))
    if output is not None:
        write_netcdf(with_testbench_stored(found), output)
    result = tables.describe_operating_point(found)
    if as_json:
        tables.print_json(result)
    else:
        tables.print_operating_point(result)


@app.command()
def multiply(
    scheme: Annotated[str, typer.Argument(metavar="SCHEME", help="An encoding: `spicecim extensions` lists them.")],
    weights: Annotated[Path, typer.Option(metavar="FILE.npy", help="Weights: integers (input line, output).")],
    inputs: Annotated[Path, typer.Option(metavar="FILE.npy", help="Inputs: integers >= 0 (vector, input line).")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the encoding, in YAML; may be repeated."),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|NAME", help="Engine that simulates.")] = "reference",
    as_json: JsonFlag = False,
) -> None:
    """Multiply inputs by weights on simulated crossbars of one encoding, and show what the exact products are.

    An example of settings: --set 'device={model: yakopcic, preset: oblea}' --set amplitude=100mV
    """
    from spicecim.array_files import load_array
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.encodings.comparison import compare_encodings
    from spicecim.encodings.registered import ENCODINGS
    from spicecim.yaml_text import parse_yaml

    values = {}
    for name, text in assignments("--set", settings or []).items():
        try:
            values[name] = parse_yaml(text)
        except InputError as error:
            raise InputError(f"--set {name}: {error}") from None
    with progress_bar(quiet=as_json):
        found = compare_encodings([ENCODINGS[scheme](**values)], load_array(weights), load_array(inputs), engine)
    result = {"scheme": scheme, "engine": engine, **tables.describe_products(found.isel(encoding=0))}
    if as_json:
        tables.print_json(result)
    else:
        tables.print_products(result)


@app.command()
def accelerator(
    design: Annotated[
        str, typer.Argument(metavar="DESIGN", help="Name of a design, or a YAML file.", show_default=False)
    ],
    network: Annotated[
        str | None,
        typer.Option(
            metavar="lenet5|resnet18|resnet50|vgg16|FILE",
            help="Network to run on it, by name or as a YAML table of layers.",
        ),
    ] = None,
    compare: Annotated[str | None, typer.Option(metavar="DESIGN", help="Another design to compare with.")] = None,
    converters: Annotated[
        str,
        typer.Option(
            metavar="published|scaled|survey", help="Source of the converters' energy and area, in both designs."
        ),
    ] = "published",
    chips: Annotated[int | None, typer.Option(help="Number of chips; as few as the network needs if left out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show power, area and peak rate of an accelerator, and with a network frames per second, latency and energy."""
    from spicecim.accelerator import evaluate_design
    from spicecim.cli import tables

    found = evaluate_design(design, network, compare_with=compare, converters=converters, chips=chips)
    if as_json:
        tables.print_json(found)
    else:
        from spicecim.cli.accelerator_tables import print_accelerator

        print_accelerator(found)


@app.command()
def extensions(as_json: JsonFlag = False) -> None:
    """List all devices, drives, engines, encodings and measures, their packages, and what could not be loaded."""
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.extensions import all_registries

    with progress_bar(quiet=as_json) as progress:
        for registry in all_registries():
            registry.load(progress)
        listed = {registry.kind: registry.describe() for registry in all_registries()}
    if as_json:
        tables.print_json(listed)
    else:
        tables.print_extensions(listed)


@app.command(cls=ListsCommand)
def hysteresis(
    device: Annotated[str, typer.Argument(help="A device model, or a Verilog-A file that ends in .va.")],
    output: Folder,
    frequency: Annotated[
        list[str], typer.Option("--frequency", metavar="F...", help="Frequencies (Hz), such as: --frequency 30 100 1k")
    ],
    amplitude: Annotated[
        list[str] | None,
        typer.Option(
            "--amplitude", metavar="A...", help="Amplitudes (V), each at every frequency; the preset's if left out."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Published parameter set.")] = None,
    x0: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Initial state x; the preset's if left out.")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|both", help="Engine that simulates.")] = "both",
    cycle: Annotated[int, typer.Option(min=1, help="Number of the cycle to measure, from 1.")] = 1,
    accuracy: Annotated[
        float, typer.Option(help="Largest allowed relative error of lobe areas and conductances.")
    ] = 1e-3,
    time_limit: TimeLimit = f"{DEFAULT_TIME_LIMIT:g}",
    report: ReportFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Drive one device by sinusoids, measure its pinched loops and plot them.

    The exit status is 1 if the engines differ by more than the accuracy, or one of them did not reach it.
    """
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.runs import run_hysteresis

    with progress_bar(quiet=as_json) as progress:
        measures = run_hysteresis(
            output, device, preset=preset, amplitude=amplitude, x0=x0, frequency=frequency, engine=engine, cycle=cycle,
            accuracy=accuracy, time_limit=time_limit_of(time_limit), progress=progress,
        )  # fmt: skip
    if as_json:
        tables.print_json(measures)
    else:
        tables.print_hysteresis(measures, output)
    report_if(report, output)
    if not measures["passed"]:
        raise typer.Exit(EXIT_ENGINES_DISAGREE)


@app.command("report")
def make_report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that a command has written with -o, or the store of a sweep.")
    ],
) -> None:
    """Write a folder of results as one page, report.html, which opens from disk without a network."""
    from spicecim.report import write_report

    typer.echo(write_report(folder))


app.command()(measurement)
app.command(cls=ListsCommand)(fit)


@app.command()
def demo(output: Folder, as_json: JsonFlag = False) -> None:
    """Run the demonstration: a patch of a real image, four kernels, both engines."""
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.demo import run_demo

    with progress_bar(quiet=as_json) as progress:
        summary = run_demo(output, progress).summary
    if as_json:
        tables.print_json(summary)
    else:
        tables.print_summary(summary, output)
