"""Physical quantities: ``"10k"``, ``"1.1 mW"`` or ``2e3`` to a float in SI units, and back for people to read."""

from __future__ import annotations

import math
import numbers
import re
import reprlib
import sys
from decimal import Decimal, DecimalException
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from quantiphy import Quantity

from spicecim.errors import InputError, QuantityError

UNITS: dict[str, set[str]] = {
    "Hz": {"Hz"},
    "V": {"V"},
    "s": {"s"},
    "rad": {"rad"},
    "ohm": {"ohm", "Ohm", "ohms", "Ohms", "\N{GREEK CAPITAL LETTER OMEGA}", "\N{OHM SIGN}"},
    "F": {"F"},
    "A": {"A"},
    "m": {"m"},
    "W": {"W"},
    "J": {"J"},
    "mm2": {"mm2", "mm\N{SUPERSCRIPT TWO}"},
    "B/s": {"B/s"},
    "": set(),
}

# QuantiPhy reads far more than that: '0,45' as 45, '1:30' as 30, '100R' as 1e29 (ronna) and '5P' as peta.
_NUMBER = r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*"
_SCALE = r"(?P<scale>[mM][eE][gG]|[TGMKkmunpfa\N{MICRO SIGN}\u03bc])?"
# in ASCII: \d and \s mean the digits and spaces of every script otherwise
_PATTERNS = {
    unit: re.compile(f"{_NUMBER}{_SCALE}(?P<unit>{'|'.join(sorted(names))})?", re.ASCII)
    for unit, names in UNITS.items()
}
_LONGEST_TEXT = 100
"""Characters of a quantity: a float in full takes 24."""


def parse_quantity(value: Any, unit: str = "") -> float:
    """Read a quantity as a float in SI units.

    Parameters
    ----------
    value
        A number, or a text with an optional SI scale factor and unit: ``0.45``, ``"10k"``, ``"50us"``, ``"1 meg"``.
    unit
        The unit that the quantity has: ``"V"``, ``"A"``, ``"Hz"``, ``"s"``, ``"rad"``, ``"ohm"``, ``"F"``, ``"m"``,
        ``"W"``, ``"J"``, ``"mm2"``, ``"B/s"`` or ``""``. A text may leave its unit out, but not name another one.

    Returns
    -------
    float
        The value in SI units, always finite.

    Raises
    ------
    QuantityError
        If the value is not a number, not finite, too small for a float of full precision, has another unit, or is a
        bare ``M``, which SPICE reads as milli and SI as mega.

    Examples
    --------
    >>> parse_quantity("50us", "s")
    5e-05
    >>> parse_quantity("1meg", "ohm")
    1000000.0
    """
    if isinstance(value, bool | np.bool_):
        raise QuantityError(f"{value!r} is not a number")
    if isinstance(value, numbers.Real):
        try:
            number = float(value)
        except OverflowError:
            raise QuantityError("the number is too large") from None
    elif isinstance(value, str):
        number = _parse_text(value, unit)
    else:
        raise QuantityError(f"{shown(value)} is not a number or a text such as '10k'")
    if not math.isfinite(number):
        raise QuantityError(f"{shown(value)} is not finite")
    if is_denormal(number) or (number == 0 and isinstance(value, str) and _mantissa(value)):
        raise QuantityError(f"{shown(value)} is too small for a number in full precision; write 0")
    return number


def input_quantity(name: str, value: Any, unit: str = "") -> float:
    """Read a quantity as `parse_quantity` does; raises `InputError` with the name of the argument."""
    try:
        return parse_quantity(value, unit)
    except QuantityError as error:
        raise InputError(f"{name}: {error}") from None


def names_unit(value: Any, unit: str) -> bool:
    """Tell whether a value is a text of a number with its unit, which `parse_quantity` lets a text leave out.

    Examples
    --------
    >>> names_unit("15.24 ns", "s"), names_unit("15.24 n", "s"), names_unit(15.24, "s")
    (True, False, False)
    """
    match = _matched(value, unit) if isinstance(value, str) else None
    return match is not None and match["unit"] is not None


def is_denormal(values: ArrayLike) -> Any:
    """Tell which numbers are so close to zero that a float holds them with fewer digits: below 2.2e-308."""
    return (np.asarray(values) != 0) & (np.abs(values) < sys.float_info.min)


def shown(value: Any, longest: int = 60) -> str:
    """Return a value as it was given, on one line, and no longer than a message can take."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring = 3, longest
    try:
        text = " ".join(short.repr(value).split())
    except ValueError:  # Python writes no integer of more than 4300 digits
        text = f"a number of type {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _matched(text: str, unit: str) -> re.Match[str] | None:
    return _PATTERNS[unit].fullmatch(text.strip(" \t\r\n")) if len(text) <= _LONGEST_TEXT else None


def _parse_text(text: str, unit: str) -> float:
    match = _matched(text, unit)
    if match is None:
        wanted = f"a quantity in {unit}" if unit else "a number"
        raise QuantityError(f"{shown(text)} is not {wanted} such as 0.45, '10k' or '50u{unit}'")
    scale = match["scale"] or ""
    if scale == "M" and not match["unit"]:
        raise QuantityError(f"{text!r} is ambiguous: M is mega in SI and milli in SPICE; write meg or m")
    factor = float(Quantity(f"1{'M' if scale.lower() == 'meg' else scale}"))
    # in decimal, so that '3us' is the float 3e-06 and not the product of two rounded ones
    try:
        return float(Decimal(match["number"]) * Decimal(repr(factor)))
    except DecimalException:
        raise QuantityError(f"{text!r} is too large or too small for a number") from None


def _mantissa(text: str) -> bool:
    """Whether a number that was read from a text has a digit other than 0 before its exponent."""
    return re.match(r"[+-]?[0.]*[1-9]", text.strip()) is not None


def format_quantity(value: float, unit: str = "", digits: int = 4) -> str:
    """Write a value with an SI scale factor, for people: ``format_quantity(1.1e-3, "W")`` is ``"1.1 mW"``."""
    if not math.isfinite(value):
        return f"{value} {unit}".strip()
    return str(Quantity(float(value), unit).render(prec=digits - 1, form="si"))
