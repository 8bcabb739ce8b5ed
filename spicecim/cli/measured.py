"""The commands on measured values: ``spicecim measurement`` and ``spicecim fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spicecim.cli.options import Folder, JsonFlag, ReportFlag, assignments, report_if
from spicecim.errors import InputError

MeasuredFile = Annotated[Path, typer.Argument(metavar="FILE", help="Measured values as text.", show_default=False)]
Column = Annotated[str | None, typer.Option(metavar="NAME|NUMBER", help="Its column, where it is not found.")]
Seconds = Annotated[str | None, typer.Option(metavar="S", help="Time between samples of a file without times.")]
Ohms = Annotated[str, typer.Option(metavar="OHM", help="Resistance between source and device.")]
Amperes = Annotated[
    str | None, typer.Option(metavar="A", help="Current at which the source limits; found if left out.")
]
Range = Annotated[str | None, typer.Option(metavar="A", help="Largest current that the instrument reads.")]
OneSided = Annotated[bool, typer.Option("--one-sided", help="Voltages of one sign are meant.")]
Magnitudes = Annotated[bool, typer.Option("--magnitudes", help="The file holds magnitudes of the currents.")]


def _load(
    file: Path, columns: dict[str, str | None], interval: str | None, series_resistance: str, current_range: str | None,
    compliance: str | None, one_sided: bool, magnitudes: bool,
) -> Any:  # fmt: skip
    from spicecim.measurement.load import load_measurement

    return load_measurement(
        file,
        columns={name: value for name, value in columns.items() if value is not None},
        interval=interval,
        series_resistance=series_resistance,
        current_range=current_range,
        compliance=compliance,
        one_sided=one_sided,
        magnitudes=magnitudes,
    )


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
    current_range: Range = None,
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
        measured = _load(file, columns, interval, series_resistance, current_range, compliance, one_sided, magnitudes)
        if output is None:
            found = described(measured, measure_cycles(measured, read_voltage))
        else:
            found = run_measurement(output, measured, read_voltage)
    if as_json:
        tables.print_json(found)
    else:
        tables.print_measurement(found, output)


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
    current_range: Range = None,
    compliance: Amperes = None,
    one_sided: OneSided = False,
    magnitudes: Magnitudes = False,
    report: ReportFlag = False,
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
            _load(file, columns, interval, series_resistance, current_range, compliance, one_sided, magnitudes),
            model,
            engine=engine,
            save=save,
            progress=progress,
            preset=preset,
            free=None if free is None else [name.strip() for name in free.split(",") if name.strip()],
            fixed=assignments("--fixed", fixed or []),
            bounds={name: _range(name, text) for name, text in assignments("--bounds", bounds or []).items()},
            x0=x0,
            residual=residual,
            noise=noise or None,
            starts=starts,
            seed=seed,
        )
        report_if(report, output)
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
