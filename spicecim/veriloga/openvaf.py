"""The child process that compiles with OpenVAF, which may end the process: openvaf-py, or the program openvaf-r.

`main` compiles the file as its author wrote it first, so that messages show the author's own lines, and then the two
texts that were prepared from it. It writes what OpenVAF knows of each module as JSON. No other module imports
openvaf-py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from spicecim.children import end_with_parent
from spicecim.veriloga.dump import DumpError, read_dump

EXIT_REFUSED = 3
"""Exit status if OpenVAF refused the file and said why."""

_REFUSED = 65
"""Exit status of openvaf-r for a file that it refuses."""

EXIT_NOT_READ = 4
"""Exit status if what the program prints is not understood."""


def describe(module: Any) -> dict[str, Any]:
    """Return what OpenVAF's compilation of a module holds."""
    return {
        "name": module.name,
        "evaluate": module.get_mir_instructions(),
        "arguments": list(zip(module.param_value_indices, module.param_kinds, module.param_names, strict=True)),
        "setup": module.get_init_mir_instructions(),
        "setup_arguments": list(
            zip(module.init_param_value_indices, module.init_param_kinds, module.init_param_names, strict=True)
        ),
        "cache": module.get_cache_mapping(),
        "texts": module.get_str_constants(),
        "system": module.get_dae_system(),
        "descriptor": module.get_osdi_descriptor(),
    }


def outline(whole: dict[str, Any]) -> dict[str, Any]:
    """Return of a module's description what tells which parameters it takes, and where its charges come from."""
    wanted = ("name", "evaluate", "arguments", "setup", "setup_arguments", "cache", "system")
    residuals = whole["system"]["residuals"]
    results = [item[key].replace("mir_", "v", 1) for item in residuals for key in ("resist_var", "react_var")]
    return {**{key: whole[key] for key in wanted}, "results": results}


class RefusedError(Exception):
    """OpenVAF does not take the file; the message is what it wrote."""


def compile_in_process(original: str, *texts: str) -> list[list[dict[str, Any]]]:
    """Compile a file for its messages and return the modules of each text prepared from it, by openvaf-py."""
    import openvaf_py

    try:
        openvaf_py.compile_va(original)
        return [[describe(module) for module in openvaf_py.compile_va(text)] for text in texts]
    except (ValueError, RuntimeError, OSError) as error:
        raise RefusedError(str(error)) from None


def compile_by_program(program: str, original: str, *texts: str) -> list[list[dict[str, Any]]]:
    """Do what `compile_in_process` does, by openvaf-r."""
    _run(program, "--dry-run", original)
    found = []
    for text in texts:
        # code is made only for what the library says of names and constants; one that was loaded stays loaded
        library = Path(text).with_suffix(".osdi")
        found.append(read_dump(_run(program, "--dump-mir", "-O", "0", "-o", str(library), text), library))
    return found


def _run(*command: str) -> str:
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if ended.returncode == _REFUSED:
        raise RefusedError(ended.stderr)
    if ended.returncode != 0:
        sys.exit(f"{ended.stderr}\n{command[0]} ended with the exit status {ended.returncode}")
    return ended.stdout


def main() -> None:
    """Compile the third argument for its messages, and the fourth and fifth into the sixth.

    The first is the number of the parent process, the second the program; empty for openvaf-py.
    """
    parent, program, *paths, target = sys.argv[1:]
    end_with_parent(int(parent))
    try:
        modules, probes = compile_by_program(program, *paths) if program else compile_in_process(*paths)
    except RefusedError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_REFUSED)
    except DumpError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_NOT_READ)
    answer = {"modules": modules, "instrumented": [outline(module) for module in probes]}
    Path(target).write_text(json.dumps(answer), encoding="utf-8")
