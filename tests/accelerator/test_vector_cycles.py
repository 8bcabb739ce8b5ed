"""Cycles of vectors that skip zeros, against draws of inputs and a loop over them."""

import numpy as np
import pytest

from spicecim.accelerator.cycles import ExponentialInputs, fixed_cycles, slowest_copy, vector_cycles
from spicecim.encodings.bit_sliced import input_cycles


def drawn_inputs(rng, shape, inputs):
    values = np.where(rng.random(shape) < inputs.zeros, 0.0, rng.exponential(inputs.mean, shape) * 2**inputs.bits)
    return np.minimum(values, 2**inputs.bits - 1).astype(int)


def test_shares_of_fragments_are_those_of_drawn_inputs(rng):
    inputs = ExponentialInputs(0.4, 0.05, 12)
    drawn = input_cycles(drawn_inputs(rng, (20_000, 16), inputs), [1, 4, 16], 12)
    for rows in (1, 4, 16):
        measured = drawn["share"].sel(fragment=rows).values
        spread = np.sqrt(0.25 / (20_000 * 16 / rows))
        np.testing.assert_allclose(inputs.fragment_shares(rows), measured, atol=4 * spread)


@pytest.mark.parametrize(("fragments", "crossbars"), [(1, 1), (16, 1), (4, 3), (16, 36)])
def test_cycles_of_a_vector_are_those_of_a_loop(rng, fragments, crossbars):
    shares = ExponentialInputs(0.63, 0.08, 16).fragment_shares(8)
    found = vector_cycles(shares, fragments, crossbars)
    assert found.shares.sum() == pytest.approx(1.0, abs=1e-12)
    cycles = rng.choice(17, p=shares, size=(4000, crossbars, fragments)).sum(axis=2)
    slowest = cycles.max(axis=1)
    assert found.mean == pytest.approx(slowest.mean(), abs=4 * slowest.std() / np.sqrt(4000))
    assert found.read == pytest.approx(cycles.mean(), abs=4 * cycles.std() / np.sqrt(4000))
    assert found.mean >= found.read * (1 - 1e-12)


def test_equal_cycles_have_no_imbalance():
    shares = np.zeros(9)
    shares[8] = 1.0
    found = vector_cycles(shares, 16, 100)
    assert found.mean == pytest.approx(found.read) == pytest.approx(128)
    assert slowest_copy(fixed_cycles(128), 50, 1000, seed=1) == 6400


@pytest.mark.parametrize("vectors", [1, 10, 400])
def test_the_slowest_copy_is_as_slow_as_in_a_loop(rng, vectors):
    """Mean over seeds, drawn from the vector's own distribution in both."""
    vector = vector_cycles(np.array([0.2, 0.0, 0.5, 0.3]), 2, 2)
    copies = 30
    drawn = rng.choice(len(vector.shares), p=vector.shares, size=(400, copies, vectors)).sum(axis=2).max(axis=1)
    found = np.array([slowest_copy(vector, vectors, copies, seed) for seed in range(400)])
    spread = np.hypot(drawn.std(), found.std()) / 20
    assert found.mean() == pytest.approx(drawn.mean(), abs=4 * spread + 0.002 * drawn.mean())
    assert slowest_copy(vector, vectors, copies, 7) == slowest_copy(vector, vectors, copies, 7)
    assert slowest_copy(vector, vectors, 1, 7) == pytest.approx(vectors * vector.mean)
