"""Device classes with several states: all faces of one agree, in both engines, and what cannot be is refused."""

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import spicecim as sc
from spicecim.cli.tables import describe_model
from spicecim.devices import MODELS, Memristor, Number, State, make_device, parameter
from spicecim.devices.varied import make_cells
from spicecim.errors import ModelError, PhysicsError, UnsupportedError
from spicecim.netlist.export import export_model
from spicecim.ngspice.engine import evaluate_equations
from spicecim.physics import States, check_physics
from spicecim.waveforms import load_waveforms, save_waveforms

AMPLITUDE, FREQUENCY = 0.5, 50.0
PRESET = {"description": "d", "source": "s", "x0": 0.1, "amplitude": 0.5, "frequency": 50, "parameters": {}}


class Filament(Memristor):
    """A filament that Joule heat warms, and that moves the faster, the warmer it is."""

    name, title, source = "warm_filament", "Filament with its temperature", "a test"
    states = {"T": State("K", "temperature of the filament", start="T0")}  # noqa: RUF012
    T0: Number = parameter("K", "ambient temperature", 300.0, gt=0)
    Rth: Number = parameter("K/W", "thermal resistance", 2e5, gt=0)
    Cth: Number = parameter("J/K", "heat capacity", 1e-8, gt=0)
    alpha: Number = parameter("1/K", "temperature coefficient of the conductance", 1e-3)
    speed: Number = parameter("1/(V s)", "speed at the ambient temperature", 20.0, gt=0)

    def current(self, v, s, T):
        return (1e-5 + 0.99e-3 * s) * (1.0 + self.alpha * (T - self.T0)) * v

    def rate(self, v, s, T):
        return self.speed * v * np.exp((T - self.T0) / 60.0) * np.where(v > 0.0, 1.0 - s, s)

    def rate_T(self, v, s, T):
        return (self.current(v, s, T) * v - (T - self.T0) / self.Rth) / self.Cth


class Pair(Memristor):
    """Two filaments side by side and a memory of the voltage, under names that ngspice takes for others."""

    name, title, source = "pair_of_filaments", "Two filaments", "a test"
    states = {"P": State("", "second filament", start=0.4), "p": State("V", "memory", start=0.0, scale=1.0)}  # noqa: RUF012
    speed: Number = parameter("1/(V s)", "speed of the first", 100.0, gt=0)

    def stops(self):
        return 0.0, 1.0

    def current(self, v, s, P, p):
        return (1e-5 + 1e-3 * self.inside(s) + 1e-3 * P + 1e-5 * p) * v

    def rate(self, v, s, P, p):
        return self.speed * v

    def rate_P(self, v, s, P, p):
        return 50.0 * v * np.where(v > 0.0, 1.0 - P, P)

    def rate_p(self, v, s, P, p):
        return (v - p) / 1e-3


@pytest.fixture(scope="module", autouse=True)
def _registered():
    for model in (Filament, Pair):
        sc.register_device(model, {"one": PRESET})
    yield
    for model in (Filament, Pair):
        del MODELS._members[model.name]


def bench(crossbar, *, periods=1.0, amplitude=AMPLITUDE, **device):
    return sc.Testbench.from_dict(
        {
            "device": {"model": "warm_filament", **device},
            "crossbar": crossbar,
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": FREQUENCY},
            "analysis": {"periods": periods, "probe": "cells"},
        }
    )


def integrated(x0, t0, times, r_th=2e5):
    """X and the temperature at instants, by scipy at 1e-10, each half period on its own."""

    def slope(time, y):
        v = AMPLITUDE * np.sin(2.0 * np.pi * FREQUENCY * time)
        i = (1e-5 + 0.99e-3 * y[0]) * (1.0 + 1e-3 * (y[1] - 300.0)) * v
        rate = 20.0 * v * np.exp((y[1] - 300.0) / 60.0) * (1.0 - y[0] if v > 0 else y[0])
        return [rate, (i * v - (y[1] - 300.0) / r_th) / 1e-8]

    found, y, half = np.empty((2, len(times))), np.array([x0, t0]), 0.5 / FREQUENCY
    for number in range(int(np.ceil(times[-1] / half - 1e-9))):
        begin, end = number * half, (number + 1) * half
        here = (times >= begin) & (times <= end * (1.0 + 1e-12))
        course = solve_ivp(slope, (begin, end), y, "DOP853", rtol=1e-10, atol=1e-12, dense_output=True)
        found[:, here], y = course.sol(np.minimum(times[here], end)), course.y[:, -1]
    return found


