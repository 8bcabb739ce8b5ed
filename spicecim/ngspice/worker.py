"""The process that ngspice runs in: `main` answers requests on a socket that it inherited.

A request is a `Request`, its answers are any number of floats (the fraction of the transient that is done) and then one
`Answer`. Whatever ngspice writes goes line by line to the log file of the run, so that it survives a crash.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from spicecim.ngspice.messages import LOG_FILE, NETLIST_FILE, Answer, Request

if TYPE_CHECKING:
    from spicecim.ngspice.session import Session

_PROGRESS_INTERVAL = 0.1
_PARENT_INTERVAL = 0.5


class _Log:
    """The current run's log file: both ngspice's callbacks and what it writes to stdout and stderr end up there."""

    def __init__(self) -> None:
        self._file = Path(os.devnull).open("a")  # noqa: SIM115 (replaced by the file of each run)

    def open(self, folder: Path) -> None:
        self._file.close()
        self._file = (folder / LOG_FILE).open("a", buffering=1, encoding="utf-8", errors="replace")
        os.dup2(self._file.fileno(), 1)
        os.dup2(self._file.fileno(), 2)

    def write(self, line: str) -> None:
        self._file.write(line.rstrip("\n") + "\n")


def serve(connection: Connection, library: str) -> None:
    """Answer requests until the other end closes."""
    log = _Log()
    session: Session | None = None
    last_report = 0.0

    def report(fraction: float) -> None:
        nonlocal last_report
        if time.monotonic() - last_report > _PROGRESS_INTERVAL:
            last_report = time.monotonic()
            connection.send(fraction)

    while True:
        try:
            request: Request = connection.recv()
        except EOFError:
            return
        if request.folder is not None:
            log.open(request.folder)
        if session is None:
            try:
                from spicecim.ngspice.session import Session

                session = Session(library, log.write, report)
            except (OSError, NameError, ImportError, AttributeError) as error:
                connection.send(Answer("no library", f"{library} cannot be loaded: {error}"))
                continue
        connection.send(_answer(session, request))


def _answer(session: Session, request: Request) -> Answer:
    capabilities = session.capabilities
    if request.folder is None:
        return Answer("done", capabilities=capabilities)
    if not all(session.load_library(library) for library in request.libraries):
        return Answer("library rejected", capabilities=capabilities)
    netlist = (request.folder / NETLIST_FILE).read_text(encoding="utf-8")
    if not session.load(netlist, request.compatibility):
        return Answer("quit" if session.has_quit else "netlist rejected", capabilities=capabilities)
    plot = session.run_analysis()
    vectors = session.read_vectors(plot, request.vectors) if plot else {}
    if session.has_quit:
        return Answer("quit", capabilities=capabilities)
    session.clear()
    simulated = any(values is not None for values in vectors.values())
    return Answer("done" if simulated else "nothing simulated", capabilities=capabilities, vectors=vectors)


def _end_with_parent(parent: int) -> None:
    """End this process when its parent has: in the middle of a run nothing else would."""
    while os.getppid() == parent:
        time.sleep(_PARENT_INTERVAL)
    os._exit(1)


def main() -> None:
    """Serve the socket whose number, and the libngspice whose path, are the arguments."""
    # An interrupt from the keyboard reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    serve(Connection(int(sys.argv[1])), sys.argv[2])
