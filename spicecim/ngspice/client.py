"""A warm worker process that runs netlists, and what becomes of it when ngspice crashes, hangs or quits."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from spicecim.children import python_command
from spicecim.deadline import Deadline, current_deadline
from spicecim.errors import InputError, NgspiceNotFoundError, WorkerCrashError
from spicecim.limits import WORKER_START_LIMIT
from spicecim.ngspice.channel import Channel
from spicecim.ngspice.home import home_environment, make_home
from spicecim.ngspice.library import HOW_TO_INSTALL, find_library
from spicecim.ngspice.messages import LOG_FILE, Answer, Capabilities, Request

_log = logging.getLogger(__name__)

RUNS_A_WORKER = 200
"""A worker is replaced after this many runs, so that nothing can build up in libngspice."""

_MOVED = "Transient op started"
"""What ngspice says where it lets the circuit move to where a run begins."""
_LOG_LINES = 15
_NOISE = ("Note:", "Circuit:", "Doing analysis", "Using ", "No. of Data Rows", "Reference value")
_FIRST_FREE_DESCRIPTOR = 3

Progress = Callable[[float], None]


class Worker:
    """A process with libngspice in it. It is started when it is first needed, and again after it died."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._home: Path | None = None
        self._owner = 0
        self._library = ""
        self._capabilities: Capabilities | None = None
        self._runs = 0
        self._over = False

    def capabilities(self) -> Capabilities:
        """Load libngspice and find out what it can do."""
        with self._held():
            self._start_if_needed()
            if self._capabilities is None:
                starts = Deadline("the start of ngspice", WORKER_START_LIMIT, "", time.monotonic() + WORKER_START_LIMIT)
                self._capabilities = self._ask(Request(None), current_deadline() or starts, None).capabilities
            assert self._capabilities is not None
            return self._capabilities

    @contextlib.contextmanager
    def reserved(self) -> Iterator[Path]:
        """Wait until no other thread uses the process, and give a new folder for one run, which goes at the end.

        Raises
        ------
        TimeLimitError
            If the deadline of the run passes before.
        InputError
            In the callback of another run.
        """
        with self._held():
            if self._runs >= RUNS_A_WORKER:
                self._stop()
            self._start_if_needed()
            assert self._home is not None
            folder = self._home / f"run-{self._runs}"
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def run(
        self,
        folder: Path,
        vectors: list[str],
        progress: Progress | None = None,
        compatibility: str = "",
        libraries: tuple[Path, ...] = (),
    ) -> Answer:
        """Run the netlist in a folder that `reserved` gave, and ask for vectors.

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
            If the process died, did not end before the deadline, or could not load ngspice. How the run ended
            otherwise is in the answer.
        """
        self._busy = True
        self._runs += 1
        try:
            names = tuple(self._linked(library) for library in libraries)
            request = Request(folder.name, vectors, compatibility, names)
            answer = self._ask(request, current_deadline(), progress)
        finally:
            self._busy = False
        if answer.outcome != "done":
            # After an error libngspice may crash in the next run.
            self._stop()
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()
            self._remove_home()

    def close_at_exit(self) -> None:
        """End the process while the interpreter leaves, without waiting for a daemon thread whose run it is in."""
        self._over = True
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            self._remove_home()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        deadline = current_deadline()
        if not self._lock.acquire(timeout=-1 if deadline is None else deadline.left()):
            assert deadline is not None
            raise deadline.error("ngspice was busy with the run of another thread")
        try:
            if self._busy:
                raise InputError("progress: the callback of a run cannot run ngspice itself")
            yield
        finally:
            if self._process is None and not self._busy:
                self._remove_home()
            self._lock.release()

    def _ask(self, request: Request, deadline: Deadline | None, progress: Progress | None) -> Answer:
        assert self._channel is not None
        done = 0.0
        try:
            with self._failures(deadline):
                self._channel.send(request, deadline)
            while not isinstance(message := self._receive(deadline, done), Answer):
                done = message
                if progress is not None:
                    progress(done)
        except BaseException as error:  # whatever it was, also an interrupt: ngspice cannot be stopped politely
            self._stop()
            if isinstance(error, KeyboardInterrupt):
                error.args = (_reached(done),)
            raise
        if message.outcome == "no library":
            self._stop()
            raise NgspiceNotFoundError(f"{message.message}; {HOW_TO_INSTALL}")
        return message

    def _receive(self, deadline: Deadline | None, done: float) -> Answer | float:
        assert self._channel is not None
        with self._failures(deadline, done):
            message: Answer | float = self._channel.receive(deadline)
        return message

    @contextlib.contextmanager
    def _failures(self, deadline: Deadline | None, done: float = 0.0) -> Iterator[None]:
        """Turn what a send or receive raises into errors of the run."""
        try:
            yield
        except TimeoutError:
            assert deadline is not None
            raise deadline.error(_reached(done)) from None
        except (EOFError, OSError):
            how = self._stop()
            if self._over:
                raise SystemExit from None  # ends the daemon thread that this is
            raise WorkerCrashError(f"the ngspice process died ({how})") from None

    def _start_if_needed(self) -> None:
        library = find_library()
        # After a fork the process belongs to the parent; with another library a new process is needed.
        usable = (self._owner, self._library) == (os.getpid(), library)
        if usable and self._process is not None and self._process.poll() is None and self._home_is_there():
            return
        if self._owner == os.getpid():
            self._stop()
            self._remove_home()
        self._home = make_home(library)
        self._owner, self._library, self._runs, self._capabilities = os.getpid(), library, 0, None
        ours, theirs = (_above_standard(end) for end in socket.socketpair())
        arguments = [str(theirs.fileno()), str(os.getpid()), library]
        with theirs:
            self._process = subprocess.Popen(
                python_command("spicecim.ngspice.worker", *arguments),
                pass_fds=[theirs.fileno()],
                cwd=self._home,
                env=home_environment(self._home, library),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._channel = Channel(ours)
        _log.info("ngspice: process %d started, with %s", self._process.pid, library)

    def _home_is_there(self) -> bool:
        """Whether nobody has removed the process's folder, as systems do with temporary files after some days."""
        return self._home is not None and self._home.is_dir()

    def _linked(self, library: Path) -> str:
        """Link a shared library into the process's folder, under a name that is plain for ngspice."""
        assert self._home is not None
        name = f"{hashlib.sha256(os.fsencode(library)).hexdigest()[:16]}.osdi"
        with contextlib.suppress(FileExistsError):
            (self._home / name).symlink_to(library)
        return name

    def _stop(self) -> str:
        """End the process, if there is one, and say how it ended."""
        if self._process is None or self._owner != os.getpid():
            return "it was not running"
        try:
            code = self._process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._channel is not None:
            self._channel.close()
        _log.info("ngspice: process %d ended after %d runs, status %d", self._process.pid, self._runs, code)
        self._process = self._channel = None
        if code == -signal.SIGKILL:
            return "signal SIGKILL, perhaps because the system ran out of memory"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _remove_home(self) -> None:
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
        self._home = None


def _above_standard(end: socket.socket) -> socket.socket:
    """Move a socket above the descriptors 0 to 2, which it may have got where they were closed."""
    if end.fileno() >= _FIRST_FREE_DESCRIPTOR:
        return end
    with end:
        return socket.socket(fileno=fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR))


def _reached(done: float) -> str:
    """Say how far a run came, by the fraction that ngspice told last."""
    return f"ngspice was at {done:.1%} of the run"


def log_tail(folder: Path) -> str:
    """Return the last lines of a run's log that say more than that it ran."""
    try:
        lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line for line in lines if line.strip() and not line.lstrip().startswith(_NOISE)][-_LOG_LINES:])


def found_steady_state(folder: Path) -> bool:
    """Whether a run found a steady state at time 0, by its log: where there is none, ngspice lets the circuit move."""
    try:
        return _MOVED not in (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True


_shared = Worker()


def shared_worker() -> Worker:
    """Return the worker that all runs of this process share."""
    return _shared


def _replace_shared_worker() -> None:
    """Give a forked process a worker of its own: the inherited one may be locked by a thread that it does not have."""
    global _shared
    _shared = Worker()


os.register_at_fork(after_in_child=_replace_shared_worker)
atexit.register(lambda: _shared.close_at_exit())
