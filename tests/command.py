"""The command line in processes of its own, without what each would load first.

A process that has loaded the packages waits, and every command is a fork of it: it has its own arguments, folder,
environment and output, and ends as a process does. Loading takes several times as long as most commands. What packages
add is found while loading: commands for which others are installed are run as processes from the start.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any


def spicecim(*arguments: object, cwd: Any = None, env: Any = None) -> subprocess.CompletedProcess[str]:
    """Run the command, in a folder and with an environment that are those of the tests if none are given."""
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        status = _SERVER.status(
            {
                "arguments": command,
                "folder": os.fspath(cwd or Path.cwd()),
                "environment": dict(os.environ if env is None else env),
                "out": str(out),
                "errors": str(errors),
            }
        )
        return subprocess.CompletedProcess(["spicecim", *command], status, out.read_text(), errors.read_text())


class Server:
    """The process that waits, started at the first command, and anew after one whose answer did not arrive.

    A command that a time limit of the tests interrupts is still at work, and answers while the next one waits for its
    own: that one would take the wrong status, and look for an output that is not there yet, as would all after it.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._numbers = itertools.count()
        self._one_at_a_time = threading.Lock()

    def status(self, request: dict[str, Any]) -> int:
        """Return the exit status of a command."""
        with self._one_at_a_time:
            number = next(self._numbers)
            if self.process is None:
                command = [sys.executable, __file__]
                self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                assert self.process.stdin is not None
                assert self.process.stdout is not None
                self.process.stdin.write(json.dumps({**request, "number": number}) + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
                answered, status = map(int, answer.split() or [-1, -1])
                assert answered == number, f"the process that waits for commands answers {answer!r} to {number}"
                return status
            except BaseException:
                with contextlib.suppress(OSError), self.process:
                    self.process.kill()
                self.process = None
                raise


_SERVER = Server()


def _serve() -> None:
    """Answer every request, a line of JSON, with its number and its exit status; in a fork, become the command."""
    import typer.rich_utils  # noqa: F401

    import spicecim.cli.progress
    import spicecim.cli.tables
    import spicecim.doctor
    import spicecim.hysteresis_sweep
    import spicecim.ngspice.engine
    import spicecim.plotting.style
    import spicecim.reference.engine
    import spicecim.runs
    import spicecim.summary  # noqa: F401
    from spicecim.cli import main

    gc.freeze()  # what is loaded stays shared
    requests = sys.stdin
    for line in iter(requests.readline, ""):
        request = json.loads(line)
        child = os.fork()
        if not child:
            for descriptor, path in ((0, os.devnull), (1, request["out"]), (2, request["errors"])):
                opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                os.dup2(opened, descriptor)
                os.close(opened)
            os.environ.clear()
            os.environ.update(request["environment"])
            os.chdir(request["folder"])
            sys.argv = ["spicecim", *request["arguments"]]
            sys.stdin = open(0, closefd=False)  # noqa: SIM115
            main()
            return
        _, status = os.waitpid(child, 0)
        print(request["number"], os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
