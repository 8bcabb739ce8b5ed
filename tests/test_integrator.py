"""The integrator against closed forms, conservation laws and the flow of separable devices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Legendre
from scipy.interpolate import CubicSpline

from spicecim.devices import STOP_WIDTH, make_device
from spicecim.devices.cell import CellTerms, ExplicitCell
from spicecim.drives import PulseDrive, SampledDrive, SineDrive
from spicecim.engines import simulate
from spicecim.errors import ConvergenceError
from spicecim.reference import collocation, ideal, independent
from spicecim.reference.collocation import attempt_step, radau, solve
from spicecim.reference.drive import cell_voltages
from spicecim.reference.ideal import cell_waveforms
from spicecim.reference.independent import integrate
from spicecim.reference.tables import separable
from spicecim.reference.tables.theta import row_states, row_theta
from spicecim.testbench import Testbench

ONE = np.zeros(1, dtype=int)
SINE = SineDrive(amplitude=1.0, frequency=1.0).for_rows(1)
DURATION = 1.3
INSTANTS = np.linspace(0, DURATION, 321)
RESISTANCE, CAPACITANCE = 1e3, 1e-4


class SmallCell:
    """A cell from functions of v and the unknowns; its Jacobians by complex steps, exact to rounding."""

    def __init__(self, flow, charge, current=None, current_charge=None, start=None, unknowns=1, scale=1.0):

        def nothing(v, *y):
            return 0.0 * v

        self._flow, self._charge = flow, charge
        self._current, self._current_charge = current or nothing, current_charge or nothing
        self._start = start or (lambda v, s: (s,))
        self.unknowns, self.scale = unknowns, np.full(unknowns, scale)

    def of_cells(self, cells):
        return self

    def start(self, v, s, further=None):
        return np.stack(self._start(v, s), axis=-1)

    def terms(self, time, v, y):
        def values(function, y):
            return np.stack([np.broadcast_to(part, v.shape) for part in function(v, *y.T)], axis=-1)

        def jacobian(function):
            steps = 1e-30j * np.eye(self.unknowns)
            return np.stack([values(function, y + step).imag / 1e-30 for step in steps], axis=-1)

        return CellTerms(
            flow=values(self._flow, y),
            charge=values(self._charge, y),
            flow_jacobian=jacobian(self._flow),
            charge_jacobian=jacobian(self._charge),
            current=np.broadcast_to(self._current(v, *y.T), v.shape),
            current_charge=np.broadcast_to(self._current_charge(v, *y.T), v.shape),
        )

    @property
    def state_index(self):
        return self.unknowns - 1

    def voltage_breaks(self):
        return ()


def run(cell, state, drive=SINE, duration=DURATION, instants=INSTANTS):
    """Unknowns (time, k) and current (time,) of a single cell."""
    waveforms = integrate_cells(cell, drive, duration, np.array([state]), np.zeros(1, dtype=int), instants)
    return waveforms.unknowns[:, 0], waveforms.current[:, 0]


def integrate_cells(cell, drive, duration, states, rows, instants, **settings):
    voltages = cell_voltages(drive, rows, cell.voltage_breaks(), duration)
    return integrate(cell, voltages, cell.start(voltages.start(), states), instants, **settings)


def integral(values, instants=INSTANTS):
    """Integral over time of a cubic spline through the values."""
    return float(CubicSpline(instants, values).integrate(instants[0], instants[-1]))


LOGISTIC = SmallCell(lambda v, y: (-y * (1 - y),), lambda v, y: (y,))
LOGISTIC_OF_TWO = SmallCell(
    lambda v, z, y: (z - y, -z * (1 - y)), lambda v, z, y: (0.0, y), start=lambda v, s: (s, s), unknowns=2
)
LOGISTIC_IN_CHARGE = SmallCell(lambda v, y: (-(1 - np.exp(y)) * np.exp(y),), lambda v, y: (np.exp(y),))
RC_NODE = SmallCell(
    lambda v, u: ((u - v) / RESISTANCE,), lambda v, u: (CAPACITANCE * u,), lambda v, u: (v - u) / RESISTANCE
)


@pytest.mark.parametrize(("stages", "fewest"), [(2, 64), (3, 16), (4, 16)])
@pytest.mark.parametrize("cell", [LOGISTIC, LOGISTIC_OF_TWO], ids=["differential", "with an algebraic unknown"])
def test_with_s_stages_the_order_is_2s_minus_1(cell, stages, fewest):
    rule, errors = radau(stages), []
    for steps in (fewest, 2 * fewest):
        length, time = np.array([4.0 / steps]), np.arange(1, steps + 1) * 4.0 / steps
        y, course = cell.start(np.zeros(1), np.array([0.1])), []
        for _ in time:
            charge = cell.terms(0.0, np.zeros(1), y).charge
            guess = np.repeat(y[:, None], stages, axis=1)
            instants = np.zeros((1, len(rule.checks) + stages))
            y = attempt_step(
                cell,
                rule,
                instants,
                length,
                instants,
                (y, charge),
                np.array([False]),
                guess,
                np.zeros(1),
                np.zeros(1),
                np.full(1, 1e-13),
            ).end
            course.append(y[0, -1])
        errors.append(np.abs(course - 1 / (1 + 9 * np.exp(-time))).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2 * stages - 1, abs=0.2)


@pytest.mark.parametrize("stages", [2, 3, 5])
def test_a_step_much_longer_than_a_time_constant_forgets_the_start(stages):
    """L-stability: the stability function vanishes as 1/z."""
    decay = SmallCell(lambda v, y: (1e9 * y,), lambda v, y: (y,))
    rule, one = radau(stages), np.ones((1, 1))
    zeros = np.zeros((1, len(rule.checks) + stages))
    guess = np.ones((1, stages, 1))
    step = attempt_step(
        decay,
        rule,
        zeros,
        np.ones(1),
        zeros,
        (one, one),
        np.array([False]),
        guess,
        np.zeros(1),
        np.zeros(1),
        np.full(1, 1e-13),
    )
    assert abs(step.end[0, 0]) < 2 * stages**2 / 1e9


def test_a_stiff_cell_follows_without_small_steps():
    """dy/dt = 1e9 (v - y): a lag of a nanosecond, and a transient that takes as long."""
    cell = SmallCell(lambda v, y: (1e9 * (y - v),), lambda v, y: (y,))
    waveforms = integrate_cells(cell, SINE, DURATION, np.array([0.7]), np.zeros(1, dtype=int), INSTANTS)
    omega = 2 * np.pi
    exact = (np.sin(omega * INSTANTS) - omega / 1e9 * np.cos(omega * INSTANTS)) / (1 + (omega / 1e9) ** 2)
    np.testing.assert_allclose(waveforms.unknowns[1:, 0, 0], exact[1:], atol=1e-10)
    assert waveforms.statistics.steps < 400


@pytest.mark.parametrize("cell", [LOGISTIC, LOGISTIC_OF_TWO])
def test_the_tolerance_holds_at_any_instant(cell):
    unknowns, _ = run(cell, 0.1)
    exact = 1 / (1 + 9 * np.exp(-INSTANTS))
    np.testing.assert_allclose(unknowns, np.broadcast_to(exact[:, None], unknowns.shape), atol=3e-10)


def test_a_nonlinear_charge_is_what_is_integrated():
    """Ln y as the unknown and y as its charge is the same equation."""
    cell = LOGISTIC_IN_CHARGE
    unknowns, _ = run(cell, math.log(0.1))
    np.testing.assert_allclose(np.exp(unknowns[:, 0]), 1 / (1 + 9 * np.exp(-INSTANTS)), atol=3e-10)


def test_a_capacitor_takes_the_derivative_of_the_voltage():
    cell = SmallCell(
        lambda v, y: (0.0 * y,), lambda v, y: (y,), lambda v, y: v / RESISTANCE, lambda v, y: CAPACITANCE * v
    )
    _, current = run(cell, 0.5)
    omega = 2 * np.pi
    exact = np.sin(omega * INSTANTS) / RESISTANCE + omega * CAPACITANCE * np.cos(omega * INSTANTS)
    exact[0] = 0.0  # before time 0 the drive has stood still
    np.testing.assert_allclose(current, exact, atol=1e-8 * np.abs(exact).max())
    pulse = PulseDrive(high=2.0, rise=0.25, fall=0.125, width=0.25, period=1.0, delay=0.25).for_rows(1)
    instants = np.array([0.1, 0.3, 0.4999, 0.6, 0.7501, 0.87, 0.9])
    _, current = run(cell, 0.5, pulse, 1.0, instants)
    ramps = CAPACITANCE * np.array([0, 8.0, 8.0, 0, -16, -16, 0])
    np.testing.assert_allclose(current, pulse.voltage(instants)[:, 0] / RESISTANCE + ramps, atol=1e-12)


def test_an_instant_that_misses_a_corner_by_rounding_is_the_corner():
    """At a corner the current of a capacitor is the one before, also where ngspice's instants miss it by a digit."""
    drive = SampledDrive(time=[0, 1e-3, 1.001e-3, 8e-3], voltages=[[0.5, 0.8, -0.8, 0.0]])
    cell = SmallCell(lambda v, s: (0 * s,), lambda v, s: (s,), current_charge=lambda v, s: CAPACITANCE * v)
    corner = 1.001e-3
    for instant in (corner, np.nextafter(corner, 1), np.nextafter(corner, 0)):
        run = cell_waveforms(cell, drive, 8e-3, ONE, np.zeros(1), np.array([0.0, instant, 8e-3]))
        np.testing.assert_allclose(run.current[1, 0], CAPACITANCE * -1.6 / 1e-6, rtol=1e-7)


