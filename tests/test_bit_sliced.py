"""Polarized, dual-crossbar and offset encodings: integer exactness, converters, zero skipping, errors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicecim.encodings.bit_sliced import (
    Converter,
    DualCrossbar,
    Offset,
    Polarized,
    effective_cycles,
    input_cycles,
    lossless_bits,
)
from spicecim.encodings.bit_sliced.bit_slices import shift_and_add
from spicecim.encodings.comparison import compare_encodings
from spicecim.engines import simulate
from spicecim.errors import InputError

ENCODINGS = [Polarized, DualCrossbar, Offset]


def random_weights(encoding, lines, outputs, rng):
    """Random weights over the whole range of an encoding, polarized if it asks for that."""
    low, high = encoding.weight_range
    weights = rng.integers(low, high + 1, (lines, outputs))
    if isinstance(encoding, Polarized):
        fragment = np.arange(lines) // encoding.fragment_rows
        weights = np.abs(weights) * rng.choice([-1, 1], (fragment[-1] + 1, outputs))[fragment]
    return weights


@st.composite
def layers(draw):
    """An encoding of any settings, with weights and inputs for it."""
    fragment = draw(st.sampled_from([1, 3, 4, 8, 16, 32, None]))
    rows = draw(st.integers(1, 20)) if fragment is None else fragment * draw(st.integers(1, 3))
    cell_bits = draw(st.sampled_from([1, 2, 4]))
    weight_bits = draw(st.integers(1, 10))
    encoding = draw(st.sampled_from(ENCODINGS))(
        cell_bits=cell_bits,
        weight_bits=weight_bits,
        fragment=fragment,
        rows=rows,
        columns=math.ceil(weight_bits / cell_bits) + draw(st.integers(0, 15)),
        input_bits=draw(st.integers(1, 16)),
        skip_zeros=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lines, outputs, vectors = (draw(st.integers(1, highest)) for highest in (70, 7, 4))
    inputs = rng.integers(0, 2**encoding.input_bits, (vectors, lines))
    return encoding, random_weights(encoding, lines, outputs, rng), inputs >> draw(st.integers(0, 16))


@given(layers())
@settings(max_examples=150, deadline=None)
def test_ideal_parts_give_the_integer_product(layer):
    encoding, weights, inputs = layer
    readout = encoding.program(weights).multiply(inputs)
    assert np.array_equal(readout.products, inputs @ weights)
    assert (readout.clipped, readout.error) == (0, 0.0)


@given(layers())
@settings(max_examples=20, deadline=None)
def test_sums_of_the_core_are_those_of_the_crossbars(layer):
    """Cells and reads of the testbenches, level by level, make the same product as the reference engine's fast path."""
    encoding, weights, inputs = layer
    programmed = encoding.program(weights)
    exact = programmed.exact_sums(inputs)
    for sums, integers in zip(programmed.sums(inputs), exact, strict=True):
        assert np.array_equal(sums, integers)
    assert max(sums.max() for sums in exact) <= encoding.largest_sum
    assert programmed.resources.cells == sum(tile.levels.size for tile in programmed.tiles)
    assert programmed.resources.crossbars == len(programmed.testbenches(inputs))


@given(layers())
@settings(max_examples=20, deadline=None)
def test_tiles_alone_add_up_to_the_layer(layer):
    encoding, weights, inputs = layer
    programmed = encoding.program(weights)
    products = np.zeros((len(inputs), weights.shape[1]))
    for number, tile in enumerate(programmed.tiles):
        alone = programmed.tile(number)
        own = inputs[:, programmed.tile_lines(number)]
        assert np.array_equal(alone.multiply(own).products, alone.exact(own))
        products[:, tile.outputs] += alone.exact(own)
    assert np.array_equal(products, inputs @ weights)
    assert sum(programmed.tile(k).resources.cells for k in range(programmed.tile_count)) == programmed.resources.cells
    with pytest.raises(InputError, match=f"tile: must be a number from 0 to {programmed.tile_count - 1}"):
        programmed.tile(programmed.tile_count)


