"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import math
import statistics
import textwrap
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from spicecim.cli.console import plain_console
from spicecim.json_text import json_text
from spicecim.quantities import format_quantity

_SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_VERDICT_STYLE = {
    "holds": "bold green",
    "holds in part": "bold yellow",
    "does not hold": "bold red",
    "not measured": "bold cyan",
}
_MOST_SHOWN = 8
"""Of the values of an array in a line."""
_STATUS_STYLE = {"ok": "green", "optional": "yellow", "missing": "bold red"}


def print_json(values: Any) -> None:
    """Print plain values and dataclasses as JSON."""
    print(json_text(values))


def print_findings(findings: list[Any]) -> None:
    """Print what `spicecim.doctor` found."""
    table = Table("", "status", "found", "what to do")
    for finding in findings:
        status = Text(finding.status, style=_STATUS_STYLE[finding.status])
        table.add_row(finding.name, status, Text(finding.found, overflow="fold"), finding.advice)
    plain_console().print(table)


def describe_model(model: Any) -> dict[str, Any]:
    """Return what is to be told of a device model, as plain values."""
    from spicecim.devices import load_presets

    return {
        "name": model.name,
        "title": model.title,
        "source": model.source,
        "parameters": {
            name: {
                "unit": info.json_schema_extra["unit"],
                "description": info.description,
                "default": None if info.is_required() else info.default,
            }
            for name, info in model.model_fields.items()
        },
        "states": {
            name: {"unit": state.unit, "description": state.meaning, "start": state.start}
            for name, state in model.states.items()
        },
        "presets": {name: preset.model_dump() for name, preset in load_presets(model.name).items()},
    }


def print_models(described: list[dict[str, Any]]) -> None:
    """Print all models, a line each."""
    table = Table("model", "presets", "what it is")
    for model in described:
        table.add_row(model["name"], ", ".join(model["presets"]), model["title"])
    plain_console().print(table)


def describe_operating_point(found: Any) -> dict[str, Any]:
    """Return what `operating_point` found, as plain values: currents (input, row) and (input, column)."""
    if "input" not in found.dims:
        found = found.expand_dims("input")
    return {
        "row_voltage_v": found["v_row"].values.tolist(),
        "row_current_a": found["i_row"].values.tolist(),
        "column_current_a": found["i_column"].values.tolist(),
        "largest_cell_current_a": float(abs(found["i_cell"]).max()),
        **{name: found.attrs[name] for name in ("residual", "factorizations", "iterations")},
    }


def print_operating_point(result: dict[str, Any]) -> None:
    """Print the currents of the columns, those of an input in a line, and how they were found."""
    table = _plain_table("input", "column currents")
    for number, currents in enumerate(result["column_current_a"]):
        shown = "  ".join(format_quantity(current, "A") for current in currents[:_MOST_SHOWN])
        table.add_row(str(number), f"{shown}{'  ...' if len(currents) > _MOST_SHOWN else ''}")
    console = plain_console()
    console.print(table)
    console.print(f"largest current of a cell: {format_quantity(result['largest_cell_current_a'], 'A')}")
    console.print(
        f"{result['factorizations']} factorizations, {result['iterations']} corrections, residual "
        f"{result['residual']:.1e} of the largest current"
    )


def describe_products(found: Any) -> dict[str, Any]:
    """Return what `compare_encodings` found of one scheme, as plain values."""
    return {
        "products": found["product"].values.tolist(),
        "exact_products": found["exact"].values.tolist(),
        "largest_error": float(abs(found["error"]).max()),
        **{name: int(found[name]) for name in ("devices", "crossbars", "cycles")},
        "energy_j": float(found["energy"]),
        "average_power_w": float(found["average_power"]),
    }


