"""The device models by name, and the published parameter sets of each."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spicecim.devices import models
from spicecim.devices.checks import check_device, check_model, check_preset
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import limits_of
from spicecim.devices.selectors import JOINT, SELECTORS, with_selector
from spicecim.errors import InputError, ModelError
from spicecim.outside import read_text
from spicecim.problems import did_you_mean, problems_from
from spicecim.quantities import shown
from spicecim.registry import Registry
from spicecim.resources import resource_folder
from spicecim.yaml_text import parse_yaml


class Preset(BaseModel):
    """A published parameter set, with an initial state and a sinusoidal drive that show its hysteresis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    source: str
    x0: float = Field(ge=0.0, le=1.0)
    amplitude: float = Field(gt=0.0, allow_inf_nan=False)
    frequency: float = Field(gt=0.0, allow_inf_nan=False)
    largest_current: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    """Largest current (A) of a cell in the source, which says so; None where that gives none."""
    parameters: dict[str, Any]


def _check_preset_name(name: Any) -> None:
    """Raise `ValueError` unless a name can stand in a netlist, a file and on a command line."""
    if not isinstance(name, str) or not _PRESET_NAME.fullmatch(name):
        raise ValueError(
            f"the name of a preset must be letters, digits and _.+-, {_LONGEST_NAME} at most; it is {shown(name)}"
        )


_LONGEST_NAME = 60
_PRESET_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.+-]{{0,{_LONGEST_NAME - 1}}}")


class PresetFile(BaseModel):
    """A file of presets, of whatever kind of device."""

    model_config = ConfigDict(extra="forbid")

    default: str
    presets: Any
    fit: dict[str, Any] | None = None
    """Of a fit: its data, settings and errors, for people."""


class _ModelPresetFile(PresetFile):
    model: str


Form = TypeVar("Form", bound=PresetFile)


def _built_in() -> dict[str, type[Memristor]]:
    """Every `Memristor` that a module of `spicecim.devices.models` defines."""
    found = {}
    for module in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
        for member in vars(importlib.import_module(module.name)).values():
            if isinstance(member, type) and issubclass(member, Memristor) and member.__module__ == module.name:
                found[member.name] = member
    return found


def _check(name: str, model: Any) -> None:
    check_model(name, model)
    for preset in _read_presets(model).values():
        check_preset(_built(model, preset.parameters))


MODELS: Registry[type[Memristor]] = Registry("device", _built_in, _check, ModelError, "model")
"""Device models by name."""

_presets: dict[type[Memristor], dict[str, Preset]] = {}


def register_device(
    model: type[Memristor], presets: Mapping[str, Mapping[str, Any]] | None = None, *, replace: bool = False
) -> None:
    """Make a device model known by its name, for testbenches, sweeps and the command line of this process.

    A package does the same by an entry point of the group ``spicecim.devices`` whose name is that of the model.

    Parameters
    ----------
    model
        A subclass of `Memristor`.
    presets
        Parameter sets by name, the default one first, with the keys of a preset file: ``description``, ``source``,
        ``x0``, ``amplitude`` (V), ``frequency`` (Hz), ``parameters`` and, if stated, ``largest_current`` (A). By
        default those of the file ``NAME.yaml`` beside the module that defines the class, if there is one.
    replace
        Whether a model of that name may be replaced, such as one that a notebook defines again.

    Raises
    ------
    ModelError
        If the class is no usable model, a preset is not valid, or the name is taken.
    """
    check_model(str(getattr(model, "name", "")), model)
    given = None
    if presets is not None:
        given = _presets_of(presets)
        for preset in given.values():
            check_preset(_built(model, preset.parameters))
    MODELS.register(model.name, model, replace=replace)
    _presets.pop(model, None)
    if given is not None:
        _presets[model] = given


