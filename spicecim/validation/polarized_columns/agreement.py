"""Trained layers in ngspice, against the reference engine and integers: codes, currents behind wires, faulty cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.base import IntArray
from spicecim.encodings.bit_sliced import BitSliced, Layer
from spicecim.validation.claims import Claim, Measurement
from spicecim.validation.polarized_columns.crossbars import ENCODINGS, TITLES, SpiceRun, run_in_ngspice
from spicecim.validation.polarized_columns.extent import FRAGMENT, Extent
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.robustness import STATES
from spicecim.validation.polarized_columns.sources import HERE

DEVICES: tuple[dict[str, Any], ...] = ({"model": "resistor"}, {"model": "yakopcic", "preset": "oblea"})

_OHMS = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}
_FAULTS = {"sigma": 0.1, "stuck_low": 0.01, "stuck_high": 0.01, "seed": 1}
_CURRENT_TOLERANCE = 1e-5

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


def compare_codes(run: SpiceRun, layer: Layer) -> Codes:
    """Compare the codes of a run in ngspice with the reference engine's and with integers."""
    encoded = run.encoded
    pairs = zip(encoded.codes(run.waveforms), layer.codes(encoded.inputs), encoded.exact_sums(), strict=True)
    codes = off_reference = off_integers = 0
    for spice, core, exact in pairs:
        codes += spice.size
        off_reference += int(np.count_nonzero(spice != core))
        off_integers += int(np.count_nonzero(spice != exact))
    margin = max(
        float(np.abs(sums - exact).max())
        for sums, exact in zip(encoded.sums(run.waveforms), encoded.exact_sums(), strict=True)
    )
    fragments = sum(tile.signs.size for tile in encoded.tiles) * len(encoded.inputs)
    off_products = int(np.count_nonzero(encoded.decode(run.waveforms) != encoded.exact))
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
) -> tuple[Claim, dict[tuple[str, int], SpiceRun]]:
    """Read all layers of each encoding's network in ngspice, and adversarial fragments.

    Returns
    -------
    tuple
        The claim about codes, and the runs by encoding and layer.
    """
    runs: dict[tuple[str, int], SpiceRun] = {}
    measurements: list[Measurement] = []
    wrong, most = 0, 0.0
    for number, name in enumerate(ENCODINGS):
        network = trained.networks[name, FRAGMENT]
        scheme = ENCODINGS[name](rows=extent.crossbar_rows)
        activations = network.inputs(trained.digits.test_images[: extent.images])
        found = []
        for layer, (weights, inputs) in enumerate(zip(network.weights, activations, strict=True)):
            run = runs[name, layer] = run_in_ngspice(scheme, weights, random_vectors(inputs, extent.vectors))
            found.append(compare_codes(run, Layer(scheme, weights)))
            progress((number + (layer + 1) / (len(activations) + 1)) / len(ENCODINGS))
        trained_layers = _total(found)
        found = []
        for device in DEVICES:
            extreme = ENCODINGS[name](device=device, rows=FRAGMENT)
            weights, inputs = adversarial_fragments(extreme)
            found.append(compare_codes(run_in_ngspice(extreme, weights, inputs), Layer(extreme, weights)))
        adversarial = _total(found)
        for title, codes in (("fragments of trained layers", trained_layers), ("adversarial fragments", adversarial)):
            measurements += [
                Measurement(f"{TITLES[name]}: {title} read", ngspice=codes.fragments),
                Measurement(f"{TITLES[name]}: codes of {title}", ngspice=codes.codes),
                Measurement(
                    f"{TITLES[name]}: codes of {title} unlike the reference engine's", ngspice=codes.off_reference
                ),
                Measurement(f"{TITLES[name]}: codes of {title} that are not the integers", ngspice=codes.off_integers),
                Measurement(
                    f"{TITLES[name]}: products of {title} that are not the integers", ngspice=codes.off_products
                ),
            ]
            wrong += codes.off_reference + codes.off_integers + codes.off_products
            most = max(most, codes.margin)
    claim = Claim(
        "With ideal wires every code is that of the integer sum of levels, in ngspice and in the reference engine",
        HERE,
        f"all fragments of {FRAGMENT} rows of all trained layers, ohmic cells on crossbars of "
        f"{extent.crossbar_rows} rows, {extent.vectors} random test "
        f"activations a layer; and weights and inputs that are zero, full scale, alternating or a single one, each "
        "against each, with ohmic cells and with yakopcic's (Oblea)",
        tuple(measurements),
        "holds" if wrong == 0 else "does not hold",
        f"no column current is further than {most:.1e} levels from a whole number, and a threshold is half a level away"
        if wrong == 0
        else f"{wrong} codes or products differ",
    )
    return claim, runs


def wires_claim(trained: Trained, extent: Extent, progress: Callable[[float], None]) -> Claim:
    """Compare column currents of both engines behind wires, and with scattered and stuck cells."""
    measurements, largest, effect = [], 0.0, 0.0
    cases = [(name, device) for name in ENCODINGS for device in DEVICES]
    for number, (name, device) in enumerate(cases):
        for faults, title in ((False, "wires"), (True, "wires, scattered and stuck cells")):
            settings: dict[str, Any] = {"scatter": _FAULTS, "states": STATES} if faults else {}
            scheme = ENCODINGS[name](device=device, wires=_OHMS, **settings)
            weights, inputs = _part_of_layer(trained, extent, name)
            run, layer = run_in_ngspice(scheme, weights, inputs), Layer(scheme, weights)
            error = _difference(run.encoded.sums(run.waveforms), layer.sums(inputs)) / scheme.largest_sum
            measurements.append(
                Measurement(f"{TITLES[name]}, {device['model']}, {title}: largest difference / full scale", "", error)
            )
            largest = max(largest, error)
            if not faults:
                effect = max(effect, _difference(layer.sums(inputs), run.encoded.exact_sums()) / scheme.largest_sum)
        progress((number + 1) / len(cases))
    lines, outputs = extent.wired_part
    return Claim(
        "With wires the column currents of both engines agree to 1e-5 of full scale",
        HERE,
        f"{lines} input lines and {outputs} outputs of a trained layer, 2 and 3 ohm per segment of row and column, 100 "
        "ohm sources, 50 ohm sense nodes; faults: log-normal scatter of 0.1, 1 % of the cells stuck at either end",
        tuple(measurements),
        "holds" if largest <= _CURRENT_TOLERANCE else "does not hold",
        f"at most {largest:.1e}, where wires alone change a current by up to {effect:.1e} of full scale",
    )


def _part_of_layer(trained: Trained, extent: Extent, name: str) -> tuple[IntArray, IntArray]:
    network = trained.networks[name, FRAGMENT]
    largest = int(np.argmax([weights.size for weights in network.weights]))
    lines, outputs = extent.wired_part
    inputs = network.inputs(trained.digits.test_images[: extent.images])[largest][:, :lines]
    return network.weights[largest][:lines, :outputs], random_vectors(inputs, 1)


def _difference(one: Iterable[ArrayLike], other: Iterable[ArrayLike]) -> float:
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in zip(one, other, strict=True))


def _total(parts: list[Codes]) -> Codes:
    fragments, codes, core, integers, products, margins = zip(*parts, strict=True)
    return Codes(sum(fragments), sum(codes), sum(core), sum(integers), sum(products), max(margins))