@given(layers())
@settings(max_examples=20, deadline=None)
def test_whole_products_are_those_of_codes_bit_by_bit(layer):
    """What ideal parts take a shorter way to, by the way that others take."""
    encoding, weights, inputs = layer
    long = encoding.model_copy(update={"converter": Converter(bits=20, range=2**20 - 1)})
    programmed = encoding.program(weights)
    assert programmed.exact_parts
    found = []
    for tile, sums in zip(programmed.tiles, programmed.sums(inputs), strict=True):
        reads = encoding.reads(inputs[:, tile.lines])
        values = np.zeros((len(tile.signs), len(inputs), encoding.input_bits, tile.levels.shape[1]))
        values[reads.fragment, reads.vector, reads.bit] = long.fitted_converter().codes(sums)
        found.append((tile.outputs, shift_and_add(values, tile.signs, encoding.cell_bits)))
    products = np.zeros((len(inputs), weights.shape[1])) - encoding.bias * inputs.sum(axis=1, keepdims=True)
    for outputs, part in found:
        products[:, outputs] += part
    assert np.array_equal(programmed.multiply(inputs).products, products)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_waveforms_decode_to_the_integer_product(encoding, rng):
    """Over several tiles in both directions, and with leading zeros skipped."""
    scheme = encoding(fragment=4, rows=8, columns=12, input_bits=5, skip_zeros=True)
    weights, inputs = random_weights(scheme, 19, 5, rng), rng.integers(0, 9, (3, 19))
    programmed = scheme.program(weights)
    testbenches = programmed.testbenches(inputs)
    assert len(testbenches) == 6 * scheme.sets
    readout = programmed.read([simulate(bench, "reference") for bench in testbenches], inputs)
    assert np.array_equal(readout.products, inputs @ weights)
    assert readout.error < 1e-9


@pytest.mark.parametrize("rows", [1, 4, 8, 16, 32, 128])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_lossless_width_is_the_least_that_loses_nothing(rows, bits):
    largest = rows * (2**bits - 1)
    width = lossless_bits(largest)
    assert width == max(1, math.ceil(math.log2(largest + 1)))
    sums = np.arange(largest + 1.0)
    lossless = Converter().for_sums(largest)
    assert lossless.bits == width
    assert np.array_equal(lossless.codes(sums), sums)
    assert np.array_equal(lossless.convert(sums).values, sums)
    if width > 1:
        assert len(np.unique(Converter(bits=width - 1).for_sums(largest).codes(sums))) < len(sums)


def test_a_converter_clips_and_counts():
    """Range 15 with steps of one level: sums of 16 to 24 are clipped, and nothing else is changed."""
    sums = np.arange(25.0)
    conversion = Converter(bits=4, range=15).for_sums(24).convert(sums)
    assert np.array_equal(conversion.values, np.minimum(sums, 15))
    assert conversion.clipped == 9
    assert conversion.squares == np.square(np.arange(1, 10)).sum()


def test_codes_step_at_the_thresholds():
    fitted = Converter(bits=3, range=14).for_sums(24)
    limits = fitted.thresholds
    assert limits.shape == (7,)
    assert np.array_equal(fitted.codes(limits - 1e-9), np.arange(7))
    assert np.array_equal(fitted.codes(limits + 1e-9), np.arange(1, 8))


def test_a_converter_over_the_whole_range_rounds():
    conversion = Converter(bits=4).for_sums(24).convert(np.arange(25.0))
    assert conversion.clipped == 0
    assert np.abs(conversion.values - np.arange(25)).max() <= 24 / 15 * (0.5 + 2e-3)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("skip_zeros", [False, True])
