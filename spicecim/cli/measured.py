"""The commands on measured values: ``spicecim measurement`` and ``spicecim fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spicecim.cli.options import Folder, JsonFlag, ReportFlag, assignments, report_if
from spicecim.errors import InputError

MeasuredFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Text file with the measured values.", show_default=False)
]
Column = Annotated[
    str | None, typer.Option(metavar="NAME|NUMBER", help="Column of this quantity, if its heading is not recognized.")
]
Seconds = Annotated[str | None, typer.Option(metavar="S", help="Time between samples (s), for a file without times.")]
Ohms = Annotated[str, typer.Option(metavar="OHM", help="Resistance in series with the device (ohm).")]
Amperes = Annotated[
    str | None, typer.Option(metavar="A", help="Compliance current of the source (A); detected if left out.")
]
Range = Annotated[str | None, typer.Option(metavar="A", help="Largest current that the instrument can read (A).")]
OneSided = Annotated[bool, typer.Option("--one-sided", help="Accept voltages of one sign.")]
Magnitudes = Annotated[bool, typer.Option("--magnitudes", help="The file has magnitudes of currents, without signs.")]


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
        str | None,
        typer.Option(
            metavar="V", help="Voltage at which resistances are read (V); a tenth of the largest if left out."
        ),
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
        list[str],
        typer.Option(
            "--model", metavar="M...", help="Models or Verilog-A files; of several, the one with the least BIC is kept."
        ),
    ],
    preset: Annotated[str | None, typer.Option(help="Published parameter set to start from.")] = None,
    free: Annotated[
        str | None,
        typer.Option(
            metavar="A,B...",
            help="Parameters to fit; series_resistance and x0 may be among them. If left out, all numbers of the model "
            "that are not zero, and x0, but for those in --fixed.",
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--fixed", metavar="NAME=VALUE...", help="Values of parameters, or of x0, that are not fitted."),
    ] = None,
    first: Annotated[
        list[str] | None,
        typer.Option("--first", metavar="NAME=VALUE...", help="First values of parameters that are fitted."),
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option("--bounds", metavar="NAME=LOW:HIGH...", help="Range in which a parameter is searched."),
    ] = None,
    x0: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Initial state x, or its first value if it is free; the preset's if left out."
        ),
    ] = None,
    residual: Annotated[
        str,
        typer.Option(
            metavar="current|log|mixed", help="Residual: of the current, of its logarithm, or relative to the noise."
        ),
    ] = "mixed",
    relative_noise: Annotated[
        str | None, typer.Option(metavar="X", help="Noise: standard deviation relative to the current.")
    ] = None,
    absolute_noise: Annotated[
        str | None, typer.Option(metavar="A", help="Noise: standard deviation that does not depend on the current (A).")
    ] = None,
    starts: Annotated[int, typer.Option(min=1, help="Number of candidates that the search starts with.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the candidates.")] = 0,
    engine: Annotated[
        str, typer.Option(metavar="ngspice|reference|none", help="Engine that verifies the fit.")
    ] = "ngspice",
    save: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Save the fit as this preset file.")] = None,
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
            first=assignments("--first", first or []),
            bounds={name: _range(name, text) for name, text in assignments("--bounds", bounds or []).items()},
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
    report_if(report, output)


def _range(name: str, text: str) -> tuple[float, float]:
    from spicecim.quantities import parse_quantity

    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--bounds {name}={text}: must be NAME=LOW:HIGH, such as Vp=0.05:0.5")
    return parse_quantity(low), parse_quantity(high)
