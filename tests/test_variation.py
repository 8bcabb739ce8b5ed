"""Parameters drawn for every cell, stuck cells and read noise."""

import itertools

import numpy as np
import pytest
from scipy.stats import kstest

import spicecim as sc
from spicecim.devices import load_presets
from spicecim.devices.stopping import stopping_parameters
from spicecim.errors import InputError, TestbenchError, UnsupportedError
from spicecim.fitting.transforms import Transform
from spicecim.variation.correlation import generator, standard_normal
from spicecim.variation.distributions import distribution
from spicecim.variation.noise import telegraph_states

CELLS = (250, 400)
"""1e5 cells."""


def bench(shape=(6, 5), **changes):
    return sc.Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {"state": np.full(shape, 0.5)},
            "drive": {"kind": "sine", "amplitude": 0.4, "frequency": 100},
            **changes,
        }
    )


BASE = load_presets("yakopcic")["oblea"].parameters


@pytest.fixture(scope="module")
def many():
    """1e5 cells, correlated."""
    return sc.vary(
        bench(CELLS),
        {"Vp": sc.lognormal(0.1), "a1": sc.normal("5 %"), "Ap": sc.uniform(0.2), "b": sc.normal(0.1, within=2)},
        seed=7,
        correlation={("Vp", "a1"): -0.6},
    ).device.arrays()


def test_moments_of_drawn_cells(many):
    """Of 1e5 cells within 1 % of what was asked for."""
    logarithm = np.log(many["Vp"] / float(BASE["Vp"]))
    assert np.exp(logarithm.mean()) == pytest.approx(1.0, abs=0.01)
    assert logarithm.std() == pytest.approx(0.1, rel=0.01)
    assert many["a1"].mean() == pytest.approx(float(BASE["a1"]), rel=0.01)
    assert many["a1"].std() == pytest.approx(0.05 * float(BASE["a1"]), rel=0.01)
    assert many["Ap"].mean() == pytest.approx(float(BASE["Ap"]), rel=0.01)
    assert many["Ap"].std() == pytest.approx(0.2 * float(BASE["Ap"]) / np.sqrt(3.0), rel=0.01)
    # a normal distribution that is cut off at two standard deviations (its variance: 1 - 4 phi(2) / (2 Phi(2) - 1))
    cut = many["b"] / float(BASE["b"]) - 1.0
    assert np.abs(cut).max() <= 0.2
    assert cut.std() == pytest.approx(0.1 * np.sqrt(0.7737413), rel=0.01)
    assert np.corrcoef(logarithm.ravel(), many["a1"].ravel())[0, 1] == pytest.approx(-0.6, rel=0.01)
    assert abs(np.corrcoef(many["Ap"].ravel(), many["b"].ravel())[0, 1]) < 0.01


def test_the_shape_of_a_distribution_is_the_normal_one():
    numbers = standard_normal(["one"], (20_000,), 3)["one"]
    assert kstest(numbers, "norm").pvalue > 1e-3


def test_a_seed_gives_the_same_cells_in_any_order():
    wanted = {"Vp": sc.lognormal(0.1), "a1": sc.normal(0.05), "Ap": sc.uniform(0.3)}
    pairs = {("Vp", "a1"): 0.5, ("a1", "Ap"): 0.3}
    found = [
        sc.vary(bench(), {name: wanted[name] for name in order}, seed=11, correlation=pairs, stuck={"on": 0.1})
        for order in itertools.permutations(wanted)
    ]
    for other in found[1:]:
        assert (other.crossbar.state == found[0].crossbar.state).all()
        for name, array in found[0].device.arrays().items():
            assert (other.device.arrays()[name] == array).all()
    another = sc.vary(bench(), wanted, seed=12, correlation=pairs)
    assert (another.device.arrays()["Vp"] != found[0].device.arrays()["Vp"]).all()


def test_a_parameter_does_not_change_with_what_else_is_drawn():
    alone = sc.vary(bench(), {"Vp": sc.lognormal(0.1)}, seed=5)
    both = sc.vary(bench(), {"Ap": sc.normal(0.1), "Vp": sc.lognormal(0.1)}, seed=5)
    assert (alone.device.arrays()["Vp"] == both.device.arrays()["Vp"]).all()


