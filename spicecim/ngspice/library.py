"""Where libngspice is."""

from __future__ import annotations

import ctypes.util
import os
import sys
from pathlib import Path

from spicecim.errors import NgspiceNotFoundError

ENVIRONMENT_VARIABLE = "NGSPICE_LIBRARY_PATH"
"""Names the library file to use; PySpice reads the same variable."""

HOW_TO_INSTALL = (
    "install it with 'make setup' in a checkout of spicecim, with 'apt-get install ngspice libngspice0' "
    "(Debian, Ubuntu), or with 'brew install ngspice libngspice' (macOS)"
)

_FOLDERS = (
    Path("/usr/lib"),
    Path("/usr/lib64"),
    Path("/usr/local/lib"),
    Path("/opt/homebrew/lib"),
    *(Path("/usr/lib", f"{machine}-linux-gnu") for machine in ("x86_64", "aarch64", "arm")),
)


def find_library() -> str:
    """Return the path, or the name that the dynamic loader knows, of libngspice.

    Raises
    ------
    NgspiceNotFoundError
        If there is none, or if `NGSPICE_LIBRARY_PATH` names a file that does not exist.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        if Path(chosen).is_file():
            return str(Path(chosen).absolute())  # the process that loads it is elsewhere
        raise NgspiceNotFoundError(f"{ENVIRONMENT_VARIABLE} names {chosen}, which does not exist")
    pattern = "libngspice*.dylib" if sys.platform == "darwin" else "libngspice.so*"
    for folder in _FOLDERS:
        found = sorted(folder.glob(pattern))
        if found:
            return str(found[0].resolve())
    name = ctypes.util.find_library("ngspice")
    if name is None:
        raise NgspiceNotFoundError(f"libngspice, the shared library of ngspice, was not found; {HOW_TO_INSTALL}")
    return name
