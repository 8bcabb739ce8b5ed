"""FORMS over a pruned ISAAC, per area and per watt, as a function of what is assumed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from spicecim.accelerator import Design, evaluate, load_design, with_converters
from spicecim.accelerator.converters import lossless_converter_bits
from spicecim.validation.claims import Range

INPUT_BITS = 16
ROWS = (4, 8, 16)
CYCLES = {4: (10.7, 14.0), 8: (12.99, 14.9), 16: (13.93, 15.5)}
"""Effective input cycles by the rows of a fragment, least and most: FORMS gives 10.7 at 4 rows and 15 at 128; the
others are between them or follow from published histograms of activations."""
ISAAC_CYCLES = (100e-9, 128 / 1.2e9)
"""Cycles of ISAAC (s): its own, and that of eight converters of 1.2 GS/s for 1024 columns."""
RATES_16 = (1.5e9, 2.1e9)
"""Rates of 5-bit converters (S/s), which FORMS does not give."""


class Ratio(NamedTuple):
    """Rates, or ratios of them."""

    per_area: float
    per_watt: float


PUBLISHED_ALONE = {8: Ratio(0.54, 0.61), 16: Ratio(0.77, 0.84)}
PUBLISHED_EVERYTHING = {8: Ratio(36.02, 27.73), 16: Ratio(39.48, 51.26)}
PUBLISHED_PRUNED_ISAAC = Ratio(26.4, 26.61)
"""FORMS, table of peak efficiencies relative to ISAAC: polarization alone and everything, by rows, and pruned and
quantized ISAAC, as printed. At 8 rows the columns of everything are exchanged (see the claim exchanged-columns)."""


def forms_over_isaac(
    rows: int,
    cycles: float = INPUT_BITS,
    model: str = "published",
    energy: float | None = None,
    bits: int | None = None,
    rate: float | None = None,
    isaac_cycle: float = ISAAC_CYCLES[0],
) -> Ratio:
    """Ratio of peak rates per area and per watt, both with weights of 8 bits and the same pruning.

    Parameters
    ----------
    rows
        Rows of a fragment: 4, 8 or 16.
    cycles
        Mean effective input cycles; 16 without skipping.
    model
        Converter model of both designs.
    energy
        Energy of a conversion of 4 bits in FORMS (J), in place of the model's; other bits in proportion as scaled ones.
    bits
        Bits of FORMS's converters, in place of its own.
    rate
        Rate of FORMS's converters (S/s), in place of its own; the cycle follows.
    isaac_cycle
        Cycle of ISAAC (s).
    """
    one, other = _forms(rows, model, energy, bits, rate), _isaac(model, isaac_cycle)
    return Ratio(*(INPUT_BITS / cycles * first / second for first, second in zip(one, other, strict=True)))


def converter_width(rows: int) -> int:
    """Bits of FORMS's converters."""
    part = load_design(f"forms_{rows}").converter
    assert part is not None
    assert part.bits is not None
    return part.bits.value


@functools.lru_cache(maxsize=64)
def _forms(rows: int, model: str, energy: float | None, bits: int | None, rate: float | None) -> Ratio:
    """Peak rate of FORMS per area and per watt, without skipping."""
    forms = load_design(f"forms_{rows}")
    if rate is not None:
        forms = _with_rate(forms, rate)
    forms = with_converters(forms, model, bits=bits)
    if energy is not None:
        own = forms.converter
        assert own is not None
        assert own.energy_per_event is not None
        forms = with_converters(forms, energy=energy * own.energy_per_event / _energy_of_4_bits(model))
    return _efficiency(forms)


@functools.lru_cache(maxsize=64)
def _isaac(model: str, cycle: float) -> Ratio:
    """Peak rate of ISAAC with weights of 8 bits, per area and per watt."""
    isaac = load_design("isaac_pruned").changed(timing={"cycle": {"value": cycle, "assumed": "a range"}})
    return _efficiency(with_converters(isaac, model))


def _efficiency(design: Design) -> Ratio:
    found = evaluate(design)
    assert found.gops_per_mm2 is not None
    assert found.gops_per_watt is not None
    return Ratio(found.gops_per_mm2, found.gops_per_watt)


def _energy_of_4_bits(model: str) -> float:
    part = with_converters(load_design("forms_8"), model).converter
    assert part is not None
    assert part.energy_per_event is not None
    return part.energy_per_event


def _with_rate(design: Design, rate: float) -> Design:
    part = design.converter
    assert part is not None
    assert part.count is not None
    cycle = design.crossbars.columns * design.parts.crossbars_per_unit.value / (part.count.value * rate)
    changes: Any = {"unit": {"ADC": {"rate": {"value": rate, "assumed": "a range"}}}}
    return design.changed(components=changes, timing={"cycle": {"value": cycle, "derived": "columns over rate"}})


def ratio_range(ratios: Iterable[Ratio], name: str) -> Range:
    """Least and most of ratios ``"per_area"`` or ``"per_watt"``."""
    values = [float(getattr(ratio, name)) for ratio in ratios]
    return min(values), max(values)


def same_converters(rows: int, skipping: bool) -> list[Ratio]:
    """Ratios over all assumptions, with the same converter model in both designs."""
    cycles = CYCLES[rows] if skipping else (INPUT_BITS,)
    widths = (None, lossless_converter_bits(rows, 2))
    combinations = itertools.product(cycles, ("scaled", "survey"), widths, _rates(rows), ISAAC_CYCLES)
    return [
        forms_over_isaac(rows, count, model, bits=bits, rate=rate, isaac_cycle=cycle)
        for count, model, bits, rate, cycle in combinations
    ]


def _rates(rows: int) -> tuple[float | None, ...]:
    return RATES_16 if rows == 16 else (None,)


def polarization_alone(rows: int) -> list[Ratio]:
    """Ratios without skipping, as published: over ISAAC's cycle and, at 16 rows, the converters' rate."""
    combinations = itertools.product(_rates(rows), ISAAC_CYCLES)
    return [forms_over_isaac(rows, rate=rate, isaac_cycle=cycle) for rate, cycle in combinations]


def over_pruned_isaac(published: Ratio) -> Ratio:
    """Published ratios to ISAAC over those of pruned ISAAC."""
    return Ratio(*(one / other for one, other in zip(published, PUBLISHED_PRUNED_ISAAC, strict=True)))


def with_skipping(ratios: Iterable[Ratio], rows: int) -> list[Ratio]:
    """Ratios with zero skipping, of those without: at the least and the most effective input cycles."""
    return [Ratio(*(value * INPUT_BITS / cycles for value in ratio)) for ratio in ratios for cycles in CYCLES[rows]]
