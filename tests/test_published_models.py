"""Models against their published equations, written here once more, and against closed forms."""

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy.constants import Boltzmann, Planck, e, electron_mass, epsilon_0
from scipy.integrate import solve_ivp

from spicecim.devices import load_presets, make_device
from spicecim.engines import simulate
from spicecim.testbench import Testbench


def held(model, preset, volts, duration, x0, points=40):
    """States x of one cell at a constant voltage, at evenly spaced instants, by the reference engine."""
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[x0]]},
        drive={"kind": "samples", "time": [0.0, duration], "voltages": [[volts, volts]]},
        analysis={"probe": "cells"},
    )
    time = np.linspace(0.0, duration, points)
    return time, simulate(bench, "reference", time=time)["x"].values[:, 0, 0]


def driven(model, preset, rate, s0, x_of, bounds=(-math.inf, math.inf), *, rtol=1e-12, steps=400, **analysis):
    """Largest difference of x between the reference engine and scipy, over a period of a preset's sine.

    `rate` is ds/dt(s, v) of the published equation in its own variable, which stays at a bound until the voltage
    turns; `x_of` takes it to x.
    """
    shown = load_presets(model)[preset]
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[shown.x0]]},
        drive={"kind": "sine", "amplitude": shown.amplitude, "frequency": shown.frequency},
        analysis={"probe": "cells", **analysis},
    )
    time = np.linspace(0.0, bench.duration, 101)
    found = simulate(bench, "reference", time=time)["x"].values[:, 0, 0]
    half = 0.5 / shown.frequency

    def slope(t, s):
        return [rate(s[0], shown.amplitude * math.sin(math.pi * t / half))]

    def hits(bound):
        def event(t, s):
            return s[0] - bound

        event.terminal = True
        return event

    states, state = [s0], s0
    # the sign of the voltage is a kink, and a bound is left again when it turns
    for start, end in ((0.0, half), (half, 2 * half)):
        inside = time[(time > start + 1e-9 * half) & (time <= end + 1e-9 * half)]
        right = solve_ivp(
            slope, (start, end), [state], method="Radau", rtol=rtol, atol=0.01 * rtol * abs(s0),
            max_step=half / steps,
            t_eval=np.minimum(inside, end), events=[hits(bound) for bound in bounds if math.isfinite(bound)],
        )  # fmt: skip
        assert right.success
        at_bound = right.status == 1
        state = next(float(each[0, 0]) for each in right.y_events if len(each)) if at_bound else right.y[0, -1]
        states += [*right.y[0].tolist(), *[state] * (len(inside) - right.y.shape[1])]
    return float(np.abs(found - x_of(np.array(states))).max())


@pytest.mark.parametrize("preset", ["technion", "kvatinsky", "windows"])
def test_team_moves_by_the_current_beyond_its_thresholds(preset):
    p = make_device("team", preset)

    def window(distance):
        return math.exp(-math.exp(min(distance / p.wc, 700.0))) if p.window == "exponential" else 1.0

    def rate(w, v):
        i = v / (p.Ron + (p.Roff - p.Ron) * w / p.D)
        if i > p.ioff:
            return p.koff * (i / p.ioff - 1) ** p.alpha_off * window(w - p.a_off)
        if i < p.ion:
            return p.kon * (i / p.ion - 1) ** p.alpha_on * window(p.a_on - w)
        return 0.0

    assert driven("team", preset, rate, p.D / 2, lambda w: 1 - w / p.D, (0.0, p.D)) < 2e-6


def test_the_windows_of_team_leave_its_range_as_it_is():
    """They underflow to zero near the stops; x = 0 and x = 1 are the stops all the same, and nothing locks for ever."""
    device = make_device("team", "windows")
    np.testing.assert_allclose(device.x_from_state(device.state_from_x([0.0, 0.5, 1.0])), [0.0, 0.5, 1.0], atol=1e-15)
    assert device.rate(-1.0, device.state_from_x(0.0)) < 0
    assert device.rate(1.0, device.state_from_x(1.0)) > 0


@pytest.mark.parametrize("preset", load_presets("metastable_switch"))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_metastable_switch_relaxes_exponentially_at_a_constant_voltage(preset, sign):
    p = make_device("metastable_switch", preset)
    volts = sign * 1.2 * p.Von
    thermal = Boltzmann * p.T / e
    on = 1 / (1 + math.exp(-(volts - p.Von) / thermal))
    off = 1 - 1 / (1 + math.exp(-(volts + p.Voff) / thermal))
    time, x = held("metastable_switch", preset, volts, 5 * p.tau, 0.3)
    settled = on / (on + off)
    np.testing.assert_allclose(x, settled + (0.3 - settled) * np.exp(-(on + off) * time / p.tau), atol=1e-9)


