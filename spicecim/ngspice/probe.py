"""Which version a libngspice is, asked of the library itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from spicecim.ngspice.apt_sources import Version, parse_version

# What asks the library runs in a process of its own: loading it may crash, and runs its start-up files. It crashes for
# a user whom the system does not know, if there is no start-up file in the current folder.
_PROBE = """
import ctypes, sys
Send = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
lines = []
send = Send(lambda line, number, user: lines.append(line) or 0)
ctypes.CDLL(sys.argv[1]).ngSpice_Init(send, None, None, None, None, None, None)
sys.stdout.buffer.write(b"\\n".join(lines))
"""


def library_version(name: str, environment: Mapping[str, str] | None = None) -> Version:
    """Return the version of a library; empty if it cannot be loaded or is no ngspice.

    Parameters
    ----------
    name
        Its path, or a name that the dynamic loader knows.
    environment
        Variables to set beside those of this process.
    """
    place = str(Path(name).absolute()) if "/" in name else name
    with tempfile.TemporaryDirectory(prefix="spicecim-") as folder:
        Path(folder, ".spiceinit").write_text("* nothing of the user's\n", encoding="ascii")
        Path(folder, "spinit").write_text("* nothing of the system's\n", encoding="ascii")
        result = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROBE, place],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SPICE_SCRIPTS": ".", **(environment or {})},
            text=True,
            errors="replace",
            check=False,
        )
    match = re.search(r"ngspice-(\S+) shared library", result.stdout)
    return parse_version(match[1]) if match else ()
