"""Power and area of a chip by component, and its peak rate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from spicecim.accelerator.cycles import VectorCycles, fixed_cycles, vector_cycles
from spicecim.accelerator.design import LEVELS, Design, Level
from spicecim.errors import ImplausibleWarning
from spicecim.fields import FloatArray
from spicecim.quantities import format_quantity

MOST_POWER_W = 1000.0
"""Power (W) of a component on a chip above which a wrong unit is more probable: no package cools it."""
MOST_AREA_MM2 = 1000.0
"""Area (mm2) of a component on a chip above which that is so: the largest that is exposed at once is 26 by 33 mm."""


@dataclass(frozen=True)
class ComponentBudget:
    """What a component takes on a chip.

    Attributes
    ----------
    name, level
        The component, and the part that it belongs to.
    kind
        ``"converter"``, ``"crossbar"`` or ``"other"``.
    power_w, area_mm2
        Of all on a chip; None if it is not known.
    energy_per_event_j
        Energy of one event, such as a conversion; None if it is not known.
    active
        Whether it takes its power while crossbars are read, or always.
    provenance
        The least sure source of its numbers: published, derived, estimated or assumed.
    """

    name: str
    level: Level
    kind: str
    power_w: float | None
    area_mm2: float | None
    energy_per_event_j: float | None
    active: str
    provenance: str


def component_budgets(design: Design) -> list[ComponentBudget]:
    """Return what each component takes on a chip."""
    found = []
    for level in LEVELS:
        parts = 1 if design.organization is None else design.organization.parts(level)
        for name, part in design.components.level(level).items():
            power, area = part.power_w, part.area_mm2
            found.append(
                ComponentBudget(
                    name=name,
                    level=level,
                    kind=part.kind,
                    power_w=None if power is None else parts * power,
                    area_mm2=None if area is None else parts * area,
                    energy_per_event_j=part.energy_per_event,
                    active=part.active,
                    provenance=part.provenance,
                )
            )
    return found


def warn_of_implausible(components: Iterable[ComponentBudget]) -> None:
    """Warn of components that take more power or area on a chip than one can have."""
    for part in components:
        found = []
        if part.power_w is not None and part.power_w > MOST_POWER_W:
            found.append(f"a power of {format_quantity(part.power_w, 'W')}, more than {MOST_POWER_W:g} W")
        if part.area_mm2 is not None and part.area_mm2 > MOST_AREA_MM2:
            found.append(f"an area of {part.area_mm2:.4g} mm2, more than {MOST_AREA_MM2:g} mm2")
        for text in found:
            what = f"components.{part.level}.{part.name}: all on a chip have {text}; is the unit right?"
            warnings.warn(what, ImplausibleWarning, stacklevel=3)


def total(values: Iterable[float | None]) -> float | None:
    """Sum of values, None if one of them is not known."""
    known = list(values)
    return None if None in known else float(sum(value for value in known if value is not None))


def cycles_per_vector(
    design: Design, fragments: int, blocks: int = 1, shares: FloatArray | None = None
) -> VectorCycles:
    """Cycles that an input vector of a layer takes.

    Parameters
    ----------
    design
        A design with crossbars.
    fragments
        Fragments of a crossbar that are read one after the other.
    blocks
        Crossbars that get different parts of the vector.
    shares
        Shares (cycles,) of fragments that need 0, 1, ... cycles; the design's own if left out.
    """
    own = design.skipping_shares()
    if own is None:
        return fixed_cycles(design.bits_in_turn * fragments)
    return vector_cycles(own if shares is None else shares, fragments, blocks)


def peak_tops(design: Design, skipping: bool = False) -> float | None:
    """Peak rate of a chip (TOPS; a product and its addition are two operations), None if its timing is not known.

    Parameters
    ----------
    design
        A design.
    skipping
        Whether cycles that are skipped count, on average and without waiting.
    """
    if design.peak_tops is not None:
        return float(design.peak_tops.value)
    cycle = design.times.cycle
    if cycle is None:
        return None
    scheme = design.crossbars
    outputs = scheme.columns // scheme.slices
    whole = scheme.resources(scheme.rows, outputs)
    fragments = whole.cycles // design.bits_in_turn
    cycles = cycles_per_vector(design, fragments).read if skipping else float(whole.cycles)
    crossbars = design.parts.crossbars / whole.crossbars
    return float(2e-12 * crossbars * scheme.rows * outputs / (cycles * cycle.value))
