"""The one kind of result: an `xarray.Dataset` of labelled waveforms with units, saved to and loaded from netCDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from spicecim.errors import WaveformError
from spicecim.fields import FloatArray
from spicecim.testbench import Testbench

VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "v_row": (("time", "row"), "V", "voltage of the row driver"),
    "i_row": (("time", "row"), "A", "current out of the row driver"),
    "i_column": (("time", "column"), "A", "current into the column's sense node"),
    "v_cell": (("time", "row", "column"), "V", "voltage across the cell, from row to column"),
    "i_cell": (("time", "row", "column"), "A", "current through the cell, from row to column"),
    "x": (("time", "row", "column"), "1", "normalised state of the cell"),
    "v_row_node": (("time", "row", "column"), "V", "voltage of the row wire at the cell"),
    "v_column_node": (("time", "row", "column"), "V", "voltage of the column wire at the cell"),
}
"""Dimensions, unit and long name of every variable that a dataset may have."""

CELL_VARIABLES = ("v_cell", "i_cell", "x")
NODE_VARIABLES = ("v_row_node", "v_column_node")
"""Kept with the cells when the wires are not ideal: with them every power in the crossbar is known."""


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
        Arrays by the names and with the dimensions of `VARIABLES`.
    attributes
        What the engine says of itself: engine, version, device backend...
    """
    rows, columns = testbench.shape
    dataset = xr.Dataset(
        {
            name: (VARIABLES[name][0], values, {"units": VARIABLES[name][1], "long_name": VARIABLES[name][2]})
            for name, values in variables.items()
        },
        coords={
            "time": ("time", time, {"units": "s", "long_name": "time"}),
            "row": ("row", np.arange(rows), {"long_name": "row"}),
            "column": ("column", np.arange(columns), {"long_name": "column"}),
        },
        attrs={**attributes, "testbench": testbench.model_dump_json(exclude_none=True)},
    )
    check_waveforms(dataset, *variables)
    return dataset


def check_waveforms(dataset: xr.Dataset, *names: str) -> None:
    """Raise `WaveformError` unless the dataset has the variables `names`, finite and on increasing instants."""
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
        if set(dataset[name].dims) != set(VARIABLES[name][0]):
            raise WaveformError(f"{name} has dimensions {dataset[name].dims}, not {VARIABLES[name][0]}")
        if not np.isfinite(dataset[name].values).all():
            raise WaveformError(f"{name} has values that are not finite")
    if dataset.sizes.get("time", 0) < 2 or np.any(np.diff(dataset["time"].values) <= 0):
        raise WaveformError("time must hold at least two instants and increase strictly")


def testbench_of(dataset: xr.Dataset) -> Testbench:
    """Return the testbench that a dataset was made with."""
    if "testbench" not in dataset.attrs:
        raise WaveformError("the dataset's attributes hold no testbench")
    return Testbench.from_dict(json.loads(dataset.attrs["testbench"]), source="the dataset's testbench")


testbench_of.__test__ = False  # type: ignore[attr-defined]  # not for pytest to collect


def save_waveforms(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a dataset to a netCDF file and return its path."""
    check_waveforms(dataset, *_known(dataset))
    testbench_of(dataset)
    # As a variable, because HDF5 limits an attribute to 64 kB, which a large crossbar's states exceed.
    stored = dataset.assign(testbench=((), dataset.attrs["testbench"])).drop_attrs(deep=False)
    stored.attrs = {name: value for name, value in dataset.attrs.items() if name != "testbench"}
    path = Path(path)
    stored.to_netcdf(path, engine="h5netcdf")
    return path


def load_waveforms(path: str | Path) -> xr.Dataset:
    """Read a dataset that `save_waveforms` wrote; raises `WaveformError` if the file is none."""
    try:
        with xr.open_dataset(Path(path), engine="h5netcdf") as stored:
            dataset = stored.load()
        text = str(dataset["testbench"].item())
    except (OSError, ValueError, KeyError) as error:
        raise WaveformError(f"cannot read waveforms from {path}: {error}") from None
    dataset = dataset.drop_vars("testbench").assign_attrs(testbench=text)
    check_waveforms(dataset, *_known(dataset))
    return dataset


def _known(dataset: xr.Dataset) -> list[str]:
    """Names of the dataset's variables that are waveforms; others may stand beside them."""
    return [str(name) for name in dataset.data_vars if name in VARIABLES]
