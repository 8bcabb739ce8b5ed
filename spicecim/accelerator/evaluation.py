"""What a design gives: power, area and peak rate, and with a network frames per second, latency and energy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spicecim.accelerator.budget import (
    ComponentBudget,
    component_budgets,
    cycles_per_vector,
    peak_tops,
    total,
    warn_of_implausible,
)
from spicecim.accelerator.cycles import slowest_copy, wrong_shares
from spicecim.accelerator.design import Design, load_design
from spicecim.accelerator.layers import NetworkShape
from spicecim.accelerator.mapping import MappedLayer, map_network
from spicecim.accelerator.networks import load_network
from spicecim.accelerator.traffic import bus_times, link_times
from spicecim.errors import InputError
from spicecim.fields import FloatArray


@dataclass(frozen=True)
class LayerResult:
    """A layer on a design.

    Attributes
    ----------
    name, weights, products
        The layer: its name, weights, and products per frame, pruned ones too.
    pruning, crossbars, copies
        Ratio of pruning, crossbars of one copy, and copies.
    cycles_per_vector
        Mean cycles until the slowest crossbar has read a vector; None if the design's timing is not known.
    time_s
        Time that the slowest copy takes for a frame.
    bus_time_s, link_time_s
        Times that its inputs and outputs take on the buses of its tiles, and its inputs on the links between chips; 0
        where the design does not give their rates.
    busy
        The time of the slowest copy over that of a frame.
    cells_used
        Share of the cells of its crossbars that hold weights.
    """

    name: str
    weights: int
    products: int
    pruning: float
    crossbars: int
    copies: int
    cells_used: float
    cycles_per_vector: float
    time_s: float | None
    bus_time_s: float
    link_time_s: float
    busy: float | None


@dataclass(frozen=True)
class NetworkResult:
    """A network on a design.

    Attributes
    ----------
    network, weights, products
        The network: its name, weights, and products per frame, pruned ones too.
    chips
        Chips that it is on.
    crossbars
        Crossbars in use, with all copies.
    frames_per_second, latency_s
        Frames per second when one follows the other, and the time of one. None if the design's timing is not known.
    most_frames_per_second
        Frames per second if all crossbars of the chips read all the time: if copies could be any fraction, and none
        waited for another.
    effective_gops, effective_gops_per_watt, effective_gops_per_mm2
        Operations of the network as it was before pruning: per nanosecond, per nanojoule of a frame's energy, and per
        nanosecond and area of the chips.
    energy_per_frame_j, energy_by_component_j
        Energy of a frame, with what takes power always; by component. None if a power is not known.
    average_power_w
        That energy times the frames per second.
    crossbars_used
        Share of the crossbars of the chips that are in use.
    limiting_layer, limited_by
        The slowest layer, and what it is limited by: ``"crossbars"``, ``"tile bus"`` or ``"links"``.
    imbalance
        Time of the slowest layer over what it would be if no crossbar and no copy waited for another.
    layers
        The layers.
    """

    network: str
    weights: int
    products: int
    chips: int
    crossbars: int
    crossbars_used: float
    frames_per_second: float | None
    most_frames_per_second: float | None
    latency_s: float | None
    effective_gops: float | None
    effective_gops_per_watt: float | None
    effective_gops_per_mm2: float | None
    energy_per_frame_j: float | None
    average_power_w: float | None
    limiting_layer: str | None
    limited_by: str | None
    imbalance: float | None
    energy_by_component_j: dict[str, float] | None
    layers: tuple[LayerResult, ...]


@dataclass(frozen=True)
class Evaluation:
    """What a design gives.

    Attributes
    ----------
    design
        The design.
    power_w, area_mm2
        Of a chip at full rate; None if a component's is not known.
    peak_tops, gops_per_watt, gops_per_mm2
        Peak rate, and that over power and area. None if one of them is not known.
    effective_tops
        Peak rate with the input cycles that are skipped on average.
    converter_load
        Time that the converters of a unit take for the conversions of a cycle, over the cycle; None if not known.
    components
        Power and area by component.
    result
        The network on it, if one was given.
    """

    design: Design
    power_w: float | None
    area_mm2: float | None
    peak_tops: float | None
    effective_tops: float | None
    gops_per_watt: float | None
    gops_per_mm2: float | None
    converter_load: float | None
    components: tuple[ComponentBudget, ...]
    result: NetworkResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, those of the network beside the others."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("design", "result")}
        published = {name: number.value for name, number in self.design.published.numbers.items()}
        network = {} if self.result is None else vars(self.result)
        return {"design": self.design.name, "title": self.design.title, **values, "published": published, **network}


def evaluate(
    design: str | Path | Design,
    network: str | Path | NetworkShape | None = None,
    *,
    chips: int | None = None,
    input_cycles: ArrayLike | Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a design, and a network on it.

    Parameters
    ----------
    design
        A design, its name, or its YAML file.
    network
        A network, its name, or a YAML file with a table of layers.
    chips
        Chips that the network is on; as few as it needs if left out.
    input_cycles
        Measured shares of the fragments that need 0, 1, ... input cycles, such as ``share`` of
        `spicecim.encodings.bit_sliced.input_cycles`, in place of the design's; or such shares by the name of a layer.
    seed
        Of what is drawn: the slowest of a layer's copies.

    Raises
    ------
    InputError
        If there is no such design or network, they do not fit, or the chips are too few.
    TestbenchError
        If a file is not valid.

    Warns
    -----
    ImplausibleWarning
        If a component takes more power or area of a chip than ``budget.MOST_POWER_W`` and ``budget.MOST_AREA_MM2``.

    Examples
    --------
    >>> found = evaluate("isaac")
    >>> round(found.peak_tops, 2), round(found.power_w, 1)
    (41.29, 65.8)
    """
    if network is None and (chips is not None or input_cycles is not None):
        raise InputError(f"{'input_cycles' if chips is None else 'chips'}: needs a network")
    design = load_design(design)
    components = component_budgets(design)
    warn_of_implausible(components)
    power, area = total(part.power_w for part in components), total(part.area_mm2 for part in components)
    peak = peak_tops(design)
    found = Evaluation(
        design=design,
        power_w=power,
        area_mm2=area,
        peak_tops=peak,
        effective_tops=peak_tops(design, skipping=True),
        gops_per_watt=_ratio(peak, power),
        gops_per_mm2=_ratio(peak, area),
        converter_load=design.converter_load,
        components=tuple(components),
    )
    if network is None:
        return found
    result = _on(found, load_network(network), chips, _Cycles(design, input_cycles), seed)
    return replace(found, result=result)