def test_plain_values_mean_the_same():
    plain = sc.vary(bench(), {"Vp": {"lognormal": 0.1, "within": 3}, "a1": {"normal": "5 %"}}, seed=1)
    assert plain == sc.vary(bench(), {"Vp": sc.lognormal(0.1, within=3), "a1": sc.normal(0.05)}, seed=1)


def test_a_gradient_goes_over_the_array():
    found = sc.vary(bench(), {}, seed=1, gradients={"Vp": (0.1, "-4 %")}).device.arrays()["Vp"] / float(BASE["Vp"])
    assert found[-1, 0] - found[0, 0] == pytest.approx(0.1)
    assert found[0, -1] - found[0, 0] == pytest.approx(-0.04)
    assert found.mean() == pytest.approx(1.0)


def test_what_varies_already_varies_about_its_cells():
    once = sc.vary(bench(), {}, seed=1, gradients={"Vp": (0.5, 0.0)})
    twice = sc.vary(once, {"Vp": sc.normal(0.0)}, seed=2)
    np.testing.assert_allclose(twice.device.arrays()["Vp"], once.device.arrays()["Vp"])


def test_a_joint_distribution_of_fits_is_drawn_from():
    covariance = [[0.01, -0.004], [-0.004, 0.0025]]
    joint = sc.JointDistribution(["Vp", "a1"], np.log([0.16, 0.17]), covariance, [Transform("log"), Transform("log")])
    drawn = sc.vary(bench(CELLS), joint, seed=4).device.arrays()
    logarithms = np.log([drawn["Vp"].ravel(), drawn["a1"].ravel()])
    np.testing.assert_allclose(logarithms.mean(axis=1), joint.mean, rtol=0.01)
    np.testing.assert_allclose(np.cov(logarithms), covariance, rtol=0.02)


def test_stuck_cells_stay_and_conduct_as_their_state_says():
    stuck = sc.vary(
        bench((20, 10), analysis={"probe": "cells"}), {"Vp": sc.lognormal(0.1)}, seed=3,
        stuck={"off": 0.05, "on": "10 %"},
    )  # fmt: skip
    off, on = (stuck.crossbar.state == end for end in (0.0, 1.0))
    assert (off.sum(), on.sum()) == (10, 20)
    run = sc.simulate(stuck, engine="reference")
    assert (run.x.values[:, off] == 0.0).all()
    assert (run.x.values[:, on] == 1.0).all()
    assert (np.ptp(run.x.values[:, ~(off | on)], axis=0) > 1e-3).all()


@pytest.mark.slow
def test_stuck_cells_stay_in_both_engines():
    stuck = sc.vary(bench((4, 3), analysis={"probe": "cells"}), {}, seed=3, stuck={"off": 0.25, "on": 0.25})
    one = sc.simulate(stuck, engine="ngspice")
    other = sc.simulate(stuck, engine="reference", time=one.time.values)
    assert np.abs(one.x - other.x).max() < 1e-3
    held = (stuck.crossbar.state == 0.0) | (stuck.crossbar.state == 1.0)
    assert np.abs(one.x.values[:, held] - stuck.crossbar.state[held]).max() < 1e-9


@pytest.mark.parametrize("model", ["yakopcic", "data_driven", "stanford_pku", "vteam", "linear_drift"])
def test_what_stops_a_model_is_found(model):
    one = sc.Testbench.from_dict(
        {
            "device": {"model": model},
            "crossbar": {"state": [[0.4]]},
            "drive": {"kind": "sine", "amplitude": 1.0, "frequency": 1e3},
        }
    )
    device = one.device.build()
    values = {**device.model_dump(), **stopping_parameters(device, 1.0, 1e-3)}
    stopped = type(device).model_validate(values)
    s = device.state_from_x([0.1, 0.4, 0.9])
    assert np.abs(stopped.rate(1.0, s)).max() * 1e-3 <= 1e-12 * device.span() < np.abs(device.rate(1.0, s)).max()
    np.testing.assert_allclose(stopped.current(1.0, s), device.current(1.0, s))


