"""The process that ngspice runs in: `main` answers requests on a socket that it inherited.

A request is a `Request`, its answers are any number of floats (the fraction of the transient that is done) and then one
`Answer`. Whatever ngspice writes goes line by line to the log file of the run, so that it survives a crash.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from spicecim.children import end_with_parent
from spicecim.ngspice.channel import Channel
from spicecim.ngspice.messages import LOG_FILE, NETLIST_FILE, Answer, Request, Vectors

if TYPE_CHECKING:
    from spicecim.ngspice.session import Session

_PROGRESS_INTERVAL = 0.1


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


def serve(channel: Channel, library: str) -> None:
    """Answer requests until the other end closes."""
    log = _Log()
    session: Session | None = None
    last_report = 0.0

    def report(fraction: float) -> None:
        nonlocal last_report
        if time.monotonic() - last_report > _PROGRESS_INTERVAL:
            last_report = time.monotonic()
            channel.send(fraction)

    while True:
        try:
            request: Request = channel.receive()
        except (EOFError, OSError):
            return
        if request.folder is not None:
            log.open(Path(request.folder))
        if session is None:
            try:
                from spicecim.ngspice.session import Session

                session = Session(library, log.write, report)
            except (OSError, NameError, ImportError, AttributeError) as error:
                channel.send(Answer("no library", f"{library} cannot be loaded: {error}"))
                continue
        try:
            answer = _answer(session, request)
        except MemoryError:
            answer = Answer("out of memory", capabilities=session.capabilities)
        channel.send(answer)
        if answer.vectors:
            session.clear()  # while the answer is read


def _answer(session: Session, request: Request) -> Answer:
    capabilities = session.capabilities
    if request.folder is None:
        return Answer("done", capabilities=capabilities)
    if not all(session.load_library(library) for library in request.libraries):
        return Answer("library rejected", capabilities=capabilities)
    netlist = Path(request.folder, NETLIST_FILE).read_text(encoding="utf-8")
    loaded = session.load(netlist, request.compatibility)
    plot = session.run_analysis() if loaded else ""
    vectors = session.read_vectors(plot, request.vectors) if plot else Vectors()
    if session.out_of_memory:
        return Answer("out of memory", capabilities=capabilities)
    if session.has_quit:
        return Answer("quit", capabilities=capabilities)
    if session.replaced:
        return Answer("value replaced", session.replaced, capabilities=capabilities)
    if not loaded:
        return Answer("netlist rejected", capabilities=capabilities)
    return Answer("done" if any(vectors.lengths) else "nothing simulated", capabilities=capabilities, vectors=vectors)


def main() -> None:
    """Serve the socket whose number is the first argument; the others are the parent's number and libngspice's path.

    The current folder is this process's own, and goes with it.
    """
    # From the keyboard or a terminal that closes, these reach the whole process group; the parent decides what they
    # mean. Whatever ends it, this process notices.
    for signal_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_, signal.SIG_IGN)
    descriptor, parent, library = sys.argv[1:]
    end_with_parent(int(parent))
    home = Path.cwd()
    serve(Channel(socket.socket(fileno=int(descriptor))), library)
    shutil.rmtree(home, ignore_errors=True)
