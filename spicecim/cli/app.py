"""The commands, and how errors become exit statuses."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from spicecim.cli.lists import ListsCommand
from spicecim.errors import InputError, SimulationError, SpiceCimError
from spicecim.limits import DEFAULT_TIME_LIMIT

EXIT_NOTHING_RUNS = 1
EXIT_ENGINES_DISAGREE = 1
EXIT_MODEL_HAS_ERRORS = 1
EXIT_BAD_INPUT = 2
EXIT_SIMULATION_FAILED = 3
EXIT_UNEXPECTED = 4
EXIT_NOT_ACCURATE = 5
_EXIT_BY_SIGNAL = 128

app = typer.Typer(
    name="spicecim",
    help="SPICE-backed co-simulation of in-memory computing on memristor crossbars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

model_app = typer.Typer(
    no_args_is_help=True, help="Check, cure and adapt models of one's own, and export those of the library."
)
app.add_typer(model_app, name="model")

validate_app = typer.Typer(no_args_is_help=True, help="Put published claims beside what is measured.")
app.add_typer(validate_app, name="validate")

_state = {"debug": False}

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Bench = Annotated[Path, typer.Argument(metavar="BENCH.yaml", help="A testbench.", show_default=False)]
Quick = Annotated[bool, typer.Option("--quick", help="A smaller run that ends within a minute.")]
TimeLimit = Annotated[
    str,
    typer.Option(metavar="SECONDS|none", help="Stop the run of an engine after this time; none for no limit."),
]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")]


def main() -> None:
    """Run the command line; the entry point of ``spicecim``."""
    signal.signal(signal.SIGTERM, _end)  # so that temporary files go
    warnings.showwarning = lambda message, *where: _say("warning:", "bold yellow", str(message))
    try:
        app()
    except (SpiceCimError, OSError, MemoryError) as error:
        if _state["debug"]:
            raise
        failed = isinstance(error, SimulationError)
        _fail(str(error) or "out of memory", EXIT_SIMULATION_FAILED if failed else EXIT_BAD_INPUT)
    except Exception as error:
        if _state["debug"]:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _fail(f"{what}; this is a fault of spicecim: please report it with what --debug shows", EXIT_UNEXPECTED)


def _end(signal_number: int, _: object) -> NoReturn:
    sys.exit(_EXIT_BY_SIGNAL + signal_number)


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
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    _state["debug"] = debug


@app.command()
def doctor(
    as_json: JsonFlag = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Install ngspice 43 or newer first if it is missing, without root for this user alone."
        ),
    ] = False,
) -> None:
    """Show what was found of the simulation environment, and what to do about what is missing."""
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
    name: Annotated[str | None, typer.Argument(help="A model, to see its parameters and presets.")] = None,
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


@model_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.va", help="A Verilog-A file.", show_default=False)],
    module: Annotated[str | None, typer.Option(metavar="NAME", help="Module, where the file has several.")] = None,
    state: Annotated[str | None, typer.Option(metavar="NODE", help="Node that holds the state.")] = None,
    initial: Annotated[
        tuple[float, float] | None, typer.Option(metavar="A B", help="The state at x = 0 and at x = 1.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter's value; may be repeated.")
    ] = None,
    voltage: Annotated[str, typer.Option(metavar="V", help="Magnitude up to which it is probed.")] = "2",
    as_json: JsonFlag = False,
) -> None:
    """Tell what a Verilog-A model has, and what is wrong with it as a memristor.

    The exit status is 1 if there is an error among the findings, and 2 if the file cannot be compiled.
    """
    from spicecim.cli import tables
    from spicecim.veriloga.checks import check_model

    report = check_model(
        file, module, state=state, initial=initial, voltage=voltage,
        parameters=_assignments("--parameter", parameter or []),
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
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Subcircuit, where the file has several.")] = None,
    dialect: Annotated[
        str | None,
        typer.Option(metavar="ngspice|ltspice|pspice|hspice", help="Simulator that it was written for."),
    ] = None,
    caret: Annotated[
        str | None, typer.Option(metavar="power|xor", help="What ^ is in a file for LTspice or PSpice.")
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
        _write(adapted.text, output)
        adapted.device["subcircuit"] = output.name
    if as_json:
        tables.print_json(adapted.to_dict())
    else:
        tables.print_adaptation(adapted)


@model_app.command()
def cure(
    file: Annotated[Path, typer.Argument(metavar="FILE.va", help="A Verilog-A file.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.va", help="File to write.")],
    module: Annotated[str | None, typer.Option(metavar="NAME", help="Module, where the file has several.")] = None,
    step: Annotated[
        str | None, typer.Option(metavar="NAME|TIME", help="Parameter, variable or number that is the time step.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="log|exp|from|rate-in-ddt|draws", help="A further cure; may be repeated."),
    ] = None,
    amplitude: Annotated[str | None, typer.Option(metavar="V", help="Of the comparison's drive.")] = None,
    frequency: Annotated[str | None, typer.Option(metavar="HZ", help="Of the comparison's drive.")] = None,
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
    format: Annotated[str, typer.Option(metavar="verilog-a|subcircuit", help="What to write.")] = "verilog-a",
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
) -> None:
    """Write a model as a Verilog-A module, or as a subcircuit of ngspice, to use elsewhere."""
    from spicecim.cli.progress import progress_bar
    from spicecim.netlist.export import export_model

    with progress_bar():
        text = export_model(name, preset, format)
    _write(text, output)


def _assignments(option: str, texts: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise InputError(f"{option} {text}: must be NAME=VALUE, such as Roff=16k")
        if name.strip() in values:
            raise InputError(f"{option} {name.strip()}: is given twice")
        values[name.strip()] = value.strip()
    return values


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
        str, typer.Option(metavar="auto|osdi|behavioral", help="Form of the device: compiled, or as sources.")
    ] = "auto",
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
            write_netlist(read, output, backend)
            return
        if backend == "osdi":
            raise InputError("--backend osdi: needs --output FILE, beside which the compiled device is written")
        text = render_netlist(read, "behavioral" if read.device.foreign() is None else "auto")
    _write(text, output)


def _write(text: str, output: Path | None) -> None:
    """Write a text to a file, or to standard output."""
    from spicecim.files import write_text

    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)


@app.command()
def run(
    bench: Bench,
    output: Folder,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|both|NAME", help="What simulates.")] = "both",
    time_limit: TimeLimit = f"{DEFAULT_TIME_LIMIT:g}",
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of column currents, relative to a column's peak.")
    ] = 1e-4,
    measure: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further measure for summary.json; may be repeated.")
    ] = None,
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
            time_limit=_limit(time_limit),
            tolerance=tolerance,
            measures=measure or (),
            progress=progress,
        )
    if as_json:
        tables.print_json(summary)
    else:
        tables.print_summary(summary, output)
    if not summary["accurate"]:
        raise typer.Exit(EXIT_NOT_ACCURATE)
    if not summary.get("passed", True):
        raise typer.Exit(EXIT_ENGINES_DISAGREE)


@app.command("operating-point")
def find_operating_point(
    bench: Bench,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npy", help="Voltages of the drivers (row) or (input, row).")
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
    found = operating_point(Testbench.from_yaml(bench), voltages, time_limit=_limit(time_limit))
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
    weights: Annotated[Path, typer.Option(metavar="FILE.npy", help="Integers (input line, output).")],
    inputs: Annotated[Path, typer.Option(metavar="FILE.npy", help="Integers (vector, input line), not negative.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the encoding, in YAML; may be repeated."),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|NAME", help="What simulates.")] = "reference",
    as_json: JsonFlag = False,
) -> None:
    """Multiply inputs by weights on simulated crossbars of one encoding, and show what the exact products are.

    An example of settings: --set 'device={model: yakopcic, preset: oblea}' --set amplitude=100mV
    """
    from spicecim.array_files import load_array
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.encodings import ENCODINGS
    from spicecim.encodings.comparison import compare_encodings
    from spicecim.yaml_text import parse_yaml

    values = {}
    for name, text in _assignments("--set", settings or []).items():
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
        str, typer.Argument(metavar="DESIGN", help="A design by its name, or its YAML file.", show_default=False)
    ],
    network: Annotated[
        str | None,
        typer.Option(metavar="lenet5|resnet18|resnet50|vgg16|FILE", help="A network to put on it, or a YAML table."),
    ] = None,
    compare: Annotated[str | None, typer.Option(metavar="DESIGN", help="A design to compare it with.")] = None,
    converters: Annotated[
        str, typer.Option(metavar="published|scaled|survey", help="Energy and area of converters, in both designs.")
    ] = "published",
    chips: Annotated[
        int | None, typer.Option(help="Chips that the network is on; as few as it needs if left out.")
    ] = None,
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
    """List what can be chosen by name of each kind, where it comes from, and what could not be loaded."""
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
        list[str], typer.Option("--frequency", metavar="F...", help="Frequencies, such as: --frequency 30 100 1k")
    ],
    amplitude: Annotated[
        list[str] | None,
        typer.Option(
            "--amplitude", metavar="A...", help="Amplitudes, each run at every frequency; the preset's if left out."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Published parameter set.")] = None,
    x0: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Initial state; the preset's if left out.")] = None,
    engine: Annotated[str, typer.Option(metavar="ngspice|reference|both", help="What simulates.")] = "both",
    cycle: Annotated[int, typer.Option(min=1, help="Which cycle to measure.")] = 1,
    accuracy: Annotated[
        float, typer.Option(help="Largest relative error of lobe areas and conductances that is asked for.")
    ] = 1e-3,
    time_limit: TimeLimit = f"{DEFAULT_TIME_LIMIT:g}",
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
            accuracy=accuracy, time_limit=_limit(time_limit), progress=progress,
        )  # fmt: skip
    if as_json:
        tables.print_json(measures)
    else:
        tables.print_hysteresis(measures, output)
    if not measures["passed"]:
        raise typer.Exit(EXIT_ENGINES_DISAGREE)


MeasuredFile = Annotated[Path, typer.Argument(metavar="FILE", help="Measured values as text.", show_default=False)]
Column = Annotated[str | None, typer.Option(metavar="NAME|NUMBER", help="Its column, where it is not found.")]
Seconds = Annotated[str | None, typer.Option(metavar="S", help="Time between samples of a file without times.")]
Ohms = Annotated[str, typer.Option(metavar="OHM", help="Resistance between source and device.")]
Amperes = Annotated[
    str | None, typer.Option(metavar="A", help="Current at which the source limits; found if left out.")
]
OneSided = Annotated[bool, typer.Option("--one-sided", help="Voltages of one sign are meant.")]
Magnitudes = Annotated[bool, typer.Option("--magnitudes", help="The file holds magnitudes of the currents.")]


def _load(
    file: Path, columns: dict[str, str | None], interval: str | None, series_resistance: str, compliance: str | None,
    one_sided: bool, magnitudes: bool,
) -> Any:  # fmt: skip
    from spicecim.measurement.load import load_measurement
    from spicecim.quantities import parse_quantity

    return load_measurement(
        file,
        columns={name: value for name, value in columns.items() if value is not None},
        interval=None if interval is None else parse_quantity(interval, "s"),
        series_resistance=series_resistance,
        compliance=compliance,
        one_sided=one_sided,
        magnitudes=magnitudes,
    )


@app.command()
def measurement(
    file: MeasuredFile,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = None,
    time: Column = None,
    voltage: Column = None,
    current: Column = None,
    sweep: Column = None,
    interval: Seconds = None,
    series_resistance: Ohms = "0",
    compliance: Amperes = None,
    one_sided: OneSided = False,
    magnitudes: Magnitudes = False,
    read_voltage: Annotated[
        str | None, typer.Option(metavar="V", help="Where resistances are read; a tenth of the largest voltage.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read measured current over voltage and time, and measure each cycle; with a folder, write dataset and figures."""
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.fitting.runs import described, run_measurement
    from spicecim.measurement.cycles import measure_cycles

    columns = {"time": time, "voltage": voltage, "current": current, "sweep": sweep}
    with progress_bar(quiet=as_json):
        measured = _load(file, columns, interval, series_resistance, compliance, one_sided, magnitudes)
        if output is None:
            found = described(measured, measure_cycles(measured, read_voltage))
        else:
            found = run_measurement(output, measured, read_voltage)
    if as_json:
        tables.print_json(found)
    else:
        tables.print_measurement(found, output)