STATES = {"state": [[0.1, 0.6]], "states": {"T": [[300.0, 310.0]]}}


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", ["osdi", pytest.param("behavioral", marks=pytest.mark.slow)])
def test_two_states_against_scipy(backend, tmp_path):
    testbench = bench(STATES, backend=backend)
    runs = [sc.simulate(testbench, engine) for engine in ("reference", "ngspice")]
    save_waveforms(runs[0], tmp_path / "run.nc")
    assert load_waveforms(tmp_path / "run.nc").state_T.units == "K"
    for run, allowed in zip(runs, (1e-6, 1e-4), strict=True):
        assert set(run.state_T.dims) == {"time", "row", "column"}
        for column, (x0, t0) in enumerate([(0.1, 300.0), (0.6, 310.0)]):
            x, temperature = integrated(x0, t0, run.time.values)
            assert abs(run.x.values[:, 0, column] - x).max() < allowed
            error = abs(run.state_T.values[:, 0, column] - temperature).max()
            # of the rise, which is what moves the filament, and in ngspice of the temperature, as its tolerances are
            assert error < (1e-6 * np.ptp(temperature) if run is runs[0] else 1e-5 * temperature.max())


@pytest.mark.compiler
@pytest.mark.ngspice
def test_cells_of_their_own_behind_wires():
    crossbar = {"state": [[0.1, 0.6], [0.4, 0.2]], "wire_row": 5.0, "wire_column": 3.0}
    own = {"Rth": [[2e5, 1e5], [3e5, 2e5]], "T0": [[300.0, 300.0], [290.0, 310.0]]}
    for backend in ("osdi", "behavioral"):
        testbench = bench(crossbar, periods=0.5, parameters=own, backend=backend)
        spice = sc.simulate(testbench)
        fast = sc.simulate(testbench, "reference", time=spice.time.values)
        np.testing.assert_allclose(fast.state_T[0], own["T0"], rtol=1e-12)
        for name in ("x", "state_T", "i_cell", "i_column"):
            assert float(abs(spice[name] - fast[name]).max()) < 1e-4 * float(np.ptp(fast[name].values))


def test_cells_of_their_own_with_ideal_wires_are_those_of_one_kind_each():
    own = {"Rth": [[2e5, 1e5]]}
    both = sc.simulate(bench({"state": [[0.1, 0.6]]}, parameters=own), "reference")
    x, temperature = integrated(0.6, 300.0, both.time.values, 1e5)
    assert abs(both.x.values[:, 0, 1] - x).max() < 1e-6
    assert abs(both.state_T.values[:, 0, 1] - temperature).max() < 1e-6 * np.ptp(temperature)


def test_currents_that_are_not_those_of_the_equations_are_seen():
    own = {"Rth": [[2e5, 1e5], [3e5, 2e5]], "alpha": [[1e-3, 2e-3], [3e-3, 4e-3]]}
    testbench = bench({"state": [[0.1, 0.6], [0.4, 0.2]]}, periods=0.5, parameters=own)
    run = sc.simulate(testbench, "reference")
    variables = {name: run[name].values for name in run.data_vars}
    states = States(run.x.values.reshape(len(run.time), -1), np.arange(4))
    check_physics(testbench, run.time.values, variables, states)
    wrong = variables["state_T"].copy()
    wrong[:, 1, 0] *= 1.01
    with pytest.raises(PhysicsError, match="the current is above that of the cell's equation") as caught:
        check_physics(testbench, run.time.values, {**variables, "state_T": wrong}, states)
    assert "cell (1, 0)" in str(caught.value)


def test_many_runs_are_those_of_one_each():
    benches = [bench({"state": [[x]]}, periods=0.5) for x in (0.1, 0.5)]
    for run, one in zip(sc.simulate_many(benches), benches, strict=True):
        alone = sc.simulate(one, "reference")
        np.testing.assert_array_equal(run.state_T, alone.state_T)


def test_an_operating_point_holds_all_states():
    found = sc.operating_point(bench(STATES), [0.3])
    right = 0.3 * (1e-5 + 0.99e-3 * np.array([0.1, 0.6])) * (1.0 + 1e-3 * np.array([0.0, 10.0]))
    np.testing.assert_allclose(found.i_column, right, rtol=1e-9)


