"""Messages between this process and ngspice's, over a socket, each within a deadline.

`multiprocessing.Connection` cannot stop in the middle of a message: a process that is halted while it writes one would
halt its reader too.
"""

from __future__ import annotations

import pickle
import socket
from typing import Any

from spicecim.deadline import Deadline

_LENGTH_BYTES = 8
_SHORTEST_WAIT = 1e-3


class Channel:
    """One end of a pair of connected sockets."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(self, message: Any, deadline: Deadline | None = None) -> None:
        """Send an object; raise TimeoutError if the other end does not take it in time, OSError if it is gone."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._wait_until(deadline)
        self._socket.sendall(len(data).to_bytes(_LENGTH_BYTES, "big"))
        self._wait_until(deadline)
        self._socket.sendall(data)

    def receive(self, deadline: Deadline | None = None) -> Any:
        """Receive an object; raise TimeoutError if none comes in time, EOFError or OSError if the other end is gone."""
        length = int.from_bytes(self._read(_LENGTH_BYTES, deadline), "big")
        return pickle.loads(self._read(length, deadline))

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _read(self, length: int, deadline: Deadline | None) -> bytearray:
        data = bytearray(length)
        view, filled = memoryview(data), 0
        while filled < length:
            self._wait_until(deadline)
            count = self._socket.recv_into(view[filled:])
            if count == 0:
                raise EOFError
            filled += count
        return data

    def _wait_until(self, deadline: Deadline | None) -> None:
        self._socket.settimeout(None if deadline is None else max(deadline.left(), _SHORTEST_WAIT))
