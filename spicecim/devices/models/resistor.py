"""The ideal cell: an ohmic resistor whose state does not move."""

from __future__ import annotations

from typing import Any, ClassVar

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class Resistor(Memristor):
    """``i = (1/Roff + (1/Ron - 1/Roff) x) v`` with x for ever what it was set to.

    The cell that a read below every threshold would wish for: ohmic, with a conductance that is linear in its state,
    and without any disturb. The state variable of the engines is x itself.
    """

    name: ClassVar[str] = "resistor"
    title: ClassVar[str] = "Ideal ohmic cell with a state that does not move"
    source: ClassVar[str] = "Ohm's law; the state is the normalized conductance. An idealization, no published device."

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")

    def current(self, v: Any, s: Any) -> Any:
        return v * (1.0 / self.Roff + (1.0 / self.Ron - 1.0 / self.Roff) * s)

    def drive(self, v: Any) -> Any:
        return 0.0

    def motion(self, s: Any, rising: bool) -> Any:
        return 1.0
