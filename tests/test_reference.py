"""The numpy core against closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import joglekar, sine_flux
from scipy.special import iv, modstruve

from spicecim.devices import make_device
from spicecim.drives import SineDrive
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.reference.drive import cell_voltages, row_breaks
from spicecim.reference.tables.flow_map import Flow, flows
from spicecim.reference.tables.theta import row_theta
from spicecim.testbench import Testbench


def run_cell(model, preset, x0, amplitude, frequency, periods=1.0, parameters=None, time=None, phase=0.0):
    bench = Testbench(
        device={"model": model, "preset": preset, "parameters": parameters or {}},
        crossbar={"state": [[x0]]},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency, "phase": phase},
        analysis={"periods": periods, "probe": "cells"},
    )
    waveforms = simulate(bench, "reference", time=time)
    return waveforms["time"].values, waveforms["x"].values[:, 0, 0], waveforms


# a cell that starts at exactly 0 or 1 stays there
@pytest.mark.filterwarnings("ignore::spicecim.errors.StateWarning")
@pytest.mark.parametrize("frequency", [0.1, 0.14, 0.18, 0.2, 1.0])
@pytest.mark.parametrize("x0", [0.0, 1e-9, 0.02, 0.5, 1 - 1e-12, 1.0])
def test_joglekar_follows_its_closed_form(frequency, x0):
    """At 0.18 Hz and below the state comes so close to 1 that x is rounded to it, and leaves again."""
    time = np.linspace(0, 1 / frequency, 101)
    _, x, waveforms = run_cell("linear_drift", "joglekar", x0, 1.0, frequency, time=time)
    _, exact, resistance = joglekar(make_device("linear_drift", "joglekar"), x0, sine_flux(1.0, frequency, time))
    np.testing.assert_allclose(x, exact, atol=1e-12)
    current = waveforms["v_row"].values[:, 0] / resistance
    np.testing.assert_allclose(waveforms["i_column"][:, 0], current, atol=1e-11 * np.abs(current).max())


def test_cells_that_share_a_state_are_followed_once_and_counted(make_bench):
    """With two states a row the column currents are those of cells that are followed one by one."""
    states = np.where(np.arange(24).reshape(3, 8) % 3, 0.2, 0.8)
    states[1] = 0.5
    each = simulate(make_bench(crossbar={"state": states}, analysis={"probe": "cells"}), "reference")
    shared = simulate(make_bench(crossbar={"state": states}), "reference", time=each["time"])
    for name in ("i_row", "i_column"):
        np.testing.assert_allclose(shared[name], each[name], rtol=1e-12, atol=1e-18)


@settings(deadline=None, max_examples=25)
@given(x0=st.floats(0.01, 0.99), amplitude=st.floats(0.2, 2), frequency=st.floats(0.3, 10))
def test_hard_stopped_drift_is_linear_in_flux(x0, amplitude, frequency):
    """R^2 = R0^2 - 2 k (Roff - Ron) flux, stopped at Ron and Roff: on the way up from the start, clipping is exact."""
    time, x, _ = run_cell("linear_drift", "hp", x0, amplitude, frequency, time=np.linspace(0, 0.5 / frequency, 40))
    flux = amplitude * (1 - np.cos(2 * np.pi * frequency * time)) / (2 * np.pi * frequency)
    squared = (16e3 - 15.9e3 * x0) ** 2 - 2e4 * 15.9e3 * flux
    exact = (16e3 - np.sqrt(np.clip(squared, 100.0**2, 16e3**2))) / 15.9e3
    np.testing.assert_allclose(x, exact, atol=1e-10)


def test_a_hard_stop_lets_go_at_once():
    """After a half cycle that drives it into the stop, the state leaves with the first negative voltage."""
    time, x, _ = run_cell("linear_drift", "hp", 0.5, 1.0, 0.2, time=np.linspace(0, 5, 2001))
    assert x[time <= 2.5].max() == 1.0
    back = (np.cos(2 * np.pi * 0.2 * time) + 1) / (2 * np.pi * 0.2)  # flux lost since half a cycle
    after = time > 2.5
    exact = (16e3 - np.sqrt(np.clip(100.0**2 + 2e4 * 15.9e3 * back[after], None, 16e3**2))) / 15.9e3
    np.testing.assert_allclose(x[after], exact, atol=1e-10)


@pytest.mark.parametrize(("preset", "amplitude", "frequency"), [("oblea", 0.3, 300.0), ("miao", 0.8, 1.0)])
def test_yakopcic_below_its_kink_moves_by_the_integral_of_g(preset, amplitude, frequency):
    """While x < xp and the voltage rises, f = 1: x is the integral of g(v)."""
    device = {"oblea": (4000.0, 0.16), "miao": (7.5, 0.09)}[preset]
    time = np.linspace(0, 0.25 / frequency, 20)
    _, x, _ = run_cell("yakopcic", preset, 0.05, amplitude, frequency, time=time)
    fine = np.linspace(0, 0.25 / frequency, 200_001)
    g = device[0] * np.maximum(np.exp(amplitude * np.sin(2 * np.pi * frequency * fine)) - np.exp(device[1]), 0)
    integral = np.concatenate([[0], np.cumsum(0.5 * (g[1:] + g[:-1]) * np.diff(fine))])
    exact = 0.05 + np.interp(time, fine, integral)
    below = exact < 0.3
    assert below.sum() > 5
    np.testing.assert_allclose(x[below], exact[below], atol=1e-9)


def test_yakopcic_decays_towards_its_lower_bound_and_comes_back():
    _, x, _ = run_cell("yakopcic", "oblea", 0.9, 0.45, 30.0, periods=3)
    assert x.min() > 0
    assert x.max() < 1
    assert x[-1] < 0.1 < x.max()


def test_the_error_reached_is_stated_and_small(make_bench):
    waveforms = simulate(make_bench(), "reference")
    assert 0 < waveforms.attrs["state_error"] < 1e-8
    assert 0 < waveforms.attrs["current_error"] < 1e-8


def test_instants_do_not_change_the_answer(make_bench):
    """Any instants can be asked for: the states at them do not depend on what else is asked."""
    bench = make_bench(analysis={"probe": "cells"})
    coarse = simulate(bench, "reference", time=[0.0, 0.0031, 0.01])
    fine = simulate(bench, "reference", time=np.union1d(np.linspace(0, 0.01, 777), [0.0031]))
    np.testing.assert_allclose(coarse["x"], fine["x"].sel(time=coarse["time"]), atol=1e-12)


def test_cells_that_start_alike_stay_alike_and_rows_are_separate(make_bench):
    bench = make_bench(crossbar={"state": [[0.3, 0.3], [0.3, 0.3], [0.3, 0.3]]}, analysis={"probe": "cells"})
    x = simulate(bench, "reference")["x"]
    np.testing.assert_array_equal(x.isel(column=0), x.isel(column=1))
    assert float(abs(x.isel(row=0) - x.isel(row=1)).max()) > 0.01


def test_kirchhoff_s_current_law_holds(make_bench):
    waveforms = simulate(make_bench(analysis={"probe": "cells"}), "reference")
    np.testing.assert_allclose(waveforms["i_row"], waveforms["i_cell"].sum("column"), rtol=1e-14)
    np.testing.assert_allclose(waveforms["i_column"], waveforms["i_cell"].sum("row"), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("time", [[], [0.0, 0.0], [0.01, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_unusable_instants_are_refused(make_bench, time):
    with pytest.raises(InputError, match="time"):
        simulate(make_bench(), "reference", time=time)


@pytest.mark.parametrize("wires", [{}, {"wire_row": 2.0}, {"wire_row": 2.0, "wire_capacitance": 1e-12}])
def test_a_single_instant_is_that_of_a_longer_run(make_bench, wires):
    crossbar = {"state": [[0.3, 0.7], [0.5, 0.6]], **wires}
    bench = make_bench(crossbar=crossbar, drive={"kind": "sine", "amplitude": 0.4, "frequency": [100, 130]})
    instants = np.linspace(0, bench.duration, 5)
    several = simulate(bench, "reference", time=instants)["i_column"]
    for number in (0, 3, 4):
        one = simulate(bench, "reference", time=instants[[number]])["i_column"]
        np.testing.assert_allclose(one[0], several[number], rtol=0, atol=1e-7 * float(abs(several).max()))


def test_devices_that_move_alike_share_tables_and_nothing_else():
    slow, fast = (make_device("linear_drift", "hp", {"mobility": mobility}) for mobility in (1e-14, 1e-11))
    assert flows(slow) is flows(fast)
    assert set(vars(flows(slow))) == {"rising", "falling"}


def plain(largest):
    """Numbers up to a magnitude, without those that a testbench refuses as too small."""
    return st.floats(-largest, largest, allow_subnormal=False)


@settings(deadline=None)
@given(
    amplitude=plain(2), frequency=st.floats(1, 100), phase=plain(20), offset=plain(1), level=plain(2),
)  # fmt: skip
def test_no_level_is_crossed_between_two_breaks(amplitude, frequency, phase, offset, level):
    drive = SineDrive(amplitude=amplitude, frequency=frequency, phase=phase, offset=offset).for_rows(1)
    duration = 2.3 / frequency
    breaks = row_breaks(drive, [level], duration)
    assert breaks[0] == 0
    assert breaks[-1] == duration
    assert np.all(np.diff(breaks) > 0)
    for start, end in itertools.pairwise(breaks):
        inside = drive.voltage(np.linspace(start, end, 12)[1:-1])[:, 0] - level
        assert inside.min() >= -1e-6 or inside.max() <= 1e-6


def test_the_drive_is_integrated_to_the_last_digits():
    """For a drift device it is proportional to the flux, and the flux of a sine is a cosine."""
    drive = SineDrive(amplitude=[9, 0.7], frequency=[9, 3.0], phase=[9, 0.4]).for_rows(2)
    time = np.union1d(np.linspace(0, 2, 777), [0.0, 2.0])
    device = make_device("linear_drift", "joglekar")
    flux = row_theta(device, cell_voltages(drive, np.arange(2), [0.0], 2.0))
    segment, since = flux.at(time)
    begin = cell_voltages(drive, np.arange(2), [0.0], 2.0).breaks[1, segment[1]]
    exact = 0.7 * (np.cos(6 * np.pi * begin + 0.4) - np.cos(6 * np.pi * time + 0.4)) / (6 * np.pi)
    np.testing.assert_allclose(since[1], 4 * device.k * exact, atol=1e-14 * 4 * device.k)
    assert np.diff(segment[1]).max() == 1


def test_an_exponential_drive_is_integrated_by_its_bessel_series():
    """The mean of exp(A sin) over half a period above zero is that of Bessel's and Struve's functions."""
    device = make_device("yakopcic", "oblea", {"Vp": 0.0, "Vn": 0.0})
    drive = SineDrive(amplitude=3.0, frequency=5.0).for_rows(1)
    flux = row_theta(device, cell_voltages(drive, np.arange(1), device.voltage_breaks(), 0.2))
    exact = device.Ap * (0.1 * (iv(0, 3.0) + modstruve(0, 3.0)) - 0.1)
    assert flux.total[0, 0] == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    ("model", "preset"),
    [("yakopcic", "oblea"), ("yakopcic", "jo"), ("linear_drift", "joglekar"), ("linear_drift", "biolek")],
)
@pytest.mark.parametrize("rising", [True, False])
class TestFlow:
    """The tabulated motion of a state."""

    def test_two_moves_are_one(self, model, preset, rising):
        device = make_device(model, preset)
        flow = Flow(device, rising, 64)
        state = device.state_from_x(np.linspace(0.01, 0.99, 50))
        theta = 0.3 / float(device.motion(device.state_from_x(0.5), rising))
        once = flow.move(flow.position(state), np.array(2 * theta))
        twice = flow.move(flow.position(flow.move(flow.position(state), np.array(theta))), np.array(theta))
        np.testing.assert_allclose(device.x_from_state(twice), device.x_from_state(once), atol=1e-10)
        np.testing.assert_allclose(flow.move(flow.position(state), np.array(0.0)), state, atol=1e-12)

    def test_the_rounding_of_a_state_is_no_way(self, model, preset, rising):
        """Before a bound that it only tends to, its last digits are a long way on the table."""
        device = make_device(model, preset)
        flow = Flow(device, rising)
        last = np.concatenate([np.arange(40), [100, 400, 1000, 3000]]) * np.finfo(float).eps / 2
        for x in (1.0 - last, last):
            state = device.state_from_x(x)
            still = device.x_from_state(flow.move(flow.position(state), np.array(0.0)))
            np.testing.assert_allclose(still, x, rtol=0, atol=1e-12)

    def test_the_error_falls_with_the_sixth_power_of_the_density_at_least(self, model, preset, rising):
        device = make_device(model, preset)
        state = device.state_from_x(np.linspace(0.013, 0.987, 500))
        theta = 0.1 / float(device.motion(device.state_from_x(0.5), rising))
        exact, *rough = (
            device.x_from_state(flow.move(flow.position(state), np.array(theta)))
            for flow in (Flow(device, rising, density) for density in (64, 4, 8))
        )
        errors = [np.abs(moved - exact).max() for moved in rough]
        assert np.log2(errors[0] / errors[1]) > 5.0


def test_pulses_and_samples_are_integrated_from_corner_to_corner():
    """A rectangular flux drives hard-stopped drift to a state that is known from the pulse's area alone."""
    pulse = {"kind": "pulse", "high": 1.0, "rise": 0.01, "fall": 0.01, "width": 0.19, "period": 1.0}
    corners, levels = [0, 0.01, 0.2, 0.21, 1.0], [0, 1, 1, 0, 0]
    for drive in (pulse, {"kind": "samples", "time": corners, "voltages": [levels]}):
        bench = Testbench(
            device={"model": "linear_drift", "preset": "hp"},
            crossbar={"state": [[0.1]]},
            drive=drive,
            analysis={"probe": "cells"},
        )
        x = simulate(bench, "reference")["x"].values[:, 0, 0]
        squared = (16e3 - 15.9e3 * 0.1) ** 2 - 2e4 * 15.9e3 * 0.2
        assert x[-1] == pytest.approx((16e3 - np.sqrt(squared)) / 15.9e3, abs=1e-9)