def print_products(result: dict[str, Any]) -> None:
    """Print products (vector, output) beside the exact ones, a line per vector, and what they cost."""
    table = _plain_table("vector", "products", "exact")
    exact = result["exact_products"]
    digits = 5 - math.floor(math.log10(max(1, *(abs(value) for line in exact for value in line))))
    for number, (products, whole) in enumerate(zip(result["products"], exact, strict=True)):
        shown = "  ".join(f"{round(value, digits) + 0.0:g}" for value in products)
        table.add_row(str(number), shown, "  ".join(map(str, whole)))
    console = plain_console()
    console.print(table)
    console.print(f"largest error, relative to the largest product: {result['largest_error']:.1e}")
    console.print(f"devices: {result['devices']}, crossbars: {result['crossbars']}, read cycles: {result['cycles']}")
    if result["energy_j"]:
        power = format_quantity(result["average_power_w"], "W")
        console.print(f"energy of all drivers: {format_quantity(result['energy_j'], 'J')}, on average {power}")


def print_extensions(listed: dict[str, dict[str, Any]]) -> None:
    """Print what can be chosen by name, a line per kind and origin."""
    table = Table("kind", "names", "from")
    for kind, found in listed.items():
        origins: dict[str, list[str]] = {}
        for name, origin in found["members"].items():
            origins.setdefault(origin, []).append(name)
        for origin, names in origins.items():
            table.add_row(kind, ", ".join(names), origin)
        for name, reason in found["failures"].items():
            table.add_row(kind, f"{name} (cannot be used)", reason)
    plain_console().print(table)


def print_model(model: dict[str, Any]) -> None:
    """Print one model with its parameters, presets and citations."""
    console = plain_console()
    console.print(f"{model['name']}: {model['title']}", style="bold")
    console.print(model["source"])
    table = Table("parameter", "unit", *model["presets"], "meaning", title="parameters by preset", title_justify="left")
    for name, info in model["parameters"].items():
        values = [preset["parameters"].get(name, info["default"]) for preset in model["presets"].values()]
        table.add_row(name, info["unit"], *[_number(value) for value in values], info["description"])
    console.print(table)
    for name, state in model["states"].items():
        console.print(f"state {name}: {state['description']}, {state['unit']}, starts at {state['start']}")
    for name, preset in model["presets"].items():
        console.print(f"{name}: {preset['description']}", style="bold")
        drive = f"{format_quantity(preset['amplitude'], 'V')} at {format_quantity(preset['frequency'], 'Hz')}"
        console.print(f"  x0 {preset['x0']}, {drive}. {preset['source']}")


def print_adaptation(adapted: Any) -> None:
    """Print what was changed in a subcircuit, why, and the section of a testbench that it may have."""
    import yaml

    console = plain_console(soft_wrap=True)
    for line in adapted.difference.splitlines():
        style = {"+": "green", "-": "red"}.get(line[0], "") if line else ""
        console.print(Text(line, style))
    read_as = ", ".join(adapted.dialects)
    console.print(Text(f"{adapted.name} in {adapted.file}, read as {read_as}", "bold"))
    for note in adapted.notes:
        console.print(Text(f"  {note.file}, line {note.line}: {note.text}"))
    if not adapted.difference:
        console.print("  nothing to change")
    console.print("a device of a testbench, with the ports' roles guessed:")
    console.print(Text(yaml.safe_dump({"device": adapted.device}, sort_keys=False, default_flow_style=None).rstrip()))


def print_report(report: Any) -> None:
    """Print what a Verilog-A model has and what is wrong with it."""
    console = plain_console()
    nodes = _plain_table("node", "kind", "role", "unit")
    for node in report.nodes:
        nodes.add_row(node.name, "terminal" if node.terminal else "internal", node.role, node.unit)
    console.print(f"{report.module} in {report.path}", style="bold")
    console.print(nodes)
    if report.parameters:
        parameters = _plain_table("parameter", "value", "unit", "bounds", "meaning")
        for item in report.parameters:
            value = item.default if item.value is None else _number(item.value)
            parameters.add_row(item.name, value, item.unit, item.bounds.removeprefix("from "), item.description)
        console.print(parameters)
    if report.initial:
        low, high = report.initial
        console.print(f"state: {report.state} = {low:g} at x = 0 and {high:g} at x = 1")
    if report.voltage:
        console.print(f"equations: probed up to {report.voltage:g} V in both directions")
    console.print(f"findings: {_counted(report.findings)}")
    for finding in report.findings:
        console.print()
        title = Text(finding.severity, style=_SEVERITY_STYLE[finding.severity])
        console.print(title.append(f"  {finding.code}  {finding.place or ''}".rstrip(), style="bold"))
        for text in (finding.message, f"cure: {finding.cure}"):
            lines = textwrap.fill(text, console.width, initial_indent="  ", subsequent_indent="  ")
            console.print(lines, soft_wrap=True)


