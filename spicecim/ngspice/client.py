"""A warm worker process that runs netlists, and what becomes of it when ngspice crashes, hangs or quits."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from spicecim.deadline import Deadline, current_deadline
from spicecim.errors import InputError, NgspiceNotFoundError, TimeLimitError, WorkerCrashError
from spicecim.limits import WORKER_START_LIMIT
from spicecim.ngspice.library import HOW_TO_INSTALL, find_library
from spicecim.ngspice.messages import LOG_FILE, Answer, Capabilities, Request

RUNS_A_WORKER = 200
"""A worker is replaced after this many runs, so that nothing can build up in libngspice."""

# With the caller's own module path and not, as Python has it, the current folder first: a file there could pass for a
# module.
_BOOT = (
    "import os, sys; sys.path[:] = sys.argv.pop(1).split(os.pathsep); from spicecim.ngspice.worker import main; main()"
)

_LOG_LINES = 15
_NOISE = ("Note:", "Circuit:", "Doing analysis", "Using ", "No. of Data Rows", "Reference value")

Progress = Callable[[float], None]


class Worker:
    """A process with libngspice in it. It is started when it is first needed, and again after it died."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._owner = 0
        self._library = ""
        self._runs = 0

    def capabilities(self) -> Capabilities:
        """Load libngspice and find out what it can do."""
        with self._lock:
            start = Deadline("the start of ngspice", WORKER_START_LIMIT, "", time.monotonic() + WORKER_START_LIMIT)
            answer = self._ask(Request(None), current_deadline() or start, None)
        assert answer.capabilities is not None
        return answer.capabilities

    def run(
        self,
        folder: Path,
        vectors: list[str],
        progress: Progress | None = None,
        compatibility: str = "",
        libraries: tuple[Path, ...] = (),
    ) -> Answer:
        """Run the netlist in a folder and ask for vectors.

        Parameters
        ----------
        folder
            Holds ``netlist.cir``; gets ``ngspice.log``.
        vectors
            Names such as ``time``, ``v(node)`` and ``i(source)``.
        progress
            Called now and then with the fraction of a transient that is done.
        compatibility
            Mode that ngspice reads the netlist in, such as ``"psa"``; empty for none.
        libraries
            Shared libraries of compiled models that the netlist needs.

        Raises
        ------
        SimulationError
            If the process died, took too long, or could not load ngspice. How the run ended otherwise is in the answer.
        """
        with self._lock:
            if self._busy:
                raise InputError("progress: the callback of a run cannot run ngspice itself")
            if self._runs >= RUNS_A_WORKER:
                self._stop()
            self._busy = True
            try:
                answer = self._ask(Request(folder, vectors, compatibility, libraries), current_deadline(), progress)
            finally:
                self._busy = False
            self._runs += 1
            if answer.outcome != "done":
                # After an error libngspice may crash in the next run.
                self._stop()
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _ask(self, request: Request, deadline: Deadline | None, progress: Progress | None) -> Answer:
        self._start_if_needed()
        try:
            self._send(request)
            while not isinstance(message := self._receive(request, deadline), Answer):
                if progress is not None:
                    progress(message)
        except BaseException:  # whatever it was, also an interrupt: ngspice cannot be stopped politely
            self._stop()
            raise
        if message.outcome == "no library":
            self._stop()
            raise NgspiceNotFoundError(f"{message.message}; {HOW_TO_INSTALL}")
        return message

    def _send(self, request: Request) -> None:
        assert self._connection is not None
        try:
            self._connection.send(request)
        except OSError:
            raise self._crash(request) from None

    def _receive(self, request: Request, deadline: Deadline | None) -> Answer | float:
        assert self._connection is not None
        left = None if deadline is None else deadline.left()
        try:
            if self._connection.poll(left):
                message: Answer | float = self._connection.recv()
                return message
        except (EOFError, OSError):
            raise self._crash(request) from None
        assert deadline is not None
        raise TimeLimitError(deadline.error().message, request.folder, log_tail(request.folder))

    def _crash(self, request: Request) -> WorkerCrashError:
        return WorkerCrashError(
            f"the ngspice process died ({self._stop()})", request.folder, log_tail(request.folder)
        )  # fmt: skip

    def _start_if_needed(self) -> None:
        library = find_library()
        # After a fork the process belongs to the parent; with another library a new process is needed.
        usable = (self._owner, self._library) == (os.getpid(), library)
        if self._process is not None and usable and self._process.poll() is None:
            return
        if self._owner == os.getpid():
            self._stop()
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, path, str(theirs.fileno()), library],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._owner, self._library, self._runs = os.getpid(), library, 0

    def _stop(self) -> str:
        """End the process, if there is one, and say how it ended."""
        if self._process is None or self._owner != os.getpid():
            return "it was not running"
        try:
            code = self._process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def log_tail(folder: Path | None) -> str:
    """Return the last lines of a run's log that say more than that it ran."""
    if folder is None or not (folder / LOG_FILE).exists():
        return ""
    lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if line.strip() and not line.lstrip().startswith(_NOISE)][-_LOG_LINES:])


_shared = Worker()


def shared_worker() -> Worker:
    """Return the worker that all runs of this process share."""
    return _shared


def _replace_shared_worker() -> None:
    """Give a forked process a worker of its own: the inherited one may be locked by a thread that it does not have."""
    global _shared
    _shared = Worker()


os.register_at_fork(after_in_child=_replace_shared_worker)
atexit.register(lambda: _shared.close())
