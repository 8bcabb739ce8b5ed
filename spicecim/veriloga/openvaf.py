"""The child process that compiles with openvaf-py, and the only module that imports it: OpenVAF may end the process.

`main` compiles the file as its author wrote it first, so that messages show the author's own lines, and then the two
texts that were prepared from it. It writes what OpenVAF knows of each module as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from spicecim.children import end_with_parent

EXIT_REFUSED = 3
"""Exit status if OpenVAF refused the file and said why."""


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


def outline(module: Any) -> dict[str, Any]:
    """Return of a module's compilation what tells which parameters it takes, and where its charges come from."""
    wanted = ("name", "evaluate", "arguments", "setup", "setup_arguments", "cache", "system")
    whole = describe(module)
    residuals = whole["system"]["residuals"]
    results = [item[key].replace("mir_", "v", 1) for item in residuals for key in ("resist_var", "react_var")]
    return {**{key: whole[key] for key in wanted}, "results": results}


def main() -> None:
    """Compile the second argument for its messages, and the third and fourth into the fifth.

    The first is the number of the parent process.
    """
    parent, original, prepared, instrumented, target = sys.argv[1:]
    end_with_parent(int(parent))
    import openvaf_py

    try:
        openvaf_py.compile_va(original)
        compiled = [openvaf_py.compile_va(path) for path in (prepared, instrumented)]
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_REFUSED)
    answer = {
        "modules": [describe(module) for module in compiled[0]],
        "instrumented": [outline(module) for module in compiled[1]],
    }
    Path(target).write_text(json.dumps(answer), encoding="utf-8")