def evaluate_beside(
    design: Design, other: Design, network: str | Path | NetworkShape | None = None, chips: int | None = None
) -> tuple[Evaluation, Evaluation]:
    """Evaluate two designs, with a network on the same number of chips: as many as the larger needs, if left out.

    Errors are those of `evaluate`.
    """
    if network is None or not other.has_crossbars:
        return evaluate(design, network, chips=chips), evaluate(other)
    shape = load_network(network)
    if chips is None:
        chips = max(map_network(each, shape)[1] for each in (design, other))
    return evaluate(design, shape, chips=chips), evaluate(other, shape, chips=chips)


def compared_values(found: Evaluation) -> dict[str, float]:
    """What two designs are compared by, of one of them, by the names in JSON; what it does not give is left out."""
    names = ["power_w", "area_mm2", "peak_tops", "effective_tops", "gops_per_watt", "gops_per_mm2"]
    of_network = [
        "frames_per_second",
        "latency_s",
        "energy_per_frame_j",
        "effective_gops_per_watt",
        "effective_gops_per_mm2",
    ]
    values = {name: getattr(found, name) for name in names}
    if found.result is not None:
        values |= {name: getattr(found.result, name) for name in of_network}
    return {name: value for name, value in values.items() if value is not None}


def compare(one: Evaluation, other: Evaluation) -> dict[str, float]:
    """Ratios of what both give, one over the other, by their names in JSON; what one does not give is left out."""
    values, others = compared_values(one), compared_values(other)
    return {name: value / others[name] for name, value in values.items() if others.get(name)}


def workload_differences(one: Evaluation, other: Evaluation) -> dict[str, tuple[float, float]]:
    """Return what differs in the work of two designs, which the ratios between them include.

    Returns
    -------
    dict
        Pairs of one and the other by ``weight_bits``, ``input_bits`` and, with a network on both, ``pruning``, the
        weights over those that pruning leaves; what is the same, or not known of one, is left out.
    """
    first, second = _workload(one), _workload(other)
    return {name: (first[name], second[name]) for name in first if name in second and first[name] != second[name]}


def _workload(found: Evaluation) -> dict[str, float]:
    values: dict[str, float] = {}
    if (encoding := found.design.encoding) is not None:
        values = {"weight_bits": encoding.weight_bits.value, "input_bits": encoding.input_bits.value}
    if found.result is not None:
        left = sum(layer.weights / layer.pruning for layer in found.result.layers)
        values["pruning"] = found.result.weights / left
    return values


def _ratio(tops: float | None, other: float | None) -> float | None:
    return None if tops is None or not other else 1e3 * tops / other


class _Cycles:
    """Shares of fragments by their cycles, measured ones or those of a design."""

    def __init__(self, design: Design, measured: Any) -> None:
        self._design = design
        own = design.skipping_shares()
        if measured is not None and own is None:
            raise InputError(f"input_cycles: {design.name} does not skip zeros")
        self._all = None if isinstance(measured, Mapping) else self._checked(measured, "input_cycles")
        by_layer = measured if isinstance(measured, Mapping) else {}
        self._by_layer = {name: self._checked(shares, f"input_cycles of {name}") for name, shares in by_layer.items()}

    def check_names(self, names: set[str]) -> None:
        """Raise `InputError` unless each layer with measured cycles is one of the names."""
        unknown = sorted(set(self._by_layer) - names)
        if unknown:
            raise InputError(f"input_cycles: the network has no layer {unknown[0]!r}")

    def shares(self, layer: str) -> FloatArray | None:
        """Shares (cycles,) of a layer."""
        return self._by_layer.get(layer, self._all)

    def _checked(self, shares: Any, name: str) -> FloatArray | None:
        if shares is None:
            return None
        try:
            values = np.asarray(shares, dtype=float)
        except (TypeError, ValueError):
            raise InputError(f"{name}: must be shares, an array of numbers") from None
        wrong = wrong_shares(values, self._design.bits_in_turn)
        if wrong:
            raise InputError(f"{name}: {wrong}")
        return values