def test_the_schottky_path_is_the_published_one_and_conducts_nothing_at_rest():
    p = make_device("metastable_switch", "gst")
    v, x = 0.7, 0.4
    published = p.Af * math.exp(p.Bf * v) - p.Ar * math.exp(-p.Br * v)
    conductance = x / p.Ron + (1 - x) / p.Roff
    assert p.current(v, x) == pytest.approx(p.phi * conductance * v + (1 - p.phi) * published, rel=1e-13)
    assert make_device("metastable_switch", "pd_wo3_w").current(0.0, 0.5) == 0.0


def test_the_state_of_tungsten_oxide_decays():
    p = make_device("umich", "wo3")
    time, x = held("umich", "wo3", 0.0, 3 * p.tau, 0.8)
    np.testing.assert_allclose(x, 0.8 * np.exp(-time / p.tau), atol=1e-9)
    volts = 0.8
    time, x = held("umich", "wo3", volts, 2.0, 0.1)
    settled = p.lambda_ * p.eta1 * math.sinh(p.eta2 * volts) * p.tau
    np.testing.assert_allclose(x, settled + (0.1 - settled) * np.exp(-time / p.tau), atol=1e-9)
    i = (1 - 0.3) * p.alpha * (1 - math.exp(-p.beta * 0.5)) + 0.3 * p.gamma * math.sinh(p.delta * 0.5)
    assert p.current(0.5, 0.3) == pytest.approx(i, rel=1e-13)


@pytest.mark.parametrize(("preset", "volts"), [("tiox", 1.5), ("tiox", -2.0), ("taox", 0.9), ("taox", -0.6)])
def test_a_data_driven_resistance_approaches_its_boundary_as_in_closed_form(preset, volts):
    """``dR/dt = S (exp(k d) - 1)``, d the distance to the boundary: ``1 - exp(-k d)`` decays exponentially."""
    p = make_device("data_driven", preset)
    plus = volts > 0
    scale, exponent, k = (p.Ap, p.tp, p.kp) if plus else (p.An, p.tn, p.kn)
    r = (p.rp0, p.rp1, p.rp2) if plus else (p.rn0, p.rn1, p.rn2)
    boundary = r[0] + r[1] * volts + r[2] * volts**2
    speed = abs(scale) * (math.exp(exponent * abs(volts)) - 1)
    towards = math.copysign(1.0, scale)
    start = boundary - towards * min(2.0 / k, 0.5 * abs(p.Roff - p.Ron))
    start = min(max(start, p.Ron * 1.001), p.Roff * 0.999)
    time, x = held("data_driven", preset, volts, 2 / (k * speed), (p.Roff - start) / (p.Roff - p.Ron))
    distance = towards * (boundary - start)
    assert distance > 0
    left = 1 - (1 - math.exp(-k * distance)) * np.exp(-k * speed * time)
    resistance = boundary + towards * np.log(left) / k
    found = p.Roff - (p.Roff - p.Ron) * x
    np.testing.assert_allclose(found, np.clip(resistance, p.Ron, p.Roff), atol=1e-7 * (p.Roff - p.Ron))


@pytest.mark.parametrize("preset", load_presets("well_posed_gap"))
def test_the_well_posed_gap_follows_its_published_equations(preset):
    p, shown = make_device("well_posed_gap", preset), load_presets("well_posed_gap")[preset]
    thermal = Boltzmann * p.T / e

    def smooth_step(z):
        return 0.5 * (1 + z / math.sqrt(z * z + p.smoothing))

    def rate(gap, v):
        gamma = p.gamma0 - p.beta * gap**3
        free = -p.Vel0 * math.exp(-p.Ea / thermal) * math.sinh(v * gamma * p.a0 / (p.tox * thermal))
        longest = p.gap_max * 1e9
        low = (math.exp(p.Kclip * -gap) - free) * smooth_step(-gap)
        high = (-math.exp(p.Kclip * (gap - longest)) - free) * smooth_step(gap - longest)
        return 1e9 * (free + low + high)

    start = 1.7 * (1 - shown.x0)
    found = driven("well_posed_gap", preset, rate, start, lambda g: np.clip(1 - g / 1.7, 0, 1), rtol=1e-9, steps=20)
    assert found < 1e-8


