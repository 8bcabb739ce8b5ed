"""The one kind of result: an `xarray.Dataset` of labeled waveforms with units, saved to and loaded from netCDF."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spicecim.errors import InputError, WaveformError
from spicecim.fields import FloatArray
from spicecim.lines import Lines
from spicecim.netcdf import read_netcdf, write_netcdf
from spicecim.outside import parse_json
from spicecim.testbench import Testbench

VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "v_row": (("time", "row"), "V", "voltage of the row driver"),
    "i_row": (("time", "row"), "A", "current out of the row driver"),
    "i_column": (("time", "column"), "A", "current into the column's sense node"),
    "v_column": (("time", "column"), "V", "voltage of the column's sense node"),
    "v_row_sense": (("time", "row"), "V", "output voltage of the row's amplifier"),
    "v_sense": (("time", "column"), "V", "output voltage of the column's amplifier"),
    "v_cell": (("time", "row", "column"), "V", "voltage across the cell, from row to column"),
    "i_cell": (("time", "row", "column"), "A", "current through the cell, from row to column"),
    "x": (("time", "row", "column"), "1", "normalized state of the cell"),
    "v_row_node": (("time", "row", "column"), "V", "voltage of the row wire at the cell"),
    "v_column_node": (("time", "row", "column"), "V", "voltage of the column wire at the cell"),
}
"""Dimensions, unit and long name of every variable that a dataset may have."""

_FURTHER = "state_"
"""What the name of the variable of a further state begins with."""

_ROUNDING = 1e-9
"""Error of instants relative to the duration that is rounding."""

_VOLTAGE_SLACK = 1e-6
"""Error of a row's voltage, relative to the drive's largest, that is rounding or ngspice's own."""

CELL_VARIABLES = ("v_cell", "i_cell", "x")
NODE_VARIABLES = ("v_row_node", "v_column_node")
"""Kept with the cells when the wires are not ideal: with them every power in the crossbar is known."""


def outputs_by_name(lines: Lines, shape: tuple[int, int], outputs: FloatArray) -> dict[str, FloatArray]:
    """The outputs of amplifiers (..., line), volt, by the names of their variables; none where there are none."""
    sensed = np.zeros(sum(shape), dtype=bool)
    sensed[lines.sensed] = True
    parts = {"v_row_sense": slice(shape[0]), "v_sense": slice(shape[0], None)}
    return {name: outputs[..., part] for name, part in parts.items() if sensed[part].any()}


def state_variable(name: str) -> str:
    """Name of the variable of a further state of the cells, which the device knows by its name."""
    return _FURTHER + name


def is_known(name: str) -> bool:
    """Whether a variable is one of `VARIABLES`, or holds a further state."""
    return name in VARIABLES or name.startswith(_FURTHER)


def _described(name: str, units: Mapping[str, str]) -> tuple[tuple[str, ...], str | None, str]:
    """Dimensions, unit and long name of a variable; `units` has those of further states by name."""
    if name in VARIABLES:
        return VARIABLES[name]
    state = name.removeprefix(_FURTHER)
    return VARIABLES["x"][0], units.get(state), f"state {state} of the cell"


def make_waveforms(
    testbench: Testbench, time: FloatArray, variables: Mapping[str, FloatArray], attributes: Mapping[str, str | float]
) -> xr.Dataset:
    """Label the arrays of an engine as a dataset.

    Parameters
    ----------
    testbench
        The testbench that was run; it goes into the attributes as JSON, so that a saved run can be run again.
    time
        Instants (s), strictly increasing.
    variables
        Arrays by the names and with the dimensions of `VARIABLES`, and of `x` for further states (`state_variable`).
    attributes
        What the engine says of itself: engine, version, device backend, estimated errors...
    """
    rows, columns = testbench.shape
    states = testbench.device.further_units() if any(name not in VARIABLES for name in variables) else {}
    described = {name: _described(name, states) for name in variables}
    dataset = xr.Dataset(
        {
            name: (described[name][0], values, {"units": described[name][1], "long_name": described[name][2]})
            for name, values in variables.items()
        },
        coords=_coordinates(time, rows, columns),
        attrs={**attributes, "testbench": _written(testbench)},
    )
    check_waveforms(dataset, *variables, instants=1)
    return dataset


