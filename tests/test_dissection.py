"""Nested dissection against line after line, and where it is taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ohmic import static
from wirings import TOGETHER

from spicecim import limits
from spicecim.deadline import run_within
from spicecim.errors import TimeLimitError
from spicecim.reference.wires import dissection
from spicecim.reference.wires import network as network_module
from spicecim.reference.wires.dissection import DissectedFactors
from spicecim.reference.wires.ladder import LadderFactors, NotPositive, Wire
from spicecim.reference.wires.network import Network
from spicecim.testbench import Crossbar

SEGMENTS = st.floats(0.01, 1e4)


def wires():
    return st.builds(Wire, SEGMENTS, st.one_of(st.just(0.0), SEGMENTS))


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)), wires(), wires(), st.integers(1, 3), st.integers(0, 2**32 - 1)
)
def test_boxes_are_solved_as_lines_are(shape, rows, columns, count, seed):
    random = np.random.default_rng(seed)
    g = 10.0 ** random.uniform(-6, -2, shape) * random.integers(0, 2, shape)
    residual = random.uniform(-1, 1, (count, *shape))
    expected = LadderFactors(rows, columns, g).correction(residual)
    found = DissectedFactors(rows, columns, g).correction(residual)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_right_sides_are_solved_in_parts(rng, monkeypatch):
    g, residual = rng.uniform(0, 1e-3, (20, 18)), rng.uniform(-1, 1, (5, 20, 18))
    factors = DissectedFactors(Wire(1.0, 2.0), Wire(3.0, 0.0), g)
    expected = factors.correction(residual)
    monkeypatch.setattr(dissection, "_RIGHT_SIDES", 2 * g.size)
    np.testing.assert_allclose(factors.correction(residual), expected, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-3])
def test_a_conductance_that_is_none_has_no_factors(value):
    g = np.full((20, 20), 1e-3)
    g[3, 4] = value
    with pytest.raises(NotPositive):
        DissectedFactors(Wire(1.0, 0.0), Wire(1.0, 0.0), g)


def test_a_large_array_is_taken_apart_in_boxes(rng, monkeypatch):
    """With running sums along its wires, and the same solution as a small one's."""
    g, v = rng.uniform(0, 1e-2, (30, 21)), rng.uniform(-1, 1, (4, 30))
    crossbar = Crossbar(state=np.zeros(g.shape), **TOGETHER)
    expected = static(g, v, **TOGETHER)
    monkeypatch.setattr(network_module, "_DENSE", 0)
    monkeypatch.setattr(network_module, "_SUMMED", 8)
    assert isinstance(Network(crossbar, g.shape).factorize(0.0, g), DissectedFactors)
    for found, known in zip(static(g, v, **TOGETHER), expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12 * np.abs(known).max())


def test_a_time_limit_ends_it():
    with run_within(1e-9), pytest.raises(TimeLimitError, match="time_limit"):
        DissectedFactors(Wire(1.0, 0.0), Wire(1.0, 0.0), np.full((20, 20), 1e-3))


def test_the_numbers_of_nodes_have_room_for_the_largest_crossbar():
    assert dissection._STRIDE > limits.CELLS
