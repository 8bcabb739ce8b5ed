"""Subcircuits of other simulators, adapted for ngspice: the corpus runs, and does what its equations say."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.errors import InputError, SubcircuitError
from spicecim.netlist import spice_dialect
from spicecim.netlist.adapting.functions import FUNCTIONS
from spicecim.ngspice.run import run_netlist

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
    accuracy: float = 1e-3
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
        frequency=1.0,
    ),
    "yakopcic_lt": Model(
        lambda v, x: yakopcic(v, x, "i"), lambda v, x: yakopcic(v, x, "r"), TWO, amplitude=0.45, frequency=100.0
    ),
    "threshold_ps": Model(
        lambda v, r: v / np.clip(r, 1e3, 10e3),
        lambda v, r: threshold(v) * ((v > 0 and r < 10e3) or (v < 0 and r > 1e3)),
        [3e3, 6e3], amplitude=0.5, options={"dialect": "pspice"},
        device={"initial_parameter": "Rinit", "initial": [10e3, 1e3]},
        x=[7 / 9, 4 / 9],
    ),
    "flux_lt": Model(lambda v, phi: v * (1e-5 + 3e-3 * phi**2), lambda v, phi: v, TWO),
    "charge_ps": Model(
        lambda v, q: v / (10e3 - 9900 / (1 + 4900 / 5000 * np.exp(-4e4 * q))),
        lambda v, q: v / (10e3 - 9900 / (1 + 4900 / 5000 * np.exp(-4e4 * q))),
        [0.0, 2e-5], frequency=1.0, accuracy=3e-4, device={"initial": [0, 2e-5]}, x=[0.0, 1.0],
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


def adapted_bench(name, model, folder):
    adapted = sc.adapt_subcircuit(CORPUS / f"{name}.sub", **model.options)
    (folder / f"{name}.sub").write_text(adapted.text)
    x = model.x or (model.starts if np.ndim(model.starts) == 1 else [0.5] * len(model.starts))
    bench = {
        "device": {**adapted.device, **model.device},
        "crossbar": {"state": [x]},
        "drive": {"kind": "sine", "amplitude": model.amplitude, "frequency": model.frequency},
        "analysis": {"points_per_period": 400, "accuracy": model.accuracy},
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


@pytest.mark.ngspice
@pytest.mark.parametrize("name", MODELS)
def test_an_adapted_subcircuit_does_what_its_equations_say(name, tmp_path):
    model = MODELS[name]
    _, bench = adapted_bench(name, model, tmp_path)
    run = sc.simulate(bench, estimate=False)
    time = run.time.values
    for cell, start in enumerate(model.starts):
        expected = integrated(model, start, time)
        error = np.abs(run.i_column.values[:, cell] - expected).max() / np.abs(expected).max()
        assert error < 1e-3, (cell, error)


def test_what_is_said_to_be_adapted_is():
    known = {name for _, name, _ in FUNCTIONS} | {"sdt", "idt"}
    assert known >= {*spice_dialect._FUNCTIONS} - spice_dialect._NOT_ADAPTED
    assert not known & spice_dialect._NOT_ADAPTED


def test_the_corpus_is_what_the_page_says():
    files = {path.stem for path in CORPUS.glob("*.sub")}
    assert files == {*MODELS, "chance_lt", "laplace_ps", "delayed_lt"}
    page = (CORPUS.parent.parent / "docs" / "subcircuits.md").read_text(encoding="utf-8")
    assert f"has {len(files)} files" in page
    assert f"{len(MODELS)} run; three" in page


def test_lines_that_mean_the_same_stay_as_they_are():
    adapted = sc.adapt_subcircuit(CORPUS / "quiet_lt.sub")
    removed = [line[1:] for line in adapted.difference.splitlines()[2:] if line.startswith("-")]
    assert removed == [".save all", ".step param q 1 3 1", ".meas tran peak max V(x)"]
    assert adapted.dialects == ("ngspice", "ltspice", "pspice", "hspice")
    assert adapted.device["ports"] == ["row", "column", "state"]


VALUES = [-1.7, -0.6, 0.0, 0.3, 0.7, 1.7]


def sign(x):
    return (x > 0) - (x < 0)


MEANINGS = {
    "ltspice": {
        "if(a, 2, 3)": lambda a: 2 if a > 0.5 else 3,
        "if(a > 0.4, if(a > 1, 4, 5), 6)": lambda a: (4 if a > 1 else 5) if a > 0.4 else 6,
        "stp(a) + 2*u(-a)": lambda a: (a > 0) + 2 * (a < 0),
        "limit(a, 1, -1)": lambda a: min(max(a, -1), 1),
        "a**3 + pwrs(a, 3) - pwr(a, 3)": lambda a: 2 * a**3 - abs(a) ** 3,
        "(a - 1)**2 - (a-1)**1": lambda a: (a - 1) ** 2 - (a - 1),
        "pow(a, 1.5)": lambda a: max(a, 0.0) ** 1.5,
        "!a + (a & 1) + 2*(a | 0)": lambda a: (a <= 0.5) + 3 * (a > 0.5),
        "(a > 0)^(a > 1)": lambda a: (a > 0) != (a > 1),
        "int(a) + round(3*a)*100": lambda a: int(a) + 100 * round(3 * a),
        "inv(a) - buf(a)": lambda a: 1 - 2 * (a > 0.5),
        "hypot(a, 3) + atan2(a, -1)": lambda a: np.hypot(a, 3) + (np.arctan2(a, -1) if a else np.pi),
        "uramp(a) + 4K7*1m + 1Meg*1u": lambda a: max(a, 0) + 4.7 + 1,
        "boltz/echarge*1e5*a": lambda a: K_OVER_Q * 1e5 * a,
        "2 - 3 - a*-2 + 2*-a": lambda a: -1.0,
        "e**a + cos(pi*a)": lambda a: np.e**a + np.cos(np.pi * a),
        "8/4/2 - (1 - (2 - a)) + -(a - 1)*2": lambda a: 1 - (1 - (2 - a)) - 2 * (a - 1),
        "cbrt(8)*sgn(a)": lambda a: 2 * sign(a),
    },
    "pspice": {
        "if(a > 0 & a < 1, 2, 3)": lambda a: 2 if 0 < a < 1 else 3,
        "stp(a)": lambda a: a > 0,
        "limit(a, -1, 1)": lambda a: min(max(a, -1), 1),
        "if(~(a > 0) | (a > 1), a, 7)": lambda a: a if a <= 0 or a > 1 else 7,
        "pwr(a, 1.5) + pwrs(a, 1.5)": lambda a: (1 + sign(a)) * abs(a) ** 1.5,
        "arctan(a) + log(abs(a) + 1) + log10(100)": lambda a: np.arctan(a) + np.log(abs(a) + 1) + 2,
    },
    "hspice": {
        "a > 0 ? a > 1 ? 4 : 5 : 6": lambda a: (4 if a > 1 else 5) if a > 0 else 6,
        "pwr(a, 3)": lambda a: a**3,
        "a^2 + pow(a, 3)": lambda a: a**2 + a**3,
        "sign(3, a) + int(a)": lambda a: (-3 if a < 0 else 3) + int(a),
        "1x*1u + 1a*1e18": lambda a: 2.0,
        "-a**2": lambda a: -(a**2),
    },
    "ngspice": {
        "a > 0 ? a > 1 ? 4 : 5 : 6": lambda a: (4 if a > 1 else 5) if a > 0 else 6,
        "-a^2 + 2^3^2": lambda a: -(a**2) + 64,
        "pi*a": lambda a: np.pi * a,
    },
}
SOURCES_ONLY = {
    "ltspice": {
        "table(a, -1, -2, 0, 0, 1, 5)": lambda a: np.interp(a, [-1, 0, 1], [-2, 0, 5]),
        "temp": lambda a: 27.0,
    },
    "pspice": {"table(a, -1, -2, 1, 2)": lambda a: 2 * min(max(a, -1), 1), "vt*1k": lambda a: K_OVER_Q * 300.15 * 1e3},
}


@pytest.mark.ngspice
@pytest.mark.parametrize("where", ["source", "parameter"])
@pytest.mark.parametrize("dialect", MEANINGS)
def test_an_expression_has_the_value_that_its_simulator_gives_it(tmp_path, dialect, where):
    """Ngspice evaluates what is written, in a source and in a parameter, at both signs and at zero."""
    meanings = MEANINGS[dialect] | (SOURCES_ONLY.get(dialect, {}) if where == "source" else {})
    outputs = [f"o{k}" for k in range(len(meanings))]
    lines = [f".subckt m in {' '.join(outputs)} a=1", "Cx x 0 1", "Gx 0 x in 0 1"]
    for output, expression in zip(outputs, meanings, strict=True):
        if where == "source":
            driven = re.sub(r"\ba\b", "v(in)", expression)
            lines.append(f"B{output} {output} 0 V={driven}")
        else:
            lines += [f".param q{output}={{{expression}}}", f"B{output} {output} 0 V=q{output}"]
    (tmp_path / "m.sub").write_text("\n".join([*lines, ".ends"]))
    text = sc.adapt_subcircuit(tmp_path / "m.sub", dialect=dialect).text
    names = [[f"{output}_{k}" for output in outputs] for k in range(len(VALUES))]
    calls = [
        f"V{k} in{k} 0 {a}\nX{k} in{k} {' '.join(group)} m a={a}"
        for k, (a, group) in enumerate(zip(VALUES, names, strict=True))
    ]
    netlist = "\n".join(["* values", text, *calls, ".tran 1 2", ".end", ""])
    vectors = run_netlist(netlist, [f"v({name})" for group in names for name in group]).vectors
    for a, group in zip(VALUES, names, strict=True):
        for name, (expression, meaning) in zip(group, meanings.items(), strict=True):
            found = vectors[f"v({name})"][-1]
            assert found == pytest.approx(float(meaning(a)), rel=1e-9, abs=1e-9), (expression, a)


def adapted_text(tmp_path, *lines, head=".subckt m p n", **options):
    (tmp_path / "m.sub").write_text("\n".join([head, *lines, "Cq q 0 1 IC=0.5", "Gq 0 q p n 1", "R1 p n 1k", ".ends"]))
    return sc.adapt_subcircuit(tmp_path / "m.sub", **options).text


def chained(expression: str, count: int, last: str = "sdt(x)") -> str:
    """Functions f0, f1, ... each of which is an expression of the next."""
    calls = [f".func f{place}(x) {{{expression.format(next=place + 1)}}}" for place in range(count)]
    return "\n".join([*calls, f".func f{count}(x) {{{last}}}"])


REFUSED = [
    ("B1 p n I=rnd(1)", "ltspice", 2, "must not depend on chance"),
    ("B1 p n I=limit(v(p),0,1)", "ngspice", 2, "must not depend on chance"),
    ("B1 p n I=foo(v(p))", "ltspice", 2, "foo() of 1 arguments is no function of ltspice"),
    ("B1 p n I=if(v(p)>0,1,2)", "hspice", 2, "is no function of hspice; it is one of ltspice, pspice"),
    ("B1 p n I=sdt(v(p))", "ngspice", 2, "it is one of ltspice, pspice"),
    ("B1 p n I=v(p)*(1+v(n)", "ltspice", 2, "')' is missing"),
    ("B1 p n I=v(p)*gane", "ltspice", 2, "the parameter gane is missing; did you mean 'gain'?"),
    ("B1 p n I=-v(p)**2", "ltspice", 2, "write parentheses"),
    ("B1 p n I=v(p)**2**3", "pspice", 2, "write parentheses"),
    ("B1 p n I=if(v(p)>0 & v(n)>0 | v(q)>0, 1, 2)", "pspice", 2, "write parentheses"),
    ("B1 p n I=(v(p)-1)**3", "pspice", 2, "power of |x|"),
    ("B1 p n I=v(p)^2", "pspice", 2, "--caret power"),
    ("B1 p n I=1 rpar=1k", "ltspice", 2, "rpar of B1 is not understood"),
    ("B1 p n I=", "ltspice", 2, "a value is missing"),
    ("E1 p n POLY(1) p n 0 1", "pspice", 2, "E1 is not understood"),
    ("C1 p 0 {1+v(p)}", "ltspice", 2, "the capacitance of C1 moves"),
    ("B1 p n I=i(Q7)", "ltspice", 2, "has no element Q7"),
    ("A1 p n buf", "ltspice", 2, "A1 is no element that is understood"),
    (".if (gain > 1)", "hspice", 2, ".if is not understood"),
    (".param k={sdt(1)}", "ltspice", 2, "sdt() has no meaning in a parameter"),
    (".func f(x) {g(x)}\n.func g(x) {f(x)}", "ltspice", 2, "calls itself"),
    ("B1 p n I=table(v(p), 1)", "ltspice", 2, "two points"),
    ("B1 p n I=v(p)*pow(v(p), 2.5)", "hspice", 2, "integer part"),
    ("B1 p n I=" + "(" * 1000 + "1" + ")" * 1000, "ltspice", 2, "SPICE_NESTING"),
    ("B1 p n I=" + "1+" * 1000 + "1", "ltspice", 2, "SPICE_NESTING"),
    ("B1 p n I=" + "-" * 1000 + "1", "ltspice", 2, "SPICE_NESTING"),
    ("B1 p n I=" + "(" * 40 + "v(p)" + "**v(n))" * 40, "ltspice", 2, "SUBCIRCUIT_CHARACTERS"),
    (chained("f{next}(x)+f{next}(2*x)", 60), "ltspice", 49, "SUBCIRCUIT_CHARACTERS"),
    (chained("1+f{next}(x)", 400), "ltspice", 103, "SPICE_NESTING"),
    ("X1 p n nothing", "ltspice", 2, "nothing is not in the file"),
    ("B1 0 vdd I=1", "hspice", 3, "is a node of the author's whole circuit (.global)"),
    (".param gain=3", "ltspice", 2, "sets gain, which is a parameter of the .subckt line"),
    ("R2 p n {1e999}", "ltspice", 2, "beyond the range"),
    (".ends\n.subckt m p", "ltspice", 3, "m stands there twice"),
    ("V1 p 0 PWL file={1}", "ltspice", 2, "a file that is read"),
]


@pytest.mark.parametrize(("text", "dialect", "line", "reason"), REFUSED, ids=[reason for *_, reason in REFUSED])
def test_what_is_not_certain_is_refused_with_its_line(tmp_path, text, dialect, line, reason):
    head = ".global vdd\n.subckt m p n gain=1" if "vdd" in text else ".subckt m p n gain=1"
    with pytest.raises(SubcircuitError) as caught:
        adapted_text(tmp_path, text, head=head, dialect=dialect)
    assert str(caught.value).startswith(f"m.sub, line {line}: "), str(caught.value)
    assert reason in str(caught.value)


def test_functions_may_call_each_other_in_a_long_chain(tmp_path):
    text = adapted_text(tmp_path, f"{chained('1+f{next}(x)', 1500, 'x')}\nB1 p n I=f0(v(p,n))", dialect="ltspice")
    assert ".func f0(x) {1+f1(x)}" in text


def test_a_subcircuit_of_one_port_is_no_device(tmp_path):
    with pytest.raises(SubcircuitError, match=r"m\.sub, line 1: m has fewer than two ports"):
        adapted_text(tmp_path, head=".subckt m p")


def test_dialects_that_disagree_are_told(tmp_path):
    with pytest.raises(SubcircuitError, match=r"dialect: is required, because m\.sub means different things"):
        adapted_text(tmp_path, "B1 p n I=(v(p)-1)**3")
    with pytest.raises(SubcircuitError, match=r"read as ltspice: m\.sub, line 2: .*\nread as pspice"):
        adapted_text(tmp_path, "B1 p n I=if(v(p)>0,1,2)*foo(1)")
    for option in ("dialect", "caret"):
        with pytest.raises(InputError, match=f"{option}: unknown {option} 'x'; known are"):
            sc.adapt_subcircuit(CORPUS / "quiet_lt.sub", **{option: "x"})


def test_parts_of_other_files_come_along(tmp_path):
    (tmp_path / "parts.lib").write_text(
        "* parts\n.param gmax=1m\n.func g(x) = {gmax*x**2}\n.subckt unused a\nR1 a 0 1\n.ends\n"
    )
    text = adapted_text(tmp_path, "B1 p n I=v(p,n)*g(v(q))*stp(v(q))", head=".include parts.lib\n.subckt m p n")
    assert ".param gmax=1m" in text
    assert ".func g(x)" in text
    assert "unused" not in text
    assert "include" not in text
    (tmp_path / "parts.lib").write_text(".func g(x) {what(x)}\n")
    with pytest.raises(SubcircuitError, match=r"parts\.lib, line 1: what\(\) of 1 arguments"):
        sc.adapt_subcircuit(tmp_path / "m.sub", dialect="ltspice")


def test_a_function_with_an_integral_is_written_into_its_callers(tmp_path):
    text = adapted_text(
        tmp_path, ".func twice(x) {2*flux(x)}", ".func flux(y) {sdt(y*y)}", "B1 p n I=v(p,n)*twice(v(p))"
    )
    assert ".func" not in text
    assert "Bsdt_B1 0 sdt_B1 I=v(p) * v(p)" in text
    assert "B1 p n I=v(p,n) * (2 * v(sdt_B1))" in text


def test_names_that_ngspice_has_are_renamed_everywhere(tmp_path):
    text = adapted_text(
        tmp_path, ".param e=3 k={e*2}", ".func pulse(x) {x*e}", "B1 p n I=v(p,n)*pulse(k)", dialect="hspice"
    )
    assert "e_=3" in text
    assert ".param k={e_ * 2}" in text
    assert ".func pulse_(x) {x * e_}" in text
    assert "I=v(p,n) * pulse_(k)" in text


def test_names_that_are_renamed_reach_other_subcircuits_and_no_arguments(tmp_path):
    text = adapted_text(
        tmp_path, ".param e=3", "X1 p n s e={e}", ".func f(e) {e+1}", ".func limit(x,y,z) {x*e}",
        "B1 p n I=v(p,n)*f(2)*limit(1,2,3)", ".subckt s a b e=1", "R1 a b {e}", ".ends", dialect="hspice",
    )  # fmt: skip
    assert "X1 p n s e_={e_}" in text
    assert ".subckt s a b e_=1" in text
    assert "R1 a b {e_}" in text
    assert ".func f(e) {e+1}" in text
    assert ".func limit_(x, y, z) {x * e_}" in text
    assert "* limit_(1, 2, 3)" in text


def test_a_start_by_an_expression_has_its_scale(tmp_path):
    model = MODELS["biolek_ps"]
    adapted, _ = adapted_bench("biolek_ps", model, tmp_path)
    assert adapted.device["initial_parameter"] == "Rinit"
    assert adapted.device["initial"] == pytest.approx([16e3, 100])


def adapted_lines(tmp_path, *lines, **options):
    (tmp_path / "m.sub").write_text("\n".join([".subckt m p n", *lines, ".ends"]))
    return sc.adapt_subcircuit(tmp_path / "m.sub", **options)


def test_a_start_takes_parameters_that_follow_from_each_other(tmp_path):
    adapted = adapted_lines(
        tmp_path, ".param top=3n bottom=1n winit=1.5n", ".param range={top-bottom}", "Gx 0 x p n 1", "Cx x 0 1",
        ".ic V(x)={(winit-bottom)/range}", "R1 p n 1k", dialect="ltspice",
    )  # fmt: skip
    assert adapted.device["initial_parameter"] == "winit"
    assert adapted.device["initial"] == [1e-9, 3e-9]


def test_a_start_that_is_no_scale_between_0_and_1_is_not_offered_as_one(tmp_path):
    adapted = adapted_lines(
        tmp_path, ".param Rinit=5k", "Gr 0 r p n 1", "Cr r 0 1 IC={Rinit}", "G1 p n value={V(p,n)/V(r)}",
        dialect="ltspice",
    )  # fmt: skip
    assert "initial_parameter" not in adapted.device
    assert any("Rinit, 5000 by default" in note.text and "initial_parameter: Rinit" in note.text
               for note in adapted.notes)  # fmt: skip


def test_an_integral_that_a_clip_takes_twice_is_one(tmp_path):
    adapted = adapted_lines(tmp_path, "B1 p n I=V(p,n)*limit(0, 1, idt(V(p,n)))", dialect="ltspice")
    assert adapted.text.count("Cidt_B1") == 1
    assert adapted.device["initial_parameter"] == "idt_B10"


@pytest.mark.parametrize(
    ("power", "told"),
    [("pow(V(p,n), 3)", "|x|**y in a source"), ("pwr(V(p,n), 2)", "sgn(x)*|x|**y in a source"),
     ("pow(V(p,n), 2)", ""), ("pow(abs(V(p,n)), 3)", "")],
)  # fmt: skip
def test_powers_whose_sign_ngspice_takes_otherwise_in_parameters_are_told(tmp_path, power, told):
    notes = adapted_lines(tmp_path, f"B1 p n I={power}", dialect="ngspice").notes
    assert [told in note.text for note in notes] == [True] * bool(told)


def test_the_command_shows_and_writes(tmp_path):
    def command(*arguments):
        return CliRunner().invoke(app, ["model", "adapt", *map(str, arguments)])

    source, target = CORPUS / "caret_lt.sub", tmp_path / "out.sub"
    done = command(source, "-o", target, "--dialect", "ltspice", "--caret", "power")
    assert done.exit_code == 0
    assert target.read_text() == sc.adapt_subcircuit(source, dialect="ltspice", caret="power").text
    assert "-.param gon=1m goff=20u speed=30" in done.stdout
    assert "subcircuit: out.sub" in done.stdout
    values = json.loads(command(source, "--dialect", "ltspice", "--caret", "power", "--json").stdout)
    assert values["device"]["initial_parameter"] == "x0"
    assert values["dialects"] == ["ltspice"]
    assert isinstance(command(source, "--dialect", "ltspice").exception, SubcircuitError)


FRAGMENTS = st.sampled_from([
    "B1 p n I=", "v(p)", "if(", ",", ")", "(", "**", "^", "*", "+", "-", "1k", "4K7", "0.5", "a", "{", "}", "'", "=",
    "E1 q 0 VALUE=", "R1 p n ", "C1 q 0 1 ", "IC=", "\n", "\n.param ", "\n.func f(x) ", "f(", "sdt(", "i(R1)", "gnd!",
    "? ", ":", "&", "|", "!", "~", ">", "==", "\n.ic v(q)=", ".ends", "table(", "TABLE {", "\n+", "PARAMS: ", "x1",
])  # fmt: skip


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=2)), max_size=20), st.sampled_from(["ltspice", "hspice"]))
@settings(deadline=None, max_examples=40)
def test_any_text_is_adapted_or_one_error(tmp_path_factory, pieces, dialect):
    file = tmp_path_factory.getbasetemp() / "any.sub"
    file.write_bytes(("* any\n.subckt m p n a=1\n" + "".join(pieces) + "\nC9 x 0 1\n.ends\n").encode(errors="replace"))
    with contextlib.suppress(SubcircuitError):
        assert sc.adapt_subcircuit(file, dialect=dialect).text.startswith("* adapted")


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
