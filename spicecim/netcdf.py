"""Datasets in netCDF files.

The file is built in memory, because HDF5 ends the process, some time after its error, where it cannot write to the disk
(a full disk, a limit of the file size).
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from spicecim.errors import InputError
from spicecim.files import write_bytes
from spicecim.outside import check_file


def write_netcdf(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a dataset to a netCDF file that is whole or not there, and return its path.

    Every array carries checksums (HDF5's Fletcher-32): a file that was damaged later cannot be read.

    Raises
    ------
    ResultsError
        If it cannot be written; an earlier file of that name is unchanged.
    """
    return write_bytes(path, netcdf_bytes(dataset))


def netcdf_bytes(dataset: xr.Dataset) -> bytes:
    """Return what `write_netcdf` writes to a file."""
    built = io.BytesIO()
    encoding = {
        name: {"fletcher32": True}
        for name, variable in dataset.variables.items()
        if variable.size and variable.ndim and variable.dtype.kind in "iufb"
    }
    with h5netcdf.File(built, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file), encoding=encoding)
    # a view of its buffer would be a pitfall: collected together with it, it ends some Pythons (3.12.1)
    return built.getvalue()


def read_netcdf(path: str | Path, plain: Collection[str] = (), start: str | None = None) -> xr.Dataset:
    """Read a dataset from a netCDF file.

    Parameters
    ----------
    path
        A regular file within `spicecim.limits.DATASET_BYTES`.
    plain
        Names of variables whose values must stand in the file as they are: neither scaled nor shifted.
    start
        What the names of further such variables start with.

    Raises
    ------
    InputError
        If it cannot be read, or a part of it stands in another file.
    """
    check_file(path, "DATASET_BYTES")
    try:
        with h5py.File(path, "r") as file:
            _check_within(file)
        with xr.open_dataset(Path(path), engine="h5netcdf") as stored:
            dataset = stored.load()
    except InputError:
        raise
    except Exception as error:  # of a damaged file, h5py and xarray raise whatever they meet first
        raise InputError(" ".join(f"{type(error).__name__}: {error}".split())) from None
    for name in map(str, dataset.variables):
        if name in plain or (start is not None and name.startswith(start)):
            _check_plain(name, dataset[name].encoding)
    return dataset


def _check_within(group: h5py.Group) -> None:
    """Raise `InputError` where HDF5 would look for values in another file, or never end."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{name} is a link to somewhere else")
        member = group[name]
        if isinstance(member, h5py.Group):
            raise InputError(f"{name} is a group; a dataset of spicecim has none")
        if isinstance(member, h5py.Dataset) and (member.is_virtual or member.external):
            raise InputError(f"the values of {name} are stored in another file")


def _check_plain(name: str, encoding: Mapping[Any, Any]) -> None:
    for key in ("scale_factor", "add_offset", "missing_value"):
        if key in encoding:
            raise InputError(f"{name} has the attribute {key}; its values must be stored as they are")
    if not np.isnan(encoding.get("_FillValue", np.nan)):
        raise InputError(f"{name} has the _FillValue {encoding['_FillValue']}; its values must be stored as they are")