_last: tuple[FloatArray, tuple[int, int], xr.Coordinates] | None = None
"""Instants, rows and columns of the last run, and their coordinates: to make these takes longer than all else."""


def _coordinates(time: FloatArray, rows: int, columns: int) -> xr.Coordinates:
    global _last
    last = _last  # read once: another thread may put another in its place
    if last is None or last[1] != (rows, columns) or not np.array_equal(last[0], time):
        labeled = xr.Dataset(
            coords={
                "time": ("time", time, {"units": "s", "long_name": "time"}),
                "row": ("row", np.arange(rows), {"long_name": "row"}),
                "column": ("column", np.arange(columns), {"long_name": "column"}),
            }
        )
        last = _last = time.copy(), (rows, columns), labeled.coords
    return last[2].copy(deep=True)


def check_waveforms(dataset: xr.Dataset, *names: str, instants: int = 2) -> None:
    """Raise `WaveformError` unless the dataset has the variables `names`, finite and on increasing instants.

    Of these `instants` at least: what is measured over time takes two.
    """
    missing = [name for name in names if name not in dataset]
    if missing:
        hint = ""
        if set(missing) == {"x"} and "i_cell" in dataset:
            hint = " (its device has no port for the state)"
        elif set(missing) & {*CELL_VARIABLES, *NODE_VARIABLES}:
            hint = " (run with analysis.probe = 'cells')"
        raise WaveformError(
            f"the dataset has no {', '.join(missing)}{hint}; it has {', '.join(map(str, dataset.data_vars))}"
        )
    for name in names:
        _check_variable(dataset, name)
    if "time" not in dataset.coords:
        raise WaveformError("the dataset has no coordinate time")
    time = dataset.variables["time"]
    _check_numbers("time", time.values, time.attrs, "s")
    if len(time) < instants or np.any(np.diff(time.values) <= 0):
        least = "one instant" if instants == 1 else "two instants"
        raise WaveformError(f"time must hold at least {least} and increase strictly")
    if "testbench" in dataset.attrs:
        _check_places(dataset, testbench_of(dataset))


def _check_variable(dataset: xr.Dataset, name: str) -> None:
    dimensions, units, _ = _described(name, {})
    variable = dataset.variables[name]
    if set(variable.dims) != set(dimensions):
        raise WaveformError(f"{name} has dimensions {variable.dims}, not {dimensions}")
    _check_numbers(name, variable.values, variable.attrs, units)


def _check_numbers(name: str, values: NDArray[Any], attributes: Mapping[Any, Any], units: str | None) -> None:
    """Raise `WaveformError` unless the values are finite real numbers, in their unit where that is known."""
    if values.dtype.kind != "f":
        raise WaveformError(f"{name} holds {values.dtype}; its values must be real numbers in floating point")
    if not np.isfinite(values).all():
        raise WaveformError(f"{name} has values that are not finite")
    # Arithmetic drops the attributes of a variable; where they say something, it must be right.
    if units is not None and str(attributes.get("units", units)) != units:
        raise WaveformError(f"{name} is in {attributes['units']!r}; its unit must be {units!r}")


def _check_places(dataset: xr.Dataset, testbench: Testbench) -> None:
    """Raise `WaveformError` where rows or columns are none of the testbench's; a dataset may hold some of them."""
    for name, count in zip(("row", "column"), testbench.shape, strict=True):
        if name not in dataset.dims:
            continue
        places = dataset.variables[name].values if name in dataset.coords else np.arange(dataset.sizes[name])
        distinct = places.dtype.kind in "iu" and len(np.unique(places)) == len(places)
        if not distinct or places.min() < 0 or places.max() >= count:
            shown = ", ".join(map(str, places[:8])) + ", ..." * (len(places) > 8)
            raise WaveformError(f"{name} holds {shown}; its testbench has the {name}s 0 to {count - 1}")


def testbench_of(dataset: xr.Dataset) -> Testbench:
    """Return the testbench that a dataset was made with.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> sc.testbench_of(run) == bench
    True
    """
    text = dataset.attrs.get("testbench")
    if not isinstance(text, str):
        raise WaveformError("the dataset's attributes hold no testbench")
    return _read_testbench(text)


_known: OrderedDict[str, Testbench] = OrderedDict()
"""Testbenches by their texts, the last ones that were written or read: to read one takes as long as a short run."""
_MOST_KNOWN = 16