def test_an_rc_node_charges_and_keeps_its_balances():
    unknowns, current = run(RC_NODE, 0.25)
    u, v = unknowns[:, 0], np.sin(2 * np.pi * INSTANTS)
    tau, omega = RESISTANCE * CAPACITANCE, 2 * np.pi
    steady = (v - omega * tau * np.cos(omega * INSTANTS)) / (1 + (omega * tau) ** 2)
    np.testing.assert_allclose(u, steady + (0.25 - steady[0]) * np.exp(-INSTANTS / tau), atol=3e-10)
    charge = CAPACITANCE * (u[-1] - u[0])
    assert integral(current) == pytest.approx(charge, abs=1e-6 * CAPACITANCE)
    stored = CAPACITANCE * (u[-1] ** 2 - u[0] ** 2) / 2
    assert integral(v * current - RESISTANCE * current**2) == pytest.approx(stored, abs=1e-6 * CAPACITANCE)


def test_a_current_through_a_charge_is_the_same_as_through_a_resistor():
    """A series capacitor feeds a node with a resistor: current as derivative of a charge, against Kirchhoff's law."""
    cell = SmallCell(
        lambda v, u: (u / RESISTANCE,),
        lambda v, u: (CAPACITANCE * (u - v),),
        current_charge=lambda v, u: CAPACITANCE * (v - u),
    )
    unknowns, current = run(cell, 0.0)
    np.testing.assert_allclose(current, unknowns[:, 0] / RESISTANCE, atol=1e-8 * np.abs(current).max())


