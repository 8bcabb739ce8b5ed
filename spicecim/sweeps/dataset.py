"""The result of a sweep: one labeled dataset over its axes and samples, whose values are read when they are used."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from spicecim.errors import InputError, StoreError
from spicecim.fields import FloatArray
from spicecim.limits import SWEEP_RUNS
from spicecim.outside import exceeds, read_bytes
from spicecim.sweeps.design import drawn_factors
from spicecim.sweeps.store import Store, told_not_finite
from spicecim.variation.distributions import Distribution
from spicecim.waveforms import load_waveforms

FACTOR = "factor of "
"""What the name of a coordinate of factors that were drawn begins with; the name of the field follows."""


def open_sweep(store: str | Path) -> xr.Dataset:
    """Return the dataset of a sweep, complete or not, while it runs or later.

    Values are read from the store when they are used. What is open is the state of now: runs that are finished
    later are not in it.

    Parameters
    ----------
    store
        Folder of the store.

    Returns
    -------
    xarray.Dataset
        A variable per measure, over the axes, ``sample`` and the measure's own dimensions (NaN where there is no
        value); ``status`` (done, failed, claimed, waiting), ``error``, ``seconds``, ``warnings`` and ``key`` of every
        run; coordinates of the axes with their units, and the factors of the fields that were drawn. The
        attribute ``testbench`` holds the testbench that all are made of, ``sweep`` the rest of the plan, in JSON. Of
        measures whose arrays are not as large in all runs, and have NaN beyond their end, ``padded`` holds the smallest
        and the largest size by measure and dimension; of measures with values that are NaN or infinite, ``not_finite``
        holds how many, and of how many runs.

    Raises
    ------
    StoreError
        If there is no sweep, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.9]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> folder = tempfile.mkdtemp()
    >>> found = sc.sweep(bench, {"drive.amplitude": [0.2, 0.3]}, store=folder, executor="serial")
    >>> sc.open_sweep(folder).status.values.tolist()
    ['done', 'done']
    """
    opened = Store(store)
    return dataset_of(opened, opened.plan())


def dataset_of(store: Store, plan: Mapping[str, Any]) -> xr.Dataset:
    """Return the dataset of a plan of a store, which `Plan.described` gave."""
    dims, grid = grid_of(plan)
    shape = tuple(grid.sizes[name] for name in dims)
    runs = int(np.prod(shape))
    if runs > SWEEP_RUNS:
        raise InputError(f"the sweep {exceeds('SWEEP_RUNS', 'runs')}")
    rows = store.rows()
    if len(rows) != runs:
        raise StoreError(f"{store.folder}: the plan has {runs} runs, its table {len(rows)}")
    columns = list(zip(*rows, strict=True))
    numbers = np.array(columns[6]).reshape(shape)
    texts = {
        name: (dims, np.array(columns[number], dtype=object if name == "error" else str).reshape(shape))
        for number, name in ((0, "status"), (3, "key"), (5, "warnings"))
    }
    errors = [f"{kind}: {text}" if kind else "" for kind, text in zip(columns[1], columns[2], strict=True)]
    variables: dict[str, Any] = {
        **texts,
        "error": (dims, np.array(errors).reshape(shape)),
        "seconds": (
            dims,
            np.array(columns[4], dtype=float).reshape(shape),
            {"units": "s", "long_name": "time it took"},
        ),
    }
    padded = {}
    for name, layout in store.layouts().items():
        if taken := {*dims, *variables} & {name, *layout.dims}:
            raise InputError(f"measures: {name}: the name {taken.pop()} is taken; give the measure another")
        values = indexing.LazilyIndexedArray(_Values(store, name, numbers, layout.shape))
        attributes = {"units": layout.units, "long_name": layout.long_name}
        variables[name] = ((*dims, *layout.dims), values, {key: text for key, text in attributes.items() if text})
        if layout.smallest != layout.shape:
            sizes = zip(layout.dims, layout.smallest, layout.shape, strict=True)
            padded[name] = {dim: [low, high] for dim, low, high in sizes if low < high}
    remarks = {"padded": padded, "not_finite": store.not_finite()}
    attributes = _attributes(plan) | {name: json.dumps(each) for name, each in remarks.items() if each}
    return grid.assign(variables).assign_attrs(attributes)


def not_finite(sweep: xr.Dataset) -> str:
    """Say how many values of which measures of a sweep are NaN or infinite; an empty text if there are none."""
    return told_not_finite(json.loads(sweep.attrs.get("not_finite", "{}")))


def grid_of(plan: Mapping[str, Any]) -> tuple[list[str], xr.Dataset]:
    """Return the dimensions in which the runs of a plan are counted, and a dataset of their coordinates alone."""
    samples = plan["samples"]
    found: dict[str, Any] = {}
    for axis in plan["axes"]:
        for name, labels in axis["labels"].items():
            unit = axis["units"].get(name, "")
            found[name] = (axis["name"], labels, {"units": unit} if unit else {})
    if samples is not None:
        found["sample"] = np.arange(samples)
        draws = {name: Distribution(**each) for name, each in plan["draws"].items()}
        factors = drawn_factors(draws, plan["design"], plan["base_samples"], plan["seed"], plan["level"])
        for number, name in enumerate(draws):
            found[FACTOR + name] = ("sample", factors[:, number])
    dims = [axis["name"] for axis in plan["axes"]] + ([] if samples is None else ["sample"])
    return dims, xr.Dataset(coords=found)


def _attributes(plan: Mapping[str, Any]) -> dict[str, str]:
    left = {key: value for key, value in plan.items() if key not in ("testbench", "axes")}
    bench = {} if plan["testbench"] is None else {"testbench": json.dumps(plan["testbench"])}
    return {**bench, "engine": plan["engine"] or "", "sweep": json.dumps(left)}


class _Values(BackendArray):
    """Values of a measure, read from the store when they are indexed.

    Runs are known by their numbers in the table, so that another plan of the same store changes nothing here.
    """

    def __init__(self, store: Store, name: str, numbers: NDArray[np.int_], inner: tuple[int, ...]) -> None:
        self._store, self._name, self._numbers, self._inner = store, name, numbers, inner
        self.shape = (*numbers.shape, *inner)
        self.dtype = np.dtype(float)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> FloatArray:
        outer, inner = key[: self._numbers.ndim], key[self._numbers.ndim :]
        numbers = self._numbers[outer]
        found = self._store.values(self._name, np.ravel(numbers), self._inner)
        return np.asarray(found.reshape(*np.shape(numbers), *self._inner)[(..., *inner)])


def load_run(store: str | Path, **selection: Any) -> xr.Dataset:
    """Return the waveforms of one run, which were kept with ``waveforms=True``.

    Parameters
    ----------
    store
        Folder of the store.
    **selection
        Place along each dimension, as whole numbers, such as ``sample=3``; for names with dots,
        ``**{"crossbar.wire_row": 0}``.

    Raises
    ------
    InputError
        If the selection is not that of one run.
    StoreError
        If the run has no waveforms, or their file is damaged.
    """
    opened = Store(store)
    plan = opened.plan()
    sizes = {axis["name"]: len(axis["sources"]) for axis in plan["axes"]}
    if plan["samples"] is not None:
        sizes["sample"] = plan["samples"]
    wrong = [name for name in selection if name not in sizes]
    place = 0
    for name, size in sizes.items():
        index = selection.get(name, 0 if size == 1 else None)
        if not isinstance(index, int | np.integer) or not 0 <= index < size or wrong:
            raise InputError(
                f"selection: must have a whole number below its size for each of {sizes}; it is {selection}"
            )
        place = place * size + int(index)
    key, crc = opened.waveforms_crc(place)
    if crc is None:
        raise StoreError(f"{store}: run {place} has no waveforms; run the sweep with waveforms=True")
    path = opened.waveforms_path(key)
    if zlib.crc32(read_bytes(path, "DATASET_BYTES")) != crc:
        raise StoreError(f"{path} is damaged; remove it, and the same call of sweep does the run again")
    return load_waveforms(path)
