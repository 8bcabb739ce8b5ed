"""The models that spicecim knows, and the published parameter sets in `models/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from spicecim.devices.base import Device
from spicecim.devices.linear_drift import LinearDrift
from spicecim.devices.pershin_di_ventra import PershinDiVentra
from spicecim.devices.resistor import Resistor
from spicecim.devices.stanford_pku import StanfordPku
from spicecim.devices.vteam import Vteam
from spicecim.devices.yakopcic import Yakopcic
from spicecim.errors import ModelError
from spicecim.problems import did_you_mean, problems_from
from spicecim.resources import resource_folder

MODELS: dict[str, type[Device]] = {
    model.name: model for model in (LinearDrift, Yakopcic, Vteam, PershinDiVentra, StanfordPku, Resistor)
}


class Preset(BaseModel):
    """A published parameter set, with an initial state and a sinusoidal drive that show its hysteresis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    source: str
    x0: float
    amplitude: float
    frequency: float
    parameters: dict[str, Any]


class _PresetFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    default: str
    presets: dict[str, Preset]


def get_model(name: str) -> type[Device]:
    """Return the class of a model by its name; raises `ModelError` for an unknown one."""
    if name not in MODELS:
        raise ModelError(f"unknown model {name!r}; known are {', '.join(MODELS)}{did_you_mean(name, MODELS)}")
    return MODELS[name]


@cache
def _preset_file(model: str) -> _PresetFile:
    path = resource_folder("models") / f"{get_model(model).name}.yaml"
    return _PresetFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def load_presets(model: str) -> dict[str, Preset]:
    """Return the published parameter sets of a model, the default one first."""
    file = _preset_file(model)
    return {file.default: file.presets[file.default], **file.presets}


def get_preset(model: str, preset: str | None = None) -> Preset:
    """Return one published parameter set of a model, by default its first; raises `ModelError` for an unknown one."""
    presets = load_presets(model)
    if preset is None:
        return next(iter(presets.values()))
    if preset not in presets:
        raise ModelError(
            f"unknown preset {preset!r} of {model}; known are {', '.join(presets)}{did_you_mean(preset, presets)}"
        )
    return presets[preset]


def make_device(model: str, preset: str | None = None, parameters: Mapping[str, Any] | None = None) -> Device:
    """Build a device from a preset, from parameters, or from a preset with some parameters replaced.

    Parameters
    ----------
    model
        Name of the model, a key of `MODELS`.
    preset
        Name of a published parameter set. Without one, `parameters` must be complete; without either, the default
        preset of the model is taken.
    parameters
        Parameter values by name, in SI units or as text such as ``"16k"``.

    Raises
    ------
    ModelError
        If the model, the preset or a parameter is unknown, missing or outside its bounds.
    """
    cls = get_model(model)
    values = dict(parameters or {})
    if preset is not None or not values:
        values = {**get_preset(model, preset).parameters, **values}
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ModelError("; ".join(str(problem) for problem in problems_from(error, cls))) from None