def test_drift_with_a_series_resistance_has_its_closed_form():
    """(Rs + R)^2 is linear in the flux; the node between is an algebraic unknown."""
    device = make_device("linear_drift", "hp")
    series = 2e3
    resistance = lambda x: device.Roff - (device.Roff - device.Ron) * x  # noqa: E731
    cell = SmallCell(
        lambda v, u, x: ((u - v) / series + u / resistance(x), -device.k * u / resistance(x)),
        lambda v, u, x: (0.0, x),
        lambda v, u, x: (v - u) / series,
        start=lambda v, s: (v * resistance(s) / (series + resistance(s)), s),
        unknowns=2,
    )
    drive = SineDrive(amplitude=1.0, frequency=2.0, phase=0.3).for_rows(1)
    unknowns, current = run(cell, 0.4, drive)
    flux = (math.cos(0.3) - np.cos(4 * np.pi * INSTANTS + 0.3)) / (4 * np.pi)
    squared = (series + resistance(0.4)) ** 2 - 2 * device.k * (device.Roff - device.Ron) * flux
    x = (series + device.Roff - np.sqrt(squared)) / (device.Roff - device.Ron)
    v = drive.voltage(INSTANTS)[:, 0]
    np.testing.assert_allclose(unknowns[:, 1], x, atol=1e-9)
    np.testing.assert_allclose(current, v / np.sqrt(squared), atol=1e-9 * np.abs(current).max())
    assert integral(current) == pytest.approx((x[-1] - x[0]) / device.k, abs=1e-7 / device.k)


