"""What is kept of operations that an error or an interrupt ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import xarray as xr

from spicecim.errors import CurrentWarning, ProgrammingError, SimulationError, SpiceCimError


@contextmanager
def reached_kept(
    reached: Callable[[], xr.Dataset], how_far: Callable[[], str], found: list[Warning] | None = None
) -> Iterator[None]:
    """Give what was reached to the exception that ends what is done within, as its attribute ``result``.

    Its attribute ``unfinished`` says how far it came, and so does the text of an interrupt.

    Parameters
    ----------
    reached
        Returns the result of what was done so far.
    how_far
        Says how far it came; empty as long as there is nothing to keep.
    found
        What engines warned of so far.

    Raises
    ------
    ProgrammingError
        In place of an error of an operation, if there is something to keep.
    """
    try:
        yield
    except BaseException as error:  # also an interrupt
        told = how_far()
        if not told:
            raise
        with suppress(Warning):  # where warnings are errors, the one that ended it comes first
            warn_once(found or [], stacklevel=5)
        result = reached().assign_attrs(unfinished=told)
        if isinstance(error, SpiceCimError):
            said, folder, log = str(error), None, ""
            if isinstance(error, SimulationError):
                said, folder, log = error.message, error.folder, error.log
            raise ProgrammingError(f"{told}: {type(error).__name__}: {said}", result, folder, log) from error
        if isinstance(error, KeyboardInterrupt):
            error.args = (told,)
        cast(Any, error).result = result
        raise


def warn_once(found: list[Warning], stacklevel: int) -> None:
    """Warn of each kind once: of currents the largest, of all else the first."""
    currents = [each for each in found if isinstance(each, CurrentWarning)]
    if currents:
        warnings.warn(max(currents, key=lambda each: each.current), stacklevel=stacklevel)
    others = {type(each): each for each in reversed(found) if not isinstance(each, CurrentWarning)}
    for other in others.values():
        warnings.warn(other, stacklevel=stacklevel)
