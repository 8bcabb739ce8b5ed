"""Whether processes are still there."""

import time
from pathlib import Path


def alive(process):
    status = Path(f"/proc/{process}/stat")  # a process that nobody waits for stays as a zombie
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def becomes(condition):
    """Whether a condition holds within a minute."""
    return any(condition() or time.sleep(0.05) for _ in range(1200))
