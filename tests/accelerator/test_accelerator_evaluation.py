"""Networks on designs: against closed forms, an own count of crossbars, and conservation of energy."""

import time

import numpy as np
import pytest

from spicecim.accelerator import (
    LayerShape,
    NetworkShape,
    compare,
    evaluate,
    evaluate_beside,
    evaluate_design,
    load_design,
    load_network,
    with_converters,
)
from spicecim.accelerator.converters import (
    clipped_share,
    converter_area,
    converter_energy,
    lossless_converter_bits,
)
from spicecim.encodings.bit_sliced import Polarized
from spicecim.errors import InputError


def network(*layers):
    return NetworkShape(name="own", layers=[{"name": f"layer{i}", **layer} for i, layer in enumerate(layers)])


def test_a_chip_that_reads_with_all_crossbars_takes_its_power_and_gives_its_peak():
    full = network({"lines": 128, "outputs": 16, "groups": 16128})
    chip = evaluate(load_design("isaac").changed(traffic=None), full)
    found = chip.result
    assert (found.chips, found.crossbars, found.crossbars_used) == (1, 16128, 1.0)
    assert found.average_power_w == pytest.approx(chip.power_w, rel=1e-12)
    assert found.effective_gops == pytest.approx(1e3 * chip.peak_tops, rel=1e-12)
    assert found.effective_gops_per_watt == pytest.approx(chip.gops_per_watt, rel=1e-12)
    assert found.frames_per_second == pytest.approx(1 / 1.6e-6)
    assert found.most_frames_per_second == pytest.approx(1 / 1.6e-6)
    assert found.layers[0].cells_used == 1.0


def test_energy_of_the_components_is_that_of_the_frame():
    chip = evaluate("forms_8", "resnet18")
    found = chip.result
    assert sum(found.energy_by_component_j.values()) == pytest.approx(found.energy_per_frame_j)
    links = found.energy_by_component_j["chip: HyperTransport"]
    assert links == pytest.approx(10.4 * found.chips / found.frames_per_second)
    assert found.average_power_w < found.chips * chip.power_w


def test_the_energy_of_conversions_is_their_number_times_one():
    """ISAAC: a crossbar that is read converts its 128 columns 16 times per vector, at 100 ns for 106.7 ns of work."""
    found = evaluate("isaac", "lenet5").result
    positions = {layer.name: layer.positions for layer in load_network("lenet5").layers}
    conversions = sum(128 * 16 * layer.crossbars * positions[layer.name] for layer in found.layers)
    one = 16e-3 / (8 * 1.28e9)
    assert found.energy_by_component_j["unit: ADC"] == pytest.approx(conversions * one)


@pytest.mark.parametrize("shape", [(1, 1), (128, 16), (129, 16), (27, 64), (300, 100)])
@pytest.mark.parametrize("design", ["isaac", "forms_8", "prime"])
def test_crossbars_are_those_that_the_encoding_cuts_a_layer_into(design, shape):
    scheme = load_design(design).crossbars
    cut = scheme.tiles(np.ones(shape, dtype=int))
    (layer,) = evaluate(design, network({"lines": shape[0], "outputs": shape[1]})).result.layers
    assert layer.crossbars == len(cut)
    held = scheme.sets * shape[0] * shape[1] * scheme.slices
    assert layer.cells_used == pytest.approx(held / (len(cut) * scheme.rows * scheme.columns))


def test_copies_follow_the_strides_from_the_last_layer_to_the_first():
    """VGG-16 for CIFAR: each pooling quarters the positions, and the dense layer has one."""
    found = evaluate(load_design("isaac").changed(traffic=None), "vgg16_cifar10", chips=1000).result
    copies = {layer.name: layer.copies for layer in found.layers}
    expected = {"conv1": 1024, "conv2": 256, "conv3": 64, "conv4": 16, "conv5": 4}
    assert all(copies[name] == count for name, count in copies.items() if name.split("_")[0] not in expected)
    for name, count in copies.items():
        assert count == expected.get(name.split("_")[0], 1)
    assert found.frames_per_second == pytest.approx(1 / 1.6e-6)


def test_copies_are_halved_until_they_fit():
    found = evaluate("isaac", "resnet18").result
    copies = [layer.copies for layer in found.layers]
    assert copies[0] == 12544 / 2**7
    assert copies[-1] == 1
    assert found.crossbars <= 16128
    twice = sum((2 * layer.copies if layer.name != "fc" else 1) * layer.crossbars for layer in found.layers)
    assert twice > 16128
    assert found.frames_per_second == pytest.approx(1 / (2**7 * 1.6e-6))


def test_without_copies_the_layer_with_most_positions_limits():
    design = load_design("isaac").changed(timing={"replication": "none"})
    found = evaluate(design, "lenet5").result
    assert found.limiting_layer == "conv1"
    assert found.frames_per_second == pytest.approx(1 / (784 * 1.6e-6))
    assert {layer.copies for layer in found.layers} == {1}


