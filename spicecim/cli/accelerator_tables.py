"""What ``spicecim accelerator`` prints."""

from __future__ import annotations

import itertools
from typing import Any

from rich import box
from rich.table import Table

from spicecim.cli.console import plain_console
from spicecim.quantities import format_quantity

_MOST_LAYERS = 60
_TOTALS = {
    "power_w": ("power of a chip", "power", "W"),
    "area_mm2": ("area of a chip", "area", "mm2"),
    "peak_tops": ("peak rate", "peak_tops", "TOPS"),
    "effective_tops": ("peak rate with skipped cycles", "", "TOPS"),
    "gops_per_watt": ("peak rate per power", "gops_per_watt", "GOPS/W"),
    "gops_per_mm2": ("peak rate per area", "gops_per_mm2", "GOPS/(s mm2)"),
    "converter_load": ("time of conversions over cycle", "", ""),
    "frames_per_second": ("frames per second", "", ""),
    "most_frames_per_second": ("with all crossbars busy", "", ""),
    "latency_s": ("latency", "", "s"),
    "energy_per_frame_j": ("energy per frame", "", "J"),
    "average_power_w": ("average power of all chips", "", "W"),
    "effective_gops_per_watt": ("rate of the network per power", "", "GOPS/W"),
    "effective_gops_per_mm2": ("rate of the network per area", "", "GOPS/(s mm2)"),
}
"""Title, name among the published totals, and unit by the names in JSON."""
_DIFFERENCES = {
    "weight_bits": "bits of a weight",
    "input_bits": "bits of an input",
    "pruning": "pruning ratio",
}
"""Titles of what two designs do not do alike, by the names in JSON."""
_SI_UNITS = ("W", "s", "J")


def print_accelerator(found: dict[str, Any]) -> None:
    """Print components, totals beside published ones, and the layers of a network."""
    console = plain_console()
    console.print(f"{found['design']}: {found['title']}", style="bold")
    console.print(_components(found))
    console.print(_totals(found))
    for line in _differences(found):
        console.print(line)
    if "network" in found:
        for line in _network_facts(found):
            console.print(line)
        console.print(_layers(found["layers"]))
        if len(found["layers"]) > _MOST_LAYERS:
            console.print(f"and {len(found['layers']) - _MOST_LAYERS} more layers; --json has them all")


def _components(found: dict[str, Any]) -> Table:
    table = _table("component", right=("power", "area", "per event"), left=("source",))
    for level, parts in itertools.groupby(found["components"], key=lambda part: part.level):
        for part in parts:
            area = "unknown" if part.area_mm2 is None else f"{part.area_mm2:.4g} mm2"
            event = "" if part.energy_per_event_j is None else format_quantity(part.energy_per_event_j, "J", 3)
            table.add_row(f"{part.name} ({level})", _shown(part.power_w, "W"), area, event, part.provenance)
    return table


def _totals(found: dict[str, Any]) -> Table:
    ratios = found.get("ratios", {})
    columns = ["value", "published", *([f"over {found['compared_with']}"] if "compared_with" in found else [])]
    table = _table("", right=tuple(columns))
    for name, (title, published, unit) in _TOTALS.items():
        if name not in found or (name == "effective_tops" and found[name] == found["peak_tops"]):
            continue
        if name == "converter_load" and found[name] is None:
            continue
        known = found["published"].get(published)
        cells = [_shown(found[name], unit), "" if known is None else _shown(known, unit)]
        if "compared_with" in found:
            cells.append(f"{ratios[name]:.4g}" if name in ratios else "")
        table.add_row(title, *cells)
    return table


def _differences(found: dict[str, Any]) -> list[str]:
    return [
        f"the ratios include: {_DIFFERENCES[name]} {own:.4g} against {other:.4g} of {found['compared_with']}"
        for name, (own, other) in found.get("differences", {}).items()
    ]


def _network_facts(found: dict[str, Any]) -> list[str]:
    chips = f"{found['chips']} chip{'' if found['chips'] == 1 else 's'}"
    lines = [
        f"{found['network']}: {found['weights'] / 1e6:.5g} M weights, {found['products'] / 1e9:.4g} G products",
        f"{chips}, {found['crossbars']} crossbars in use ({100 * found['crossbars_used']:.3g} %)",
    ]
    if found["frames_per_second"] is not None:
        lines += [
            f"slowest layer: {found['limiting_layer']}, limited by {found['limited_by']}",
            "waiting of crossbars for others, and of copies, makes the slowest layer's reads "
            f"{found['imbalance']:.3g} times as long",
        ]
    return lines


def _layers(layers: Any) -> Table:
    table = _table("layer", right=("crossbars", "copies", "cells used", "cycles per vector", "busy"))
    for layer in layers[:_MOST_LAYERS]:
        busy = "" if layer.busy is None else f"{100 * layer.busy:.3g} %"
        table.add_row(
            layer.name, str(layer.crossbars), str(layer.copies), f"{100 * layer.cells_used:.3g} %",
            f"{layer.cycles_per_vector:.4g}", busy,
        )  # fmt: skip
    return table


def _table(first: str, right: tuple[str, ...], left: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for title in right:
        table.add_column(title, justify="right", overflow="fold")
    for title in left:
        table.add_column(title, overflow="fold")
    return table


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return format_quantity(value, unit) if unit in _SI_UNITS else f"{value:.4g} {unit}".rstrip()
