"""Models fitted to loops: exact derivatives, parameters that come back, and honest words where they cannot."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import spicecim as sc
from spicecim.device_choice import choose_device
from spicecim.devices import get_model, make_device
from spicecim.devices.equations import inner_voltages
from spicecim.devices.expressions import Program, derivative, symbol
from spicecim.devices.library import get_preset
from spicecim.fitting import statistics
from spicecim.fitting.fit import build_problem
from spicecim.fitting.integration import Records, integrate, sensitivities
from spicecim.fitting.runs import run_fit
from spicecim.fitting.systems import SERIES, TracedSystem
from spicecim.fitting.transforms import Transform
from spicecim.fitting.unknowns import Unknown
from spicecim.fitting.verification import verify
from spicecim.measurement.dataset import make_measurement
from spicecim.plotting import plot_fit

NOISE = {"relative": 0.02}


def course(system, x0, p, time, voltage, limit=np.inf, tolerance=1e-7):
    """States and currents (sample,) with their derivatives (unknown, sample) by the parameters and x0."""
    records = Records(time[None], voltage[None], np.full((1, len(time)), limit), np.array([len(time)]))
    p = np.asarray(p, dtype=float)[:, None]
    start = system.start(np.array([x0]), p)
    found = integrate(system, records, np.zeros(1, dtype=int), start.value, p, tolerance)
    assert not found.failed.any()
    first = np.concatenate([start.by_parameter, start.by_state[None]])
    moved = sensitivities(system, found, first, p)
    own = np.broadcast_to(p[:, :, None], (len(p), 1, len(time)))
    current = system.slopes("current", records.voltage, found.state, found.inner, own, records.limit)
    slopes = current.by_state * moved
    slopes[: len(p)] += current.by_parameter
    return found.state[0], current.value[0], slopes[:, 0]


@pytest.mark.parametrize("model", ["yakopcic", "umich"])
def test_states_are_those_of_an_independent_integration(model):
    preset, device = get_preset(model), make_device(model)
    time = np.linspace(0.0, 1.0 / preset.frequency, 31)
    voltage = preset.amplitude * np.sin(2 * np.pi * preset.frequency * time)
    state, current, _ = course(TracedSystem(type(device), device.model_dump(), []), preset.x0, [], time, voltage)
    s = [float(device.state_from_x(preset.x0))]
    for k in range(30):
        solved = solve_ivp(
            lambda t, s, k=k: device.rate(np.interp(t, time, voltage), s), time[k : k + 2], s[-1:], method="LSODA",
            rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        s.append(float(solved.y[0, -1]))
    np.testing.assert_allclose(state, s, atol=2e-6 * device.span())
    np.testing.assert_allclose(current, device.current(voltage, np.array(s)), atol=2e-5 * np.abs(current).max())


@pytest.mark.parametrize(
    ("model", "free", "resistance"),
    [("yakopcic", ["a1", "Ap", "Vp", "alphap"], 0.5), ("linear_drift", ["Ron", "Roff"], 0.0),
     pytest.param("memdiode", ["imax", "etas", "rsmax"], 40.0, marks=pytest.mark.slow),
     pytest.param("vteam", ["koff", "Roff", "alpha_off"], 0.0, marks=pytest.mark.slow)],
)  # fmt: skip
def test_derivatives_are_those_of_difference_quotients(model, free, resistance):
    preset, device = get_preset(model), make_device(model)
    values = {**device.model_dump(), SERIES: resistance}
    free = free + [SERIES] * (resistance > 0)
    time = np.linspace(0.0, 0.5 / preset.frequency, 21)
    # with this tolerance each interval is one step, so that a change of a parameter changes no steps
    coarse = 1e3
    voltage = 0.7 * preset.amplitude * np.sin(2 * np.pi * preset.frequency * time)
    system = TracedSystem(get_model(model), values, free)
    p = np.array([values[name] for name in free])
    _, current, slopes = course(system, 0.4, p, time, voltage, tolerance=coarse)
    for index in range(len(p) + 1):
        ends = []
        width = 1e-4 * (p[index] if index < len(p) else 0.4)
        for steps in (2, 1, -1, -2):
            moved = p.copy()
            moved[index : index + 1] += steps * width
            x0 = 0.4 + (steps * width if index == len(p) else 0.0)
            ends.append(course(system, x0, moved, time, voltage, tolerance=coarse)[1])
        quotient = (8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / (12 * width)
        size = np.abs(quotient).max() + 1e-6 * np.abs(current).max() / abs(width / 1e-4)
        np.testing.assert_allclose(slopes[index], quotient, atol=1e-6 * size)


@pytest.mark.slow
def test_parameters_come_back_and_the_fit_is_told():
    measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=80, seed=3)
    found = sc.fit(measured, "yakopcic", free=["a1", "Ap", "Vn"], first={"a1": 0.2, "Ap": 3000}, noise=NOISE, starts=4)
    for name, true in {"a1": 0.17, "Ap": 4000.0, "Vn": 0.15}.items():
        each = found.parameters[name]
        assert each.determined
        assert abs(each.value / true - 1) < 0.02
        assert each.low < each.value < each.high < 1.1 * each.value
    assert not found.warnings
    assert 0.8 < found.chi_square / found.degrees_of_freedom < 1.2
    assert found.relative_rms < 0.025
    assert np.isfinite([found.aic, found.bic]).all()
    np.testing.assert_allclose(np.diag(found.correlation), 1.0)
    assert len(plot_fit(found.curves).axes) == 4
    told = found.to_dict()
    assert set(told["parameters"]["a1"]) >= {"value", "low", "high"}
    assert told["residual_rms"] == found.residual_rms


@pytest.mark.slow
def test_the_preset_runs_in_ngspice_with_the_same_residual(tmp_path):
    measured = sc.synthetic_measurement("yakopcic", frequency=[100], points=150, seed=3, series_resistance=1.0)
    free = ["a1", "Ap", "series_resistance"]
    found = sc.fit(measured, "yakopcic", free=free, noise=NOISE, starts=2)
    assert found.parameters["series_resistance"].low < 1.0 < found.parameters["series_resistance"].high
    run = verify(found, "ngspice")
    assert run["residual_rms"] == pytest.approx(found.residual_rms, rel=1e-3)
    assert run["largest_difference"] < 1e-3
    found.save(tmp_path / "mine.yaml")
    values = {
        "device": {"model": "yakopcic", "preset": "mine.yaml"}, "crossbar": {"state": [[0.1]]},
        "drive": {"kind": "sine", "amplitude": 0.4, "frequency": 100},
    }  # fmt: skip
    bench = sc.Testbench.from_dict(values, folder=tmp_path)
    assert bench.device.build().a1 == found.parameters["a1"].value
    assert sc.Testbench.from_dict(bench.to_dict()).device.build() == bench.device.build()
    with pytest.raises(sc.InputError, match=r"device.preset: .*must be vteam"):
        sc.Testbench.from_dict({**values, "device": {"model": "vteam", "preset": "mine.yaml"}}, folder=tmp_path)
    with pytest.raises(sc.InputError, match=r"device.preset: .*none.yaml"):
        sc.Testbench.from_dict({**values, "device": {"model": "yakopcic", "preset": "none.yaml"}}, folder=tmp_path)


def test_what_the_data_cannot_tell_is_told():
    # 0.1 V never crosses the thresholds, at 0.16 and 0.15 V
    measured = sc.synthetic_measurement("yakopcic", amplitude=0.1, points=60, seed=1)
    found = sc.fit(measured, "yakopcic", free=["a1", "Vp"], noise=NOISE, starts=1)
    assert any("Vp: the data do not depend on it" in text and "threshold" in text for text in found.warnings)
    assert not found.parameters["Vp"].determined
    assert np.isinf(found.parameters["Vp"].high)
    assert found.parameters["a1"].determined


@pytest.mark.slow
def test_parameters_that_act_as_one_are_told():
    # the product of these two alone stands in the equations
    measured = sc.synthetic_measurement("umich", points=60, seed=1)
    found = sc.fit(measured, "umich", free=["lambda_", "eta1", "gamma"], noise=NOISE, starts=1)
    assert any(text.startswith("lambda_, eta1: only a combination") for text in found.warnings)
    preset = get_preset("umich").parameters
    left = [name for name in ("lambda_", "eta1") if found.value(name) == pytest.approx(preset[name], rel=1e-12)]
    assert f"left at first values: {left[0]}" in found.warnings[-1]
    assert found.parameters["gamma"].determined


@pytest.mark.slow
def test_a_model_of_another_device_is_no_fit():
    measured = sc.synthetic_measurement("yakopcic", points=80, seed=1)
    first = {"Ron": 50, "Roff": 500, "tau": 1e-3}
    found = sc.fit(measured, "metastable_switch", free=["Ron", "Roff", "tau"], first=first, noise=NOISE, starts=2)
    assert any("does not describe the data" in text for text in found.warnings)
    assert found.chi_square_probability < 1e-6
    assert found.runs_probability < 1e-6
    unstated = sc.fit(measured, "metastable_switch", free=["Ron", "Roff", "tau"], first=first, starts=1)
    assert any("runs test" in text for text in unstated.warnings)


def test_the_runs_test_knows_noise():
    random = np.random.default_rng(0)
    assert statistics.runs_test(random.standard_normal(500)) > 0.01
    assert statistics.runs_test(np.sin(np.linspace(0, 20, 500))) < 1e-10


@pytest.mark.slow
def test_compliance_is_part_of_the_device_s_loop():
    limit = 8e-4
    measured = sc.synthetic_measurement("metastable_switch", points=120, seed=1, compliance=limit)
    assert measured.in_compliance.values.sum() > 10
    found = sc.fit(measured, "metastable_switch", free=["Ron", "Roff"], noise=NOISE, starts=1)
    preset = get_preset("metastable_switch").parameters
    for name in ("Ron", "Roff"):
        assert abs(found.parameters[name].value / preset[name] - 1) < 0.05
    over = np.abs(found.curves.device_voltage.values[measured.in_compliance.values])
    assert (over < np.abs(measured.voltage.values[measured.in_compliance.values]) + 1e-9).all()


def test_a_limited_source_may_be_at_zero_volts():
    preset, device = get_preset("metastable_switch"), make_device("metastable_switch")
    time = np.linspace(0.0, 1.0 / preset.frequency, 41)
    voltage = preset.amplitude * np.sin(2 * np.pi * preset.frequency * time)
    voltage[[0, 20, 40]] = 0.0
    system = TracedSystem(type(device), device.model_dump(), ["Ron"], limited=True)
    _, current, slopes = course(system, preset.x0, [500.0], time, voltage, limit=8e-4)
    assert np.isfinite(slopes).all()
    assert (current[[0, 20, 40]] == 0.0).all()
    assert np.abs(current).max() == pytest.approx(8e-4, rel=1e-9)


@pytest.mark.slow
def test_many_devices_give_a_distribution():
    random = np.random.default_rng(0)
    scale = np.exp(0.1 * random.standard_normal((6, 2)))
    lot = [
        sc.synthetic_measurement("yakopcic", points=60, seed=k, parameters={"a1": 0.17 * a, "Ap": 4000 * b})
        for k, (a, b) in enumerate(scale)
    ]
    found = sc.fit_each(lot, "yakopcic", free=["a1", "Ap"], noise=NOISE, starts=1)
    np.testing.assert_allclose([fit.parameters["a1"].value for fit in found.fits], 0.17 * scale[:, 0], rtol=0.02)
    spread = found.distribution
    np.testing.assert_allclose(spread.mean, np.log([0.17, 4000]) + np.log(scale).mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.diag(spread.covariance), np.log(scale).var(axis=0, ddof=1), rtol=0.5)
    drawn = spread.draw((20, 25), seed=1)
    assert drawn["a1"].shape == (20, 25)
    assert np.log(drawn["a1"]).std() == pytest.approx(spread.covariance[0, 0] ** 0.5, rel=0.2)


def test_a_distribution_is_drawn_from_and_comes_back_from_a_file():
    transforms = [Transform("log"), Transform("logit", 0.0, 2.0), Transform("linear", size=3.0)]
    covariance = np.array([[0.04, 0.02, 0.0], [0.02, 0.09, 0.0], [0.0, 0.0, 0.0]])
    spread = sc.JointDistribution(["Ron", "Vt", "k"], [4.0, 0.1, 1.0], covariance, transforms)
    again = sc.JointDistribution.from_dict(json.loads(json.dumps(spread.to_dict())))
    drawn, same = (each.draw(20000, seed=3) for each in (spread, again))
    for name in spread.names:
        np.testing.assert_array_equal(drawn[name], same[name])
    numbers = np.stack([each.number(drawn[name]) for name, each in zip(spread.names, transforms, strict=True)])
    np.testing.assert_allclose(np.cov(numbers), covariance, atol=3e-3)
    assert spread.median() == pytest.approx({"Ron": np.exp(4.0), "Vt": transforms[1].value(0.1), "k": 3.0})
    assert spread.of(["Vt"]).covariance.tolist() == [[0.09]]
    for change, told in (
        ({"covariance": -covariance}, "positive semidefinite"),
        ({"covariance": covariance + np.triu(np.ones((3, 3)))}, "symmetric"),
        ({"mean": [1.0]}, "must be of 3 parameters"),
        ({"transforms": [{"kind": "cube"}] * 3}, "kind must be one of"),
        ({"transforms": [{"kind": "logit"}] * 3}, "needs two bounds"),
    ):
        with pytest.raises(sc.InputError, match=told):
            sc.JointDistribution.from_dict({**spread.to_dict(), **change})
    with pytest.raises(sc.InputError, match="names: has Roff"):
        spread.of(["Roff"])


@pytest.mark.slow
def test_the_posterior_is_that_of_the_intervals_where_the_model_is_straight():
    measured = sc.synthetic_measurement("metastable_switch", points=60, seed=3)
    found = sc.fit(measured, "metastable_switch", free=["Ron", "Roff"], noise=NOISE, starts=1)
    draws = sc.posterior(found, steps=240, walkers=16, seed=1)
    assert draws["Ron"].shape == (16, 180)
    assert 0.3 < draws.attrs["acceptance"] < 0.9
    for name, each in found.parameters.items():
        low, high = np.quantile(draws[name], [0.025, 0.975])
        assert (high - low) / (each.high - each.low) == pytest.approx(1.0, rel=0.15)
        assert abs(float(draws[name].median()) - each.value) < 0.1 * (each.high - each.low)
    np.testing.assert_array_equal(draws["Ron"], sc.posterior(found, steps=240, walkers=16, seed=1)["Ron"])
    with pytest.raises(sc.InputError, match="walkers: must be even"):
        sc.posterior(found, walkers=3)


def test_wrong_names_and_bounds_are_refused():
    measured = sc.synthetic_measurement("yakopcic", points=40)
    for options, told in (
        ({"free": ["a7"]}, "a7 is no number of yakopcic"),
        ({"free": ["a1", "a1"]}, "stands twice"),
        ({"free": ["a1"], "bounds": {"a1": (1.0, 0.5)}}, "bounds of a1"),
        ({"free": ["a1"], "bounds": {"Vp": (0.1, 0.5)}}, "it is not free"),
        ({"free": ["a1"], "noise": {"white": 1}}, "noise: has white"),
        ({"free": ["a1"], "residual": "square"}, "residual: must be one of"),
        ({"free": ["a1"], "x0": 2.0}, "x0: must be between"),
        ({"free": ["a1", "b"], "fixed": {"b": 0.05}}, "fixed: b is to be fitted too"),
        ({"first": {"b": 0.05}, "fixed": {"b": 0.05}}, "fixed: b is to be fitted too"),
        ({"free": ["a1"], "first": {"b": 0.05}}, "first value of b: it is not free"),
        ({"fixed": {"x0": 0.1}, "x0": 0.1}, "x0: stands twice"),
        ({"fixed": {"x0": "much"}}, "x0: "),
        ({"free": ["x0_1"], "first": {"x0_1": -1}}, "x0_1: must be between"),
    ):
        with pytest.raises(sc.InputError, match=told):
            sc.fit(measured, "yakopcic", **options)
    for options, told in (({"residual": "square"}, "residual: must be"), ({"starts": 0}, "starts: must be")):
        with pytest.raises(sc.InputError, match=told):
            sc.fit_each([measured, measured], "yakopcic", free=["a1"], **options)


def test_what_is_fixed_is_not_free():
    measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=40)

    def built(**given):
        options = dict.fromkeys(("preset", "free", "fixed", "first", "bounds", "x0", "noise"))
        problem, values, _ = build_problem(measured, "yakopcic", **{**options, "residual": "mixed", **given})
        return {unknown.name: unknown.first for unknown in problem.unknowns}, values, problem.first

    every, published, _ = built()
    assert {"a1", "b", "x0"} <= {*every}
    left, values, begun = built(fixed={"b": 0.04, "x0": "0.11"}, first={"a1": "0.2"})
    assert {*left} == {*every} - {"b", "x0"}
    assert (values["b"], values["x0"], left["a1"]) == (0.04, 0.11, 0.2)
    assert begun == [(0.11, -1), (0.11, -1)]
    assert {name: left[name] for name in left if name != "a1"} == {
        name: published[name] for name in left if name != "a1"
    }
    assert built(free=["a1", "x0_1", "x0_2"], first={"x0_2": 0.3}, x0=0.2)[0] == {"a1": 0.17, "x0_1": 0.2, "x0_2": 0.3}
    assert built(free=["series_resistance"], first={"series_resistance": "2 ohm"})[0] == {"series_resistance": 2.0}


def test_numbers_far_off_are_infinite_values_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown = Unknown("a1", "A", 0.1, 0.0)
        assert np.isinf(unknown.value(np.array([800.0])))
        assert np.isinf(unknown.slope(np.array([800.0])))


def test_derivatives_by_an_exponent():
    base, exponent = symbol("a"), symbol("b")
    program = Program([derivative(base**exponent, "b")], ["a", "b"])
    with np.errstate(invalid="ignore"):
        found = program(np.array([2.0, 0.0, -2.0]), 3.0)[0]
    np.testing.assert_allclose(found, [8.0 * np.log(2.0), 0.0, np.nan], rtol=1e-15)


def test_outputs_of_a_program_cannot_be_written_to():
    given = np.ones(3)
    for output in Program([symbol("a"), 2.0 * symbol("a"), 1.0], ["a"])(given):
        assert output.shape == (3,)
        with pytest.raises(ValueError, match="read-only"):
            output += 1.0
    assert given.tolist() == [1.0] * 3


def test_an_inner_voltage_may_be_the_whole_voltage():
    # without a current all of the voltage is over the device; the other balance falls with the voltage
    v = np.array([0.3, -0.3, 0.0])
    np.testing.assert_array_equal(inner_voltages(lambda at, u: [u - v[at], np.ones_like(u)], v), v)
    np.testing.assert_allclose(inner_voltages(lambda at, u: [0.5 * v[at] - u, -np.ones_like(u)], v), 0.5 * v)
    assert np.isnan(inner_voltages(lambda at, u: [np.nan * u, u], v)).all()


V = np.sin(2 * np.pi * np.linspace(0.0, 1.0, 21))
MODULE = "examples/series_memristor.va"


def module_loop(points):
    """A loop of the example's module by the reference engine."""
    time = np.linspace(0.0, 5e-3, points)
    voltage = np.sin(2 * np.pi * 200 * time)
    bench = {
        "device": {"verilog_a": MODULE, "initial": [0, 1]}, "crossbar": {"state": [[0.1]]},
        "analysis": {"duration": float(time[-1])},
        "drive": {"kind": "samples", "time": time.tolist(), "voltages": [voltage.tolist()]},
    }  # fmt: skip
    run = sc.simulate(sc.Testbench.from_dict(bench), "reference", time=time)
    return make_measurement([(time, voltage, run.i_column.values[:, 0])])


