"""A 128 x 128 crossbar, 16-bit inputs, 1000 vectors, bit-exact in the core: time, and against plain loops.

Every ratio is of two times taken in this run, on this machine. Prints a table in Markdown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spicecim.encodings.base import IntArray
from spicecim.encodings.bit_sliced import Layer, Polarized
from spicecim.encodings.bit_sliced.tiles import Tile

VECTORS = 1000
LOOPED_VECTORS = 50
"""Vectors that the loop over vectors is timed with; the rest is in proportion."""


def by_bit_and_fragment(encoding: Polarized, tile: Tile, inputs: IntArray) -> IntArray:
    """Products (vector, output) by a loop over bits and fragments, all vectors at once."""
    products = np.zeros((len(inputs), tile.signs.shape[1]), dtype=int)
    slices = (1 << encoding.cell_bits) ** np.arange(encoding.slices)
    for bit in range(encoding.input_bits):
        ones = (inputs >> bit) & 1
        for fragment, signs in enumerate(tile.signs):
            rows = slice(fragment * encoding.fragment_rows, (fragment + 1) * encoding.fragment_rows)
            codes = ones[:, rows] @ tile.levels[rows]
            products += ((codes.reshape(len(inputs), -1, encoding.slices) @ slices) * signs) << bit
    return products


def by_vector(encoding: Polarized, tile: Tile, inputs: IntArray) -> IntArray:
    """Products (vector, output) by a loop over vectors, bits and fragments."""
    return np.concatenate([by_bit_and_fragment(encoding, tile, vector[None]) for vector in inputs])


def shortest(run: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the least time (s) of some runs, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(1)
    inputs = rng.integers(0, 2**16, (VECTORS, 128))
    signs = np.repeat(rng.choice([-1, 1], (16, 32)), 8, axis=0)
    weights = signs * rng.integers(0, 256, (128, 32))
    ideal = Polarized(input_bits=16)
    layer = Layer(ideal, weights)
    (tile,) = layer.tiles
    core, readout = shortest(lambda: layer.multiply(inputs))
    loop, products = shortest(lambda: by_bit_and_fragment(ideal, tile, inputs))
    part, few = shortest(lambda: by_vector(ideal, tile, inputs[:LOOPED_VECTORS]))
    exact = inputs @ weights
    for found, wanted in ((readout.products, exact), (products, exact), (few, exact[:LOOPED_VECTORS])):
        if not np.array_equal(found, wanted):
            raise SystemExit("a product is not that of integers")
    vectors = part * VECTORS / LOOPED_VECTORS
    print("| 128 x 128 cells, 16-bit inputs, 1000 vectors | s | times the core |\n| --- | --- | --- |")
    print(f"| core, bit-exact | {core:.3f} | 1 |")
    print(f"| loop over bits and fragments | {loop:.3f} | {loop / core:.1f} |")
    print(f"| loop over vectors, bits and fragments | {vectors:.2f} | {vectors / core:.0f} |")
    wires = {"wire_row": 1.0, "wire_column": 1.0}
    for name, settings in (
        ("4-bit converters", {"converter": {"bits": 4}}),
        ("log-normal scatter", {"states": {"low": 0.1, "high": 0.5}, "scatter": {"sigma": 0.1}}),
        ("1 ohm a segment", {"wires": wires}),
    ):
        scheme = Polarized(input_bits=16, **settings)
        program, layer = shortest(lambda scheme=scheme: Layer(scheme, weights), 2)  # type: ignore[misc]
        multiply, _ = shortest(lambda layer=layer: layer.multiply(inputs), 2)  # type: ignore[misc]
        print(f"| {name}, programming {program:.3f} s besides | {multiply:.3f} | {multiply / core:.1f} |")


if __name__ == "__main__":
    main()
