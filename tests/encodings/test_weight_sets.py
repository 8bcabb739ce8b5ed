"""Projections against the best of all matrices of a small set, tried one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spicecim.encodings import weight_scales
from spicecim.encodings.weight_scales import best_scale
from spicecim.encodings.weight_sets import Compacted, OneMagnitude, Violations, WeightSet, left_whole
from spicecim.errors import InputError

NUMBERS = st.floats(-4, 4).map(lambda value: round(value, 3))
SIZES = st.sampled_from([1, 2, 3, None])


def matrices(rows, columns):
    return st.tuples(rows, columns).flatmap(lambda shape: arrays(float, shape, elements=NUMBERS))


def distance(one, other):
    return float(((one - other) ** 2).sum())


def pieces(rows, columns, size):
    """All fragments, as a slice of rows and a column."""
    size = size or rows
    return [(slice(start, start + size), column) for column in range(columns) for start in range(0, rows, size)]


def nearest_by_trial(weights, target):
    """Squared distance of the nearest matrix: all signs and all structures tried, and each weight on each level."""
    values = None if target.levels is None else np.arange(target.levels + 1) * target.scale
    signs = [(1,), (-1,)] if target.polarized else [(1, -1)]

    def one_weight(weight, allowed):
        if values is None:
            return 0.0 if weight == 0 or np.sign(weight) in allowed else weight**2
        return min((weight - sign * value) ** 2 for sign in allowed for value in values)

    cells = pieces(*weights.shape, target.fragment_size)
    held = [min(sum(one_weight(weight, allowed) for weight in weights[cell]) for allowed in signs) for cell in cells]
    zero = [float((weights[cell] ** 2).sum()) for cell in cells]
    group = [column if target.keep_columns else number for number, (_, column) in enumerate(cells)]
    if target.keep_rows:  # each weight on its own, in the group of its row
        cells = list(np.ndindex(weights.shape))
        held = [one_weight(weights[cell], (1, -1)) for cell in cells]
        zero, group = [float(weights[cell] ** 2) for cell in cells], [row for row, _ in cells]
    groups = sorted(set(group))
    keep = min(target.keep_rows or target.keep_columns or target.keep_fragments or len(groups), len(groups))
    return min(
        sum(held[number] if group[number] in kept else zero[number] for number in range(len(cells)))
        for kept in itertools.combinations(groups, keep)
    )


@settings(max_examples=200, deadline=None)
@example(np.array([[1.0], [-1.0]]), 2, False, None, 1.0, "keep_fragments", 1)
@given(
    weights=matrices(st.integers(1, 5), st.integers(1, 3)),
    size=SIZES,
    polarized=st.booleans(),
    levels=st.sampled_from([None, 1, 2, 5]),
    scale=st.floats(0.1, 3),
    structure=st.sampled_from([None, "keep_rows", "keep_columns", "keep_fragments"]),
    keep=st.integers(1, 4),
)
def test_nothing_in_the_set_is_nearer(weights, size, polarized, levels, scale, structure, keep):
    polarized = polarized and structure != "keep_rows"
    target = WeightSet(
        fragment_size=size,
        polarized=polarized,
        levels=levels,
        scale=None if levels is None else scale,
        **({} if structure is None else {structure: keep}),
    )
    projected = target.project(weights)
    assert target.violations(projected) == Violations(0, 0, 0)
    assert distance(weights, projected) == pytest.approx(nearest_by_trial(weights, target), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(target.project(projected), projected, rtol=0, atol=1e-14)
    lower, upper = target.bounds(projected)
    assert ((lower <= projected) & (projected <= upper)).all()


@settings(max_examples=100, deadline=None)
@given(weights=matrices(st.integers(1, 4), st.integers(1, 2)), levels=st.sampled_from([1, 2, 3]), size=SIZES)
def test_no_integers_at_any_scale_are_nearer(weights, levels, size):
    """All integers, signs included, tried with the best scale of each."""
    if not weights.any():
        weights[0, 0] = 1.0
    scale = best_scale(weights, levels, size)
    target = WeightSet(fragment_size=size, polarized=True, levels=levels, scale=scale)
    columns = [
        np.array([q for q in itertools.product(range(-levels, levels + 1), repeat=len(weights)) if one_sign(q, size)])
        for _ in range(weights.shape[1])
    ]
    products = [q @ weights[:, column] for column, q in enumerate(columns)]
    squares = [(q**2).sum(axis=1) for q in columns]
    product, square = (values[0] if len(values) == 1 else np.add.outer(*values) for values in (products, squares))
    removed = (product**2 / np.maximum(square, 1)).max()
    assert distance(weights, target.project(weights)) == pytest.approx((weights**2).sum() - removed, abs=1e-11)


def one_sign(integers, size):
    parts = [np.array(integers)[rows] for rows, _ in pieces(len(integers), 1, size)]
    return all((part >= 0).all() or (part <= 0).all() for part in parts)


@pytest.mark.parametrize("size", [1, 8, None])
def test_best_scale_of_a_layer_beats_its_neighbors(size, rng):
    weights = rng.standard_t(3, size=(60, 12))
    scale = best_scale(weights, 255, size)

    def error(scale):
        return distance(weights, WeightSet(size, True, 255, scale).project(weights))

    assert error(scale) <= min(error(scale * factor) for factor in np.linspace(0.3, 2.0, 500))


def test_weights_on_levels_are_met_exactly(rng):
    integers = rng.integers(-127, 128, size=(40, 6))
    integers[0, 0] = 127
    np.testing.assert_allclose(best_scale(0.013 * integers, 127), 0.013, rtol=1e-12)


def test_polarizing_keeps_the_sign_that_costs_least():
    weights = np.array([[3.0, -1.0], [-2.0, -1.0], [-2.0, 1.5], [0.5, 0.0]])
    projected = WeightSet(fragment_size=None, polarized=True).project(weights)
    assert projected.tolist() == [[3.0, 0.0], [0.0, 0.0], [0.0, 1.5], [0.5, 0.0]]
    projected = WeightSet(fragment_size=2, polarized=True).project(weights)
    assert projected.tolist() == [[3.0, -1.0], [0.0, -1.0], [-2.0, 1.5], [0.0, 0.0]]


def test_violations_are_counted():
    weights = np.array([[1.0, -1.0, 0.0], [-1.0, 0.3, 0.0], [4.0, 0.0, 1.0]])
    target = WeightSet(fragment_size=2, polarized=True, levels=3, scale=1.0, keep_columns=1)
    assert target.violations(weights) == Violations(signs=2, levels=2, structure=2)
    target = WeightSet(fragment_size=2, keep_fragments=3)
    assert target.violations(weights) == Violations(signs=0, levels=0, structure=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fragment_size": 0}, "fragment_size: must be an integer"),
        ({"levels": 0, "scale": 1.0}, r"levels: must be an integer from 1 to 4095 \(given: 0\)"),
        ({"scale": 1.0}, "scale: goes with levels"),
        ({"keep_rows": 1, "polarized": True}, "keep_rows: rows are pruned before"),
        ({"levels": 255, "scale": -1.0}, r"scale: must be a finite number above 0 \(given: -1.0\)"),
        ({"keep_columns": 0}, r"keep_columns: must be an integer of at least 1 \(given: 0\)"),
        ({"keep_fragments": 2.5}, r"keep_fragments: must be an integer of at least 1 \(given: 2.5\)"),
        ({"keep_columns": 1, "keep_fragments": 1}, "keep_fragments: cannot be combined with keep_columns"),
    ],
)
def test_sets_that_make_no_sense_are_told(settings, message):
    with pytest.raises(InputError, match=message):
        WeightSet(**settings)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [[np.nan]], np.zeros((0, 3))])
def test_what_is_no_matrix_is_told(weights):
    with pytest.raises(InputError, match="weights: must be finite numbers"):
        WeightSet().project(weights)


def test_zero_weights_have_no_best_scale():
    with pytest.raises(InputError, match="all zero"):
        best_scale(np.zeros((3, 2)), 255)


def test_a_scale_that_is_open_is_the_best_for_the_weights(rng):
    weights = rng.standard_normal((20, 3))
    target = WeightSet(fragment_size=4, polarized=True, levels=15)
    assert target.fitted(weights).scale == best_scale(weights, 15, 4)
    np.testing.assert_array_equal(target.project(weights), target.fitted(weights).project(weights))


@pytest.mark.parametrize("size", [1, 8])
def test_the_scale_of_a_large_matrix_is_nearly_the_best(size, rng):
    """Both ways on the same weights: tried scales leave less than 1 % more."""
    weights = rng.standard_t(3, size=(96, 40))
    exact = WeightSet(size, size > 1, 255, best_scale(weights, 255, size))
    tried = WeightSet(size, size > 1, 255, weight_scales._best_tried(weights, 255, size))
    least, found = (distance(weights, target.project(weights)) for target in (exact, tried))
    assert least <= found < 1.01 * least


def test_signs_of_sums_are_those_of_forms():
    """The sum of 3, -2, -2 is negative although the positive sign is nearer."""
    weights = np.array([[3.0], [-2.0], [-2.0]])
    target = WeightSet(fragment_size=None, polarized=True)
    assert target.project(weights).tolist() == [[3.0], [0.0], [0.0]]
    of_sums = target.with_signs_of_sums(weights)
    assert of_sums.project(weights).tolist() == [[0.0], [-2.0], [-2.0]]
    # kept until they are renewed
    assert of_sums.project(-weights).tolist() == [[-3.0], [0.0], [0.0]]
    assert of_sums.bounds(np.zeros((3, 1)))[1].tolist() == [[0.0]] * 3


def test_fragments_of_compacted_weights_are_those_of_the_rows_left(rng):
    weights = rng.standard_normal((6, 3))
    rows, columns = np.array([1, 0, 1, 1, 0, 1], dtype=bool), np.array([1, 1, 0], dtype=bool)
    inner = WeightSet(fragment_size=2, polarized=True, levels=7)
    target = Compacted(rows, columns, inner).fitted(weights)
    projected = target.project(weights)
    left = projected[rows][:, columns]
    np.testing.assert_array_equal(left, inner.project(weights[rows][:, columns]))
    assert np.count_nonzero(projected) == np.count_nonzero(left)
    lower, upper = target.bounds(projected)
    assert ((lower <= projected) & (projected <= upper)).all()
    assert not upper[~rows].any()
    with pytest.raises(InputError, match=r"weights: must have \(6, 3\); they have \(3, 6\)"):
        target.project(weights.T)


def test_one_magnitude_per_column_is_the_nearest(rng):
    weights = rng.standard_normal((4, 1))
    nearest = min(
        float(np.square(weights.ravel() - size * np.array(signs)).sum())
        for signs in itertools.product([-1, 1], repeat=4)
        for size in np.linspace(0, 3, 3001)
    )
    assert distance(weights, OneMagnitude().project(weights)) == pytest.approx(nearest, abs=1e-5)


@pytest.mark.parametrize(
    ("count", "crossbar", "share", "left"),
    [(300, 128, 0.5, 256), (300, 128, 0.4, 128), (20, 32, 0.5, 20), (64, 32, 0.5, 32)],
)
def test_what_is_left_fills_whole_crossbars(count, crossbar, share, left):
    assert left_whole(count, crossbar, share) == left