def test_a_small_converter_costs_the_same_in_core_and_waveforms(encoding, skip_zeros, rng):
    scheme = encoding(rows=16, converter={"bits": 3, "range": 9.5}, skip_zeros=skip_zeros)
    weights, inputs = random_weights(scheme, 16, 6, rng), rng.integers(0, 60, (4, 16))
    programmed = scheme.program(weights)
    read = programmed.read([simulate(bench, "reference") for bench in programmed.testbenches(inputs)], inputs)
    core = programmed.multiply(inputs)
    assert core.clipped == read.clipped > 0
    assert core.conversions == read.conversions
    assert core.conversions < 4 * scheme.resources(16, 6).conversions or not skip_zeros
    assert core.error == pytest.approx(read.error, rel=1e-9)
    np.testing.assert_allclose(core.products, read.products, rtol=1e-12)
    assert not np.array_equal(core.products, inputs @ weights)


def test_what_the_lowest_level_conducts_is_taken_off(rng):
    """Even where it conducts half of what the highest does."""
    scheme = DualCrossbar(device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "20k"}}, rows=8)
    weights, inputs = random_weights(scheme, 8, 3, rng), rng.integers(0, 256, (2, 8))
    assert scheme.levels().lowest == pytest.approx(3 * scheme.levels().step)
    programmed = scheme.program(weights)
    runs = [simulate(bench, "reference") for bench in programmed.testbenches(inputs)]
    assert np.array_equal(programmed.decode(runs, inputs), inputs @ weights)


@given(
    inputs=st.lists(st.lists(st.integers(0, 2**16 - 1), min_size=7, max_size=7), min_size=1, max_size=4),
    fragment=st.integers(1, 9),
)
def test_effective_cycles_are_the_bits_left_without_the_shared_zeros(inputs, fragment):
    cycles = effective_cycles(np.array(inputs), fragment)
    for vector, line in enumerate(inputs):
        parts = [line[start : start + fragment] for start in range(0, 7, fragment)]
        assert cycles[vector].tolist() == [max(part).bit_length() for part in parts]


def test_input_cycles_fall_with_smaller_fragments(rng):
    inputs = rng.geometric(1e-3, (50, 128)).clip(max=2**16 - 1)
    found = input_cycles(inputs, [1, 4, 8, 16, 32, 128], 16)
    np.testing.assert_allclose(found.share.sum("cycles"), 1.0)
    np.testing.assert_allclose(found.mean_cycles, found.share @ found.cycles)
    np.testing.assert_allclose(found.speed_up, 16 / found.mean_cycles)
    assert np.all(np.diff(found.mean_cycles) > 0)
    assert input_cycles(np.zeros((1, 4)), [4], 8).speed_up.values == np.inf


def test_skipping_takes_the_cycles_that_are_effective(rng):
    inputs, weights = rng.integers(0, 30, (3, 16)), np.ones((16, 2), dtype=int)
    scheme = Polarized(skip_zeros=True)
    cycles = effective_cycles(inputs, 8)
    assert len(scheme.reads(inputs).bit) == cycles.sum()
    assert scheme.program(weights).cycles(inputs) == cycles.sum(axis=1).max()
    assert Polarized().program(weights).cycles(inputs) == 16


@pytest.mark.parametrize(("lines", "outputs"), [(128, 32), (300, 70), (9, 1)])
def test_polarized_takes_half_of_two_crossbars_and_as_many_cells_as_an_offset(lines, outputs):
    polarized, dual, offset = (encoding().resources(lines, outputs) for encoding in ENCODINGS)
    assert (2 * polarized.cells, 2 * polarized.crossbars) == (dual.cells, dual.crossbars)
    assert 2 * polarized.conversions == dual.conversions
    assert (polarized.cells, polarized.crossbars) == (offset.cells, offset.crossbars)
    assert polarized.cells == 4 * lines * outputs
    assert polarized.crossbars == math.ceil(lines / 128) * math.ceil(outputs / 32)
    assert (polarized.sign_bits, offset.sign_bits) == (math.ceil(lines / 8) * outputs, 0)
    assert (polarized.bias_subtractions, offset.bias_subtractions) == (0, outputs)


