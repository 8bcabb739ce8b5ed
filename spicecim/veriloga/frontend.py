"""From a Verilog-A file to its modules, by OpenVAF in a child process."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spicecim import limits
from spicecim.children import child_environment, python_command, run_program
from spicecim.deadline import compile_step
from spicecim.errors import VerilogAError
from spicecim.private_files import temporary_folder
from spicecim.veriloga.charges import refuse_mixed
from spicecim.veriloga.declarations import ModuleDeclaration, read_declarations
from spicecim.veriloga.evaluation import SIMULATOR_PARAMETERS
from spicecim.veriloga.intermediate import parse_module
from spicecim.veriloga.module import Module
from spicecim.veriloga.openvaf import EXIT_NOT_READ, EXIT_REFUSED
from spicecim.veriloga.refusals import refuse_unsupported
from spicecim.veriloga.rewriting import instrument, prepare, without_ceil
from spicecim.veriloga.source import Source
from spicecim.veriloga.unassigned import Raw, taken_parameters

_LONGEST_LINE = 300
"""Characters of a line of OpenVAF's messages that are passed on."""
_PLACE = re.compile(r"--> \S*rewritten\.va:(\d+)")
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, eq=False)
class Compilation:
    """Modules of a file with what their source declares.

    Attributes
    ----------
    outlines
        For each module, what tells which variables it reads before they are assigned.
    starts
        Variable of each parameter that stands for a variable's value before it is assigned.
    """

    source: Source
    modules: dict[str, Module]
    declarations: dict[str, ModuleDeclaration]
    outlines: dict[str, Raw]
    starts: dict[str, str]

    def unset(self, module: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Variables of a module whose value before they are assigned matters, with these values of its parameters."""
        taken = taken_parameters(self.outlines[module], parameters)
        return tuple(dict.fromkeys(self.starts[name] for name in self.starts if name in taken))


def run_openvaf(source: Source, program: str) -> str:
    """Compile a file in a child process and return what OpenVAF says of it, as JSON text.

    Parameters
    ----------
    source
        The file.
    program
        Path of openvaf-r; empty for openvaf-py.

    Raises
    ------
    VerilogAError
        With OpenVAF's message if it refuses the file, or dies of it.
    TimeLimitError
        If it does not end in time.
    """
    declarations = read_declarations(source)
    refuse_unsupported(source, declarations, SIMULATOR_PARAMETERS)
    folder = temporary_folder()
    try:
        original = source.path
        if source.rewritten:
            original = folder / "rewritten.va"
            original.write_text(source.text, encoding="utf-8")
        texts = {"prepared.va": prepare(source, declarations), "probe.va": instrument(source, declarations)[0]}
        for name, text in texts.items():
            (folder / name).write_text(without_ceil(text) if program else text, encoding="utf-8")
        command = python_command(
            "spicecim.veriloga.openvaf",
            *(str(os.getpid()), program, str(original), *texts, "answer.json"),
        )
        with compile_step(f"{source.path}: OpenVAF") as deadline:
            child = run_program(command, deadline, folder, child_environment(folder))
        target = folder / "answer.json"
        said = _COLORS.sub("", child.errors).strip()
        if source.rewritten:
            said = _PLACE.sub(lambda found: f"--> {source.place(int(found.group(1)))}", said)
        if child.status == EXIT_REFUSED:
            raise VerilogAError(f"{source.path}: OpenVAF refuses the file\n{_messages(said)}")
        if child.status == EXIT_NOT_READ:
            raise VerilogAError(
                f"{source.path}: what {program} prints of the file cannot be read: {_last(said)}; take another version "
                "of it, or openvaf-py"
            )
        if child.status != 0 or not target.exists():
            raise VerilogAError(
                f"{source.path}: OpenVAF fails on the file, without saying where; if a variable that holds a ddt is in "
                f"another ddt, give it a node of its own\n{_last(said)}"
            )
        return target.read_text(encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parse_compilation(source: Source, text: str) -> Compilation:
    """Build the modules of a file from what `run_openvaf` returned.

    Raises
    ------
    VerilogAError
        If the file holds no module, a module has no terminals or holds something that is not supported.
    """
    answer = json.loads(text)
    declarations = read_declarations(source)
    _, names = instrument(source, declarations)
    if not answer["modules"]:
        raise VerilogAError(f"{source.path}: no module in the file")
    outlines = {outline["name"]: outline for outline in answer["instrumented"]}
    for raw in answer["modules"]:
        refuse_mixed(raw, outlines[raw["name"]], f"{source.path}: module {raw['name']}")
    modules = {raw["name"]: parse_module(raw, source, declarations[raw["name"]]) for raw in answer["modules"]}
    return Compilation(source, modules, declarations, outlines, names)


def _messages(said: str) -> str:
    """OpenVAF's errors without the traceback of the child and without warnings of what is no error."""
    kept = [part for part in re.split(r"\n\s*\n", said) if part.lstrip().startswith("error")]
    return _shortened("\n".join(kept) or _last(said))


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    found = next((line for line in lines if "panicked" in line or "PanicException" in line), "")
    return _shortened("\n".join([found, *lines[-1:]]).strip())


def _shortened(said: str) -> str:
    """As much of a message as is passed on: a line of the file stands in it as long as it is."""
    lines = [line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..." for line in said.splitlines()]
    text = "\n".join(lines)
    return text if len(text) <= limits.VERILOG_A_MESSAGE else f"{text[: limits.VERILOG_A_MESSAGE]}..."