def _on(found: Evaluation, network: NetworkShape, chips: int | None, cycles: _Cycles, seed: int) -> NetworkResult:
    design = found.design
    cycles.check_names({layer.name for layer in network.layers})
    layers, chips = map_network(design, network, chips)
    cycle = None if design.times.cycle is None else design.times.cycle.value
    scheme = design.crossbars
    vectors = [
        cycles_per_vector(design, layer.fragments, layer.blocks, cycles.shares(layer.shape.name)) for layer in layers
    ]
    counts = [
        slowest_copy(vector, layer.vectors, layer.copies, seed) for layer, vector in zip(layers, vectors, strict=True)
    ]
    by_bus, by_links = bus_times(design, layers), link_times(design, layers)
    read = sum(
        layer.shape.positions * layer.crossbars * vector.read for layer, vector in zip(layers, vectors, strict=True)
    )
    crossbars = sum(layer.crossbars * layer.copies for layer in layers)
    slowest = int(np.argmax(counts))
    limits: dict[str, list[float]] = {}
    if cycle is not None:
        limits = {"crossbars": [cycle * count for count in counts], "tile bus": by_bus, "links": by_links}
    limited_by = max(limits, key=lambda name: max(limits[name]), default=None)
    times = [] if limited_by is None else limits[limited_by]
    frame_time = max(times, default=None)
    limiting = int(np.argmax(times)) if times else slowest
    frames = None if not frame_time else 1.0 / frame_time
    energy = None if frames is None or cycle is None else _energy(found, read * cycle, chips / frames)
    whole = None if energy is None else sum(energy.values())
    rate = None if frames is None else 2e-9 * network.products * frames
    available = chips * design.parts.crossbars
    fewest = layers[slowest].vectors * vectors[slowest].read
    return NetworkResult(
        network=network.name,
        weights=network.weights,
        products=network.products,
        chips=chips,
        crossbars=crossbars,
        crossbars_used=crossbars / available,
        frames_per_second=frames,
        most_frames_per_second=None if frames is None or cycle is None else available / (read * cycle),
        latency_s=None if cycle is None else _latency(design, layers, counts) * cycle,
        effective_gops=rate,
        effective_gops_per_watt=None if whole is None else 2e-9 * network.products / whole,
        effective_gops_per_mm2=None if rate is None or not found.area_mm2 else rate / (chips * found.area_mm2),
        energy_per_frame_j=whole,
        average_power_w=None if whole is None or frames is None else whole * frames,
        limiting_layer=layers[limiting].shape.name,
        limited_by=limited_by,
        imbalance=counts[slowest] / fewest if fewest else None,
        energy_by_component_j=energy,
        layers=tuple(
            LayerResult(
                name=layer.shape.name,
                weights=layer.shape.weights,
                products=layer.shape.products,
                pruning=layer.pruning,
                crossbars=layer.crossbars,
                copies=layer.copies,
                cells_used=layer.cells / (layer.crossbars * scheme.rows * scheme.columns),
                cycles_per_vector=vector.mean,
                time_s=None if cycle is None else count * cycle,
                bus_time_s=bus,
                link_time_s=links,
                busy=None if cycle is None or not frame_time else count * cycle / frame_time,
            )
            for layer, vector, count, bus, links in zip(layers, vectors, counts, by_bus, by_links, strict=True)
        ),
    )


def _energy(found: Evaluation, read: float, chip_time: float) -> dict[str, float] | None:
    """Energy of a frame by component (J).

    What is active while crossbars are read takes its power in proportion to the crossbars that are: `read` is the sum
    of their times (s). What is always active takes it for the frame's time on all chips, `chip_time` (s).
    """
    if found.power_w is None:
        return None
    share = read / found.design.parts.crossbars
    energy: dict[str, float] = {}
    for part in found.components:
        if part.power_w is not None:
            name = f"{part.level}: {part.name}"
            energy[name] = part.power_w * (chip_time if part.active == "always" else share)
    return energy


def _latency(design: Design, layers: list[MappedLayer], counts: list[float]) -> float:
    """Cycles from the first input of a frame to its last output, layers in a chain.

    A layer starts when the share of the layer before that it waits for is ready, and ends neither before it has read
    all its vectors nor before the layer before has ended.
    """
    stages = 0 if design.times.pipeline_stages is None else design.times.pipeline_stages.value
    start, end = 0.0, counts[0] + stages
    for (_, count), (layer, own) in itertools.pairwise(zip(layers, counts, strict=True)):
        start += layer.shape.wait * count + stages
        end = max(start + own, end + own / layer.vectors) + stages
    return end
