"""What a sweep runs: the testbenches along its axes, its samples, and what is measured of each."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.deadline import run_within
from spicecim.engines import ENGINES
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT, SWEEP_RUNS
from spicecim.measure import MEASURES
from spicecim.outside import exceeds
from spicecim.places import named
from spicecim.quantities import shown
from spicecim.sweeps.axes import RESERVED, Axis, argument_axes, combinations, field_axes, read_axes
from spicecim.sweeps.design import check_design, check_level, count_samples, drawn_factors, sample_seed, whole_number
from spicecim.sweeps.keys import (
    device_digest,
    engine_identity,
    function_digest,
    measure_digests,
    plain_digest,
    run_key,
)
from spicecim.sweeps.places import numeric_value
from spicecim.sweeps.recipes import Recipe, Scatter, is_scatter
from spicecim.testbench import Testbench
from spicecim.variation.correlation import generator
from spicecim.variation.distributions import Distribution, distribution
from spicecim.version import __version__

Measure = Callable[..., Any]
Maker = Callable[..., Any]
"""A function of one's own: what it makes of the values of the axes is a testbench, or what is measured."""


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep.

    Attributes
    ----------
    base
        The testbench of all, None where a function makes one of each.
    axes
        The axes, the last one fastest.
    samples
        Samples at every point of the axes; None where there is no such dimension.
    scatter
        What is drawn per cell.
    draws
        Distributions of fields as a whole, by their names.
    design, level, seed, base_samples
        How the samples are laid out.
    engine
        What simulates; None where a function of one's own returns what is measured.
    measures
        What is measured of each run, by name.
    waveforms
        Whether the waveforms are kept.
    time_limit
        Seconds that a run may take, or None.
    maker
        The function of one's own that makes the testbenches, or with no engine what is measured; called with the values
        of the axes.
    """

    base: Testbench | None
    axes: list[Axis]
    samples: int | None
    base_samples: int | None
    scatter: Scatter
    draws: dict[str, Distribution]
    design: str
    level: float
    seed: int
    engine: str | None
    measures: dict[str, Measure]
    waveforms: bool
    time_limit: float | str | None
    maker: Maker | None = field(default=None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points along each axis, and of samples."""
        return (*map(len, self.axes), *(() if self.samples is None else (self.samples,)))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of `shape`."""
        return (*(axis.name for axis in self.axes), *(() if self.samples is None else ("sample",)))

    def __len__(self) -> int:
        return math.prod(self.shape)

    def factors(self) -> FloatArray:
        """Factors (sample, field) of what is drawn."""
        return drawn_factors(self.draws, self.design, self.base_samples, self.seed, self.level)

    def recipes(self) -> Iterator[tuple[str, Recipe]]:
        """Every run's key and recipe, in the order of the dataset."""
        common, names, factors = self._common(), list(self.draws), self.factors()
        seeds = [None] if self.samples is None else [sample_seed(self.seed, each) for each in range(self.samples)]
        drawn: list[dict[str, float]] = [dict(zip(names, map(float, row), strict=True)) for row in factors]
        scattered = self.scatter or any(map(_is_scattered, self.axes))
        for values, sources in combinations(self.axes):
            for number, seed in enumerate(seeds):
                given, own, bench = values, sources, None
                if self.maker is not None:
                    given = values | ({"seed": seed} if seed is not None and takes_seed(self.maker) else {})
                    if self.engine is not None:
                        bench = _made(self.maker, given)
                        given, own = {}, {"device": device_digest(bench)}
                recipe = Recipe(given, drawn[number] if names else {}, seed if scattered else None, bench)
                yield run_key(common, recipe, own), recipe

    def _common(self) -> str:
        """Digest of what all runs share."""
        return plain_digest(
            {
                "spicecim": __version__,
                "base": None if self.base is None else self.base.digest(),
                "device": None if self.base is None else device_digest(self.base),
                "engine": function_digest(self.maker)
                if self.engine is None
                else engine_identity(self.engine, self.base),
                "measures": measure_digests(self.measures),
                "waveforms": self.waveforms,
                "scatter": asdict(self.scatter) if self.scatter else {},
            }
        )

    def described(self) -> dict[str, Any]:
        """Plain values that `described_plan` takes."""
        return {
            "spicecim_version": __version__,
            "testbench": None if self.base is None else self.base.to_dict(),
            "axes": [asdict(axis) | ({"values": None} if self.maker else {}) for axis in self.axes],
            "samples": self.samples,
            "base_samples": self.base_samples,
            "scatter": asdict(self.scatter),
            "draws": {name: asdict(each) for name, each in self.draws.items()},
            "design": self.design,
            "level": self.level,
            "seed": self.seed,
            "engine": self.engine,
            "measures": measure_digests(self.measures),
            "waveforms": self.waveforms,
            "time_limit": self.time_limit,
        }