def test_what_follows_a_run_starts_from_all_of_its_states():
    testbench = bench({"state": [[0.3]]})
    first = sc.simulate(testbench, "reference")
    second = sc.simulate(sc.operations.at_end(testbench, first), "reference")
    assert float(first.state_T[-1, 0, 0]) > 300.01
    assert float(second.state_T[0, 0, 0]) == float(first.state_T[-1, 0, 0])


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", ["osdi", "behavioral"])
def test_names_of_states_that_mean_others_to_ngspice(backend):
    testbench = sc.Testbench.from_dict(
        {
            "device": {"model": "pair_of_filaments", "backend": backend},
            "crossbar": {"state": [[0.2]], "states": {"P": 0.7}},
            "drive": {"kind": "sine", "amplitude": 0.5, "frequency": 50},
            "analysis": {"periods": 1, "probe": "cells"},
        }
    )
    spice = sc.simulate(testbench)
    fast = sc.simulate(testbench, "reference", time=spice.time.values)
    assert float(fast.state_P[0, 0, 0]) == 0.7
    assert float(fast.state_p.max()) > 0.3
    for name in ("x", "state_P", "state_p", "i_cell"):
        assert float(abs(spice[name] - fast[name]).max()) < 1e-4 * float(np.ptp(fast[name].values))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warm_filament_with_exponential", "pair_of_filaments_with_exponential"])
def test_a_selector_in_series(name):
    testbench = bench({"state": [[0.4]]}, periods=0.5, amplitude=1.2, model=name)
    spice = sc.simulate(testbench)
    fast = sc.simulate(testbench, "reference", time=spice.time.values)
    for variable in ("x", "i_cell", *(f"state_{state}" for state in testbench.device.further_units())):
        span = float(np.ptp(fast[variable].values))
        assert float(abs(spice[variable] - fast[variable]).max()) < (5e-4 if variable == "state_T" else 1e-4) * span


