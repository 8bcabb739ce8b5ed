"""Weights of a layer as a matrix, and the fragments of its columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicecim.encodings.layout import fragments, mixed_fragments, roll, row_order, sum_fragments, unroll
from spicecim.errors import InputError

SHAPE = (4, 3, 2, 5)
POLICIES = ("channel", "height", "width")


@pytest.mark.parametrize(("policy", "axis"), [("channel", 0), ("height", 1), ("width", 2)])
def test_the_named_index_changes_fastest_along_the_rows(policy, axis):
    channel_height_width = np.unravel_index(row_order(SHAPE, policy), SHAPE[1:])
    run = SHAPE[1 + axis]
    for number, index in enumerate(channel_height_width):
        first = index[:run]
        np.testing.assert_array_equal(first, np.arange(run) if number == axis else 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_are_where_they_should_be(policy, rng):
    weights = rng.normal(size=SHAPE)
    matrix = unroll(weights, policy)
    for row, line in enumerate(row_order(SHAPE, policy)):
        np.testing.assert_array_equal(matrix[row], weights[(slice(None), *np.unravel_index(line, SHAPE[1:]))])


@given(
    shape=st.one_of(st.tuples(*[st.integers(1, 5)] * 2), st.tuples(*[st.integers(1, 4)] * 4)),
    policy=st.sampled_from(POLICIES),
)
def test_roll_is_the_inverse_of_unroll(shape, policy):
    weights = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(roll(unroll(weights, policy), shape, policy), weights)


@given(rows=st.integers(1, 70), size=st.one_of(st.none(), st.integers(1, 80)))
def test_fragments_cut_the_column_into_pieces_of_their_size(rows, size):
    sizes = np.bincount(fragments(rows, size))
    length = size or rows
    assert sizes[:-1].tolist() == [length] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= length
    assert sizes.sum() == rows


def test_sums_over_fragments(rng):
    values = rng.normal(size=(2, 11, 3))
    expected = [values[:, start : start + 4].sum(axis=1) for start in (0, 4, 8)]
    np.testing.assert_allclose(sum_fragments(values, 4), np.stack(expected, axis=1), rtol=1e-13)


def test_mixed_fragments():
    matrix = [[1, -1, 0], [2, 0, 0], [0, -1, -3], [5, 1, 0], [-1, 2, 0]]
    assert mixed_fragments(matrix, 2).tolist() == [[False, False, False], [False, True, False], [False, False, False]]
    assert mixed_fragments(matrix, None).tolist() == [[True, True, False]]


@pytest.mark.parametrize("size", [0, -4, 2.0, True])
def test_what_is_no_fragment_size_is_told(size):
    with pytest.raises(InputError, match="fragment_size: must be an integer of at least 1"):
        fragments(8, size)


def test_what_is_no_layer_is_told():
    with pytest.raises(InputError, match=r"policy: must be one of channel, height, width \(given: 'depth'\)"):
        unroll(np.ones(SHAPE), "depth")
    with pytest.raises(InputError, match=r"weights: must have the shape .* \(given: \(2, 3, 4\)\)"):
        unroll(np.ones((2, 3, 4)))
    with pytest.raises(InputError, match=r"matrix: must have the shape \(30, 4\) .* not \(4, 30\)"):
        roll(np.ones((4, 30)), SHAPE)