def make_plan(
    testbench: Testbench | Maker,
    axes: Mapping[str, Any] | None = None,
    *,
    samples: int | None = None,
    measures: Any = None,
    engine: str | None = "reference",
    zip: Iterable[Iterable[str]] = (),
    corners: Mapping[str, Mapping[str, Any]] | None = None,
    vary: Mapping[str, Any] | None = None,
    correlation: Any = None,
    gradients: Mapping[str, Any] | None = None,
    stuck: Mapping[str, Any] | None = None,
    draw: Mapping[str, Any] | None = None,
    design: str = "random",
    level: float = 1.0,
    seed: int = 0,
    waveforms: bool = False,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    folder: str | Path = ".",
) -> Plan:
    """Return the plan of a sweep; parameters are those of `spicecim.sweep`, which takes them from here.

    Raises
    ------
    InputError
        If anything of it is not valid. Nothing has been simulated then.
    """
    if not isinstance(testbench, Testbench) and not callable(testbench):
        raise InputError(f"testbench: must be a Testbench or a function that makes one; it is {shown(testbench)}")
    if engine is None and (isinstance(testbench, Testbench) or measures or vary or gradients or stuck or draw):
        raise InputError(
            "engine: with None, a function returns what is measured; it goes with no Testbench, measures, vary, "
            "gradients, stuck and draw"
        )
    if samples is not None:
        samples = whole_number("samples", samples)
    generator(seed)
    check_level(level)
    if engine is not None and engine not in ENGINES:
        ENGINES[engine]
    with run_within(time_limit):
        pass
    draws = {str(name): _distribution(f"draw.{name}", each) for name, each in (draw or {}).items()}
    check_design(design, draws, samples)
    scatter = Scatter(
        {str(name): _plain_distribution(f"vary.{name}", each) for name, each in (vary or {}).items()},
        _plain_correlation(correlation), {str(name): _plain_numbers(each) for name, each in (gradients or {}).items()},
        dict(stuck or {}),
    )  # fmt: skip
    groups = read_axes(axes or {}, zip, corners or {})
    total = count_samples(design, draws, samples)
    if (scatter or draws) and total is None:
        raise InputError("samples: is missing; vary, gradients, stuck and draw take a number of samples")
    runs = math.prod(len(next(iter(group.values()))) for group in groups) * (1 if total is None else total)
    if runs > SWEEP_RUNS:
        raise InputError(f"the sweep {exceeds('SWEEP_RUNS', 'runs')}; it would have {runs:,}")
    base = testbench if isinstance(testbench, Testbench) else None
    if base is None:
        found = argument_axes(groups)
        _check_arguments(testbench, [name for axis in found for name in axis.values[0]])  # type: ignore[arg-type]
    else:
        found = field_axes(groups, base, scatter, folder)
        for name in draws:
            numeric_value(base, name)
        if scatter and not any(map(_is_scattered, found)):
            scatter.of(base, 0)
    differ = scatter or draws or (takes_seed(testbench) if base is None else any(map(_is_scattered, found)))  # type: ignore[arg-type]
    if total is not None and not differ:
        raise InputError(
            "samples: would all be the same; name what differs in vary or draw, or give the function an argument seed"
        )
    measured = _named_measures(("mean_current",) if measures is None and engine is not None else measures or ())
    if engine is not None and not measured and not waveforms:
        raise InputError("measures: there are none, and waveforms are not kept: nothing would be stored")
    maker: Any = None if base is not None else testbench
    return Plan(
        base, found, total, samples, scatter, draws, design, level, seed, engine, measured, waveforms, time_limit, maker
    )


