"""A 128 x 128 crossbar, 16-bit inputs, 1000 vectors, bit-exact in the reference engine: time, and against plain loops.

Every ratio is of two times taken in this run, on this machine. Prints a table in Markdown.
"""

from __future__ import annotations

import numpy as np

from spicecim.encodings.bit_sliced import Polarized
from spicecim.validation.polarized_columns.throughput import (
    LOOPED_VECTORS,
    VECTORS,
    by_bit_and_fragment,
    by_vector,
    full_crossbar,
    shortest,
)


def main() -> None:
    """Print the table."""
    weights, inputs = full_crossbar()
    ideal = Polarized(input_bits=16)
    layer = ideal.program(weights)
    (tile,) = layer.tiles
    ours, readout = shortest(lambda: layer.multiply(inputs))
    loop, products = shortest(lambda: by_bit_and_fragment(ideal, tile, inputs))
    part, few = shortest(lambda: by_vector(ideal, tile, inputs[:LOOPED_VECTORS]))
    exact = inputs @ weights
    for found, wanted in ((readout.products, exact), (products, exact), (few, exact[:LOOPED_VECTORS])):
        if not np.array_equal(found, wanted):
            raise SystemExit("a product is not that of integers")
    vectors = part * VECTORS / LOOPED_VECTORS
    print("| 128 x 128 cells, 16-bit inputs, 1000 vectors | s | times the matrix products |\n| --- | --- | --- |")
    print(f"| matrix products, bit-exact | {ours:.3f} | 1 |")
    print(f"| loop over bits and fragments | {loop:.3f} | {loop / ours:.1f} |")
    print(f"| loop over vectors, bits and fragments | {vectors:.2f} | {vectors / ours:.0f} |")
    wires = {"wire_row": 1.0, "wire_column": 1.0}
    for name, settings in (
        ("4-bit converters", {"converter": {"bits": 4}}),
        ("log-normal scatter", {"states": {"low": 0.1, "high": 0.5}, "scatter": {"sigma": 0.1}}),
        ("1 ohm per segment", {"wires": wires}),
    ):
        scheme = Polarized(input_bits=16, **settings)
        program, layer = shortest(lambda scheme=scheme: scheme.program(weights), 2)  # type: ignore[misc]
        multiply, _ = shortest(lambda layer=layer: layer.multiply(inputs), 2)  # type: ignore[misc]
        print(f"| {name}, programming {program:.3f} s besides | {multiply:.3f} | {multiply / ours:.1f} |")


if __name__ == "__main__":
    main()