def print_cure(cure: Any) -> None:
    """Print what was cured in a Verilog-A model: before and after, what was assumed, and how both agree."""
    console = plain_console()

    def say(text: str) -> None:
        console.print(textwrap.fill(text, console.width, initial_indent="  ", subsequent_indent="    "), soft_wrap=True)

    console.print(f"{cure.module} in {cure.path}", style="bold")
    for line in cure.difference.splitlines()[2:]:
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        console.print(Text(line, style=style), soft_wrap=True)
    if cure.states:
        states = _plain_table("state", "was in", "node", "starts from", "between", "1 V stands for")
        for item in cure.states:
            start, bounds = f"{item.parameter} = {item.initial:g}", f"{item.lower:g} and {item.upper:g}"
            states.add_row(item.variable, item.place, item.node, start, bounds, f"{item.unit:g}")
        console.print(states)
    for title, lines in (("assumed", cure.assumptions), ("also cured", cure.applied), ("--also could", cure.offered)):
        if lines:
            console.print(title, style="bold")
            for text in lines:
                say(text)
    console.print("compared", style="bold")
    for text in _compared(cure.comparison):
        say(text)
    if cure.output:
        start = "" if cure.x is None else f"; in a testbench, state: {cure.x:g} is where it starts"
        say(f"written to {cure.output}{start}")
    elif not cure.ok:
        say("nothing was written")


def _compared(comparison: Any) -> list[str]:
    if comparison is None:
        return ["no variable held a state: there is no rule of the original to compare with"]
    drive = f"{comparison.amplitude:g} V and {comparison.frequency:g} Hz"
    if comparison.problem:
        return [f"not possible ({drive}): {comparison.problem}"]
    lines = [
        f"two periods of {drive}, differences relative to the current's peak, {comparison.peak:.3g} A",
        "the original's rule and its limit of small steps: "
        + ", ".join(f"{each:.1e} at {count}" for count, each in zip(comparison.steps, comparison.rule, strict=True))
        + f" steps per period; the limit is known to {comparison.limit_error:.1e}",
        f"cured, reference engine: {comparison.reference:.1e} from that limit",
        f"cured, ngspice: {comparison.ngspice:.1e} from that limit, {comparison.engines:.1e} from the reference engine",
    ]
    if comparison.wind_up is not None:
        lines.append(f"the original whose idt winds up beyond its bounds: {comparison.wind_up:.1e} from that limit")
    return [*lines, "it agrees" if comparison.agrees else "it does not agree"]