def _written(testbench: Testbench) -> str:
    text = testbench.model_dump_json(exclude_none=True)
    _keep(text, testbench)
    return text


def _read_testbench(text: str) -> Testbench:
    testbench = _known.get(text)
    if testbench is None:
        testbench = Testbench.from_dict(parse_json(text), source="the dataset's testbench")
    _keep(text, testbench)
    return testbench


def _keep(text: str, testbench: Testbench) -> None:
    _known[text] = testbench
    _known.move_to_end(text)
    while len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)


testbench_of.__test__ = False  # type: ignore[attr-defined]  # not for pytest to collect


def save_waveforms(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a dataset to a netCDF file and return its path.

    The file is whole or not there; an earlier one of that name stays until then.

    Raises
    ------
    WaveformError
        If the dataset is none that an engine makes: see `load_waveforms`.
    ResultsError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sc.save_waveforms(run, Path(folder) / "run.nc")
    ...     again = sc.load_waveforms(Path(folder) / "run.nc")
    >>> again.identical(run)
    True
    """
    check_run(dataset)
    return write_netcdf(with_testbench_stored(dataset), path)


def with_testbench_stored(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset for a file: with its testbench as a variable.

    HDF5 limits an attribute to 64 kB, which a large crossbar's states exceed.
    """
    stored = dataset.assign(testbench=((), dataset.attrs["testbench"])).drop_attrs(deep=False)
    stored.attrs = {name: value for name, value in dataset.attrs.items() if name != "testbench"}
    return stored


def load_waveforms(path: str | Path) -> xr.Dataset:
    """Read a dataset that `save_waveforms` wrote.

    Raises
    ------
    WaveformError
        If the file is none, or is damaged; if a variable is no array of real, finite numbers in its own unit, which
        stand in the file as they are (not scaled, not in another file); if the rows, columns, instants or row voltages
        are not those of the testbench in the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.nc"
    ...     _ = sc.save_waveforms(run, path)
    ...     bench_again = sc.testbench_of(sc.load_waveforms(path))
    >>> bench_again == bench
    True
    """
    try:
        dataset = read_netcdf(path, (*VARIABLES, "time"), _FURTHER)
        text = str(dataset["testbench"].item())
        dataset = dataset.drop_vars("testbench").assign_attrs(testbench=text)
        check_run(dataset)
    except (InputError, ValueError, KeyError) as error:
        raise WaveformError(f"cannot read waveforms from {path}: {error}") from None
    return dataset


def check_run(dataset: xr.Dataset) -> None:
    """Raise `WaveformError` unless a dataset is a run of its testbench: rows and columns, instants, row voltages."""
    testbench = testbench_of(dataset)
    check_waveforms(dataset, *(str(name) for name in dataset.data_vars if is_known(str(name))), instants=1)
    for name, count in zip(("row", "column"), testbench.shape, strict=True):
        if dataset.sizes.get(name, count) != count:
            raise WaveformError(f"there are {dataset.sizes[name]} {name}s; its testbench has {count}")
    time, duration = dataset["time"].values, testbench.duration
    if time[0] < 0.0 or time[-1] > duration * (1.0 + _ROUNDING):
        raise WaveformError(f"time goes from {time[0]:g} to {time[-1]:g} s; its testbench lasts {duration:g} s")
    lines = testbench.lines()
    # Instants are rounded, and a drive may be steep: its voltage at an instant nearby will do.
    nearby = [lines.drive.voltage(time + shift) for shift in (0.0, -_ROUNDING * duration, _ROUNDING * duration)]
    least, most = np.min(nearby, axis=0), np.max(nearby, axis=0)
    slack = _VOLTAGE_SLACK * lines.drive.largest_voltage()
    for name, line, first in (("v_row", "row", 0), ("v_column", "column", testbench.shape[0])):
        if name not in dataset or (lines.plain and name == "v_column"):
            continue
        connected = first + np.flatnonzero(~lines.free[first : first + testbench.shape[name == "v_column"]])
        voltage = dataset[name].transpose("time", line).sortby(line).values[:, connected - first]
        if np.any(voltage < least[:, connected] - slack) or np.any(voltage > most[:, connected] + slack):
            raise WaveformError(f"{name} is not what the drive of its testbench puts out")
