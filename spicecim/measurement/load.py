"""Measurements from files of instruments and spreadsheets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.measurement.dataset import make_measurement
from spicecim.measurement.table import Table, read_table
from spicecim.outside import read_bytes
from spicecim.quantities import input_quantity, shown

_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_UNITS = {
    "time": re.compile(r"(?P<prefix>[munpµμ]?)(s|sec|seconds?)"),
    "voltage": re.compile(r"(?P<prefix>[kmuµμ]?)(?i:v|volts?)"),
    "current": re.compile(r"(?P<prefix>[kmunpfµμ]?)(?i:a|amps?|amperes?)"),
}
_NAMES = {
    "time": re.compile(r"(t|time|timestamp|elapsed|elapsed time|relative time|rel time)\d*", re.IGNORECASE),
    "voltage": re.compile(
        r"(v|u|volt|vd|va|av|vf|vs|bias|voltage|source|volts|applied voltage|source value|smu\d? voltage|vsource"
        r"|v source|v force|vforce|anodev|anode voltage|te voltage|v ?meas|drain ?v)\d*", re.IGNORECASE,
    ),
    "current": re.compile(
        r"(i|curr|id|ia|ai|current|amp|amps|measured current|reading|smu\d? current|i meas|imeas|anodei|anode current"
        r"|te current|drain ?i)\d*", re.IGNORECASE,
    ),
    "sweep": re.compile(r"(sweep|run|loop|cycle|repeat|trace|sweep no|cycle no|run no)\d*", re.IGNORECASE),
}  # fmt: skip
_OVERFLOW = 9.9e37
"""Written by instruments with SCPI in place of a value beyond the range; 9.91e37 for none."""


def load_measurement(
    path: str | Path,
    *,
    columns: Mapping[str, str | int] | None = None,
    interval: Any = None,
    series_resistance: Any = 0.0,
    current_range: Any = None,
    compliance: Any = None,
    one_sided: bool = False,
    magnitudes: bool = False,
) -> xr.Dataset:
    """Read measured current over voltage and time from a text file.

    The table may stand beneath any heading of an instrument, with commas, semicolons, tabs or spaces between values,
    and with decimal commas. Columns are found by their names and units: ``Time (s)``, ``V [mV]``, ``I/uA``, ``AV``,
    ``AI``, ``Voltage``... Several sweeps are told by a column (``sweep``, ``cycle``, ``run``), by blank lines or
    repeated headings, or stand beside each other (``V1, I1, V2, I2``).

    Parameters
    ----------
    path
        The file.
    columns
        ``time``, ``voltage``, ``current`` and ``sweep``: name of the column, or its number from 1, where it is not
        found by itself.
    interval
        Time (s) between samples of a file without times.
    series_resistance, current_range, compliance, one_sided
        As for `make_measurement`.
    magnitudes
        Whether the file holds magnitudes of the currents, whose sign is that of the voltage.

    Returns
    -------
    xarray.Dataset
        As `make_measurement` gives, with the name and the SHA-256 digest of the file as attributes.

    Raises
    ------
    InputError
        If the file has no table, columns are missing or ambiguous, or the data can show no loop.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import spicecim as sc
    >>> time = np.linspace(0, 1, 101)
    >>> volts = np.sin(2 * np.pi * time)
    >>> lines = [f"{t:.6f},{v:.6f},{v * (2 + np.cos(2 * np.pi * t)):.6f}" for t, v in zip(time, volts, strict=True)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "loop.csv"
    ...     with path.open("w") as file:
    ...         print("Time (s),Voltage (V),Current (mA)", *lines, sep=chr(10), file=file)
    ...     measured = sc.load_measurement(path)
    >>> round(float(measured.current.max()) * 1e3, 2)
    2.2
    """
    path = Path(path)
    content = read_bytes(path, "MEASUREMENT_BYTES")
    try:
        step = None if interval is None else input_quantity("interval", interval, "s")
        if step is not None and step <= 0.0:
            raise InputError(f"interval: must be positive; it is {step:g} s")
        table = read_table(_decoded(content))
        groups, sweep = _columns(table, dict(columns or {}), step is not None)
        sweeps, names = [], []
        for block, lines in zip(table.blocks, table.lines, strict=True):
            labels = np.zeros(len(block)) if sweep is None else block[:, sweep]
            for group in groups:
                edges = np.flatnonzero(np.diff(labels)) + 1
                for part in np.split(np.arange(len(block)), edges):
                    names.append(f"lines {lines[part[0]]} to {lines[part[-1]]}")
                    sweeps.append(_sweep(block[part], [lines[k] for k in part], group, step, magnitudes))
        found = make_measurement(
            sweeps, series_resistance=series_resistance, current_range=current_range, compliance=compliance,
            one_sided=one_sided, names=names,
            attrs={"source": path.name, "sha256": hashlib.sha256(content).hexdigest()},
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{shown(path.name)}: {error}") from None
    return found


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "latin-1"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("is no text")


Group = dict[str, tuple[int, float]]
"""Column and factor of each quantity of a sweep."""


def _columns(table: Table, given: dict[str, Any], has_interval: bool) -> tuple[list[Group], int | None]:
    """Return the columns of each sweep that stands beside others, and the column that numbers the sweeps."""
    unknown = [name for name in given if name not in _NAMES]
    if unknown:
        raise InputError(f"columns: has {unknown[0]}; these are {', '.join(_NAMES)}")
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in _NAMES}
    for place, heading in enumerate(table.headings):
        name, unit = _split(heading)
        for quantity, pattern in _NAMES.items():
            if quantity in _UNITS and unit and not _UNITS[quantity].fullmatch(unit):
                continue
            if pattern.fullmatch(name) or (quantity in _UNITS and unit and not _is_other(name, quantity)):
                found[quantity].append((place, _factor(quantity, unit)))
                break
    for quantity, choice in given.items():
        place = _chosen(table, quantity, choice)
        found[quantity] = [(place, _factor(quantity, _split(table.headings[place])[1]))]
    for quantity in ("voltage", "current"):
        if not found[quantity]:
            named = ", ".join(map(repr, filter(None, table.headings)))
            told = f"its columns are {named}" if named else f"it has no headings over its {len(table.headings)} columns"
            raise InputError(f"no column of the {quantity} is found; {told}: name it by columns (--{quantity})")
    if not found["time"] and not has_interval:
        raise InputError(
            "no column of the time is found: name it by columns (--time), or give the interval (--interval)"
        )
    count = len(found["current"])
    if len(found["voltage"]) not in (1, count) or len(found["time"]) not in (0, 1, count):
        listed = "; ".join(f"{key}: {[table.headings[p] for p, _ in found[key]]}" for key in _UNITS)
        raise InputError(f"the columns are ambiguous ({listed}); name those that are meant")
    groups = []
    for index in range(count):
        group = {key: value[min(index, len(value) - 1)] for key, value in found.items() if key != "sweep" and value}
        if has_interval:
            group.pop("time", None)
        groups.append(group)
    return groups, found["sweep"][0][0] if found["sweep"] else None


def _split(heading: str) -> tuple[str, str]:
    """Name and unit of a heading such as ``V [mV]``, ``Time (s)``, ``I/uA`` or ``current_A``."""
    text = re.sub(r"[\[(](\d+)[\])]$", r"\1", heading.strip())  # of a repeated measurement: AnodeV(2)
    match = re.fullmatch(r"(.*?)\s*[\[(]\s*([^\])]*)\s*[\])]\s*", text) or re.fullmatch(r"([^/]*)/\s*(\S+)", text)
    if match is None:
        match = re.fullmatch(r"(.+)[_ ]([munpkµμ]?(?:s|V|A))", text)
    name, unit = (match[1], match[2].strip()) if match else (text, "")
    return re.sub(r"[\s_.:#-]+", " ", name).strip(), unit


def _is_other(name: str, quantity: str) -> bool:
    """Whether a name with a fitting unit is that of something else: a set value, or a second voltage."""
    return bool(re.search(r"range|limit|compliance|compl|offset|nplc|gate|second|sweep", name, re.IGNORECASE))


def _factor(quantity: str, unit: str) -> float:
    match = _UNITS[quantity].fullmatch(unit) if quantity in _UNITS and unit else None
    return _PREFIXES[match["prefix"]] if match else 1.0


def _chosen(table: Table, quantity: str, choice: Any) -> int:
    if isinstance(choice, int) or (isinstance(choice, str) and choice.isdigit() and choice not in table.headings):
        place = int(choice) - 1
        if 0 <= place < len(table.headings):
            return place
        raise InputError(f"columns: {quantity} is column {choice} of {len(table.headings)}")
    matching = [
        place for place, heading in enumerate(table.headings)
        if str(choice).strip().lower() in (heading.lower(), _split(heading)[0].lower())
    ]  # fmt: skip
    if len(matching) != 1:
        how = "no column" if not matching else f"{len(matching)} columns"
        raise InputError(f"columns: {how} of the name {shown(choice)}; there are {table.headings}")
    return matching[0]


def _sweep(
    block: FloatArray, lines: list[int], group: Group, interval: float | None, magnitudes: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    columns = {}
    for quantity, (place, factor) in group.items():
        values = block[:, place] * factor
        over = np.flatnonzero(np.abs(block[:, place]) >= _OVERFLOW)
        if len(over):
            raise InputError(
                f"line {lines[over[0]]}: the {quantity} is {block[over[0], place]:g}, which instruments write for an "
                "overflow: leave such samples out"
            )
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(f"line {lines[bad[0]]}: has no number for the {quantity}")
        columns[quantity] = values
    if interval is not None:
        columns["time"] = np.asarray(interval * np.arange(len(block)), dtype=float)
    current = columns["current"]
    if magnitudes:
        current = np.abs(current) * np.where(columns["voltage"] < 0.0, -1.0, 1.0)
    return columns["time"], columns["voltage"], current