def print_claims(claims: list[Any], folder: Path) -> None:
    """Print claims, a line for each with its verdict, and where the rest is."""
    from spicecim.validation.page import measured_text, published_text

    console = plain_console()
    table = _numbers("claim")
    for title in ("published", "measured"):
        table.add_column(title, justify="right", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for claim in claims:
        verdict = Text(claim.verdict, style=_VERDICT_STYLE[claim.verdict])
        table.add_row(claim.id, published_text(claim), measured_text(claim), verdict)
    console.print(table)
    console.print(f"claims, figures and their data are in {folder}; claims.md has the details of each claim")


def _plain_table(*columns: str) -> Table:
    """A table of texts narrow enough for a terminal of 80 characters."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _counted(findings: Any) -> str:
    counts = [(sum(item.severity == name for item in findings), name) for name in _SEVERITY_STYLE]
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count) or "none"


def print_summary(summary: dict[str, Any], folder: Path) -> None:
    """Print the columns of a run and where its results are."""
    engines = summary["columns"]
    first = next(iter(engines.values()))
    names = summary.get("column_names") or [str(index) for index in range(len(first["mean_current_a"]))]
    measured = {"mean": "mean_current_a", "in phase": "in_phase_current_a"}
    measured = {title: key for title, key in measured.items() if key in first}
    table = _numbers("column")
    for title in measured:
        for engine in engines:
            table.add_column(f"{title}\n{engine}", justify="right", no_wrap=True)
    if "column_relative_error" in summary:
        table.add_column("error /\npeak", justify="right", no_wrap=True)
    if "average_power_w" in first:
        table.add_column("mean\npower", justify="right", no_wrap=True)
    for index, name in enumerate(names):
        cells = [format_quantity(engines[e][key][index], "A") for key in measured.values() for e in engines]
        if "column_relative_error" in summary:
            cells.append(f"{summary['column_relative_error'][index]:.1e}")
        if "average_power_w" in first:
            cells.append(format_quantity(first["average_power_w"][index], "W"))
        table.add_row(name, *cells)
    console = plain_console()
    console.print(table)
    if "in phase" in measured:
        console.print(
            "in phase: amplitude of a column's current in phase with the rows' sinusoids, summed over frequencies"
        )
    for line in _facts(summary):
        console.print(line)
    if "measures" in summary["accuracy_missed"]:  # what the engines miss, they say themselves
        console.print(f"warning: {summary['accuracy_missed']['measures']}")
    if summary["implausible_current"]:
        console.print(f"warning: {summary['implausible_current']}")
    console.print(f"results in {folder}: {', '.join(summary['artifacts'])}")


def print_program(summary: dict[str, Any], folder: Path) -> None:
    """Print how an array was programmed, and where the results are."""
    console = plain_console()
    cells = summary["cells"]
    console.print(f"cells within {summary['tolerance']:g} of their range: {summary['converged']} of {cells}")
    console.print(f"largest error: {summary['largest_error']:.2g} of the range")
    console.print(f"pulses per cell: {summary['mean_pulses']:.1f} on average, {summary['most_pulses']} at most")
    disturb, left = (f"{summary[name]:.2g}" for name in ("largest_disturb", "largest_disturb_at_end"))
    console.print(f"largest change of x while not selected: {disturb}, and at the end {left}")
    console.print(f"energy by all drivers: {format_quantity(summary['energy_j'], 'J')}")
    console.print(f"results in {folder}: {', '.join(summary['artifacts'])}")


def print_endurance(summary: dict[str, Any], folder: Path) -> None:
    """Print the resistances over the cycles, and where the results are."""
    console = plain_console()
    for name, state, worst in (("low", "LRS", "largest"), ("high", "HRS", "smallest")):
        median, end = (summary[f"{which}_{name}_ohm"] for which in ("median", worst))
        console.print(f"{state}: median {format_quantity(median, 'ohm')}, {worst} {format_quantity(end, 'ohm')}")
    console.print(f"window over {summary['cycles']} cycles: {summary['window']:.3g}")
    console.print(f"results in {folder}: {', '.join(summary['artifacts'])}")


def print_hysteresis(measured: dict[str, Any], folder: Path) -> None:
    """Print the loops' measures, a line for each amplitude and frequency."""
    engines = measured["engines"]
    console = plain_console()
    for volts in dict.fromkeys(volts for _, volts, _ in _drives(measured)):
        table = _numbers("frequency")
        table.title, table.title_justify = f"amplitude {format_quantity(volts, 'V')}", "left"
        for title in ("lobe area", "mean |i|\n/ mean |v|", "pinch\noffset"):
            for engine in engines:
                table.add_column(f"{title}\n{engine}", justify="right", no_wrap=True)
        for place, _, hertz in [drive for drive in _drives(measured) if drive[1] == volts]:
            table.add_row(
                format_quantity(hertz, "Hz"),
                *[format_quantity(_at(values["lobe_area"], place), "VA") for values in engines.values()],
                *[format_quantity(_at(values["effective_conductance"], place), "S") for values in engines.values()],
                *[f"{_at(values['pinch_offset'], place):.1e}" for values in engines.values()],
            )
        console.print(table)
    for line in _loop_facts(measured):
        console.print(line)
    console.print(f"results in {folder}: {', '.join(measured['artifacts'])}")


def print_measurement(found: dict[str, Any], folder: Path | None) -> None:
    """Print the size of a measurement and the measures of its cycles, a line each."""
    console = plain_console()
    sizes = [f"{found[f'{name}s']} {name}{'' if found[f'{name}s'] == 1 else 's'}" for name in ("sweep", "loop")]
    console.print(
        f"{found['samples']} samples, {', '.join(sizes)}; held by the source: {found['held_samples']}; beyond the "
        f"range: {found['saturated_samples']}; left out as they stood twice: {found['duplicates']}"
    )
    console.print(f"current at 0 V: {format_quantity(found['current_offset'], 'A')}")
    for side in ("positive", "negative"):
        if f"compliance_{side}" in found:
            console.print(f"compliance at {side} voltages: {format_quantity(found[f'compliance_{side}'], 'A')}")
    table = _plain_table("measure", "median", "lowest", "highest")
    for name, values in found["measures"].items():
        kept = [value for value in values if math.isfinite(value)]
        if kept:
            unit = found["units"][name].replace("V A", "VA").replace("1", "")
            shown = (statistics.median(kept), min(kept), max(kept))
            table.add_row(name.replace("_", " "), *(format_quantity(value, unit) for value in shown))
    console.print(table)
    if folder is not None:
        console.print(f"results in {folder}: {', '.join(found['artifacts'])}")


def print_fit(found: dict[str, Any], folder: Path) -> None:
    """Print fitted parameters with their intervals, the quality of the fit, and what the data cannot tell."""
    console = plain_console()
    console.print(f"{found['model']}")
    table = _plain_table("parameter", "value", "95 % interval", "")
    for name, each in found["parameters"].items():
        ends = [each[end] for end in ("low", "high")]
        interval = " to ".join(f"{end:.5g}" for end in ends) if all(map(math.isfinite, ends)) else "open"
        table.add_row(
            name, f"{each['value']:.5g} {each['unit']}".strip(), interval, "" if each["determined"] else "open"
        )
    console.print(table)
    console.print(
        f"residual: {format_quantity(found['residual_rms'], 'A')} rms, {found['relative_rms']:.2%} of the current's; "
        f"chi-square {found['chi_square']:.4g} with {found['degrees_of_freedom']} degrees of freedom"
    )
    if len(found["models"]) > 1:
        models = _plain_table("model", "free", "BIC", "AIC", "residual rms")
        for name, each in sorted(found["models"].items(), key=lambda item: float(item[1]["bic"])):
            rms = format_quantity(each["residual_rms"], "A")
            models.add_row(name, str(each["free"]), f"{each['bic']:.1f}", f"{each['aic']:.1f}", rms)
        console.print(models)
    if "verified" in found:
        verified = found["verified"]
        console.print(
            f"in {verified['engine']}: residual {format_quantity(verified['residual_rms'], 'A')} rms, largest "
            f"difference from the fit {verified['largest_difference']:.1e} of the peak"
        )
    for text in found["warnings"]:
        console.print(f"warning: {text}")
    console.print(f"results in {folder}: {', '.join(found['artifacts'])}")


def _loop_facts(measured: dict[str, Any]) -> list[str]:
    accuracy, cycle = measured["accuracy"], measured["cycle"]
    amplitudes = measured["amplitude_v"]
    preset = f", preset {measured['preset']}" if measured["preset"] else ""
    lines = [f"{measured['device']}{preset}, x0 {measured['x0']:g}, cycle {cycle}"]
    for engine, values in measured["engines"].items() if len(measured["frequency_hz"]) > 1 else ():
        for index, amplitude in enumerate(amplitudes) if isinstance(amplitudes, list) else [(None, amplitudes)]:
            peak, slope = (
                values[key] if index is None else values[key][index] for key in ("peak_frequency_hz", "log_log_slope")
            )
            name = engine if index is None else f"{engine}, {format_quantity(amplitude, 'V')}"
            found = "" if math.isnan(slope) else f"; slope of log(area) above it {slope:.4f}"
            lines.append(f"{name}: largest lobe at {format_quantity(peak, 'Hz')}{found}")
    first = next(iter(measured["engines"].values()))
    change, volts, hertz = max((_at(first["cycle_change"], place), v, f) for place, v, f in _drives(measured))
    if change > accuracy:
        drive = f"{format_quantity(volts, 'V')}, {format_quantity(hertz, 'Hz')}"
        lines.append(
            f"the loops are not periodic yet: at {drive} the lobe area of cycle {cycle + 1} differs by {change:.1%} "
            f"from that of cycle {cycle} (--cycle measures a later one)"
        )
    else:
        lines.append(f"the lobe areas of cycle {cycle + 1} are those of cycle {cycle} within {change:.1e}")
    for engine, error in measured["errors"].items():
        if error > accuracy:
            lines.append(
                f"{engine}: areas and conductances are known to {error:.1e} only, {accuracy:g} is asked for; "
                "give another --accuracy, or more instants in Python (points_per_period)"
            )
    if measured["implausible_current"]:
        lines.append(f"warning: {measured['implausible_current']}")
    if "max_relative_difference" in measured:
        difference = measured["max_relative_difference"]
        lines.append(
            f"engines: lobe areas and conductances agree to {difference:.1e}, "
            f"{'within' if difference <= accuracy else 'NOT within'} the accuracy of {accuracy:g}"
        )
    return lines


def _drives(measured: dict[str, Any]) -> list[tuple[tuple[int, ...], float, float]]:
    """Place in the measures, amplitude (V) and frequency (Hz) of every loop."""
    volts = measured["amplitude_v"]
    frequencies = list(enumerate(measured["frequency_hz"]))
    if not isinstance(volts, list):
        return [((index,), volts, hertz) for index, hertz in frequencies]
    return [((row, index), value, hertz) for row, value in enumerate(volts) for index, hertz in frequencies]


def _at(values: Any, place: tuple[int, ...]) -> Any:
    for index in place:
        values = values[index]
    return values


def _numbers(first: str) -> Table:
    """A table of numbers narrow enough for a terminal of 80 characters."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    return table


def _facts(summary: dict[str, Any]) -> list[str]:
    lines = [
        f"power of all drivers: average {format_quantity(summary['average_power_w'], 'W')}, "
        f"largest instantaneous power {format_quantity(summary['worst_case_power_w'], 'W')}"
    ]
    if summary["grid_error"] > 1e-4:
        lines.append(
            "estimated error of means and powers, from the spacing of the instants: "
            f"{summary['grid_error']:.1e} of the mean magnitude"
        )
    for name, values in summary.get("measures", {}).items():
        shown = "; ".join(f"{engine} {_short(value)}" for engine, value in values.items())
        lines.append(f"{name}: {shown}")
    errors = [
        f"{engine} {error:.1e}" for engine, error in summary["current_error"].items() if error is not None
    ]  # fmt: skip
    if errors:
        lines.append(f"estimated error of the column currents, relative to their peaks: {', '.join(errors)}")
    if "energy_balance_error" in summary:
        lines.append(f"energy that is not accounted for: {summary['energy_balance_error']:.1e} of its largest part")
    if "reference_left_out" in summary:
        lines.append(f"ngspice alone: {summary['reference_left_out']}")
    if "max_relative_error" in summary:
        verdict = "within" if summary["passed"] else "NOT within"
        lines.append(
            f"engines: column currents agree to {summary['max_relative_error']:.1e} of the peak, "
            f"{verdict} the tolerance of {summary['tolerance']:g}"
        )
    if summary["ngspice_version"]:
        lines.append(f"ngspice {summary['ngspice_version']}, {summary['device_backend']} devices")
    return lines


def _short(values: Any) -> str:
    """A number, or the first of an array, in a line."""
    if not isinstance(values, list):
        return f"{values:.6g}" if isinstance(values, float) else str(values)
    first = " ".join(_short(value) for value in values[:_MOST_SHOWN])
    return f"[{first}{' ...' if len(values) > _MOST_SHOWN else ''}]"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
