"""Limits of buses and links: times by hand, and frames that they limit."""

import pytest

from spicecim.accelerator import LayerShape, NetworkShape, evaluate, load_design
from spicecim.errors import TestbenchError

PLAIN = NetworkShape(
    name="plain",
    layers=(
        LayerShape(name="conv", lines=256, outputs=32, positions=64),
        LayerShape(name="fc", lines=2048, outputs=16),
    ),
)
"""On isaac, 4 and 16 crossbars; copies of the first layer: 64."""


def with_rates(**rates):
    """Return isaac with other rates, in bytes per second, or without one that is None."""
    traffic = {name: None if rate is None else {"value": rate, "assumed": "a test"} for name, rate in rates.items()}
    return load_design("isaac").changed(traffic=traffic)


def test_vectors_take_their_bytes_over_their_share_of_the_bus():
    """64 vectors of 256 inputs and 32 outputs, 2 bytes each; 64 copies of 4 crossbars lie on 3 tiles of 96."""
    result = evaluate(with_rates(tile_bus=1e9), PLAIN).result
    conv, fc = result.layers
    assert (conv.crossbars, conv.copies, fc.crossbars) == (4, 64, 16)
    assert conv.bus_time_s == pytest.approx(64 * (256 + 32) * 2 / (1e9 * 3))
    assert fc.bus_time_s == pytest.approx((2048 + 16) * 2 / 1e9)
    assert result.limited_by == "tile bus"
    assert result.limiting_layer == "conv"
    assert result.frames_per_second == pytest.approx(1 / conv.bus_time_s)
    assert fc.busy == pytest.approx(1.6e-6 / conv.bus_time_s)


def test_a_fast_bus_leaves_the_limit_to_the_crossbars():
    fast, without = (evaluate(with_rates(tile_bus=rate), PLAIN).result for rate in (1e12, None))
    assert fast.limited_by == without.limited_by == "crossbars"
    assert fast.frames_per_second == without.frames_per_second == pytest.approx(1 / 1.6e-6)
    assert without.layers[0].bus_time_s == 0.0


def test_pruned_lines_and_outputs_are_not_moved():
    design = with_rates(tile_bus=1e9).changed(pruned=True)
    pruned = PLAIN.model_copy(
        update={"layers": tuple(layer.model_copy(update={"pruning": 4.0}) for layer in PLAIN.layers)}
    )
    whole, quarter = (evaluate(design, network).result.layers[1] for network in (PLAIN, pruned))
    assert quarter.crossbars == whole.crossbars // 4
    assert quarter.bus_time_s == pytest.approx(whole.bus_time_s / 2)


def test_a_map_that_crosses_chips_takes_the_links():
    """24 MB of weights in 16 bits take two chips; the map in front of the second is that of the first layer."""
    layers = (
        LayerShape(name="first", lines=128, outputs=16, positions=1),
        LayerShape(name="wide", lines=128 * 100, outputs=16 * 200),
        LayerShape(name="last", lines=16 * 200, outputs=16),
    )
    network = NetworkShape(name="wide", layers=layers)
    result = evaluate(with_rates(chip_links=1e6), network).result
    assert result.chips == 2
    assert [layer.link_time_s for layer in result.layers] == [0.0, pytest.approx(16 * 2 / 1e6), 0.0]
    assert (result.limited_by, result.limiting_layer) == ("links", "wide")
    assert result.frames_per_second == pytest.approx(1e6 / 32)


def test_a_fixed_reference_moves_nothing():
    with pytest.raises(TestbenchError, match="traffic"):
        load_design("dadiannao").changed(traffic={"tile_bus": {"value": 1e9, "assumed": "a test"}})
