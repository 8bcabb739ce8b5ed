"""The key of a run: a digest of all that decides its result."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spicecim.engines import ENGINES
from spicecim.errors import InputError
from spicecim.places import named
from spicecim.sweeps.recipes import Recipe
from spicecim.testbench import Testbench
from spicecim.version import __version__

_DIGITS = 32
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def plain_digest(values: Any) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=_plain).encode()).hexdigest()[:_DIGITS]


def run_key(common: str, recipe: Recipe, sources: Mapping[str, str]) -> str:
    """Key of a run: `common` is the digest of what all runs share, `sources` are those of devices of its own."""
    bench = None if recipe.bench is None else recipe.bench.digest()
    return plain_digest([common, dict(recipe.values), dict(recipe.factors), recipe.seed, bench, dict(sources)])


def device_digest(bench: Testbench) -> str:
    """Digest of what a device is beyond its section: the source of its model, or the files that it is read from."""
    device = bench.device
    if not device.equations_known:
        from spicecim.netlist import crossbar_netlist

        return crossbar_netlist(bench, native=False).sha256  # it holds the subcircuit with all that it includes
    model = type(device.build())
    return plain_digest([function_source(model), device.values(), device.provenance()])


def engine_identity(engine: str, bench: Testbench | None) -> dict[str, str]:
    """What an engine is that runs a testbench: its name, its version, and for ngspice how devices are evaluated."""
    member = ENGINES[engine]
    if engine == "reference":
        return {"engine": engine, "version": __version__}
    if engine != "ngspice":
        version = str(getattr(member, "version", ""))
        return {"engine": engine, "version": version, "source": function_source(member)}
    from spicecim.ngspice.backend import is_native
    from spicecim.ngspice.client import shared_worker

    found = {"engine": engine, "version": shared_worker().capabilities().version}
    return found if bench is None else {**found, "native": str(is_native(bench))}


def function_digest(function: Any) -> str:
    """Digest of a function of one's own: its source, its defaults, and the values that it takes from around it.

    Of functions that it calls, only the names count.
    """
    if isinstance(function, functools.partial):
        inner = [function_digest(function.func), _values(function.args), _values(function.keywords)]
        return plain_digest(inner)
    around: list[Any] = [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
    for cell in getattr(function, "__closure__", None) or ():
        around.append(cell.cell_contents)
    return plain_digest([function_source(function), *(_values(each) for each in around)])


def function_source(function: Any) -> str:
    """Source of a function or class, or where that is not at hand its compiled form."""
    try:
        if isinstance(function, type):
            return inspect.getsource(sys.modules[function.__module__])
        return inspect.getsource(function)
    except (OSError, TypeError, KeyError):
        code = getattr(function, "__code__", None)
        if code is not None:
            return repr((code.co_code, code.co_names, _ADDRESS.sub("", repr(code.co_consts))))
        return _ADDRESS.sub("", repr(function))


def _values(value: Any) -> str:
    if callable(value) and hasattr(value, "__code__"):
        return function_digest(value)
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # whatever cannot be pickled says so in its own way
        return _ADDRESS.sub("", repr(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"a sweep takes plain values; it is given {value!r:.60}")


def measure_digests(measures: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """Digests of measures by their names."""
    for name, measure in measures.items():
        if not callable(measure):
            raise InputError(f"measures: {name} must be a function of waveforms; it is {named(measure)}")
    return {name: function_digest(measure) for name, measure in measures.items()}
