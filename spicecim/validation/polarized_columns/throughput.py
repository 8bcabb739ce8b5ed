"""The reference engine against plain loops: a 128 x 128 crossbar, 16-bit inputs, 1000 vectors, bit-exact."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from spicecim.encodings.bit_sliced import Polarized
from spicecim.encodings.bit_sliced.tiles import Tile
from spicecim.encodings.integers import IntArray
from spicecim.validation.claims import Measured

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
    """Return the least processor time (s) of some runs, and the result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        times.append(time.process_time() - start)
    return min(times), result


def full_crossbar() -> tuple[IntArray, IntArray]:
    """Return polarized weights (128, 32), which fill a crossbar, and inputs (1000, 128) of 16 bits."""
    rng = np.random.default_rng(1)
    inputs = rng.integers(0, 2**16, (VECTORS, 128))
    signs = np.repeat(rng.choice([-1, 1], (16, 32)), 8, axis=0)
    return signs * rng.integers(0, 256, (128, 32)), inputs


class Throughput(NamedTuple):
    """What the reference engine and the loops make of a full crossbar."""

    wrong: Measured
    """Products that are not those of integers."""
    faster: Measured
    """Times of the loops over that of the reference engine."""
    seconds: Measured
    """Time of the reference engine."""


def measure_throughput() -> Throughput:
    """Time the reference engine and the loops, one after the other."""
    weights, inputs = full_crossbar()
    ideal = Polarized(input_bits=16)
    layer = ideal.program(weights)
    (tile,) = layer.tiles
    core, readout = shortest(lambda: layer.multiply(inputs))
    loop, products = shortest(lambda: by_bit_and_fragment(ideal, tile, inputs))
    part, few = shortest(lambda: by_vector(ideal, tile, inputs[:LOOPED_VECTORS]), 1)
    exact = inputs @ weights
    by_bits, by_vectors = "loop over bits and fragments", "loop over vectors, bits and fragments"
    wrong: Measured = {
        title: int(np.count_nonzero(found != wanted))
        for title, found, wanted in (
            ("reference engine", readout.products, exact),
            (by_bits, products, exact),
            (by_vectors, few, exact[:LOOPED_VECTORS]),
        )
    }
    faster: Measured = {by_bits: loop / core, by_vectors: part * VECTORS / LOOPED_VECTORS / core}
    return Throughput(wrong, faster, {"matrix products of a layer (s)": core})
