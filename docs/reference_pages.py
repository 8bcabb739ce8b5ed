"""The pages of the reference: every public name of spicecim, under the subject that it belongs to."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import spicecim

SUBJECTS: dict[str, tuple[str, list[str]]] = {
    "testbenches": (
        "Testbenches and drives",
        [
            "Testbench", "LibraryDevice", "VerilogADevice", "SubcircuitDevice", "Crossbar", "Analysis", "Drive",
            "SineDrive", "PulseDrive", "SampledDrive", "render_netlist", "write_netlist",
        ],
    ),
    "runs": (
        "Runs and their results",
        [
            "simulate", "simulate_many", "operating_point", "retention", "load_waveforms", "save_waveforms",
            "testbench_of", "write_report", "citation",
        ],
    ),
    "measures": ("Measures of waveforms", ["measure", "compare", "Comparison", "energy_balance"]),
    "loops": ("Hysteresis loops", ["hysteresis", "HysteresisSweep", "load_sweep", "save_sweep"]),
    "devices": (
        "Devices and models",
        [
            "MODELS", "Memristor", "make_device", "load_presets", "check_model", "ModelReport", "cure_module", "Cure",
            "adapt_subcircuit", "Adaptation",
        ],
    ),
    "operations": (
        "Operations and programs",
        ["operations", "Operation", "run_sequence", "program", "potentiation", "endurance"],
    ),
    "variation": ("Variation and noise", ["vary", "read_noise", "normal", "lognormal", "uniform"]),
    "fits": (
        "Measurements and fits",
        [
            "load_measurement", "make_measurement", "synthetic_measurement", "split_cycles", "measure_cycles", "fit",
            "Fit", "fit_each", "Population", "JointDistribution", "posterior",
        ],
    ),
    "sweeps": ("Sweeps", ["sweep", "open_sweep", "sweeps"]),
    "encodings": ("Encodings", ["encodings"]),
    "networks": ("Networks", ["networks"]),
    "accelerators": ("Accelerators", ["accelerator"]),
    "validations": (
        "Validations",
        ["validate_frequency_weighting", "validate_polarized_columns", "validate_forms_architecture"],
    ),
    "extending": (
        "Things of your own",
        ["register_device", "register_drive", "register_engine", "register_encoding", "register_measure"],
    ),
    "errors": ("Errors", ["SpiceCimError", "InputError", "SimulationError", "ProgrammingError", "ManyRunsError"]),
}  # fmt: skip
"""Title and public names of each page. A module stands for the public names in it."""


def members(name: str) -> list[str]:
    """Return the names that a public name stands for: itself, or what a module has."""
    return [f"{name}.{each}" for each in _found(name).__all__] if _is_module(name) else [name]


def _found(name: str) -> Any:
    thing = spicecim
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def pages() -> dict[str, list[str]]:
    """Return the names on each page: classes, functions and the registry of models, each thing once.

    What is public in `spicecim` itself is listed by that name, also where a module has it too.
    """
    top = {id(_found(name)) for _, names in SUBJECTS.values() for name in names if not _is_module(name)}
    return {
        file: [
            each
            for name in names
            for each in members(name)
            if (inspect.isclass(_found(each)) or callable(_found(each)) or each == "MODELS")
            and (each == name or id(_found(each)) not in top)
        ]
        for file, (_, names) in SUBJECTS.items()
    }


def _is_module(name: str) -> bool:
    return isinstance(_found(name), ModuleType)


def write_reference_pages(folder: Path) -> None:
    """Write a page per subject and the page that lists them."""
    shutil.rmtree(folder, ignore_errors=True)  # pages of names that are gone would stay
    folder.mkdir()
    index = ["Reference", "=========", "", "Every public name, ``import spicecim as sc``.", "", ".. toctree::", ""]
    for file, names in pages().items():
        title = SUBJECTS[file][0]
        lines = [title, "=" * len(title), "", ".. currentmodule:: spicecim", "", ".. autosummary::"]
        lines += ["   :toctree: generated", "", *(f"   {each}" for each in names), ""]
        (folder / f"{file}.rst").write_text("\n".join(lines), encoding="utf-8")
        index.append(f"   {file}")
    (folder / "index.rst").write_text("\n".join([*index, ""]), encoding="utf-8")