def described_plan(values: Mapping[str, Any]) -> Plan:
    """Return a plan from what `Plan.described` gave: measures are those that are known by their names.

    Raises
    ------
    InputError
        If a function of one's own is part of it.
    """
    if values["testbench"] is None:
        raise InputError("its testbenches were made by a function: call spicecim.sweep as before, with retry=True")
    measures = _named_measures(list(values["measures"]))
    for name, digest in measure_digests(measures).items():
        if digest != values["measures"][name]:
            raise InputError(f"its measure {name} was another function: call spicecim.sweep as before, with retry=True")
    return Plan(
        Testbench.from_dict(values["testbench"]), [Axis(**axis) for axis in values["axes"]], values["samples"],
        values["base_samples"], Scatter(**values["scatter"]),
        {name: Distribution(**each) for name, each in values["draws"].items()}, values["design"], values["level"],
        values["seed"], values["engine"], measures, values["waveforms"], values["time_limit"],
    )  # fmt: skip


def _is_scattered(axis: Axis) -> bool:
    return any(map(is_scatter, axis.values[0]))


def _check_arguments(maker: Maker, names: Sequence[str]) -> None:
    given = [*names, *(["seed"] if takes_seed(maker) else [])]
    try:
        inspect.signature(maker).bind(**dict.fromkeys(given))
    except TypeError as error:
        raise InputError(
            f"testbench: {named(maker)} must take the axes as its arguments, {', '.join(names) or 'here none'}: {error}"
        ) from None


def takes_seed(maker: Maker) -> bool:
    """Whether a function of one's own has an argument ``seed``."""
    return "seed" in inspect.signature(maker).parameters


def _made(maker: Maker, values: Mapping[str, Any]) -> Testbench:
    try:
        bench = maker(**values)
    except Exception as error:
        given = ", ".join(f"{name}={shown(value)}" for name, value in values.items())
        raise InputError(f"testbench: {named(maker)} fails with {given}: {type(error).__name__}: {error}") from error
    if not isinstance(bench, Testbench):
        raise InputError(f"testbench: the function must return a Testbench; it returns {shown(bench)}")
    return bench


def _distribution(name: str, value: Any) -> Distribution:
    try:
        return distribution(value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _plain_distribution(name: str, value: Any) -> dict[str, Any]:
    found = _distribution(name, value)
    return {found.kind: found.spread, **({} if found.within is None else {"within": found.within})}


def _plain_numbers(given: Any) -> Any:
    if isinstance(given, np.ndarray):
        return given.tolist()
    return list(given) if isinstance(given, tuple) else given


def _plain_correlation(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {pair if isinstance(pair, str) else ",".join(map(str, pair)): value for pair, value in given.items()}
    return _plain_numbers(given)


def _named_measures(measures: Any) -> dict[str, Measure]:
    """Measures by name, of names, functions, or a dictionary."""
    if isinstance(measures, Mapping):
        found = {str(name): MEASURES[each] if isinstance(each, str) else each for name, each in measures.items()}
    else:
        found = {}
        for each in [measures] if isinstance(measures, str) or callable(measures) else measures:
            name = each if isinstance(each, str) else getattr(each, "__name__", "")
            if not name.isidentifier() or name in found:
                raise InputError(
                    f"measures: give names to functions, such as {{'ripple': ripple}}; {shown(each)} has none"
                )
            found[name] = MEASURES[each] if isinstance(each, str) else each
    for name in found:
        if name in (*RESERVED, "key"):
            raise InputError(f"measures: {name}: the name is taken; give the measure another")
    measure_digests(found)
    return found