def _presets_of(values: Any) -> dict[str, Preset]:
    """Presets by their names, as a program or a file gives them; raises `ModelError` where they are none."""
    if not isinstance(values, Mapping):
        raise ModelError(f"presets: must be a dictionary with a preset by its name; it is {shown(values)}")
    found: dict[str, Preset] = {}
    problems: list[str] = []
    for name, given in values.items():
        try:
            _check_preset_name(name)
            found[name] = Preset.model_validate(dict(given) if isinstance(given, Mapping) else given)
        except ValidationError as error:
            problems += map(str, problems_from(error, Preset, f"presets.{name}"))
        except ValueError as error:
            problems.append(f"presets: {error}")
    if problems:
        raise ModelError("; ".join(problems))
    return found


def get_model(name: str) -> type[Memristor]:
    """Return the class of a model by its name; raises `ModelError` for an unknown one.

    ``MODEL_with_SELECTOR`` is that of a memristor in series with a selector (see `selectors`).
    """
    model, joint, selector = name.partition(JOINT)
    if joint and name not in MODELS:
        if selector not in SELECTORS:
            known = ", ".join(SELECTORS)
            raise ModelError(f"unknown selector {selector!r}; known are {known}{did_you_mean(selector, SELECTORS)}")
        return with_selector(MODELS[model], SELECTORS[selector])
    return MODELS[name]


def load_presets(model: str) -> dict[str, Preset]:
    """Return the published parameter sets of a model, the default one first; none if it has no preset file.

    Examples
    --------
    >>> import spicecim as sc
    >>> list(sc.load_presets("yakopcic"))
    ['oblea', 'miao', 'jo']
    """
    cls = get_model(model)
    own, joint, _ = model.partition(JOINT)
    if joint and model not in MODELS:
        return load_presets(own)  # the selector keeps its defaults
    if cls not in _presets:
        _presets[cls] = _read_presets(cls)
    return _presets[cls]


def _read_presets(model: type[Memristor]) -> dict[str, Preset]:
    """Presets of the file ``NAME.yaml`` in ``models/`` or, of a model from elsewhere, beside its module."""
    if model.__module__.startswith(f"{models.__name__}."):
        folder = resource_folder("models")
    else:
        try:
            folder = Path(inspect.getfile(model)).parent
        except (OSError, TypeError):  # a class of a notebook or a prompt
            return {}
    path = folder / f"{model.name}.yaml"
    if not path.is_file():
        return {}
    try:
        return _parsed_presets(model, parse_yaml(read_text(path, "TESTBENCH_BYTES")))
    except InputError as error:
        raise ModelError(f"{path.name}, the presets of {model.name}: {error}") from None


def _parsed_presets(model: type[Memristor], values: Any) -> dict[str, Preset]:
    """Presets of the values of a preset file, the default one first; `InputError` names what is wrong."""
    file, presets = presets_of_form(_ModelPresetFile, values)
    if file.model != model.name:
        raise ModelError(f"model: must be {model.name} (given: {shown(file.model)})")
    return presets


def presets_of_form(form: type[Form], values: Any) -> tuple[Form, dict[str, Preset]]:
    """Return the values of a preset file of a form, and its presets, the default one first.

    Raises
    ------
    InputError
        If a key is missing, unknown or wrong.
    """
    if not isinstance(values, dict) or "presets" not in values:
        given = f"the keys {', '.join(map(str, values))}" if isinstance(values, dict) else shown(values)
        needed = sorted(name for name, field in form.model_fields.items() if field.is_required())
        raise ModelError(f"must have the keys {', '.join(needed)}, presets by name; it has {given}")
    try:
        file = form.model_validate(values)
    except ValidationError as error:
        raise ModelError("; ".join(map(str, problems_from(error, form)))) from None
    presets = _presets_of(file.presets)
    if file.default not in presets:
        known = ", ".join(presets) or "none"
        raise ModelError(f"default: must be one of the presets, which are {known} (given: {shown(file.default)})")
    return file, {file.default: presets[file.default], **presets}


def is_preset_file(preset: str) -> bool:
    """Whether a preset is given by the path of a file, such as `spicecim.Fit.save` writes."""
    return preset.lower().endswith((".yaml", ".yml"))


