"""Preset files of Verilog-A modules: a module, the content of its file, and a parameter set of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from spicecim.devices.library import Preset, PresetFile, presets_of_form
from spicecim.errors import InputError, ModelError
from spicecim.outside import read_text
from spicecim.quantities import shown
from spicecim.veriloga.source import read_source
from spicecim.yaml_text import parse_yaml


class _ModulePresetFile(PresetFile):
    verilog_a: str
    """Name of the module's file, for people; a testbench says where it is."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Digest of that file and all that it includes (`Source.digest`)."""
    module: str
    state: str
    initial: tuple[float, float]

    @field_validator("initial")
    @classmethod
    def _check_initial(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] == value[1]:
            raise ValueError("must be two different values")
        return value


def read_module_preset(path: str | Path, module_path: str | Path) -> tuple[dict[str, Any], Preset]:
    """Read the default preset of a file for a module.

    Parameters
    ----------
    path
        The preset file, such as `spicecim.Fit.save` writes.
    module_path
        The Verilog-A file; its content must be that of which the preset is.

    Returns
    -------
    dict
        ``module``, ``state``, ``initial`` and ``parameters`` of the section `device` of a testbench.
    Preset
        The whole preset.

    Raises
    ------
    ModelError
        If the preset file cannot be read, is none of a module, or is of another content of the module's file.
    VerilogAError
        If that file cannot be read.
    """
    try:
        text = read_text(path, "TESTBENCH_BYTES")
    except InputError as error:
        raise ModelError(str(error)) from None
    try:
        file, presets = presets_of_form(_ModulePresetFile, parse_yaml(text))
        digest = read_source(module_path).digest
        if file.sha256 != digest:
            raise ModelError(
                f"is of {shown(file.verilog_a)} with SHA-256 {file.sha256}; {shown(Path(module_path).name)} has "
                f"{digest}, so that the parameters may mean something else: fit again, or give them as parameters"
            )
    except InputError as error:
        raise ModelError(f"{Path(path).name}: {error}") from None
    preset = next(iter(presets.values()))
    section = {"module": file.module, "state": file.state, "initial": list(file.initial)}
    return {**section, "parameters": preset.parameters}, preset
