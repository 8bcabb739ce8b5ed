"""Bit-sliced encodings in ngspice: codes against integers, currents behind wires, scatter, power."""

import numpy as np
import pytest

from spicecim.encodings.bit_sliced import DualCrossbar, Offset, Polarized
from spicecim.encodings.comparison import compare_encodings
from spicecim.engines import simulate
from spicecim.measure import delivered_energy
from spicecim.resources import resource_folder

pytestmark = pytest.mark.ngspice


ENCODINGS = [Polarized, DualCrossbar, Offset]
DEVICES = [{"model": "resistor"}, {"model": "yakopcic", "preset": "oblea"}]
OHMS = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}


def trained_like(lines, outputs, fragment, rng):
    """Polarized weights, small ones most often, as training leaves them: what has the rarer sign is zero."""
    weights = np.round(rng.laplace(scale=30, size=(lines, outputs))).clip(-127, 127).astype(int)
    starts = np.arange(0, lines, fragment)
    sign = np.sign(np.add.reduceat(weights, starts, axis=0))[np.arange(lines) // fragment]
    return np.where(weights * sign > 0, weights, 0)


def run(programmed, inputs):
    return [simulate(bench) for bench in programmed.testbenches(inputs)]


def check_codes(scheme, weights, inputs):
    """Every code is the reference engine's and the integer sum of levels, and the products are those of integers."""
    programmed = scheme.program(weights)
    runs = run(programmed, inputs)
    codes = zip(programmed.codes(inputs, runs), programmed.codes(inputs), programmed.exact_sums(inputs), strict=True)
    for spice, core, exact in codes:
        assert np.array_equal(spice, exact)
        assert np.array_equal(core, exact)
    readout = programmed.read(runs, inputs)
    assert np.array_equal(readout.products, inputs @ weights)
    assert readout.clipped == 0
    # the codes were no close call: a level is 1
    assert readout.error < 1e-5
    return programmed


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_codes_of_200_fragments_are_the_integers(encoding, rng):
    """All on one crossbar, 8 rows by 800 columns."""
    weights = trained_like(8, 200, 8, rng)
    programmed = check_codes(encoding(rows=8, columns=1024), weights, rng.integers(0, 256, (1, 8)))
    assert programmed.resources.crossbars == programmed.tile_count == programmed.scheme.sets


ADVERSARIAL = np.array(
    [[0] * 8, [127] * 8, [-127] * 8, [127, 0] * 4, [0, -127] * 4, [0] * 7 + [1], [-1] + [0] * 7, list(range(1, 9))]
).T  # fmt: skip


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device["model"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_codes_of_adversarial_fragments_are_the_integers(encoding, device):
    """Zeros, full scale, alternating and single ones, each against each."""
    scheme = encoding(device=device, rows=8)
    lowest, highest = scheme.weight_range
    weights = np.where(ADVERSARIAL == 127, highest, np.where(ADVERSARIAL == -127, lowest, ADVERSARIAL))
    inputs = np.array([[0] * 8, [255] * 8, [255, 0] * 4, [0, 85] * 4, [170, 85] * 4, [0] * 7 + [1], [128] + [0] * 7])
    check_codes(scheme, weights, inputs)


@pytest.mark.parametrize("fragment", [4, 16, None])
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
def test_codes_are_the_integers_for_other_fragments_and_cells(fragment, cell_bits, rng):
    scheme = Polarized(fragment=fragment, cell_bits=cell_bits, rows=16, input_bits=5, skip_zeros=True)
    check_codes(scheme, trained_like(20, 3, fragment or 16, rng), rng.integers(0, 20, (2, 20)))


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device["model"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_currents_behind_wires_are_those_of_the_core(encoding, device, rng):
    """Within 1e-5 of full scale, where wires change them by some hundred times that."""
    scheme = encoding(device=device, rows=16, wires=OHMS, input_bits=3)
    weights, inputs = trained_like(12, 4, 8, rng), rng.integers(0, 8, (1, 12))
    programmed = scheme.program(weights)
    spice_sums = programmed.sums(inputs, run(programmed, inputs))
    for spice, core, exact in zip(spice_sums, programmed.sums(inputs), programmed.exact_sums(inputs), strict=True):
        assert np.abs(spice - core).max() < 1e-5 * scheme.largest_sum
        assert np.abs(spice - exact).max() > 1e-3 * scheme.largest_sum


def test_the_core_says_how_far_cells_are_from_ohmic(rng):
    """A bound: most cells see more than the least voltage, and most sums are far from full scale."""
    device = {"model": "stanford_pku", "preset": "hfox"}
    scheme = Polarized(device=device, rows=16, wires=OHMS, input_bits=3, pulse={"voltage": 0.05})
    weights, inputs = trained_like(12, 4, 8, rng), rng.integers(0, 8, (1, 12))
    layer = scheme.program(weights)
    spice = layer.sums(inputs, run(layer, inputs))
    error = np.abs(spice[0] - layer.sums(inputs)[0]).max() / scheme.largest_sum
    assert 0.01 * layer.ohmic_error < error < layer.ohmic_error < 1e-2
    assert Polarized(device=device, pulse={"voltage": 0.05}).program(weights).ohmic_error == 0.0
    assert Polarized(wires=OHMS).program(weights).ohmic_error < 1e-12


@pytest.mark.compiler
def test_a_verilog_a_module_is_read_as_the_model_of_the_library(rng):
    """Its equations give the levels; the reference engine's wires take it too."""
    path = resource_folder("models") / "yakopcic.va"
    weights, inputs = trained_like(8, 3, 8, rng), rng.integers(0, 16, (1, 8))
    check_codes(Polarized(device={"verilog_a": str(path)}, rows=8, input_bits=4), weights, inputs)


def test_inputs_of_16_bits(rng):
    scheme = Polarized(rows=8, input_bits=16)
    check_codes(scheme, rng.integers(0, 256, (8, 2)) * rng.choice([-1, 1], 2), rng.integers(0, 2**16, (1, 8)))


def test_scattered_and_stuck_cells_are_those_of_the_core(rng):
    scheme = DualCrossbar(
        rows=8,
        input_bits=4,
        states={"low": 0.1, "high": 0.5},
        scatter={"sigma": 0.1, "stuck_low": 0.1, "stuck_high": 0.1, "seed": 1},
        wires={"wire_row": 1.0},
    )
    weights, inputs = trained_like(8, 6, 8, rng), rng.integers(0, 16, (2, 8))
    layer = scheme.program(weights)
    runs = run(layer, inputs)
    for spice, core in zip(layer.sums(inputs, runs), layer.sums(inputs), strict=True):
        assert np.abs(spice - core).max() < 1e-5 * scheme.largest_sum
    assert np.array_equal(layer.decode(runs, inputs), layer.multiply(inputs).products)


def test_power_of_the_three_encodings_is_that_of_the_core(rng):
    """Ohmic cells; the edges of the pulses are integrated exactly."""
    weights, inputs = trained_like(16, 4, 8, rng), rng.integers(0, 256, (1, 16))
    schemes = [encoding(rows=16) for encoding in ENCODINGS]
    found = compare_encodings(schemes, weights, inputs, engine="ngspice")
    assert not found.error.any()
    for scheme in schemes:
        of_scheme = found.sel(encoding=scheme.name)
        expected = scheme.program(weights).read_energy(inputs)
        assert float(of_scheme.energy) == pytest.approx(expected.energy, rel=1e-6)
    # two crossbars spend what polarized columns do and what the cells at zero conduct; an offset raises most levels
    polarized, dual, offset = found.energy.values
    assert polarized < dual < offset


def test_energy_of_one_cell_is_the_closed_form():
    """V^2 g (width + 2/3 edge) for every one, of a cell at its highest level."""
    scheme = Polarized(cell_bits=4, weight_bits=4, input_bits=2, pulse={"voltage": 0.2, "width": 50e-9, "edge": 20e-9})
    programmed, inputs = scheme.program([[15]]), [[3], [1], [0]]
    (waveforms,) = run(programmed, inputs)
    expected = 3 * 0.2**2 / 1e4 * (50e-9 + 40e-9 / 3)
    assert float(delivered_energy(waveforms).sum()) == pytest.approx(expected, rel=1e-9)
    assert programmed.read_energy(inputs).energy == pytest.approx(expected, rel=1e-12)