@pytest.mark.parametrize(("lines", "outputs", "field"), [(1.5, 4, "lines"), (4, 0, "outputs"), (4, True, "outputs")])
def test_resources_of_no_layer_are_refused(lines, outputs, field):
    with pytest.raises(InputError, match=f"{field}: must be an integer of at least 1"):
        Polarized().resources(lines, outputs)


def test_energy_of_a_layer_is_that_of_its_waveforms(rng):
    """Also behind wires, where the engine solves cells and network to about 1e-7."""
    wires = {"wire_row": 3, "wire_column": 2, "source_resistance": 100, "sense_resistance": 50}
    for scheme in (DualCrossbar(rows=8), DualCrossbar(rows=8, wires=wires, skip_zeros=True)):
        weights, inputs = random_weights(scheme, 12, 3, rng), rng.integers(0, 40, (2, 12))
        found = compare_encodings([scheme], weights, inputs)
        expected = scheme.program(weights).read_energy(inputs)
        assert float(found.energy[0]) == pytest.approx(expected.energy, rel=1e-7)


def test_scatter_is_log_normal_with_the_median_meant(rng):
    scheme = Polarized(scatter={"sigma": 0.1, "seed": 3})
    weights = random_weights(scheme, 128, 32, rng)
    levels, (tile,) = scheme.levels(), scheme.tiles(weights)
    logs = np.log(tile.conductance / levels.conductance(tile.levels))
    assert abs(logs.mean()) < 4 * 0.1 / 128
    assert logs.std() == pytest.approx(0.1, rel=4 / (math.sqrt(2) * 128))
    again = Polarized(scatter={"sigma": 0.1, "seed": 3}).tiles(weights)[0]
    other = Polarized(scatter={"sigma": 0.1, "seed": 4}).tiles(weights)[0]
    assert np.array_equal(again.conductance, tile.conductance)
    assert not np.array_equal(other.conductance, tile.conductance)


def test_stuck_cells_are_at_either_end():
    scheme = Offset(scatter={"stuck_low": 0.05, "stuck_high": 0.1})
    levels, (tile,) = scheme.levels(), scheme.tiles(np.full((128, 32), 0b00010101))
    shares = [np.mean(np.isclose(tile.conductance, levels.conductance(level), rtol=1e-12)) for level in (0, 3)]
    assert shares == pytest.approx([0.05, 0.1], abs=0.01)
    assert np.array_equal(
        Polarized(scatter={"stuck_high": 1}).tiles([[0]])[0].conductance, np.full((1, 4), levels.conductance(3))
    )


def test_scatter_disturbs_the_product_as_linear_theory_has_it(rng):
    """The variance of a product is the sum of those of its cells, where a converter hardly rounds."""
    weights, inputs = rng.integers(1, 256, (32, 8)), rng.integers(0, 256, (1, 32))
    errors = []
    for seed in range(60):
        scheme = Polarized(converter={"bits": 20, "range": 24}, scatter={"sigma": 0.02, "seed": seed})
        errors.append(scheme.program(weights).multiply(inputs).products - inputs @ weights)
    levels = scheme.levels()
    held = scheme.tiles(weights)[0].levels.reshape(32, 8, 4)
    cells = 0.02 * levels.conductance(held) / levels.step * 4.0 ** np.arange(4)
    expected = np.sqrt((np.square(inputs[0, :, None, None] * cells)).sum(axis=(0, 2)))
    found = np.std(np.array(errors)[:, 0], axis=0)
    np.testing.assert_allclose(found / expected, 1.0, atol=4 / math.sqrt(2 * 60))


def test_wires_with_hardly_any_resistance_change_nothing(rng):
    weights, inputs = random_weights(Offset(), 20, 3, rng), rng.integers(0, 256, (2, 20))
    thin = Offset(wires={"wire_row": 1e-6, "wire_column": 1e-6}).program(weights)
    assert np.array_equal(thin.multiply(inputs).products, inputs @ weights)


