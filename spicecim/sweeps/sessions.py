"""Who is at work on a store: each process that runs a sweep holds the lock of a file, which ends with the process.

A lock of the operating system needs no clock and no sign of life: the claims of a process that was killed are free at
once, and those of one that only waits, or whose clock jumps, are not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from pathlib import Path

from spicecim.errors import StoreError
from spicecim.files import locked_file

_FOLDER = "sessions"

_held: dict[int, None] = {}
"""Descriptors of the locks that this process holds."""


class Session:
    """A process's mark in a store, from its making to `close`."""

    def __init__(self, store: Path) -> None:
        folder = store / _FOLDER
        try:
            folder.mkdir(exist_ok=True)
            while True:
                self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
                self._path = folder / f"{self.name}.lock"
                with contextlib.suppress(BlockingIOError):  # another process has just looked whether it is dead
                    self._descriptor = locked_file(self._path)
                    break
        except OSError as error:
            raise StoreError(f"cannot lock a file in {folder}: {error.strerror or error}") from None
        _held[self._descriptor] = None

    def close(self) -> None:
        """End the session; its claims are then those of nobody."""
        self._path.unlink(missing_ok=True)
        if _held.pop(self._descriptor, self) is None:
            os.close(self._descriptor)


def is_alive(store: Path, name: str) -> bool:
    """Whether the process of a session is still there."""
    try:
        descriptor = os.open(store / _FOLDER / f"{name}.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_marks(store: Path) -> None:
    """Remove what killed processes left behind; each under its lock, so that no new session takes it meanwhile."""
    for path in (store / _FOLDER).glob("*.lock"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def _close_in_fork() -> None:
    """Give up the locks that a fork has inherited: they would stay for as long as it lives."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_fork)
