"""Cells of a selector in series with a memristor (1S1R), as models like any other.

A selector is an element without state: a class that gives the voltage over it by its current. With a model that has an
explicit current it makes another model, whose inner voltage is that over the memristor:

    v = u + v_selector(i(u, s)),    ds/dt = rate(u, s)

and further states alike, so that it is traced, compiled and solved as every model is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from spicecim.devices.memristor import Memristor
from spicecim.devices.methods import of_memristor
from spicecim.devices.parameters import Number, parameter
from spicecim.devices.states import rate_of
from spicecim.errors import ModelError

JOINT = "_with_"
"""What stands between the names of a model and a selector in that of both, as in ``yakopcic_with_exponential``."""
_PREFIX = "selector_"
"""What the name of a selector's parameter begins with in the model of both."""


class Selector(BaseModel):
    """Base class of selectors: a subclass declares its parameters, all with a default, and writes `voltage`.

    `voltage` rises with the current, is zero at zero, and is written as the equations of a model are (see `Memristor`).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def voltage(self, i: Any) -> Any:
        """Voltage (V) over the selector by its current (A)."""
        raise NotImplementedError


class Exponential(Selector):
    """``i = I0 sinh(v / V0)``: a selector of both polarities that rises by a decade every 2.3 V0.

    Burr and others, Access devices for 3D crosspoint memory, J. Vac. Sci. Technol. B 32, 040802 (2014),
    doi:10.1116/1.4889999, compare such devices. The defaults are of the size of good ones (80 mV per decade from 1 pA)
    and of no single one.
    """

    name = "exponential"
    title = "exponential selector"
    source = "G. W. Burr and others, J. Vac. Sci. Technol. B 32, 040802 (2014), doi:10.1116/1.4889999"

    I0: Number = parameter("A", "current scale of the selector", default=1e-12, gt=0)
    V0: Number = parameter("V", "voltage over which the selector's current rises e-fold", default=0.035, gt=0)

    def voltage(self, i: Any) -> Any:
        return self.V0 * np.arcsinh(i / self.I0)


class Threshold(Selector):
    """Straight lines: the resistance Roff up to the threshold, Ron beyond, the same for both polarities.

    It is without the snapback and the hold voltage of a threshold switch, which take a state. The numbers are of the
    size of published devices (Burr and others, doi:10.1116/1.4889999), and of no single one.
    """

    name = "threshold"
    title = "threshold selector"
    source = "Ohm's law on both sides of a threshold; an idealization, no published device."

    Vth: Number = parameter("V", "threshold of the selector", default=0.3, gt=0)
    Ron: Number = parameter("ohm", "differential resistance of the selector above its threshold", default=1e2, gt=0)
    Roff: Number = parameter("ohm", "resistance of the selector below its threshold", default=1e9, gt=0)

    def voltage(self, i: Any) -> Any:
        most = self.Vth / self.Roff
        below = np.clip(i, -most, most)
        return self.Roff * below + self.Ron * (i - below)


SELECTORS: dict[str, type[Selector]] = {kind.name: kind for kind in (Exponential, Threshold)}
"""Selectors by name."""


@lru_cache(maxsize=64)
def with_selector(model: type[Memristor], selector: type[Selector]) -> type[Memristor]:
    """Return the model of a memristor in series with a selector, whose parameters begin with ``selector_``.

    Raises
    ------
    ModelError
        If the model has an inner voltage of its own.

    Examples
    --------
    >>> from spicecim.devices import make_device
    >>> cell = make_device("yakopcic_with_exponential", "oblea")
    >>> bool(cell.current(0.2, 0.5) < 1e-3 * make_device("yakopcic", "oblea").current(0.2, 0.5))
    True
    """
    if model.inner:
        raise ModelError(f"{model.name}: has an inner voltage of its own, and takes no selector")
    of_selector = {f"{_PREFIX}{name}": name for name in selector.model_fields}

    def balance(self: Memristor, v: Any, *arguments: Any) -> Any:
        own = {name: getattr(self, long) for long, name in of_selector.items()}
        return arguments[-1] + selector.model_construct(**own).voltage(current(self, v, *arguments)) - v

    def at_inner(method: Any) -> Any:
        def equation(self: Memristor, v: Any, *arguments: Any) -> Any:
            *states, u = arguments
            outside = of_memristor.set(model)
            try:
                return _written(method)(self, u, *states)
            finally:
                of_memristor.reset(outside)

        return equation

    current = at_inner(model.current)
    rates = {rate_of(name): at_inner(getattr(model, rate_of(name))) for name in model.states}

    fields = {long: selector.model_fields[name] for long, name in of_selector.items()}
    namespace = {
        "__module__": __name__,
        "__doc__": f"{model.title}, in series with an {selector.title}.",
        "__annotations__": {
            **dict.fromkeys(("name", "title", "source", "inner"), ClassVar[str]),
            **{long: selector.__annotations__[name] for long, name in of_selector.items()},
        },
        "name": f"{model.name}{JOINT}{selector.name}",
        "title": f"{model.title}, with an {selector.title}",
        "source": f"{model.source}; {selector.source}",
        "inner": "voltage over the memristor",
        "balance": balance,
        "steep_balance": True,
        "current": current,
        "rate": at_inner(model.rate),
        **rates,
        **fields,
    }
    metaclass: Any = type(model)
    made: type[Memristor] = metaclass(f"{model.__name__}With{selector.__name__}", (model,), namespace)
    return made


def _written(method: Any) -> Any:
    """A method of equations without what turns its arguments into arrays, and finds the inner voltage."""
    return method.__wrapped__