def test_latency_of_a_chain():
    """Two layers: the second starts when half of the first is ready, and ends one of its own vectors after it."""
    design = load_design("isaac").changed(timing={"replication": "none"})
    stages, vector = 22 * 100e-9, 1.6e-6
    slow_first = network({"lines": 9, "outputs": 4, "positions": 100}, {"lines": 36, "outputs": 4, "wait": 0.5})
    assert evaluate(design, slow_first).result.latency_s == pytest.approx(101 * vector + 2 * stages)
    slow_second = network(
        {"lines": 9, "outputs": 4, "positions": 10}, {"lines": 36, "outputs": 4, "positions": 100, "wait": 0.5}
    )
    assert evaluate(design, slow_second).result.latency_s == pytest.approx(105 * vector + 2 * stages)


def test_pruning_saves_crossbars_and_the_weights_stay_those_of_the_network():
    whole, pruned = (evaluate(name, "resnet18_cifar100").result for name in ("isaac", "isaac_pruned"))
    assert whole.weights == pruned.weights
    first, second = (sum(layer.crossbars for layer in found.layers) for found in (whole, pruned))
    assert second == pytest.approx(first / (2 * 6.65), rel=0.03)


def test_more_chips_are_as_many_as_a_network_needs():
    found = evaluate("isaac", "vgg16").result
    assert found.chips == -(-sum(layer.crossbars for layer in found.layers) // 16128) == 5
    for wrong in (4, 10**400, 5.5, True):
        with pytest.raises(InputError, match="chips: vgg16 needs 5 of isaac at least, and 1000000 are the most"):
            evaluate("isaac", "vgg16", chips=wrong)


def test_what_is_of_a_network_needs_one():
    with pytest.raises(InputError, match="chips: needs a network"):
        evaluate("isaac", chips=2)
    with pytest.raises(InputError, match="input_cycles: needs a network"):
        evaluate("forms_8", input_cycles=np.ones(17) / 17)


def test_two_designs_are_compared_on_the_same_chips():
    one, other = evaluate_beside(load_design("forms_8"), load_design("isaac"), "vgg16")
    assert one.result.chips == other.result.chips == 5
    ratios = compare(one, other)
    assert ratios["frames_per_second"] == one.result.frames_per_second / other.result.frames_per_second
    assert compare(one, evaluate("prime")) == {}


def test_measured_cycles_take_the_place_of_the_design_s():
    shares = np.zeros(17)
    shares[4] = 1.0
    design = load_design("forms_8").changed(traffic=None)
    four = evaluate(design, "lenet5", input_cycles=shares).result
    sixteen = np.roll(shares, 12)
    full = evaluate(design, "lenet5", input_cycles=sixteen).result
    assert four.frames_per_second == pytest.approx(4 * full.frames_per_second)
    assert four.imbalance == pytest.approx(1.0)
    by_layer = evaluate("forms_8", "lenet5", input_cycles={"fc1": sixteen}).result
    assert by_layer.limiting_layer == "fc1"
    assert by_layer.layers[2].cycles_per_vector == pytest.approx(256)


@pytest.mark.parametrize(
    ("design", "cycles", "said"),
    [
        ("isaac", np.ones(17) / 17, "isaac does not skip zeros"),
        ("forms_8", [0.5, 0.5], "must be the 17 shares"),
        ("forms_8", np.full(17, np.nan), "must be the 17 shares"),
        ("forms_8", "many", "must be shares"),
        ("forms_8", {"conv9": np.ones(17) / 17}, "has no layer 'conv9'"),
        ("forms_8", {"conv1": [1.0]}, "input_cycles of conv1: must be the 17 shares"),
    ],
)
def test_wrong_cycles_are_refused(design, cycles, said):
    with pytest.raises(InputError, match=said):
        evaluate(design, "lenet5", input_cycles=cycles)


def test_waiting_makes_frames_slower_and_costs_no_reads():
    """Inputs of the same mean that all take as many cycles do not wait for each other."""
    own = evaluate("forms_8", "resnet18")
    mean = own.design.skipping_shares() @ np.arange(17)
    steady = np.zeros(17)
    steady[12], steady[13] = 13 - mean, mean - 12
    less = evaluate("forms_8", "resnet18", input_cycles=steady)
    assert 1.0 < less.result.imbalance < own.result.imbalance < 1.2
    first = own.result.layers[0]
    without_copies = -(-112 * 112 // first.copies) * first.cycles_per_vector * 15.24e-9
    assert 1.0 < first.time_s / without_copies < 1.2
    assert own.result.frames_per_second < less.result.frames_per_second
    assert own.result.energy_by_component_j["unit: ADC"] == pytest.approx(
        less.result.energy_by_component_j["unit: ADC"]
    )


@pytest.mark.parametrize(
    ("bits", "energy", "area"), [(4, 0.79, 361), (5, 0.99, 477), (6, 1.20, 627), (7, 1.42, 845), (8, 1.67, 1200)]
)
def test_scaled_converters(bits, energy, area):
    """Energy (pJ) and area (um2) through ISAAC's converter of 8 bits."""
    assert converter_energy(bits) == pytest.approx(energy * 1e-12, rel=5e-3)
    assert converter_area(bits) == pytest.approx(area * 1e-6, rel=5e-3)


def test_the_survey_s_converters_are_among_the_most_efficient():
    """B. Murmann's survey: 1.26 pJ (5.5 bits, 1 GS/s), 2.08 pJ (6.4 bits, 2.4 GS/s), 4.6 pJ (8 bits, 1.5 GS/s)."""
    for bits, picojoules in ((5.45, 1.26), (6.36, 2.08), (8.03, 4.61)):
        assert converter_energy(bits, "survey") == pytest.approx(picojoules * 1e-12, rel=0.15)
    with pytest.raises(InputError, match="model: must be scaled or survey"):
        converter_energy(4, "nope")


def test_converters_of_a_model_change_power_and_area_of_them_alone():
    own = evaluate("forms_8")
    scaled = evaluate(with_converters(own.design, "scaled"))
    parts = 12 * 168 * 32
    assert scaled.power_w - own.power_w == pytest.approx(parts * 2.1e9 * (converter_energy(4) - 15.2e-3 / 32 / 2.1e9))
    assert scaled.area_mm2 - own.area_mm2 == pytest.approx(parts * (converter_area(4) - 0.0091 / 32))
    assert scaled.peak_tops == own.peak_tops
    assert with_converters(own.design) is own.design
    isaac = evaluate(with_converters(load_design("isaac"), "scaled"))
    assert isaac.power_w == pytest.approx(evaluate("isaac").power_w, rel=1e-3)


def test_converters_of_other_bits_and_energies():
    design = load_design("forms_8")
    five = with_converters(design, bits=5).converter
    assert (five.bits.value, five.provenance) == (5, "estimated")
    assert five.energy_per_event / design.converter.energy_per_event == pytest.approx(0.99 / 0.788, rel=1e-2)
    asked = with_converters(design, energy=1e-12).converter
    assert (asked.energy_per_event, asked.area_mm2) == (1e-12, design.converter.area_mm2)
    for wrong in ("prime", "dadiannao"):
        with pytest.raises(InputError, match="no converters"):
            with_converters(load_design(wrong), "scaled")
    with pytest.raises(InputError, match="converters: must be one of published, scaled, survey"):
        with_converters(design, "free")
    for bits in (0, 33, 2000, 2.5):
        with pytest.raises(InputError, match="bits: must be an integer from 1 to 32"):
            with_converters(design, "scaled", bits=bits)


def test_fragments_of_2_bit_cells_need_a_bit_more_than_forms_has():
    assert [lossless_converter_bits(rows, 2) for rows in (4, 8, 16)] == [4, 5, 6]


def test_codes_are_clipped_where_sums_are_beyond_the_highest():
    """Eight cells at level 3: k ones make 3 k, and 4 bits end at 15."""
    weights = np.full((8, 1), 255)
    inputs = np.array([[1] * ones + [0] * (8 - ones) for ones in range(9)])
    scheme = Polarized(input_bits=1)
    assert clipped_share(scheme, weights, inputs, 4) == pytest.approx(3 / 9)
    assert clipped_share(scheme, weights, inputs, 3) == pytest.approx(6 / 9)
    assert clipped_share(scheme, weights, inputs, 5) == 0


def test_plain_values_of_one_design_and_of_two():
    alone = evaluate_design("forms_8", "lenet5")
    for name in (
        "power_w", "area_mm2", "peak_tops", "gops_per_watt", "gops_per_mm2", "frames_per_second", "energy_per_frame_j",
    ):  # fmt: skip
        assert alone[name] > 0
    assert "ratios" not in alone
    both = evaluate_design("forms_8", compare_with="isaac", converters="scaled")
    assert (
        both["ratios"]["gops_per_watt"]
        == both["gops_per_watt"] / evaluate(with_converters(load_design("isaac"), "scaled")).gops_per_watt
    )


def test_an_evaluation_takes_less_than_a_second():
    evaluate("isaac")
    start = time.process_time()
    evaluate("forms_8", "resnet50")
    assert time.process_time() - start < 1.0


def test_the_parts_of_a_layer_are_checked():
    with pytest.raises(InputError, match="lines"):
        LayerShape(name="a", lines=0, outputs=1)