PRESETS = {
    ("yakopcic", "oblea"): (0.45, 100.0),
    ("yakopcic", "miao"): (1.25, 0.05),
    ("yakopcic", "jo"): (4.0, 0.2),
    ("linear_drift", "hp"): (1.0, 1.0),
    ("linear_drift", "joglekar"): (1.0, 1.0),
    ("linear_drift", "biolek"): (1.0, 1.0),
}
BRIEF = [pytest.param(preset, marks=[pytest.mark.slow] if preset[1] == "miao" else []) for preset in PRESETS]


class WithoutBreaks(ExplicitCell):
    """A device that does not tell where it is not smooth, as a model from elsewhere."""

    def voltage_breaks(self):
        return ()


# a Joglekar cell that starts at exactly 0 or 1 stays there
@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.filterwarnings("ignore::spicecim.errors.StateWarning")
@pytest.mark.parametrize("cell", [ExplicitCell, pytest.param(WithoutBreaks, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["sine", "pulse", "samples"])
@pytest.mark.parametrize("preset", BRIEF, ids="-".join)
def test_separable_devices_move_as_by_their_flow(preset, kind, cell, rng):
    """Kinks in the middle of steps cost no accuracy: thresholds in v and x, and hard stops."""
    amplitude, frequency = PRESETS[preset]
    amplitudes, period = amplitude * np.array([1.0, -0.7, 1.4]), 1 / frequency
    widths = {"rise": 0.11 * period, "fall": 0.07 * period, "width": 0.3 * period, "period": period}
    drive = {
        "sine": {"amplitude": amplitudes, "frequency": frequency * np.array([1, 1.4, 2.1]), "phase": [0, 1, 5]},
        "pulse": {"low": -0.9 * amplitudes, "high": amplitudes, "delay": 0.13 * period, **widths},
        "samples": {
            "time": np.linspace(0, 1.5 * period, 7),
            "voltages": rng.uniform(-1.3, 1.3, (3, 7)) * amplitude,
        },
    }[kind]
    bench = Testbench(
        device=dict(zip(("model", "preset"), preset, strict=True)),
        crossbar={"state": [[0.0, 1.0], *rng.uniform(0, 1, (2, 2))]},
        drive={"kind": kind, **drive},
        analysis={"duration": 1.5 * period, "probe": "cells"},
    )
    device = bench.device.build()
    expected = simulate(bench, "reference", time=(instants := np.linspace(0, bench.duration, 151)))
    states = device.state_from_x(bench.crossbar.state)
    rows = np.repeat(np.arange(3), 2)
    waveforms = cell_waveforms(cell(device), bench.drive, bench.duration, rows, states.ravel(), instants)
    x, coarse = (
        device.x_from_state(part).reshape(-1, 3, 2) for part in (waveforms.states, waveforms.coarse_states)
    )  # fmt: skip
    np.testing.assert_array_equal(waveforms.states[0], states.ravel())
    if device.stops():
        # The flow has its stops at a point; the rate acts over STOP_WIDTH, and the integral of the rate is meant here.
        np.testing.assert_allclose(x, expected["x"], atol=STOP_WIDTH)
        fine = integrate_cells(
            cell(device), bench.drive, bench.duration, states.ravel(), rows, instants, tolerance=1e-12
        )
        np.testing.assert_allclose(x, device.x_from_state(fine.unknowns[..., 0]).reshape(x.shape), atol=5e-9)
    else:
        np.testing.assert_allclose(x, expected["x"], atol=2e-9)
        assert np.abs(x - expected["x"].values).max() < np.abs(coarse - x).max() + 1e-9
        current = waveforms.current.reshape(x.shape)
        np.testing.assert_allclose(current, expected["i_cell"], atol=1e-7 * np.abs(expected["i_cell"]).max())


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(
    Vp=st.just(0.0) | st.floats(1e-9, 0.4), Vn=st.just(0.0) | st.floats(1e-9, 0.4),
    xp=st.floats(0.01, 0.95), xn=st.floats(0.01, 0.95),
    Ap=st.floats(10, 1e5), eta=st.sampled_from([-1, 1]),
    phase=st.floats(-4, 4, allow_subnormal=False), x0=st.floats(0, 1),
)  # fmt: skip
def test_no_kink_is_missed_by_chance(Vp, Vn, xp, xn, Ap, eta, phase, x0):
    device = make_device("yakopcic", "oblea", {"Vp": Vp, "Vn": Vn, "xp": xp, "xn": xn, "Ap": Ap, "eta": eta})
    drive = SineDrive(amplitude=0.45, frequency=100.0, phase=phase).for_rows(1)
    instants = np.linspace(0, 0.012, 57)
    voltages = cell_voltages(drive, ONE, device.voltage_breaks(), 0.012)
    flux = row_theta(device, voltages)
    expected, _ = row_states(device, flux.total, *flux.at(instants), np.array([[x0]]))
    waveforms = cell_waveforms(WithoutBreaks(device), drive, 0.012, ONE, np.array([x0]), instants)
    np.testing.assert_allclose(waveforms.states[:, 0], expected[0, 0], atol=1e-8)


def test_a_stop_that_is_passed_just_before_the_voltage_turns_is_not_missed():
    """The rate vanishes at the end of the step with and without the stop."""
    device = make_device("linear_drift", "hp")
    drive = SampledDrive(time=[0.0, 0.5, 1.5], voltages=[[-0.5, 0.0, 0.1]]).for_rows(1)
    # without the stop, s would pass 1 by what the last few hundredths of the first ramp bring
    state = 1.0 + device.flux_rate * 0.125 + 2e-4
    unknowns, _ = run(ExplicitCell(device), state, drive, 1.5, instants := np.linspace(0.6, 1.5, 10))
    exact = 1.0 + device.flux_rate * 0.1 * (instants - 0.5) ** 2 / 2
    np.testing.assert_allclose(unknowns[:, 0], exact, atol=3e-6)  # the width of the stop


def test_a_device_that_does_not_separate_is_integrated(make_bench, monkeypatch):
    bench = make_bench(analysis={"points_per_period": 50, "probe": "cells"})
    flow = simulate(bench, "reference")
    monkeypatch.setattr(type(bench.device.build()), "separable", False)
    integrated = simulate(bench, "reference")
    for name in ("x", "i_cell", "i_column"):
        np.testing.assert_allclose(integrated[name], flow[name], atol=1e-9 * np.abs(flow[name]).max())
    assert np.abs(integrated.x - flow.x).max() < integrated.attrs["state_error"] < 1e-7


def test_neither_other_instants_nor_other_cells_change_a_cell():
    device = make_device("yakopcic", "oblea")
    drive = SineDrive(amplitude=[0.3, 0.45], frequency=[170.0, 100.0]).for_rows(2)
    instants = np.linspace(0, 0.01, 101)
    rows, states = np.array([0, 1, 1]), np.array([0.1, 0.8, 0.2])
    every = integrate_cells(ExplicitCell(device), drive, 0.01, states, rows, instants)
    alone = integrate_cells(ExplicitCell(device), drive, 0.01, states[1:2], rows[1:2], instants[40::30])
    np.testing.assert_allclose(alone.unknowns[:, 0], every.unknowns[40::30, 1], rtol=1e-13)
    np.testing.assert_allclose(alone.current[:, 0], every.current[40::30, 1], rtol=1e-13)


def test_steps_attempted_together_are_those_of_one_at_a_time(monkeypatch):
    """A kink to be looked for, corners to step onto, and few evaluations for all of them."""
    time = np.linspace(0.0, DURATION, 301)
    drive = SampledDrive(time=time, voltages=[np.sin(2 * np.pi * time)])
    calls = []
    # an algebraic unknown behind a resistance, and a rate with a threshold that is none of the drive's
    cell = SmallCell(
        lambda v, u, y: (u - v + u * y, -np.where(u.real > 0.3, u - 0.3, 0.0)),
        lambda v, u, y: (0.0, y),
        lambda v, u, y: v - u,
        start=lambda v, s: (v / (1 + s), s),
        unknowns=2,
    )
    terms = cell.terms
    monkeypatch.setattr(cell, "terms", lambda *arguments: calls.append(0) or terms(*arguments))
    many = integrate_cells(cell, drive, DURATION, np.array([0.1]), ONE, INSTANTS)
    few_calls = len(calls)
    calls.clear()
    monkeypatch.setattr(independent, "_TOGETHER", 1)
    one = integrate_cells(cell, drive, DURATION, np.array([0.1]), ONE, INSTANTS)
    assert many.statistics == one.statistics
    assert one.statistics.steps < 450  # one per sample, and some at the kinks
    np.testing.assert_allclose(many.unknowns, one.unknowns, atol=1e-13)
    np.testing.assert_allclose(many.current, one.current, atol=1e-13)
    assert few_calls < 0.2 * len(calls)


@pytest.mark.parametrize(
    "drive",
    [
        SineDrive(amplitude=[1, 2], frequency=[1, 3], phase=0.3, offset=[0, 1]),
        PulseDrive(high=[1, 2], rise=0.1, fall=0.2, width=0.3, period=[0.7, 0.9], delay=0.05),
        SampledDrive(time=[0, 0.4, 0.5, 2], voltages=[[0, 1, 2, 0], [1, 0, -1, 1]]),
    ],
)
def test_cells_see_the_voltage_of_their_row(drive):
    drive, rows = drive.for_rows(2), np.array([1, 0, 1])
    voltages = cell_voltages(drive, rows, (0.3,), 2.0)
    for segment in range(voltages.segments.min()):
        begin, end = voltages.breaks[rows, segment], voltages.breaks[rows, segment + 1]
        since = np.linspace(0, 1, 7) * (end - begin)[:, None]
        v = voltages.voltage(np.arange(3), np.full(3, segment), since)
        for cell, row in enumerate(rows):
            np.testing.assert_allclose(v[cell], drive.voltage(begin[cell] + since[cell])[:, row], atol=1e-13)


def test_a_solution_that_ends_is_an_error_with_its_time_and_cell():
    """u^2 = 1 - v has none beyond v = 1, which a sine of 2 V reaches at a twelfth of its period."""
    cell = SmallCell(
        lambda v, u, s: (u**2 + v - 1, 0.0 * s), lambda v, u, s: (0.0, s),
        start=lambda v, s: (np.sqrt(1 - v), s), unknowns=2,
    )  # fmt: skip
    drive = SineDrive(amplitude=[0.5, 2.0], frequency=1.0).for_rows(2)
    with pytest.raises(ConvergenceError, match=r"beyond 0\.0833\d* s of 1 s in cell 1"):
        cell_waveforms(cell, drive, 1.0, np.arange(2), np.array([0.5, 0.5]), np.linspace(0, 1, 11))


def test_a_state_that_grows_beyond_all_bounds_is_an_error():
    cell = SmallCell(lambda v, y: (-(y**2),), lambda v, y: (y,))
    with pytest.raises(ConvergenceError, match=r"beyond (1|0\.99999\d*) s of 1\.3 s in cell 0"):
        run(cell, 1.0)


def test_a_singular_system_spoils_no_other():
    matrices = np.array([[[2.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    solution = solve(matrices, np.ones((2, 2)))
    assert solution[0].tolist() == [0.5, 0.25]
    assert np.isnan(solution[1]).all()


def many_states(columns, probe="columns", **device):
    return Testbench(
        device=device or {"model": "stanford_pku"},
        crossbar={"state": [np.linspace(0.1, 0.9, columns), np.full(columns, 0.4)]},
        drive={"kind": "sine", "amplitude": [0.5, 0.4], "frequency": [1e5, 2e5]},
        analysis={"points_per_period": 40, "probe": probe},
    )


def test_many_initial_states_are_followed_from_a_few(monkeypatch):
    """Column currents by interpolation in the initial state are those of each cell by itself."""
    bench = many_states(80)
    followed = []
    follow = ideal.cell_waveforms
    monkeypatch.setattr(
        ideal,
        "cell_waveforms",
        lambda *arguments: (followed.append(len(arguments[3])), follow(*arguments))[1],
    )
    interpolated = simulate(bench, "reference")
    assert sum(followed) < 40
    monkeypatch.setattr(ideal, "_FEWEST_NODES", 100)
    each = simulate(bench, "reference")
    for name in ("i_column", "i_row"):
        np.testing.assert_allclose(interpolated[name], each[name], atol=1e-9 * np.abs(each[name]).max())


@pytest.mark.parametrize("device", [{"model": "stanford_pku"}, {"model": "yakopcic", "preset": "oblea"}])
def test_blocks_do_not_change_the_answer(monkeypatch, device):
    bench = many_states(6, "cells", **device)
    whole = simulate(bench, "reference")
    monkeypatch.setattr(ideal, "_BLOCK", 100)
    monkeypatch.setattr(separable, "_CACHED", 100)
    blocks = simulate(bench, "reference")
    columns = simulate(many_states(6, **device), "reference")
    for name in ("i_column", "i_row", "x", "i_cell"):
        np.testing.assert_allclose(blocks[name], whole[name], rtol=1e-9, atol=1e-12 * np.abs(whole[name]).max())
    for name in ("i_column", "i_row"):
        np.testing.assert_allclose(columns[name], whole[name], rtol=1e-9, atol=1e-12 * np.abs(whole[name]).max())


def test_one_singular_matrix_for_several_right_sides_leaves_the_others():
    matrix = np.stack([np.zeros((2, 2)), 2.0 * np.eye(2)])[:, None]
    solved = solve(matrix, np.ones((2, 3, 2)))
    assert np.isnan(solved[0]).all()
    np.testing.assert_array_equal(solved[1], 0.5)


def test_roots_that_come_as_complex_numbers_are_taken(monkeypatch):
    """Newer versions of numpy return them so, also where all are real."""
    real = Legendre.roots
    monkeypatch.setattr(Legendre, "roots", lambda self: real(self).astype(complex))
    for rule in (collocation.radau, collocation.lobatto):
        rule.cache_clear()
        assert rule(5) is not None
        rule.cache_clear()
