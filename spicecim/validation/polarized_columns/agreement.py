"""Trained layers in ngspice, against the reference engine and integers: codes, currents behind wires, faulty cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.bit_sliced import BitSliced
from spicecim.encodings.integers import IntArray
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.crossbars import SpiceRun, run_in_ngspice
from spicecim.validation.polarized_columns.extent import FRAGMENT, Extent
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.robustness import STATES
from spicecim.validation.polarized_columns.schemes import ENCODINGS, TITLES

DEVICES: tuple[dict[str, Any], ...] = ({"model": "resistor"}, {"model": "yakopcic", "preset": "oblea"})

_OHMS = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}
_FAULTS = {"sigma": 0.1, "stuck_low": 0.01, "stuck_high": 0.01, "seed": 1}

_PATTERNS = np.array(
    [
        [0] * FRAGMENT,
        [1] * FRAGMENT,
        [-1] * FRAGMENT,
        [1, 0] * (FRAGMENT // 2),
        [0, -1] * (FRAGMENT // 2),
        [0] * (FRAGMENT - 1) + [1],
        [-1] + [0] * (FRAGMENT - 1),
    ]
).T
"""Weights (row, output) in units of the largest: all zero, all full scale, alternating, a single one."""


class Codes(NamedTuple):
    """Codes of one encoding in ngspice."""

    fragments: int
    """Fragments read, each with one input vector."""
    codes: int
    """Codes compared."""
    off_reference: int
    """Codes that differ from the reference engine's."""
    off_integers: int
    """Codes that differ from the integer sum of levels."""
    off_products: int
    """Products that differ from the integer product."""
    margin: float
    """Largest distance of a column's current from the whole number of levels that it stands for (levels)."""


def compare_codes(run: SpiceRun) -> Codes:
    """Compare the codes of a run in ngspice with the reference engine's and with integers."""
    programmed, inputs, waveforms = run
    exact_sums = programmed.exact_sums(inputs)
    pairs = zip(programmed.codes(inputs, waveforms), programmed.codes(inputs), exact_sums, strict=True)
    codes = off_reference = off_integers = 0
    for spice, core, exact in pairs:
        codes += spice.size
        off_reference += int(np.count_nonzero(spice != core))
        off_integers += int(np.count_nonzero(spice != exact))
    margin = max(
        float(np.abs(sums - exact).max())
        for sums, exact in zip(programmed.sums(inputs, waveforms), exact_sums, strict=True)
    )
    fragments = sum(tile.signs.size for tile in programmed.tiles) * len(inputs)
    off_products = int(np.count_nonzero(programmed.decode(waveforms, inputs) != programmed.exact(inputs)))
    return Codes(fragments, codes, off_reference, off_integers, off_products, margin)