def test_a_gap_that_rests_a_little_beyond_its_bound_conducts_as_it_is():
    """Its x is cut off there, and the law that a current is that of its cell holds of the gap itself."""
    p, shown = make_device("well_posed_gap", "sky130"), load_presets("well_posed_gap")["sky130"]
    bench = Testbench(
        device={"model": "well_posed_gap", "preset": "sky130"},
        crossbar={"state": [[0.9]]},
        drive={"kind": "samples", "time": [0.0, 1.0 / shown.frequency], "voltages": [[2.0, 2.0]]},
        analysis={"probe": "cells"},
    )
    last = simulate(bench, "reference").isel(time=-1)
    assert float(last["x"].item()) == 1.0
    gap = 1e9 * p.g0 * math.log(p.I0 * math.sinh(2.0 / p.V0) / last["i_cell"].item())
    assert -0.01 < gap < -0.005
    assert abs(p.rate(2.0, gap)) < 1e-6 * abs(p.rate(2.0, 0.1))


@pytest.mark.parametrize(("preset", "v", "x"), [("aguirre", 0.9, 0.3), ("aguirre", -1.1, 0.8), ("hfo2", 1.3, 0.6)])
def test_the_current_of_a_memdiode_solves_its_implicit_equation(preset, v, x):
    p = make_device("memdiode", preset)
    mix = {
        name: getattr(p, f"{name}max") * x + getattr(p, f"{name}min") * (1 - x) for name in ("i", "alpha", "rs")
    }  # fmt: skip

    def missed(i):
        u = v - i * mix["rs"]
        grown = mpmath.exp(p.beta * mix["alpha"] * u) - mpmath.exp(-(1 - p.beta) * mix["alpha"] * u)
        return mix["i"] * grown - i

    with mpmath.workdps(30):
        right = mpmath.findroot(missed, (0, v / mix["rs"]), solver="anderson", tol=1e-25)
    assert p.current(v, x) == pytest.approx(float(right), rel=1e-12)


def test_a_memdiode_sets_and_resets_exponentially():
    p = make_device("memdiode", "hfo2")
    for volts, settled, speed in (
        (1.2, 1.0, math.exp(p.etas * (1.2 - p.vs))),
        (-0.8, 0.0, math.exp(-p.etar * (-0.8 - p.vr))),
    ):
        time, x = held("memdiode", "hfo2", volts, 3 / speed, 0.4)
        np.testing.assert_allclose(x, settled + (0.4 - settled) * np.exp(-speed * time), atol=1e-9)


def test_a_memdiode_follows_its_published_equation_over_a_cycle():
    """With a power of the state in the motion towards x = 0."""
    p = make_device("memdiode", "aguirre")

    def rate(h, v):
        if v >= 0:
            return (1 - h) / math.exp(-p.etas * (v - p.vs))
        return -h / math.exp(p.etar * h**p.gam * (v - p.vr))

    assert driven("memdiode", "aguirre", rate, 0.05, lambda h: h) < 1e-8


FLOATS = SimpleNamespace(
    prec=53, mpf=float, pi=math.pi, sqrt=math.sqrt, root=lambda a, n: a ** (1 / n), exp=math.exp, expm1=math.expm1,
    tanh=math.tanh, cosh=math.cosh, asin=math.asin, sign=lambda a: math.copysign(1.0, a),
)  # fmt: skip
"""What `jart_by_bisection` needs of mpmath, in floats."""