@app.command(cls=ListsCommand)
def fit(
    file: MeasuredFile,
    output: Folder,
    model: Annotated[
        list[str], typer.Option("--model", metavar="M...", help="Models, or Verilog-A files; the best by BIC.")
    ],
    preset: Annotated[str | None, typer.Option(help="Published parameter set to begin from.")] = None,
    free: Annotated[
        str | None, typer.Option(metavar="A,B...", help="Free parameters; series_resistance and x0 among them.")
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--fixed", metavar="NAME=VALUE...", help="Values of parameters not free.")
    ] = None,
    bounds: Annotated[
        list[str] | None, typer.Option("--bounds", metavar="NAME=LOW:HIGH...", help="Range that is searched.")
    ] = None,
    x0: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Initial state; the preset's if left out.")] = None,
    residual: Annotated[str, typer.Option(metavar="current|log|mixed", help="What is compared.")] = "mixed",
    relative_noise: Annotated[
        str | None, typer.Option(metavar="X", help="Standard deviation of a sample, relative to the current.")
    ] = None,
    absolute_noise: Annotated[str | None, typer.Option(metavar="A", help="Standard deviation apart from that.")] = None,
    starts: Annotated[int, typer.Option(min=1, help="Candidates that the search begins with.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Of the candidates.")] = 0,
    engine: Annotated[
        str, typer.Option(metavar="ngspice|reference|none", help="Where the fit is verified.")
    ] = "ngspice",
    save: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="The fit as a preset file.")] = None,
    time: Column = None,
    voltage: Column = None,
    current: Column = None,
    sweep: Column = None,
    interval: Seconds = None,
    series_resistance: Ohms = "0",
    compliance: Amperes = None,
    one_sided: OneSided = False,
    magnitudes: Magnitudes = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit device models to measured current over voltage and time; tell intervals, and what the data cannot tell."""
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar
    from spicecim.fitting.runs import run_fit

    columns = {"time": time, "voltage": voltage, "current": current, "sweep": sweep}
    noise = {name: value for name, value in (("relative", relative_noise), ("absolute", absolute_noise)) if value}
    with progress_bar(quiet=as_json) as progress:
        found = run_fit(
            output,
            _load(file, columns, interval, series_resistance, compliance, one_sided, magnitudes),
            model,
            engine=engine,
            save=save,
            progress=progress,
            preset=preset,
            free=None if free is None else [name.strip() for name in free.split(",") if name.strip()],
            fixed=_assignments("--fixed", fixed or []),
            bounds={name: _range(name, text) for name, text in _assignments("--bounds", bounds or []).items()},
            x0=x0,
            residual=residual,
            noise=noise or None,
            starts=starts,
            seed=seed,
        )
    if as_json:
        tables.print_json(found)
    else:
        tables.print_fit(found, output)


def _range(name: str, text: str) -> tuple[float, float]:
    from spicecim.quantities import parse_quantity

    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--bounds {name}={text}: must be NAME=LOW:HIGH, such as Vp=0.05:0.5")
    return parse_quantity(low), parse_quantity(high)


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


@validate_app.command("frequency-weighting")
def frequency_weighting(output: Folder, quick: Quick = False, as_json: JsonFlag = False) -> None:
    """Frequency-weighted convolution (AICAS 2019): its claims beside what both engines measure."""
    from spicecim.cli.tables import print_claims
    from spicecim.validation.frequency_weighting import validate_frequency_weighting

    _validate(validate_frequency_weighting, output, quick, as_json, print_claims)


@validate_app.command("polarized-columns")
def polarized_columns(output: Folder, quick: Quick = False, as_json: JsonFlag = False) -> None:
    """Polarized columns (FORMS): from trained networks to column currents, beside two crossbars and an offset."""
    from spicecim.cli.tables import print_claims
    from spicecim.validation.polarized_columns import validate_polarized_columns

    _validate(validate_polarized_columns, output, quick, as_json, print_claims)


@validate_app.command("forms-architecture")
def forms_architecture(output: Folder, quick: Quick = False, as_json: JsonFlag = False) -> None:
    """FORMS beside ISAAC: throughput, area, power and frames per second from their components."""
    from spicecim.cli.tables import print_judged_claims
    from spicecim.validation.forms_architecture import validate_forms_architecture

    _validate(validate_forms_architecture, output, quick, as_json, print_judged_claims)


def _validate(
    validate: Callable[..., Any], output: Path, quick: bool, as_json: bool, show: Callable[..., None]
) -> None:
    from spicecim.cli import tables
    from spicecim.cli.progress import progress_bar

    with progress_bar(quiet=as_json) as progress:
        claims = validate(output, quick, progress)
    if as_json:
        tables.print_json(claims)
    else:
        show(claims, output)


def _limit(time_limit: str) -> str | None:
    return None if time_limit == "none" else time_limit
