"""Subcircuits of other simulators, adapted for ngspice: the corpus runs, and does what its equations say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import spicecim as sc
from spicecim.errors import SubcircuitError

CORPUS = Path(__file__).parent / "subcircuits"
K_OVER_Q = 1.380649e-23 / 1.602176634e-19


@dataclass
class Model:
    """What a subcircuit of the corpus is, written anew: current (A) and rates (1/s) of v and its states."""

    current: Callable[..., Any]
    rate: Callable[..., Any]
    starts: list[Any]
    """States of its cells: one value, or several, for each."""
    amplitude: float = 1.0
    frequency: float = 10.0
    device: dict[str, Any] = field(default_factory=dict)
    """Further fields of the device."""
    options: dict[str, str] = field(default_factory=dict)
    x: list[float] | None = None
    """Normalized states of the cells, where they are not the states themselves."""


def drift(v, x, direction=False, p=2, Ron=100.0, Roff=16e3, k=1e-14 * 100 / 1e-16):
    i = v / (Roff - (Roff - Ron) * x)
    base = x - (i < 0) if direction else 2 * x - 1
    return i, k * i * (1 - np.abs(base) ** (2 * p))


def yakopcic(v, x, part, Ap=4000.0, Vp=0.16, Vn=0.15, xp=0.3, xn=0.5, alphap=1.0, alphan=5.0):
    if part == "i":
        return 0.17 * x * np.sinh(0.05 * v)
    g = Ap * (np.exp(v) - np.exp(Vp)) if v > Vp else -Ap * (np.exp(-v) - np.exp(Vn)) if v < -Vn else 0.0
    if v >= 0:
        f = np.exp(-alphap * (x - xp)) * ((xp - x) / (1 - xp) + 1) if x >= xp else 1.0
    else:
        f = np.exp(alphan * (x + xn - 1)) * x / (1 - xn) if x <= 1 - xn else 1.0
    return g * f


def threshold(v, beta=5e5, Vt=0.3):
    return beta * v - 0.5 * beta * (abs(v + Vt) - abs(v - Vt))


def thermal(v, x, Von=0.27, Voff=0.27, tau=1e-3):
    vt = K_OVER_Q * 300.15
    return 1 / tau * ((1 - x) / (1 + np.exp((Von - v) / vt)) - x * (1 - 1 / (1 + np.exp(-(v + Voff) / vt))))


def filament_current(v, g):
    return 50e-6 * np.exp(-g / 0.3) * np.sinh(v / 0.4)


def filament_rates(v, s):
    g, t = s
    speed = 3 * np.exp(-0.2 / K_OVER_Q * (1 / t - 1 / 300))
    return [-speed * np.sinh(v / 0.3) * g * (1 - g), (v * filament_current(v, g) - (t - 300) / 200e3) / 10e-9]


def dead_zone(v, at):
    return v - np.clip(v, -at, at)


TWO = [0.25, 0.7]
MODELS = {
    "joglekar_lt": Model(lambda v, x: drift(v, x)[0], lambda v, x: drift(v, x)[1], TWO, frequency=10.0),
    "biolek_ps": Model(
        lambda v, x: drift(v, x, True, 1)[0], lambda v, x: drift(v, x, True, 1)[1], TWO,
        frequency=1.0, options={"dialect": "pspice"},
    ),
    "yakopcic_lt": Model(
        lambda v, x: yakopcic(v, x, "i"), lambda v, x: yakopcic(v, x, "r"), TWO, amplitude=0.45, frequency=100.0
    ),
    "threshold_ps": Model(
        lambda v, r: v / np.clip(r, 1e3, 10e3),
        lambda v, r: threshold(v) * ((v > 0 and r < 10e3) or (v < 0 and r > 1e3)),
        [3e3, 6e3], amplitude=0.5, options={"dialect": "pspice"}, device={"initial": [10e3, 1e3]},
        x=[7 / 9, 4 / 9],
    ),
    "flux_lt": Model(lambda v, phi: v * (1e-5 + 3e-3 * phi**2), lambda v, phi: v, TWO),
    "charge_ps": Model(
        lambda v, q: v / (10e3 - 9900 / (1 + 4900 / 5000 * np.exp(-4e4 * q))),
        lambda v, q: v / (10e3 - 9900 / (1 + 4900 / 5000 * np.exp(-4e4 * q))),
        [0.0, 2e-5], frequency=1.0, device={"initial": [0, 2e-5]}, x=[0.0, 1.0],
    ),
    "quotes_hs": Model(
        lambda v, x: v * (x / 1e3 + (1 - x) / 20e3), lambda v, x: 500 * dead_zone(v, 0.2) * 4 * x * (1 - x), TWO,
        amplitude=0.5, frequency=50.0,
    ),
    "current_hs": Model(
        lambda v, w: v / (10e3 * w + 50e3 * (1 - w)),
        lambda v, w: 50 * (v / (10e3 * w + 50e3 * (1 - w)) / 30e-6) ** 3 * (1 - w**2) * w,
        TWO, amplitude=0.5, frequency=20.0, options={"dialect": "hspice"},
    ),
    "deck_ng": Model(
        lambda v, x: v * (1e-5 + 0.99e-3 * x**2), lambda v, x: 40 * np.sinh(2 * v) * (1 - (2 * x - 1) ** 4), TWO,
        frequency=20.0,
    ),
    "caret_lt": Model(
        lambda v, x: v * (20e-6 + 980e-6 * x**3), lambda v, x: 30 * v * (1 - (2 * x - 1) ** 2), TWO,
        options={"dialect": "ltspice", "caret": "power"},
    ),
    "xor_lt": Model(
        lambda v, x: v * (1e-6 + x * 1e-4), lambda v, x: 10 * abs(v) * (1 - x if v > 0 else -x), TWO
    ),
    "table_lt": Model(
        lambda v, x: v * (5e-6 + x * 2e-4), lambda v, x: 75 * dead_zone(np.clip(v, -0.5, 0.5), 0.1) * x * (1 - x), TWO
    ),
    "switch_lt": Model(lambda v, x: v * (x / 500 + (1 - x) / 1500), thermal, TWO, amplitude=0.5, frequency=100.0),
    "clipped_lt": Model(
        lambda v, x: v * (1e-5 + 4.9e-4 * np.clip(x, 0, 1)), lambda v, x: 25 * v * (x < 1 if v > 0 else x > 0), TWO,
        amplitude=0.5, frequency=20.0,
    ),
    "resistor_lt": Model(
        lambda v, x: v / (20e3 - 19e3 * x), lambda v, x: 2e6 * v / (20e3 - 19e3 * x) * x * (1 - x), TWO, frequency=50.0
    ),
    "nested_ps": Model(
        lambda v, x: v * 1e-5 * 100**x, lambda v, x: 50 * 1.25 * dead_zone(np.clip(v, -1, 1), 0.2) * x * (1 - x), TWO
    ),
    "spellings_lt": Model(
        lambda v, x: v / (4700**x * 1e6 ** (1 - x)),
        lambda v, x: 20 * np.sinh(v / 0.25) / np.sinh(2) * x * (1 - x), TWO,
    ),
    "own_name_ng": Model(
        lambda v, x: v * (5e-6 + 195e-6 * x), lambda v, x: ((1 if v > 0.3 else 0 if v < -0.3 else x) - x) / 20e-3, TWO
    ),
    "filament_lt": Model(
        lambda v, s: filament_current(v, s[0]), filament_rates, [[0.5, 300.0]], amplitude=1.0, frequency=20.0
    ),
    "shown_ps": Model(
        lambda v, phi: v * (1e-5 + 3e-3 * phi**2), lambda v, phi: v, [0.0], frequency=1.0,
    ),
    "powers_lt": Model(
        lambda v, x: v * (2e-6 + 148e-6 * x**1.5) + 1e-6 * v**3,
        lambda v, x: 40 * v**3 * (1 - (2 * x - 1) ** 2) + 20 * v**3 * x * (1 - x), TWO,
    ),
    "mixed_hs": Model(
        lambda v, w: v / (100 + 1 / (1e-6 * (8 + 40 * w))),
        lambda v, w: 25 * np.clip(v / (1 + 100e-6 * (8 + 40 * w)), -0.8, 0.8) * w * (1 - w), TWO,
    ),
    "quiet_lt": Model(
        lambda v, x: v * (x / 1e3 + (1 - x) / 16e3), lambda v, x: 200 * v * x * (1 - x), TWO, frequency=50.0
    ),
}  # fmt: skip
STEPS = {"xor_lt", "own_name_ng", "clipped_lt", "threshold_ps", "biolek_ps", "yakopcic_lt"}
"""Models whose rate jumps with the voltage or the state."""


def adapted_bench(name, model, folder, periods=1):
    adapted = sc.adapt_subcircuit(CORPUS / f"{name}.sub", **model.options)
    (folder / f"{name}.sub").write_text(adapted.text)
    x = model.x or (model.starts if np.ndim(model.starts) == 1 else [0.5] * len(model.starts))
    bench = {
        "device": {**adapted.device, **model.device},
        "crossbar": {"state": [x]},
        "drive": {"kind": "sine", "amplitude": model.amplitude, "frequency": model.frequency},
        "analysis": {"points_per_period": 400, "periods": periods},
    }
    return adapted, sc.Testbench.from_dict(bench, folder=folder)


def integrated(model, start, time):
    """Current at these instants, by integrating the states from one zero of the drive to the next."""

    def voltage(t):
        return model.amplitude * np.sin(2 * np.pi * model.frequency * t)

    states = np.empty((len(time), np.size(start)))
    s, half = np.atleast_1d(np.asarray(start, dtype=float)), 0.5 / model.frequency
    scalar = np.ndim(start) == 0
    for count in range(round(float(time[-1]) / half)):
        begin, end = count * half, (count + 1) * half
        run = solve_ivp(
            lambda t, s: np.atleast_1d(model.rate(voltage(t), s[0] if scalar else s)), (begin, end), s,
            method="LSODA", rtol=1e-10, atol=1e-12 * np.maximum(abs(s), 1e-6), dense_output=True, max_step=half / 200,
        )  # fmt: skip
        assert run.success
        inside = (time >= begin * (1 - 1e-12)) & (time <= end * (1 + 1e-12))
        states[inside] = run.sol(time[inside]).T
        s = run.y[:, -1]
    return np.array([model.current(voltage(t), s[0] if scalar else s) for t, s in zip(time, states, strict=True)])


@pytest.mark.parametrize("name", MODELS)
def test_an_adapted_subcircuit_does_what_its_equations_say(name, tmp_path):
    model = MODELS[name]
    _, bench = adapted_bench(name, model, tmp_path)
    run = sc.simulate(bench, estimate=False)
    time = run.time.values
    for cell, start in enumerate(model.starts):
        expected = integrated(model, start, time)
        error = np.abs(run.i_column.values[:, cell] - expected).max() / np.abs(expected).max()
        print(name, cell, f"{error:.1e}")
        assert error < (1e-2 if name in STEPS else 1e-3), (cell, error)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("chance_lt", 4, "must not depend on chance"),
        ("laplace_ps", 3, "E1 is not understood"),
        ("delayed_lt", 4, "delay() of 2 arguments is no function"),
        ("caret_lt", 5, "--caret power"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(name, line, reason):
    with pytest.raises(SubcircuitError) as caught:
        sc.adapt_subcircuit(CORPUS / f"{name}.sub", dialect="ltspice" if name.endswith("lt") else "pspice")
    assert str(caught.value).startswith(f"{name}.sub, line {line}: ")
    assert reason in str(caught.value)
