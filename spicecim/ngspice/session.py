"""One libngspice in this process, through PySpice. Everything that PySpice makes difficult is handled here.

- PySpice takes any line that ngspice writes to stderr, and any line with the word "error", for a failed command, though
  many are notes (its issues 379 and 399). Here a command's success is judged by its effect, never by its words.
- It can be loaded once in a process, and a crash, a hang or a `quit` takes the process with it: so only the worker
  process (`spicecim.ngspice.worker`) imports this module.
- Its loader looks for ``libngspice.so``, which exists only where development files are installed: the path is set.
- It warns that every ngspice since 34 is unsupported, and logs each line of output: its loggers are silenced, and the
  lines go to the run's log.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PySpice.Spice.NgSpice.Shared import NgSpiceCircuitError, NgSpiceCommandError, NgSpiceShared, ffi

from spicecim.ngspice.messages import Capabilities, Vectors

logging.getLogger("PySpice").setLevel(logging.CRITICAL + 1)

_BYTES = np.dtype(np.float64).itemsize
_MEMORY = ("can't allocate", "ut of memory", "memory exhausted", "insufficient memory")
_REPLACED = "is too small, set to"
_PERCENTAGE = re.compile(r"([\d.]+)\s*%")


class Session(NgSpiceShared):  # type: ignore[misc]
    """A loaded libngspice that runs one netlist at a time."""

    def __init__(self, library: str, log: Callable[[str], None], progress: Callable[[float], None]) -> None:
        self._write_log = log
        self._report_progress = progress
        self._muted = True
        self.has_quit = False
        self.out_of_memory = False
        self.replaced = ""
        self._libraries: set[str] = set()
        type(self).LIBRARY_PATH = library.replace("{", "{{").replace("}", "}}")  # PySpice formats it
        super().__init__()
        # Two threads, the default, make small circuits of compiled models up to a hundred times slower.
        self._try("set num_threads=1")
        self.capabilities = self._find_capabilities()
        self._muted = False

    def send_char(self, message: str, ngspice_id: int) -> int:
        """Receive a line that ngspice writes to stdout or stderr."""
        if any(word in message for word in _MEMORY):
            self.out_of_memory = True
        if _REPLACED in message:
            self.replaced = self.replaced or message.partition("Warning: ")[2].strip()
        if not self._muted:
            self._write_log(message.removeprefix("stdout ").removeprefix("stderr "))
        return 0

    def send_stat(self, message: str, ngspice_id: int) -> int:
        """Receive ngspice's status, which holds the percentage of an analysis that is done."""
        found = _PERCENTAGE.search(message)
        if found and message.startswith("tran"):
            self._report_progress(float(found.group(1)) / 100.0)
        return 0

    def _find_capabilities(self) -> Capabilities:
        import PySpice

        lines = self._try("version -f")
        version = next((m.group(1) for line in lines if (m := re.search(r"ngspice-([\w.+]+)", line))), "unknown")
        # Where OSDI was compiled in, the command exists and complains that no file is named instead.
        without_osdi = any("no such command" in line for line in self._try("osdi"))
        return Capabilities(
            library=self.library_path,
            version=version,
            klu=any("KLU" in line for line in lines),
            osdi=not without_osdi,
            xspice=any("XSPICE" in line for line in lines),
            pyspice=PySpice.__version__,
        )

    @staticmethod
    def _exit(status: int, immediately: bool, by_quit: bool, ngspice_id: int, user_data: Any) -> int:
        """Receive ngspice's wish to end the process, by a `quit` or because it cannot recover."""
        session = ffi.from_handle(user_data)
        session.has_quit = session.has_quit or bool(by_quit)
        return status

    def load_library(self, name: str) -> bool:
        """Load the compiled models of a shared library in the current folder, once; return whether ngspice did."""
        if name in self._libraries:
            return True
        if any(line.strip() for line in self._try(f"osdi ./{name}")):
            return False
        self._libraries.add(name)
        return True

    def load(self, netlist: str, compatibility: str = "") -> bool:
        """Read a netlist in a compatibility mode, or in none; return whether ngspice took it as a circuit."""
        self.replaced = ""
        if compatibility:
            self._try(f"set ngbehavior={compatibility}")
        try:
            self.load_circuit(netlist)
            said = list(self._stderr)
        except (NgSpiceCircuitError, NameError):
            return False
        finally:
            # ngspice looks at the variable when it reads a circuit, and keeps the mode for as long as it runs that
            if compatibility:
                self._try("unset ngbehavior")
        return not any(line.lstrip().lower().startswith("error") for line in said)

    def run_analysis(self) -> str:
        """Run the analysis of the loaded netlist and return the name of the plot it made, or an empty text."""
        before = set(self.plot_names)
        self._try("run")
        made = [name for name in self.plot_names if name not in before]
        return made[0] if made else ""

    def read_vectors(self, plot: str, names: list[str]) -> Vectors:
        """Copy the named vectors, ``v(node)`` or ``i(source)``, out of a plot."""
        found = [self._find_vector(plot, name) for name in names]
        lengths = [len(each) // _BYTES for each in found]
        table = np.zeros((len(names), max(lengths, default=0)))
        for row, each, length in zip(table, found, lengths, strict=True):
            row[:length] = np.frombuffer(each)
        return Vectors(names, lengths, table)

    def _find_vector(self, plot: str, name: str) -> Any:
        """Memory that holds a vector's values, which is empty if there is none."""
        own = f"{name[2:-1]}#branch" if name.startswith("i(") else name[2:-1] if name.startswith("v(") else name
        info = self._ngspice_shared.ngGet_Vec_Info(f"{plot}.{own}".encode())
        if info == ffi.NULL or info.v_realdata == ffi.NULL:
            return b""
        return ffi.buffer(info.v_realdata, info.v_length * _BYTES)

    def clear(self) -> None:
        """Forget the circuit and all results."""
        self._try("destroy all")
        self._try("remcirc")

    def _try(self, command: str) -> list[str]:
        """Execute a command and return what ngspice said, whatever that was."""
        with contextlib.suppress(NgSpiceCommandError, NameError):
            self.exec_command(command)
        return [*self._stdout, *self._stderr]
