"""How the testbench of each run of a sweep is made: values of the axes, drawn factors, and scatter of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from spicecim.errors import InputError
from spicecim.sweeps.places import changed, numeric_value
from spicecim.testbench import Testbench
from spicecim.variation.vary import vary_cells

SCATTER = ("vary", "stuck")
"""Sections of a sweep, beside those of its testbench, whose values may be an axis."""


@dataclass(frozen=True)
class Scatter:
    """What is drawn for every cell of a sample: the arguments of `spicecim.vary`.

    Attributes
    ----------
    vary
        Distributions by the names of parameters.
    correlation, gradients, stuck
        As `spicecim.vary` takes them.
    """

    vary: dict[str, Any] = field(default_factory=dict)
    correlation: Any = None
    gradients: dict[str, Any] = field(default_factory=dict)
    stuck: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.vary or self.gradients or self.stuck)

    def changed(self, values: Mapping[str, Any]) -> Scatter:
        """Return the scatter with other values, by names such as ``vary.Ron.normal``."""
        sections = {name: dict(getattr(self, name)) for name in SCATTER}
        for place, value in values.items():
            section, *parts = place.split(".")
            inner = sections[section]
            for part in parts[:-1]:
                inner[part] = dict(inner[part]) if isinstance(inner.get(part), Mapping) else {}
                inner = inner[part]
            inner[parts[-1]] = value
        return Scatter(sections["vary"], self.correlation, self.gradients, sections["stuck"])

    def of(self, bench: Testbench, seed: int) -> Testbench:
        """Return a testbench with its cells drawn."""
        if not self:
            return bench
        return vary_cells(bench, self.vary, "vary", seed, self.correlation, self.gradients or None, self.stuck or None)


class Recipe(NamedTuple):
    """What makes one run differ from the others.

    Attributes
    ----------
    values
        Plain values of fields by their dotted names, or the arguments of a function that returns what is measured.
    factors
        Factors by the names of the fields that they multiply.
    seed
        Of the scatter of the cells; None where there are no samples.
    bench
        The testbench that a function of one's own made, in place of that of all.
    """

    values: Mapping[str, Any]
    factors: Mapping[str, float]
    seed: int | None
    bench: Testbench | None


def is_scatter(place: str) -> bool:
    """Whether the field of an axis is one of the scatter, not of the testbench."""
    return place.split(".")[0] in SCATTER


def make_bench(base: Testbench | None, scatter: Scatter, recipe: Recipe) -> Testbench:
    """Return the testbench of one run.

    Raises
    ------
    InputError
        If its values are not valid together.
    """
    bench = recipe.bench or base
    if bench is None:
        raise InputError("testbench: is missing")
    bench = changed(bench, {place: value for place, value in recipe.values.items() if not is_scatter(place)})
    if recipe.factors:
        scaled = {place: numeric_value(bench, place) * factor for place, factor in recipe.factors.items()}
        bench = changed(bench, {place: np.asarray(value).tolist() for place, value in scaled.items()})
    if recipe.seed is None:
        return bench
    own = {place: value for place, value in recipe.values.items() if is_scatter(place)}
    return (scatter.changed(own) if own else scatter).of(bench, recipe.seed)