def test_thermal_noise_has_the_variance_of_the_row():
    """Johnson noise of the row's conductance: samples at 2 B have the variance 4 k T B / G."""
    one = bench((2, 3), drive={"kind": "sine", "amplitude": 0.0, "frequency": 1}, device={
        "model": "resistor", "parameters": {"Roff": 1e6, "Ron": 1e5}})  # fmt: skip
    noisy = sc.read_noise(one, seed=1, bandwidth="10kHz", temperature=400)
    x = 0.5
    device = one.device.build()
    conductance = 3 * float(device.current(1e-3, x)) / 1e-3
    right = 4 * 1.380649e-23 * 400 * 1e4 / conductance
    assert noisy.drive.voltages.shape[1] == 20_001
    np.testing.assert_allclose(noisy.drive.voltages.var(axis=1), right, rtol=0.05)
    assert abs(np.corrcoef(noisy.drive.voltages)[0, 1]) < 0.03
    assert noisy == sc.read_noise(one, seed=1, bandwidth="10kHz", temperature=400)


@pytest.mark.parametrize("noise", [{"bandwidth": "500Hz"}, {"telegraph": 1e-9, "high": "1s", "low": "1s"}])
def test_slow_noise_leaves_the_drive_as_it_is(noise):
    """Ten periods of a sine, which samples of the noise alone would miss."""
    one = bench((2, 3), drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3}, analysis={"periods": 10})
    noisy = sc.read_noise(one, seed=1, **noise)
    time = np.linspace(0.0, one.duration, 3001)
    np.testing.assert_allclose(noisy.drive.voltage(time), one.drive.voltage(time), atol=2e-4 * 0.1)


def test_fast_telegraph_noise_leaves_thermal_noise_as_it_is():
    """Voltages of both: the thermal part has its own samples, whatever the other noise and the drive need."""
    one = bench((2, 3), drive={"kind": "sine", "amplitude": 0.0, "frequency": 1})
    alone = sc.read_noise(one, seed=1, bandwidth="100Hz").drive
    both = sc.read_noise(one, seed=1, bandwidth="100Hz", telegraph=0.1, high="5ms", low="5ms").drive
    np.testing.assert_allclose(both.voltage(alone.time), alone.voltages.T, atol=1e-9 * alone.voltages.std())
    assert len(both.time) > 10 * len(alone.time)


def test_thermal_noise_is_that_of_the_testbench_s_temperature():
    device = {"model": "stanford_pku", "preset": "ihp"}
    cold, hot = (
        sc.read_noise(bench((1, 1), device=device, analysis={"temperature": kelvin}), seed=1, bandwidth="1kHz").drive
        for kelvin in (300.0, 400.0)
    )
    drive = bench((1, 1), device=device).drive.voltage(cold.time).T
    ratio = (hot.voltages - drive).std() / (cold.voltages - drive).std()
    assert ratio == pytest.approx(np.sqrt(400 / 300), rel=1e-6)


def test_telegraph_noise_has_its_times():
    time = np.linspace(0.0, 2000.0, 200_001)
    states = telegraph_states(time, 3.0, 1.0, generator(1, "telegraph"))
    assert states.mean() == pytest.approx(0.75, abs=0.03)
    switched = np.flatnonzero(np.diff(states))
    lengths, level = np.diff(time[switched]), states[switched[:-1] + 1]
    assert lengths[level == 1].mean() == pytest.approx(3.0, rel=0.15)
    assert lengths[level == 0].mean() == pytest.approx(1.0, rel=0.15)


def test_corners_of_a_drive_stay_where_samples_miss_them_by_rounding():
    pulse = {"kind": "pulse", "high": 0.1, "rise": 1e-4, "fall": 1e-4, "width": 3e-3, "period": 4e-3}
    noisy = sc.read_noise(bench((2, 2), drive=pulse), seed=2, bandwidth="50kHz")
    time = noisy.drive.time
    assert np.diff(time).min() > 1e-6
    assert {1e-4, 1e-4 + 3e-3} <= set(time.tolist())


