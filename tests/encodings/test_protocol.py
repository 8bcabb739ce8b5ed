"""All schemes by one protocol: whole layers as their testbenches have it, varied cells, the comparison."""

import numpy as np
import pytest

import spicecim as sc
from spicecim.encodings import (
    Binarized,
    BitSliced,
    ConductanceWeighted,
    DualCrossbar,
    FrequencyWeighting,
    IdealArithmetic,
    Offset,
    OneMagnitude,
    Polarized,
    WeightSet,
    compare_encodings,
    comparison_table,
)
from spicecim.encodings.frequency_weighting.calibration import calibrate
from spicecim.encodings.frequency_weighting.responses import cycle_responses
from spicecim.engines import simulate
from spicecim.errors import InputError, UnsupportedError
from spicecim.resources import resource_folder

OBLEA = {"model": "yakopcic", "preset": "oblea"}
FIELDS = {"device": OBLEA, "amplitude": 0.45}
ROOM = {"low": 0.1, "high": 0.5}
SCHEMES = [
    FrequencyWeighting(**FIELDS, scheme="fixed", levels=16, points_per_period=2000),
    FrequencyWeighting(**FIELDS, scheme="fixed", levels=16, points_per_period=2000, signed="pair", readout="dc"),
    BitSliced(**FIELDS),
    ConductanceWeighted(**FIELDS),
    Binarized(**FIELDS),
    IdealArithmetic(),
    Polarized(fragment=1, rows=8),
    DualCrossbar(rows=8),
    Offset(rows=8),
]
MARKED = [
    pytest.param(scheme, marks=pytest.mark.slow) if scheme.name == "frequency_weighting" else scheme
    for scheme in SCHEMES
]
NAMES = [f"{scheme.name}-{number}" for number, scheme in enumerate(SCHEMES)]
WEIGHTS = np.array([[15, -3], [0, 7], [-9, 12]])
INPUTS = np.array([[255, 0, 17], [90, 200, 255]])


# the state of high resistance is a fixed point of this device, and is meant to be; what instants miss is looked at here
@pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")
@pytest.mark.filterwarnings("ignore::spicecim.errors.StateWarning")
@pytest.mark.parametrize("scheme", MARKED, ids=NAMES)
def test_whole_layers_are_what_their_testbenches_give(scheme):
    programmed = scheme.program(WEIGHTS)
    runs = [simulate(bench, "reference") for bench in programmed.testbenches(INPUTS)]
    products = programmed.multiply(INPUTS).products
    scale = np.abs(programmed.exact(INPUTS)).max()
    # 200 instants miss 1e-4 of a sinusoid's mean, and a level of 16 is a multiple of that
    np.testing.assert_allclose(products, programmed.decode(runs, INPUTS), rtol=0, atol=3e-3 * scale)
    found = programmed.read_energy(INPUTS)
    compared = compare_encodings([scheme], WEIGHTS, INPUTS)
    assert found.energy == pytest.approx(compared.energy.item(), rel=1e-3)
    if found.time:
        assert found.power == pytest.approx(compared.average_power.item(), rel=1e-3) or scheme.name == "dual_crossbar"
    assert (compared.devices.item(), compared.crossbars.item()) == (
        programmed.resources.cells,
        programmed.resources.crossbars,
    )


