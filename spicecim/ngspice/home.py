"""The folder that ngspice's process lives in, with start-up files that take the place of the user's.

ngspice reads ``spinit`` from the folder that SPICE_SCRIPTS names, or else from its installation, and then
``.spiceinit`` from the current folder, or else from HOME. Both are programs: they set options and run shell commands.
The system's own ``spinit`` also loads ngspice's code models, which published subcircuits use (a polynomial source is
one); here they are loaded without the rest.

Everything is named relative to this folder, because a path in a command of ngspice ends at a space, and a semicolon
begins another command.
"""

from __future__ import annotations

import re
from pathlib import Path

from spicecim.children import child_environment
from spicecim.ngspice.library import library_environment
from spicecim.private_files import temporary_folder

_CODE_MODEL = re.compile(r"[A-Za-z0-9_]+\.cm")


def make_home(library: str) -> Path:
    """Make the folder for a process with a libngspice, and return its path."""
    home = temporary_folder()
    # without one here, ngspice looks for the user's home, and crashes for a user whom the system does not know
    (home / ".spiceinit").write_text("* nothing of the user's\n", encoding="ascii")
    commands = ["* nothing of the system's but the code models"]
    for model in sorted(Path(library).resolve().parent.glob("ngspice/*.cm")):
        if _CODE_MODEL.fullmatch(model.name):
            (home / model.name).symlink_to(model)
            commands.append(f"codemodel ./{model.name}")
    (home / "spinit").write_text("\n".join([*commands, ""]), encoding="ascii")
    return home


def home_environment(home: Path, library: str) -> dict[str, str]:
    """Return the environment of the process that lives in a home and loads a libngspice."""
    return child_environment(home, SPICE_SCRIPTS=".", **library_environment(library))