def adversarial_fragments(scheme: BitSliced) -> tuple[IntArray, IntArray]:
    """Return weights (row, output) and inputs (vector, row) at the ends of what a scheme holds."""
    lowest, highest = scheme.weight_range
    weights = np.select([_PATTERNS > 0, _PATTERNS < 0], [highest, lowest])
    weights[:, -2:] = _PATTERNS[:, -2:]
    full, half = 2**scheme.input_bits - 1, FRAGMENT // 2
    stripes = full // 3
    inputs = [
        [0] * FRAGMENT, [full] * FRAGMENT, [full, 0] * half, [0, stripes] * half, [2 * stripes, stripes] * half,
        [0] * (FRAGMENT - 1) + [1], [full // 2 + 1] + [0] * (FRAGMENT - 1),
    ]  # fmt: skip
    return weights, np.array(inputs)


def random_vectors(inputs: IntArray, count: int) -> IntArray:
    """Draw vectors that are not all zero."""
    rng = np.random.default_rng(0)
    return np.asarray(inputs[rng.choice(np.flatnonzero(inputs.any(axis=1)), count, replace=False)])


def read_layers(
    trained: Trained, extent: Extent, progress: Callable[[float], None]
) -> tuple[tuple[Measured, Measured], dict[tuple[str, int], SpiceRun]]:
    """Read all layers of each encoding's network in ngspice, and adversarial fragments.

    Returns
    -------
    tuple
        What was measured of the codes, and the runs by encoding and layer.
    """
    runs: dict[tuple[str, int], SpiceRun] = {}
    measured: Measured = {}
    details: Measured = {}
    for number, name in enumerate(ENCODINGS):
        scheme = ENCODINGS[name](rows=extent.crossbar_rows)
        layers, found = trained.layers(name, FRAGMENT, extent.images), []
        for layer, (weights, inputs) in enumerate(layers):
            run = runs[name, layer] = run_in_ngspice(scheme, weights, random_vectors(inputs, extent.vectors))
            found.append(compare_codes(run))
            progress((number + (layer + 1) / (len(layers) + 1)) / len(ENCODINGS))
        trained_layers = _total(found)
        found = []
        for device in DEVICES:
            extreme = ENCODINGS[name](device=device, rows=FRAGMENT)
            weights, inputs = adversarial_fragments(extreme)
            found.append(compare_codes(run_in_ngspice(extreme, weights, inputs)))
        for kind, codes in (("trained layers", trained_layers), ("adversarial fragments", _total(found))):
            title = f"{TITLES[name]}, {kind}"
            measured[title] = codes.off_reference + codes.off_integers + codes.off_products
            details |= {
                f"{title}: fragments read": codes.fragments,
                f"{title}: codes": codes.codes,
                f"{title}: codes unlike the reference engine's": codes.off_reference,
                f"{title}: codes that are not the integers": codes.off_integers,
                f"{title}: products that are not the integers": codes.off_products,
                f"{title}: largest distance of a current from a whole number of levels": codes.margin,
            }
    return (measured, details), runs


def wired_currents(trained: Trained, extent: Extent, progress: Callable[[float], None]) -> tuple[Measured, Measured]:
    """Compare column currents of both engines behind wires, and with scattered and stuck cells."""
    measured: Measured = {}
    details: Measured = {}
    cases = [(name, device) for name in ENCODINGS for device in DEVICES]
    for number, (name, device) in enumerate(cases):
        for faults, title in ((False, "wires"), (True, "wires and faults")):
            settings: dict[str, Any] = {"scatter": _FAULTS, "states": STATES} if faults else {}
            scheme = ENCODINGS[name](device=device, wires=_OHMS, **settings)
            weights, inputs = _part_of_layer(trained, extent, name)
            run = run_in_ngspice(scheme, weights, inputs)
            core = run.programmed.sums(inputs)
            case = f"{TITLES[name]}, {device['model']}"
            error = _difference(run.programmed.sums(inputs, run.waveforms), core) / scheme.largest_sum
            measured[f"{case}, {title}"] = error
            if not faults:
                effect = _difference(core, run.programmed.exact_sums(inputs)) / scheme.largest_sum
                details[f"{case}: what wires alone change, of full scale"] = effect
        progress((number + 1) / len(cases))
    return measured, details


def _part_of_layer(trained: Trained, extent: Extent, name: str) -> tuple[IntArray, IntArray]:
    weights, inputs = max(trained.layers(name, FRAGMENT, extent.images), key=lambda layer: layer.weights.size)
    lines, outputs = extent.wired_part
    return weights[:lines, :outputs], random_vectors(inputs[:, :lines], 1)


def _difference(one: Iterable[ArrayLike], other: Iterable[ArrayLike]) -> float:
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in zip(one, other, strict=True))


def _total(parts: list[Codes]) -> Codes:
    fragments, codes, core, integers, products, margins = zip(*parts, strict=True)
    return Codes(sum(fragments), sum(codes), sum(core), sum(integers), sum(products), max(margins))