@pytest.mark.parametrize("scheme", MARKED, ids=NAMES)
def test_varied_cells_are_drawn_and_seeded(scheme):
    if "states" in type(scheme).model_fields and scheme.name != "frequency_weighting":
        scheme = scheme.model_copy(update={"states": type(scheme.states)(**ROOM)})
    programmed = scheme.program(WEIGHTS)
    meant = programmed.multiply(INPUTS).products
    one, again, other = (programmed.varied(0.2, seed).multiply(INPUTS).products for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(programmed.varied(0.0, 3).multiply(INPUTS).products, meant, rtol=1e-9, atol=1e-6)
    if scheme.name != "ideal":
        assert not np.array_equal(one, other)


def test_factors_scale_the_current_of_each_cell():
    """One cell and one sign: what it conducts more is what the product gains, and what level 0 conducts with it."""
    scheme = ConductanceWeighted(**FIELDS)
    programmed, varied = scheme.program([[200]]), scheme.program([[200]]).varied(0.3, 5)
    factor = np.exp(0.3 * np.random.default_rng(5).standard_normal())
    low, high = scheme.range
    share = 200 / 255 * (high - low) + low
    expected = 255 * (factor * share - low) / (high - low) * 100
    assert varied.multiply([[100]]).products.item() == pytest.approx(expected, rel=2e-3)
    assert varied.read_energy([[100]]).energy == pytest.approx(factor * programmed.read_energy([[100]]).energy)
    with pytest.raises(UnsupportedError, match="varied cells are multiplied in the reference engine alone"):
        varied.testbenches([[100]])


def test_any_schemes_are_compared_in_one_table(rng):
    weights, inputs = rng.integers(-15, 16, (9, 2)), rng.integers(0, 256, (3, 9))
    schemes = [DualCrossbar(states=ROOM), SCHEMES[0], BitSliced(**FIELDS), IdealArithmetic()]
    found = compare_encodings(schemes, weights, inputs, None, sigma=0.05, samples=4)
    assert found["sample_error"].shape == (4, 4)
    assert (found["sample_error"].std("sample") > 0).values.tolist() == [True, True, True, False]
    assert found["adc_bits"].values.tolist() == [5, (9 * 255 * 15).bit_length(), (9 * 255).bit_length(), 0]
    lines = comparison_table(found).splitlines()
    assert len(lines) == 2 + len(schemes)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert lines[2].startswith("| dual_crossbar | 144 | 2 | 16 | 256 | 5 |")
    assert lines[-1].endswith("| 0 | 0.00e+00 | 0.00e+00 ± 0e+00 |")
    with pytest.raises(InputError, match=r"sigma: must be a finite number of at least 0 \(given: -1\)"):
        compare_encodings(schemes, weights, inputs, sigma=-1)


def test_what_training_projects_on_is_what_a_scheme_holds(rng):
    weights = rng.standard_normal((16, 3))
    for scheme in SCHEMES:
        constraint = scheme.constraint()
        if isinstance(constraint, OneMagnitude):
            continue
        fitted = constraint.fitted(weights)
        integers = np.round(fitted.project(weights) / fitted.scale).astype(int)
        np.testing.assert_array_equal(scheme.program(integers).weights, integers)
    assert Polarized(fragment=4).constraint() == WeightSet(fragment_size=4, polarized=True, levels=255)
    assert Offset().constraint().levels == 127
    assert Binarized(**FIELDS).constraint() == OneMagnitude()


def test_schemes_are_public():
    assert sc.encodings.Polarized is Polarized
    assert {"Polarized", "FrequencyWeighting", "compare_encodings", "ENCODINGS"} <= set(dir(sc.encodings))


@pytest.mark.compiler
def test_below_threshold_nothing_depends_on_the_frequency_and_above_a_read_moves_the_state():
    """Both regimes of a Verilog-A device, whose threshold is 0.16 V."""
    device = {"verilog_a": str(resource_folder("models") / "yakopcic.va")}
    with pytest.raises(InputError, match=r"amplitude: (from x0 = 0, )?0\.1 V"):
        calibrate(device, 0.1, 16)
    frequency = np.geomspace(1.0, 1e6, 4)
    below, above = (cycle_responses(device, amplitude, frequency, 0.01) for amplitude in (0.1, 0.45))
    np.testing.assert_allclose(below.rectified, below.rectified[0], rtol=1e-8)
    np.testing.assert_allclose(below.x_end, 0.01, rtol=1e-8)
    assert abs(above.x_end - 0.01).max() > 1e-4
    assert above.rectified[0] > 1.5 * above.rectified[-1]
    library = cycle_responses(OBLEA, 0.45, frequency, 0.01)
    np.testing.assert_allclose(above.rectified, library.rectified, rtol=1e-5)