def jart_by_bisection(p, v, n, numbers=mpmath.mp):
    """Current (A) and rate (1e26/(m^3 s)) of JART VCM v1b at a voltage and a concentration, in a kind of numbers."""
    area = numbers.pi * numbers.mpf(p.radius) ** 2
    per = n * 1e26 * p.z * e * p.mobility * area
    disc, plug = p.ldisc / per, (p.lcell - p.ldisc) / (p.Nplug * 1e26 * p.z * e * p.mobility * area)
    heating = p.Rth * (p.Rth_scale if v > 0 else 1)

    def parts(i):
        series = p.RTiOx + p.R0 * (1 + p.R0 * p.alpha_line * i * i * p.Rth_line)
        schottky = v - i * (disc + plug + series)
        return schottky, p.T0 + heating * i * (schottky + i * (disc + plug))

    def emitted(i):
        voltage, temperature = parts(i)
        kt = Boltzmann * temperature
        height = numbers.mpf(p.phi_bn0)
        if voltage < p.phi_bn0 - p.phi_n:
            psi = p.phi_bn0 - p.phi_n - voltage
            image = e**3 * p.z * n * 1e26 * psi / (8 * numbers.pi**2 * (p.eps_phib * epsilon_0) ** 3)
            height = max(height - numbers.root(image, 4), 0)
        if voltage >= 0:
            return (
                area * p.richardson * temperature**2 * numbers.exp(-height * e / kt) * numbers.expm1(e * voltage / kt)
            )  # fmt: skip
        w00 = e * Planck / (4 * numbers.pi) * numbers.sqrt(p.z * n * 1e26 / (electron_mass * p.eps * epsilon_0))
        w0 = w00 / numbers.tanh(w00 / kt)
        slope = w00 / (w00 / kt - numbers.tanh(w00 / kt))
        root = numbers.sqrt(numbers.pi * w00 * e * (-voltage + height / numbers.cosh(w00 / kt) ** 2))
        return (
            -area * p.richardson * temperature / Boltzmann * root
            * numbers.exp(-e * height / w0) * numbers.expm1(-e * voltage / slope)
        )  # fmt: skip

    def halved(low, high, is_low):
        for _ in range(numbers.prec + 20):
            middle = (low + high) / 2
            low, high = (middle, high) if is_low(middle) else (low, middle)
        return (low + high) / 2

    low, high = numbers.mpf(0), v / (disc + plug + p.RTiOx + p.R0)
    knee = p.phi_bn0 - p.phi_n - 0.02
    if v > knee:  # of several solutions that which starts from 0 V
        low = halved(low, high, lambda i: parts(i)[0] > knee)
    i = halved(low, high, lambda i: (emitted(i) - i) * numbers.sign(v) > 0)
    voltage, temperature = parts(i)
    field = (voltage + i * (disc + plug)) / p.lcell if v > 0 else i * disc / p.ldisc
    gamma = p.z * field * p.a / (numbers.pi * p.dWa)
    root, turn = numbers.sqrt(1 - gamma**2), gamma * numbers.asin(gamma)
    barriers = [p.dWa * e * (root + sign * gamma * numbers.pi / 2 + turn) for sign in (-1, 1)]
    hops = [numbers.exp(-barrier / (Boltzmann * temperature)) for barrier in barriers]
    limit = 1 - (p.Nmin / n) ** 10 if v > 0 else 1 - (n / p.Nmax) ** 10
    ions = p.z * e * (p.Nplug + n) / 2 * 1e26 * p.a * p.nu0 * area * (hops[0] - hops[1]) * limit
    return float(i), float(-ions / (area * p.ldisc * e * p.z) / 1e26)


@pytest.mark.parametrize("v", [-1.3, -0.7, -0.05, 0.04, 0.3, 0.6, 0.9, 1.4])
@pytest.mark.parametrize("x", [0.0005, 0.1, 0.9])
def test_jart_solves_for_the_current_through_barrier_and_oxide(v, x):
    device = make_device("jart_vcm")
    n = float(device.state_from_x(x))
    with mpmath.workdps(30):
        current, rate = jart_by_bisection(device, mpmath.mpf(v), mpmath.mpf(n))
    assert device.current(v, n) == pytest.approx(current, rel=1e-9)
    assert device.rate(v, n) == pytest.approx(rate, rel=1e-7)


@pytest.mark.slow
def test_jart_follows_its_published_equations_over_a_cycle():
    p = make_device("jart_vcm")

    def rate(n, v):
        return jart_by_bisection(p, v, n, FLOATS)[1]

    start = float(p.state_from_x(load_presets("jart_vcm")["hfox_tiox"].x0))
    assert driven("jart_vcm", "hfox_tiox", rate, start, p.x_from_state, rtol=1e-7, steps=20, tolerance=1e-4) < 1e-7


@pytest.mark.parametrize("v", [-5.0, -2.0, -1.0, -0.05, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_the_current_of_jart_has_one_solution(v):
    """Else faces that look for it in different ways would find different currents."""
    device = make_device("jart_vcm")
    x = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 40)])
    states, u = device.state_from_x(x)[:, None], np.linspace(0.0, v, 4001)
    missed = device.balance(np.full((len(x), len(u)), v), np.broadcast_to(states, (len(x), len(u))), u)
    assert np.isfinite(missed).all()
    assert np.all(np.count_nonzero(np.diff(np.sign(missed), axis=1), axis=1) == 1)
