"""Frequency weighting as an accelerator: passes, what reads by sinusoids cost, and the designs that follow."""

import numpy as np
import pytest
from skimage import data

from spicecim.accelerator import LayerShape, NetworkShape, evaluate, load_design
from spicecim.accelerator.device_power import reading_scheme
from spicecim.accelerator.mapping import map_network
from spicecim.accelerator.sinusoids import ReadCost, read_cost, with_read_cost
from spicecim.encodings.frequency_weighting.amplitude import product_table
from spicecim.errors import InputError, TestbenchError
from spicecim.validation.frequency_weighting.chips import BESIDE, beside, energies
from spicecim.validation.frequency_weighting.power import pixel_statistics
from spicecim.validation.frequency_weighting.subjects import DRIFT, OBLEA, VTEAM

LARGEST = np.eye(256)[-1]


@pytest.fixture(scope="module")
def design():
    return load_design("frequency_weighting")


def test_an_output_is_two_passes_and_a_crossbar_reads_one_after_the_other(design):
    network = NetworkShape(name="one", layers=(LayerShape(name="conv", lines=300, outputs=70, positions=9),))
    ((layer,), _) = map_network(design, network, chips=1)
    assert (layer.blocks, layer.crossbars, layer.fragments) == (3, 3, 2 * 70)
    result = evaluate(design, network).result
    assert result.layers[0].cycles_per_vector == 140
    assert result.layers[0].cells_used == pytest.approx(300 * 70 / (3 * 128 * 128))
    whole = evaluate(design)
    assert whole.peak_tops == pytest.approx(2e-12 * 16128 * 128 * 128 / (256 * 60.27e-9))


def test_the_energy_of_a_convolution_is_that_of_its_parts(design):
    """Nine products, each of a cell that is read once in two passes of 128 rows."""
    found = energies(design)
    per_pass = {"cells": 80.23e-12, "rewriting": 2.101e-9, "row sources or DACs": 10.56e-12, "converters": 1.67e-12}
    for group, joule in per_pass.items():
        assert found[group] == pytest.approx(9 * joule * 2 / 128)
    assert found["links"] == 0
    for name in BESIDE.values():
        chip = evaluate(beside(name))
        assert sum(energies(beside(name)).values()) == pytest.approx(9 * 2e-9 / chip.gops_per_watt)


def test_read_costs_of_the_largest_pixel_are_those_of_the_levels():
    """Drift comes back by itself; Oblea's device does not, and half a cycle at the lowest frequency writes it back."""
    for subject, moves in ((DRIFT, False), (OBLEA, True)):
        drive = subject.encoding(levels=4).drive
        table = product_table(drive)
        found = read_cost(drive, LARGEST, rows=2, table=table)
        assert found.energy == pytest.approx(float((table.power[-1] / drive.calibration.frequency).mean()))
        assert found.time == pytest.approx(float((1 / drive.calibration.frequency).mean()))
        assert found.slowest == pytest.approx(found.time)  # one row of either sign
        assert found.rewrite_time == (0.5 / drive.calibration.frequency.min() if moves else 0.0)
        assert (found.rewrite_energy > 0) is moves
        # the slowest of 16 rows, by drawing them
        drawn = np.random.default_rng(1).choice(table.read_time[-1], (20000, 16)).max(axis=1)
        slowest = read_cost(drive, LARGEST, rows=32, table=table).slowest
        assert slowest == pytest.approx(drawn.mean(), rel=4 * drawn.std() / drawn.mean() / np.sqrt(len(drawn)) + 1e-12)
    with pytest.raises(InputError, match="pixels: must be the shares of 256 pixels"):
        read_cost(drive, np.ones(256), table=table)


COST = ReadCost(energy=2e-12, time=1e-9, slowest=8e-9, rewrite_energy=3e-12, rewrite_time=2e-9)


def test_a_design_with_a_read_cost_takes_it(design):
    own = with_read_cost(design, COST, "a test", source_power=1e-3, source_area=2e-4)
    assert own.times.cycle.value == 10e-9
    found = energies(own)
    assert found["cells"] == pytest.approx(9 * 2e-12)
    assert found["rewriting"] == pytest.approx(9 * 3e-12)
    assert found["row sources or DACs"] == pytest.approx(9 * 1e-3 * 1e-9)
    # what takes energy per pass takes the same of it
    assert found["converters"] == pytest.approx(energies(design)["converters"])
    more = evaluate(own).area_mm2 - evaluate(design).area_mm2
    assert more == pytest.approx(2016 * 1024 * 1e-4)


def test_other_designs_have_no_sinusoids(design):
    with pytest.raises(InputError, match="isaac is no design like frequency_weighting"):
        with_read_cost(load_design("isaac"), COST, "a test")
    with pytest.raises(InputError, match="frequency_weighting reads by sinusoids"):
        reading_scheme(design, {"model": "resistor"}, 0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoding": {"fragment": {"value": 8, "assumed": "a test"}}}, "fragment"),
        ({"encoding": {"cell_bits": {"value": 2, "assumed": "a test"}}}, "cell_bits"),
        (
            {"timing": {"zero_skipping": {"zero_inputs": 0.5, "mean_input": 0.1, "assumed": "a test"}}},
            "timing.zero_skipping",
        ),
    ],
)
def test_what_frequency_weighting_cannot_have_is_refused_by_its_field(design, changes, said):
    with pytest.raises(TestbenchError, match=said):
        design.changed(**changes)


@pytest.mark.slow
def test_the_shipped_numbers_are_those_of_its_device(design):
    shares = pixel_statistics(data.camera().astype(int))["camera image"]
    own = with_read_cost(design, read_cost(VTEAM.encoding(branches="both").drive, shares), "the device")
    assert own.times.cycle.value == pytest.approx(design.times.cycle.value, rel=1e-3)
    for name, part in own.components.unit.items():
        shipped = design.components.unit[name]
        assert part.energy.value == pytest.approx(shipped.energy.value, rel=1e-3)
        assert part.rate.value == pytest.approx(shipped.rate.value, rel=1e-3)
        assert part.area.value == pytest.approx(shipped.area.value, rel=1e-3)