def _preset_of_file(model: str, path: str) -> Preset:
    """Return the default preset of a file."""
    try:
        text = read_text(path, "TESTBENCH_BYTES")
    except InputError as error:
        raise ModelError(str(error)) from None
    try:
        presets = _parsed_presets(get_model(model), parse_yaml(text))
    except InputError as error:
        raise ModelError(f"{Path(path).name}: {error}") from None
    return next(iter(presets.values()))


def get_preset(model: str, preset: str | None = None) -> Preset:
    """Return one parameter set of a model, by default its first, or that of a file which ends in ``.yaml``.

    Raises
    ------
    ModelError
        If there is none of that name, or the file cannot be read or is of another model.
    """
    if preset is not None and is_preset_file(preset):
        return _preset_of_file(model, preset)
    presets = load_presets(model)
    if preset is None and presets:
        return next(iter(presets.values()))
    if preset not in presets:
        known = f"; known are {', '.join(presets)}" if presets else ""
        raise ModelError(
            f"{model} has no presets; give all parameters" if preset is None
            else f"unknown preset {preset!r} of {model}{known}{did_you_mean(preset, presets)}"
        )  # fmt: skip
    return presets[preset]


def default_values(model: type[Memristor]) -> dict[str, Any]:
    """Values of all parameters: those of the first preset, or else of the class, or else within their bounds."""
    preset = next(iter(load_presets(model.name).values()), None)
    if preset:
        return _built(model, preset.parameters).model_dump()
    found = {name: info.default for name, info in model.model_fields.items() if not info.is_required()}
    return {name: found[name] if name in found else _allowed_value(model, name) for name in model.model_fields}


def _allowed_value(model: type[Memristor], name: str) -> Any:
    """Return a value within a parameter's bounds."""
    info = model.model_fields[name]
    if choices := get_args(info.annotation):
        return choices[-1] if isinstance(choices[-1], str | int) else 1.0
    limits = limits_of(model, name)
    relations = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    low, high = limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if "above" in relations:
        low = _allowed_value(model, str(relations["above"]))
    if "below" in relations:
        high = _allowed_value(model, str(relations["below"]))
    if low is not None and high is not None:
        return high if info.annotation is int else 0.5 * (low + high)
    if low is not None:
        return low + 1
    return 1.0 if high is None else high - 1


def make_device(
    model: str,
    preset: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    temperature: float | None = None,
) -> Memristor:
    """Build a device from a preset, from parameters, or from a preset with some parameters replaced.

    Parameters
    ----------
    model
        Name of the model, one of `MODELS`.
    preset
        Name of a published parameter set, or a file that ends in ``.yaml``. Without one, `parameters` must be complete;
        without either, the default preset of the model is taken.
    parameters
        Parameter values by name, in SI units or as text such as ``"16k"``.
    temperature
        Ambient temperature (K) in place of that of the parameters, of a model that has one.

    Raises
    ------
    ModelError
        If the model, the preset or a parameter is unknown, missing or outside its bounds, or the methods of the device
        are no longer those that were traced.

    Examples
    --------
    >>> import spicecim as sc
    >>> device = sc.make_device("linear_drift", "hp", {"Roff": "38k"})
    >>> device.Roff
    38000.0
    """
    values = dict(parameters or {})
    if preset is not None or not values:
        values = {**get_preset(model, preset).parameters, **values}
    kind = get_model(model)
    if temperature is not None:
        if not kind.ambient:
            raise ModelError(f"temperature: the model {model} has none")
        values[kind.ambient] = temperature
    try:
        device = _built(kind, values)
    except ModelError as error:
        absent = {name for name, field in kind.model_fields.items() if field.is_required()} - values.keys()
        presets = load_presets(model) if absent else {}
        if presets:
            raise ModelError(f"{error}; a preset has them all: {', '.join(presets)}") from None
        raise
    check_device(device)
    return device


def _built(model: type[Memristor], values: Mapping[str, Any]) -> Memristor:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ModelError("; ".join(str(problem) for problem in problems_from(error, model))) from None
