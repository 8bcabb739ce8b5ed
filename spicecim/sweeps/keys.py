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
from pathlib import Path
from types import CodeType
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
    return plain_digest([_class_digest(type(device.build())), device.values(), device.provenance()])


@functools.cache
def _class_digest(kind: type) -> str:
    return function_digest(kind)


def engine_identity(engine: str, bench: Testbench | None) -> dict[str, str]:
    """What an engine is that runs a testbench: its name, its version, and for ngspice how devices are evaluated."""
    member = ENGINES[engine]
    if engine == "reference":
        return {"engine": engine, "version": __version__}
    if engine != "ngspice":
        version = str(getattr(member, "version", ""))
        return {"engine": engine, "version": version, "source": _class_digest(member)}
    from spicecim.ngspice.backend import is_native
    from spicecim.ngspice.client import shared_worker

    found = {"engine": engine, "version": shared_worker().capabilities().version}
    return found if bench is None else {**found, "native": str(is_native(bench))}


def function_digest(function: Any) -> str:
    """Digest of a function or class of one's own: its source, and whatever of one's own it uses, however deep.

    That is its defaults, the values that it takes from around it, and the functions, classes and constants of its
    module and of others that are not installed. Lists, dictionaries and objects of a module do not count, since runs
    may change them; of installed packages, only the names.
    """
    return plain_digest(_parts(function, {}))


def _parts(value: Any, seen: dict[int, Any]) -> Any:
    """Plain values that stand for a function, a class or a value; `seen` are those that were met before."""
    if id(value) in seen:
        return getattr(value, "__qualname__", "")
    if isinstance(value, functools.partial):
        return [_parts(each, seen) for each in (value.func, value.args, *value.keywords.items())]
    if isinstance(value, tuple | list) and any(map(callable, value)):
        return [_parts(each, seen) for each in value]
    if isinstance(value, type):
        seen[id(value)] = value
        around = (
            [each for each in vars(value).values() if hasattr(each, "__code__")] if _is_own(value.__module__) else []
        )
        return [function_source(value), [_parts(each, seen) for each in (*value.__bases__, *around)]]
    if not hasattr(value, "__code__"):
        return [_parts(type(value), seen), _value_digest(value)]
    seen[id(value)] = value
    around = [getattr(value, name, None) for name in ("__defaults__", "__kwdefaults__", "__self__")]
    around += [cell.cell_contents for cell in value.__closure__ or ()]
    around += _used(value) if _is_own(value.__module__) else []
    return [function_source(value), [_parts(each, seen) for each in around]]


def _is_own(module: str) -> bool:
    """Whether a module is neither installed nor a part of Python or of this package."""
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.partition(".")[0] in (*sys.stdlib_module_names, "spicecim"):
        return False
    return not {"site-packages", "dist-packages"} & {*Path(file).parts}


_CONSTANTS = (int, float, complex, str, bytes, tuple, frozenset, np.ndarray, np.generic)


def _used(function: Any) -> list[Any]:
    """Functions, classes and constants that a function takes from its module, and from others by this one."""
    names = sorted(_names(function.__code__))
    left = [function.__globals__[name] for name in names if name in function.__globals__]
    found, modules = [], set()
    while left:
        value = left.pop(0)
        if inspect.ismodule(value):
            if value.__name__ not in modules and _is_own(value.__name__):
                modules.add(value.__name__)
                left += [getattr(value, name) for name in names if hasattr(value, name)]
        elif isinstance(value, _CONSTANTS) or (
            (isinstance(value, type) or hasattr(value, "__code__")) and _is_own(value.__module__)
        ):
            found.append(value)
    return found


def _names(code: CodeType) -> set[str]:
    """Names in a function and in those that are written in it."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def function_source(function: Any) -> str:
    """Source of a function or class, or where that is not at hand its compiled form."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError, KeyError):
        code = getattr(function, "__code__", None)
        if code is not None:
            return repr((code.co_code, code.co_names, _ADDRESS.sub("", repr(code.co_consts))))
        return _ADDRESS.sub("", repr(function))


def _value_digest(value: Any) -> str:
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