@pytest.mark.parametrize("name", ["warm_filament", "pair_of_filaments", "warm_filament_with_exponential"])
@pytest.mark.parametrize("varied", [False, True])
def test_slopes_are_those_of_the_equations(name, varied, rng):
    given = "speed" if name == "pair_of_filaments" else "alpha"
    value = np.array([[50.0, 200.0]]) if given == "speed" else np.array([[1e-3, 5e-3]])
    device = make_cells(name, "one", {given: value if varied else float(value[0, 0])})
    cell = device.of_cells(np.arange(2) if varied else np.zeros(2, int)).cell()
    v, y = np.array([0.3, -0.4]), cell.start(np.zeros(2), np.array([0.3, 0.6]))
    y = y + cell.scale * rng.uniform(0.0, 0.05, y.shape)
    time, linear, step = np.zeros(2), cell.linear(np.zeros(2), np.stack([v, 0.0 * v], axis=1), y), 1e-6
    for place in range(cell.unknowns):
        move = np.zeros(cell.unknowns)
        move[place] = step * cell.scale[place]
        above, below = (cell.terms(time, v, y + sign * move) for sign in (1.0, -1.0))
        slope = (above.flow - below.flow) / (2.0 * move[place])
        np.testing.assert_allclose(linear.flow_y[:, :, place], slope, rtol=1e-5, atol=1e-5 * abs(linear.flow_y).max())
        slope = (above.current - below.current) / (2.0 * move[place])
        np.testing.assert_allclose(linear.current_y[:, 0, place], slope, rtol=1e-5, atol=1e-12)
        np.testing.assert_allclose(linear.current_y[:, 1, place], -slope, rtol=1e-5, atol=1e-12)
    above, below = (cell.terms(time, v + sign * step, y) for sign in (1.0, -1.0))
    np.testing.assert_allclose(linear.flow_v[:, :, 0], (above.flow - below.flow) / (2.0 * step), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(linear.current_v[:, 0, 0], (above.current - below.current) / (2.0 * step), rtol=1e-5)
    np.testing.assert_allclose(linear.current_v.sum(axis=1), 0.0, atol=1e-18)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("native", [True, False])
def test_ngspice_evaluates_the_equations_where_further_states_start(native):
    device = make_device("pair_of_filaments", "one")
    v, s = np.array([-0.4, 0.1, 0.7]), np.array([0.2, 0.5, 0.9])
    current, rate = evaluate_equations(device, v, s, native=native)
    np.testing.assert_allclose(current, device.current(v, s), rtol=1e-10)
    np.testing.assert_allclose(current, (1e-5 + 1e-3 * s + 0.4e-3) * v, rtol=1e-10)
    np.testing.assert_allclose(rate, device.rate(v, s), rtol=1e-10)


def test_exports_and_descriptions_say_what_carries_which_state():
    module = export_model("warm_filament")
    assert "module warm_filament(p, n, s, T);" in module
    assert "I(T) <+ -rate_T;" in module
    assert "Terminal T carries the temperature of the filament (K), which starts at parameter T0." in module
    assert "module pair_of_filaments(plus, minus, s, P, p);" in export_model("pair_of_filaments")
    subcircuit = export_model("warm_filament", format="subcircuit")
    assert ".subckt warm_filament p n s state_0\n" in subcircuit
    assert "* A further port carries T, which starts at 300 K: its node" in subcircuit
    assert "* node state_0 carries the state T (K)\n" in subcircuit
    assert json.loads(json.dumps(describe_model(Filament)))["states"] == {
        "T": {"unit": "K", "description": "temperature of the filament", "start": "T0"}
    }


class Base(Memristor):
    name, title, source = "bad", "A bad model", "a test"
    K: Number = parameter("1/(V s)", "speed", 1.0)

    def current(self, v, s, *further):
        return s * v

    def rate(self, v, s, *further):
        return self.K * v


class NoRate(Base):
    states = {"T": State("K", "temperature", 300.0)}  # noqa: RUF012


class WithRate(NoRate):
    def rate_T(self, v, s, T):
        return v


class NotListed(WithRate):
    states = State("K", "temperature", 300.0)


class NoState(WithRate):
    states = {"T": 300.0}  # noqa: RUF012


class Reserved(WithRate):
    states = {"branch": State("K", "temperature", 300.0)}  # noqa: RUF012


class Taken(WithRate):
    states = {"K": State("K", "temperature", 300.0)}  # noqa: RUF012


class NoParameter(WithRate):
    states = {"T": State("K", "temperature", "ambient")}  # noqa: RUF012


class Endless(WithRate):
    states = {"T": State("K", "temperature", float("inf"))}  # noqa: RUF012


class Tiny(WithRate):
    states = {"T": State("m", "length", 1e-9)}  # noqa: RUF012


class FromZero(WithRate):
    states = {"T": State("K", "rise", 0.0)}  # noqa: RUF012


class BadScale(WithRate):
    states = {"T": State("K", "rise", 0.0, scale=0.0)}  # noqa: RUF012


class TooMany(WithRate):
    def rate_T(self, v, s, T, g):
        return v


class Product(WithRate):
    rate = Memristor.rate

    def drive(self, v):
        return v

    def motion(self, s, rising):
        return 1.0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (NoRate, "lacks rate_T"),
        (NotListed, "states: must be a dictionary with a State by its name"),
        (NoState, "states: must have a State by its name; found 'T': 300.0"),
        (Reserved, "a state cannot be named 'branch': it means something in Verilog-A"),
        (Taken, "a state cannot be named 'K': the class has something else of that name"),
        (NoParameter, r"states\.T: start must be a number or name one; it is 'ambient'"),
        (Endless, r"states\.T: start must be a finite number"),
        (Tiny, r"states\.T: starts at 1e-09 m; give a scale between 0\.001 and 1e\+09, or take another unit"),
        (FromZero, r"states\.T: starts at 0 K; give a scale"),
        (BadScale, r"states\.T: scale must be between 0\.001 and 1e\+09"),
        (TooMany, r"rate_T takes v, s, T, g, and gets v, s, T; a further state is declared in states"),
        (Product, "the rate is no product of drive and motion; write rate"),
    ],
)
def test_what_cannot_be_is_refused(model, said):
    with pytest.raises(ModelError, match=said) as caught:
        sc.register_device(model, {"one": PRESET})
    assert model.__name__ in str(caught.value)


@pytest.mark.ngspice
def test_what_does_not_fit_a_testbench_is_named():
    for states, said in (({"t": 1.0}, "'t' is not among the states of warm_filament, which has T"),
                         ({"T": [[1.0, 2.0]]}, "must be one number, or one for each of 1 x 1 cells")):  # fmt: skip
        for engine in ("reference", "ngspice"):
            with pytest.raises(ModelError, match=said):
                sc.simulate(bench({"state": [[0.1]], "states": states}), engine)


def test_a_fit_takes_models_of_one_state():
    with pytest.raises(UnsupportedError, match=r"warm_filament has further states \(T\); a fit takes models of one"):
        sc.synthetic_measurement("warm_filament")
