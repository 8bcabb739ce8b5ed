"""Cycle-to-cycle variation: parameters of every cell drawn anew for every pulse that writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spicecim.errors import InputError
from spicecim.testbench import Testbench
from spicecim.variation import vary
from spicecim.variation.correlation import generator


@dataclass(frozen=True)
class CycleToCycle:
    """What is drawn for every pulse.

    Attributes
    ----------
    parameters
        Distributions about a cell's own values, as `spicecim.vary` takes them.
    seed
        The same gives the same numbers to the last bit, in every engine.
    """

    parameters: Any
    seed: int

    def drawn(self, bench: Testbench, pulse: int) -> Testbench:
        """Return an array as pulse number `pulse` finds it; what is drawn for one does not depend on the others."""
        own = int(generator(self.seed, "cycle", str(pulse)).integers(2**63))
        try:
            return vary(bench, self.parameters, seed=own)
        except InputError as error:
            raise InputError(f"cycle_to_cycle, pulse {pulse}: {error}") from None


def cycle_to_cycle_of(parameters: Any, seed: int | None, bench: Testbench) -> CycleToCycle | None:
    """Return what is to be drawn, or None where nothing is.

    Raises
    ------
    InputError
        If there are parameters without a seed or the other way round, or what is to be drawn is not valid.
    """
    if parameters is None:
        if seed is not None:
            raise InputError("seed: is that of cycle_to_cycle, which is left out")
        return None
    if seed is None:
        raise InputError("cycle_to_cycle: needs a seed")
    chosen = CycleToCycle(parameters, seed)
    chosen.drawn(bench, 0)
    return chosen
