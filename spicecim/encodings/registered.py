"""The schemes that are known by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spicecim.encodings.base import Encoding
from spicecim.errors import InputError
from spicecim.places import named
from spicecim.registry import Registry


def _built_in() -> Mapping[str, type[Encoding]]:
    from spicecim.encodings.baselines import Binarized, BitSliced, ConductanceWeighted, IdealArithmetic
    from spicecim.encodings.bit_sliced import DualCrossbar, Offset, Polarized
    from spicecim.encodings.frequency_weighting.encoding import FrequencyWeighting

    schemes: tuple[type[Encoding], ...] = (
        FrequencyWeighting, Polarized, DualCrossbar, Offset, IdealArithmetic, BitSliced, ConductanceWeighted, Binarized,
    )  # fmt: skip
    return {scheme.name: scheme for scheme in schemes}


def _check_encoding(name: str, encoding: Any) -> None:
    if not (isinstance(encoding, type) and issubclass(encoding, Encoding)):
        raise InputError(f"{name}: must be a subclass of Encoding; it is {named(encoding)}")
    missing = sorted(getattr(encoding, "__abstractmethods__", ()))
    if missing or getattr(encoding, "name", None) != name:
        raise InputError(f"{named(encoding)}: needs the name {name!r} and the method program")


ENCODINGS: Registry[type[Encoding]] = Registry("encoding", _built_in, _check_encoding)
"""Schemes by name."""


def register_encoding(encoding: type[Encoding], *, replace: bool = False) -> None:
    """Make a scheme known by its name, for this process.

    A package does the same by an entry point of the group ``spicecim.encodings``.

    Parameters
    ----------
    encoding
        A subclass of `spicecim.encodings.base.Encoding`.
    replace
        Whether a scheme of that name may be replaced.
    """
    ENCODINGS.register(str(getattr(encoding, "name", "")), encoding, replace=replace)
