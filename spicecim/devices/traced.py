"""The equations of a device as expressions: its methods, called with symbols."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from spicecim.devices.expressions import derivative, substituted, symbol, where
from spicecim.devices.states import rate_of

if TYPE_CHECKING:
    from spicecim.devices.memristor import Memristor


class Outputs(NamedTuple):
    """The equations as expressions of the symbols v, s, u and the names of further states; numbers if constant."""

    current: Any
    rate: Any
    balance: Any
    further: tuple[Any, ...]
    """Rates of the further states."""


def trace(device: Memristor) -> Outputs:
    """Return the equations of a device; its balance is 0 where it has no inner voltage."""
    states = (symbol("v"), symbol("s"), *map(symbol, device.states))
    arguments = (*states, symbol("u")) if device.inner else states
    balance = device.balance(*arguments) if device.inner else 0.0
    further = tuple(getattr(device, rate_of(name))(*arguments) for name in device.states)
    return Outputs(device.current(*arguments), device.rate(*arguments), balance, further)


@lru_cache(maxsize=256)
def traced(device: Memristor) -> Outputs:
    """Return what `trace` gives of a device, worked out once."""
    return trace(device)


def printed(device: Memristor, outputs: Outputs) -> Outputs:
    """Return the equations as a circuit simulator gets them.

    Newton's method leaves one side of u = 0 for the other, and does not come back, where a balance is steep at 0 and
    flat beyond it (`Memristor.steep_balance`). ngspice goes on from there however short its steps become. So where u
    and v differ in sign, which no solution does, the balance is its tangent at u = 0.
    """
    if not device.steep_balance:
        return outputs
    balance, v, u = outputs.balance, symbol("v"), symbol("u")
    at_zero, slope = (substituted(part, {"u": 0.0}) for part in (balance, derivative(balance, "u")))
    return outputs._replace(balance=where(v * u < 0.0, at_zero + slope * u, balance))