@pytest.mark.slow
def test_both_engines_get_the_same_noise():
    one = bench((2, 2), drive={"kind": "pulse", "high": 0.1, "rise": 1e-4, "fall": 1e-4, "width": 3e-3, "period": 4e-3})
    noisy = sc.read_noise(one, seed=2, telegraph=0.1, high="0.5ms", low="0.5ms")
    spice = sc.simulate(noisy, engine="ngspice")
    other = sc.simulate(noisy, engine="reference", time=spice.time.values)
    assert np.abs(spice.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: sc.vary(bench(), {"Vq": sc.normal(0.1)}, seed=1), "no value of 'Vq'"),
        (lambda: sc.vary(bench(), {"Vp": {"gauss": 0.1}}, seed=1), "parameters.Vp: must have one of the keys"),
        (lambda: sc.vary(bench(), {"Vp": 0.1}, seed=1), "parameters.Vp: must be one of lognormal"),
        (lambda: sc.vary(bench(), {"Vp": sc.normal(0.1)}, seed=-1), "seed"),
        (lambda: sc.vary(bench(), {}, seed=1, gradients={"Vp": 0.1}), "gradients.Vp"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"on": 0.7, "off": 0.6}), "at most 1 together"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"dead": 0.1}), "stuck: must have shares"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"on": "some"}), "stuck.on: 'some' is not a number"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"on": 0.5, "by": 3}), "stuck.by: must be values by the names"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"on": 0.5, "by": {"Vq": 1}}), "stuck.by.Vq: the device has no"),
        (lambda: sc.vary(bench(), {}, seed=1, stuck={"on": 0.5, "by": {"Vp": "x"}}), "stuck.by.Vp: 'x' is not a"),
        (lambda: sc.vary(bench(), {}, seed=1, gradients={"Vp": ("x", 0)}), "gradients.Vp: 'x' is not a number"),
        (lambda: sc.vary(bench(), {"Vp": {"normal": 0.1, "uniform": 0.1}}, seed=1), "and no other; it is"),
        (
            lambda: sc.vary(
                bench(),
                {"Vp": sc.normal(0.1), "Vn": sc.normal(0.1)},
                seed=1,
                correlation={("Vp", "Vn"): 0.5, ("Vn", "Vp"): -0.5},
            ),
            "correlation: ('Vn', 'Vp') is given twice",
        ),
        (lambda: sc.normal("much"), "normal: "),
        (lambda: sc.lognormal(-0.1), "must be between 0 and 10"),
        (lambda: distribution({"uniform": 0.1, "within": 2}), "within"),
        (lambda: sc.read_noise(bench(), seed=1, bandwidth="1GHz"), "samples per row"),
        (lambda: sc.read_noise(bench(), seed=1, telegraph=0.1), "needs high and low"),
        (lambda: sc.read_noise(bench(), seed=1), "needs bandwidth, for thermal noise, or telegraph"),
        (lambda: sc.read_noise(bench(), seed=1, bandwidth=1e3, high="1ms"), "high, low: are times of telegraph noise"),
    ],
)
def test_what_is_no_variation_is_named(call, problem):
    with pytest.raises(InputError) as error:
        call()
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        ([[1.0, 0.5], [0.4, 1.0]], "must be symmetric; element [0, 1]"),
        ([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]], "not positive semidefinite"),
        ([[2.0, 0.5], [0.5, 2.0]], "the diagonal must be 1"),
        ([[1.0]], "must be a matrix of 2 x 2"),
        ([["a", 1.0]], "must be a matrix of numbers"),
        ({("Vp", "Vp"): 0.5}, "no pair of two"),
        ({("Vp", "a1"): 1.5}, "from -1 to 1"),
    ],
)
def test_a_correlation_that_is_none_is_refused(matrix, problem):
    names = ["Vp", "a1", "Ap"][: 3 if len(matrix) == 3 else 2]
    with pytest.raises(InputError) as error:
        sc.vary(bench(), {name: sc.normal(0.1) for name in names}, seed=1, correlation=matrix)
    assert problem in str(error.value)


def test_a_draw_out_of_bounds_names_the_cell():
    with pytest.raises(TestbenchError, match=r"cell \(\d+, \d+\): Vp"):
        sc.vary(bench(), {"Vp": sc.normal(5.0)}, seed=1)


def test_stuck_cells_of_an_unknown_device_need_to_be_told(tmp_path):
    path = tmp_path / "r.sub"
    path.write_text(".subckt cell p n R=1k\nR1 p n {R}\n.ends\n")
    device = {"subcircuit": str(path), "ports": ["row", "column"], "parameters": {"R": "1k"}}
    with pytest.raises(UnsupportedError, match="say so"):
        sc.vary(bench(device=device), {}, seed=1, stuck={"on": 0.1})
    told = sc.vary(bench(device=device), {"R": sc.normal(0.1)}, seed=1, stuck={"on": 0.1, "by": {"R": 5.0}})
    assert (told.device.arrays()["R"] == 5.0).sum() == 3