@pytest.mark.slow
def test_a_verilog_a_module_is_fitted():
    found = sc.fit(module_loop(101), MODULE, free=["Gon", "k"], first={"Gon": 1.2e-3}, x0=0.1, starts=1)
    assert found.parameters["Gon"].value == pytest.approx(1e-3, rel=2e-3)
    assert found.parameters["k"].value == pytest.approx(2e3, rel=2e-3)


@pytest.mark.compiler
def test_the_fit_of_a_module_becomes_a_preset_file(tmp_path):
    measured = make_measurement([(np.linspace(0.0, 5e-3, 21), V, 1e-3 * V)])
    module, preset = tmp_path / "mine.va", tmp_path / "mine.yaml"
    module.write_text(Path(MODULE).read_text())
    # nothing is free: this is of the file, not of the search
    run_fit(
        tmp_path / "out", measured, [str(module)], engine="none", save=preset, free=[], fixed={"Gon": 1.1e-3}, x0=0.1
    )
    assert preset.read_text() == (tmp_path / "out" / "preset.yaml").read_text()
    values = {
        "device": {"verilog_a": "mine.va", "preset": "mine.yaml", "parameters": {"C": 2e-12}},
        "crossbar": {"state": [[0.1]]}, "drive": {"kind": "sine", "amplitude": 1.0, "frequency": 200},
    }  # fmt: skip
    device = sc.Testbench.from_dict(values, folder=tmp_path).device
    assert (device.module, device.state, device.initial) == ("series_memristor", "x", (0.0, 1.0))
    assert device.build().parameters["Gon"] == 1.1e-3
    assert device.build().parameters["C"] == 2e-12
    # what a run saves needs the preset no more; a further fit begins there
    assert choose_device(device.model_dump()) == device
    again = sc.fit(measured, module, preset=str(preset), free=[])
    assert again.value("Gon") == device.parameters["Gon"]
    assert again.x0() == 0.1
    for changed, told in (
        ({"preset": "none.yaml"}, r"device.preset: .*none.yaml"),
        ({"preset": "hfox"}, r"device.preset: must be a file that ends in .yaml"),
        ({"initial": [0, 2]}, r"device.initial: must be \[0.0, 1.0\]"),
    ):
        with pytest.raises(sc.InputError, match=told):
            sc.Testbench.from_dict({**values, "device": {**values["device"], **changed}}, folder=tmp_path)
    (tmp_path / "not.yaml").write_text("a: 1\n")
    with pytest.raises(sc.InputError, match=r"device.preset: .*must have the keys default"):
        sc.Testbench.from_dict({**values, "device": {**values["device"], "preset": "not.yaml"}}, folder=tmp_path)
    module.write_text(Path(MODULE).read_text().replace("2k from", "3k from"))
    with pytest.raises(sc.InputError, match=r"device.preset: mine.yaml: is of 'mine.va' with SHA-256"):
        sc.Testbench.from_dict(values, folder=tmp_path)
