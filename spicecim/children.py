"""Programs that spicecim starts: how a Python child begins, what it sees of the environment, and how a program ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spicecim.deadline import Deadline

PASSED_ON = (
    # where the dynamic loader finds libngspice and the libraries of compiled Python packages
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    # where an interpreter that was moved finds its own modules
    "PYTHONHOME",
)
"""All that a Python child gets of the environment. Much of the rest would change what ngspice does: variables of its
own that name folders of start-up files, HOME, and the locale."""

# With the caller's own module path and not, as Python has it, the current folder first: a file there could pass for a
# module.
_BOOT = "import sys; count = int(sys.argv[1]); sys.path[:] = sys.argv[2:2 + count]; del sys.argv[1:2 + count]; "


_PARENT_INTERVAL = 0.5


class Ended(NamedTuple):
    """How a program ended and what it wrote."""

    status: int
    output: str
    errors: str


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main`` of a module of this package in a new interpreter.

    Each folder of the module path is an argument of its own, so that no character in one has a meaning.
    """
    package = str(Path(__file__).parent.parent)
    path = list(dict.fromkeys([*(os.path.abspath(entry) for entry in sys.path if entry), package]))  # noqa: PTH100
    boot = f"{_BOOT}from {module} import main; main()"
    return [sys.executable, "-s", "-X", "utf8", "-c", boot, str(len(path)), *path, *arguments]


def child_environment(folder: Path, **own: str) -> dict[str, str]:
    """Return the environment of a Python child that lives in a folder: little more than nothing."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C", **own}


def end_with_parent(parent: int) -> None:
    """From a thread of its own, end this child with its parent, and remove the folder that it lives in.

    In the middle of a run nothing else would: who kills the parent gives it no time to clean up. What the child started
    ends too, if it leads a group of processes, as one of `run_program` does.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_INTERVAL)
        shutil.rmtree(folder, ignore_errors=True)
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    folder = Path.cwd()
    threading.Thread(target=watch, daemon=True).start()


def run_program(command: Sequence[str], deadline: Deadline, folder: Path, environment: Mapping[str, str]) -> Ended:
    """Run a program in a folder to its end.

    It gets a session of its own: when its time is over, or the caller is interrupted, all that it started ends with it.

    Raises
    ------
    OSError
        If it cannot be started.
    TimeLimitError
        If it does not end in time.
    """
    with subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=deadline.left())
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise deadline.error() from None
            raise
    return Ended(process.returncode, output, errors)
