"""The command line in processes of its own, without what each would load first.

A process that has loaded the packages waits, and every command is a fork of it: it has its own arguments, folder,
environment and output, and ends as a process does. Loading takes several times as long as most commands. What packages
add is found while loading: commands for which others are installed are run as processes from the start.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any


def spicecim(*arguments: object, cwd: Any = None, env: Any = None) -> subprocess.CompletedProcess[str]:
    """Run the command, in a folder and with an environment that are those of the tests if none are given."""
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        request = {
            "arguments": command,
            "folder": os.fspath(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
            "out": str(out),
            "errors": str(errors),
        }
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(["spicecim", *command], status, out.read_text(), errors.read_text())


@cache
def _server() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    """Answer every request, a line of JSON, with the exit status of its command; in a fork, become the command."""
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
        child = os.fork()
        if not child:
            request = json.loads(line)
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
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
