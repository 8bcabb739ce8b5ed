"""PyTorch, where the extra ``networks`` has been installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spicecim.errors import MissingPackageError

try:
    import torch
except ImportError as error:
    raise MissingPackageError.of("networks", f"networks need PyTorch ({error})") from error

__all__ = ["one_thread", "torch"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Make PyTorch use one thread: the fastest for networks this small, and sums are taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