def test_a_mixed_fragment_is_named():
    weights = np.ones((20, 3), dtype=int)
    weights[[9, 14], 1] = [-7, 5]
    with pytest.raises(InputError, match=r"fragment 1 of output 1 \(input lines 8 to 15\) holds 5 at line 14 and -7"):
        Polarized().program(weights)
    weights[:, 1] = -1
    Polarized().program(weights)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"cell_bits": 3}, "cell_bits"),
        ({"fragment": 5}, "fragment: must divide the 128 rows"),
        ({"fragment": 0}, "fragment"),
        ({"fragment": True}, "fragment"),
        ({"input_bits": 17}, "input_bits"),
        ({"columns": 3}, "columns: must hold the 4 slices"),
        ({"states": {"low": 0.5, "high": 0.5}}, "states.high: must be above low"),
        ({"states": {"high": 1.5}}, "states.high: must be above low = 0 and at most 1"),
        ({"scatter": {"stuck_low": 0.6, "stuck_high": 0.6}}, "at most 1 is all"),
        ({"scatter": {"sigma": -0.1}}, "scatter.sigma"),
        ({"pulse": {"voltage": 0}}, "pulse.voltage"),
        ({"converter": {"bits": 0}}, "converter.bits"),
        ({"wires": {"wire_row": -1}}, "wires.wire_row"),
        ({"bits": 8}, "bits"),
    ],
)
def test_bad_settings_are_named(settings, reason):
    with pytest.raises(InputError, match=reason):
        Polarized(**settings)


@pytest.mark.parametrize(
    ("weights", "inputs", "reason"),
    [
        ([[256]], [[1]], "weights: must be between -255 and 255; found 256"),
        ([[1.5]], [[1]], "weights: must be integers"),
        ([[math.nan]], [[1]], "weights: must be integers"),
        ([1], [[1]], "weights: must be a matrix"),
        ([[1]], [[256]], "inputs: must be between 0 and 255"),
        ([[1]], [[-1]], "inputs: must be between 0 and 255"),
        ([[1]], [[1, 2]], "inputs: must be .* of 1 input lines"),
    ],
)
def test_bad_weights_and_inputs_are_named(weights, inputs, reason):
    with pytest.raises(InputError, match=reason):
        Polarized().program(weights).testbenches(inputs)
    with pytest.raises(InputError, match=reason):
        Polarized().program(weights).multiply(inputs)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"device": {"model": "linear_drift", "preset": "hp"}}, "pulse.voltage: 0.1 V for .* moves the cells"),
        ({"pulse": {"voltage": 0.3}, "device": {"model": "yakopcic", "preset": "oblea"}}, "moves the cells"),
        ({"scatter": {"sigma": 0.1}}, r"a cell needs .*states=\{'low': .* leave room for the scatter"),
    ],
)
def test_what_cannot_be_read_is_refused(settings, reason):
    with pytest.raises(InputError, match=reason):
        Polarized(**settings).program([[255], [1]]).testbenches([[255, 255]])


def test_the_core_does_not_read_what_moves_either():
    with pytest.raises(InputError, match="moves the cells"):
        Polarized(device={"model": "linear_drift", "preset": "hp"}).program([[255]]).multiply([[255]])


def test_a_subcircuit_has_no_known_levels(tmp_path):
    device = {"subcircuit": str(tmp_path / "any.sub"), "ports": ["row", "column"]}
    with pytest.raises(InputError, match="levels of a SPICE subcircuit are not known"):
        Polarized(device=device).program([[1]])


def test_waveforms_must_be_those_of_the_testbenches(rng):
    programmed = DualCrossbar().program([[1]])
    run = simulate(programmed.testbenches([[1]])[0], "reference")
    with pytest.raises(InputError, match="waveforms: must be one per testbench, 2; they are 1"):
        programmed.decode([run], [[1]])
    with pytest.raises(InputError, match="fragments: must be sizes of at least 1 row"):
        input_cycles([[1]], [], 8)
