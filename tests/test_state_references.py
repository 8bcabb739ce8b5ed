"""States that are counted from a terminal, the ground or an inner node, in both engines, against scipy."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import bench_dict
from scipy.integrate import solve_ivp

from spicecim.engines import simulate
from spicecim.errors import ModelError
from spicecim.testbench import Testbench
from spicecim.veriloga.device import ModuleDevice

pytestmark = pytest.mark.compiler


HEAD = '`include "disciplines.vams"\n'
GON, GOFF, SPEED, SERIES, HEATING, COOLING = 1e-3, 1e-5, 1000.0, 400.0, 5.0, 2e3


@dataclass(frozen=True)
class Case:
    """A module: where its state and a second one are counted from, the factors of their equations, its resistance."""

    state: str
    scale: float = 1.0
    second: str | None = None
    second_scale: float = 1.0
    series: bool = False
    terminal: bool = False

    def text(self) -> str:
        """The module. The second state, a temperature, speeds up the first."""
        inner = "m" if self.series else "p"
        ports = "p, n, x" if self.terminal else "p, n"
        nodes = ["p", "n", "x", *(["m"] if self.series else []), *(["y"] if self.second else [])]
        lines = []
        if self.series:
            lines.append(f"I(p, m) <+ V(p, m)/{SERIES};")
        x, y = _counted("x", self.state), _counted("y", self.second or "ground")
        hot = f"(1 + V({y}))" if self.second else "1"
        v = f"V({inner}, n)"
        lines.append(f"I({inner}, n) <+ {v}*({GOFF} + {GON}*V({x}));")
        lines.append(f"I({x}) <+ {self.scale}*(ddt(V({x})) - {SPEED}*{hot}*{v}*({v} > 0 ? 1 - V({x}) : V({x})));")
        if self.second:
            lines.append(f"I({y}) <+ {self.second_scale}*(ddt(V({y})) - {COOLING}*({HEATING}*{v}*{v} - V({y})));")
        body = "\n    ".join(lines)
        return (
            f"{HEAD}module drawn({ports});\n  inout {ports}; electrical {', '.join(nodes)};\n"
            f"  analog begin\n    {body}\n  end\nendmodule\n"
        )


def _counted(node: str, reference: str) -> str:
    return node if reference == "ground" else f"{node}, {reference}"


DRIVE = {"kind": "sine", "amplitude": 0.4, "frequency": [1e3, 500.0], "phase": [1.2, 0.4]}
STATE = [[0.2, 0.3], [0.4, 0.6]]
DURATION = 2e-3


def solved(case, sense, times):
    """States (time, row, column) and column currents (time, column) by scipy, to 1e-11."""
    course, circuit = integrated(case.series, bool(case.second), sense)
    states = course(times)[:4].T.reshape(-1, 2, 2)
    return states, np.array([circuit(t, x)[1] for t, x in zip(times, states, strict=True)])


@functools.cache
def integrated(series, heated, sense):
    """Course of all states, and the circuit: from where a state is counted, and in which unit, does not matter."""
    v_row = lambda t: 0.4 * np.sin(2 * np.pi * np.array([1e3, 500.0]) * t + np.array([1.2, 0.4]))  # noqa: E731

    def circuit(t, x):
        """Voltages over the cells and currents of the columns."""
        g = GOFF + GON * x
        whole = g / (1.0 + SERIES * g) if series else g
        v = v_row(t)
        column = sense * (whole * v[:, None]).sum(axis=0) / (1.0 + sense * whole.sum(axis=0))
        over = v[:, None] - column
        return over * whole / g, (over * whole).sum(axis=0)

    def slope(t, flat):
        x, y = flat.reshape(2, 2, 2)
        v, _ = circuit(t, x)
        hot = 1.0 + y if heated else 1.0
        moved = SPEED * hot * v * np.where(v > 0, 1.0 - x, x)
        return np.concatenate([moved.ravel(), (COOLING * (HEATING * v**2 - y)).ravel()])

    start = np.array(STATE)
    v, _ = circuit(0.0, start)
    first = np.concatenate([start.ravel(), (HEATING * v**2).ravel()])
    found = solve_ivp(
        slope, (0.0, DURATION), first, "DOP853", dense_output=True, rtol=1e-11, atol=1e-13, max_step=2e-5
    )  # fmt: skip
    return found.sol, circuit


REFERENCES = ("p", "n", "ground", "m")
CASES = [
    *(Case(reference, scale, series=reference == "m") for reference in REFERENCES for scale in (1e-6, 1.0, 1e6)),
    *(
        Case("n", 1.0, second, scale, series=True)
        for second, scale in zip(REFERENCES, (1.0, 1e6, 1e-6, 1e3), strict=True)
    ),
    *(Case(reference, 1.0, "x", 1.0, series=True) for reference in ("p", "m")),
    Case("n", 1.0, terminal=True),
    Case("p", 1e-6, "n", 1e6, terminal=True),
]


WIRED = [Case("n"), Case("p", 1e-6), Case("m", series=True), Case("n", 1.0, "n", 1e6, series=True)]
RUNS = [*((case, 0.0) for case in CASES), *((case, 500.0) for case in WIRED)]


def _bench(tmp_path, text, sense=0.0, drive=DRIVE, **analysis):
    (tmp_path / "m.va").write_text(text)
    return Testbench.from_dict(
        bench_dict(
            device={"verilog_a": "m.va", "state": "x", "initial": [0, 1]},
            crossbar={"state": STATE, "sense_resistance": sense},
            drive=drive,
            analysis={"periods": 1, "probe": "cells", "tolerance": 1e-6, "points_per_period": 400, **analysis},
        ),
        folder=tmp_path,
    )


# one of the scales and one behind a resistance are enough to go on with; all stand among the slow tests
QUICK = [(case, sense) for case, sense in RUNS if case.scale == 1.0 and (sense == 0.0 or case.second is None)]


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("case", "sense"), [pytest.param(*run, marks=[] if run in QUICK else [pytest.mark.slow]) for run in RUNS], ids=str
)
@pytest.mark.parametrize(("engine", "error"), [("ngspice", 1e-5), ("reference", 1e-8)])
def test_a_state_is_counted_from_any_node(tmp_path, case, sense, engine, error):
    found = simulate(_bench(tmp_path, case.text(), sense), engine=engine, time_limit=120)
    states, currents = solved(case, sense, found.time.values)
    np.testing.assert_allclose(found.x, states, atol=error)
    np.testing.assert_allclose(found.i_column, currents, atol=error * abs(currents).max())
    # what enters by the rows leaves by the columns, at the start too
    np.testing.assert_allclose(found.i_row.sum("row"), found.i_column.sum("column"), atol=1e-9 * abs(currents).max())


def _module(body, nodes="x"):
    return f"{HEAD}module m(p, n);\n  inout p, n; electrical p, n, {nodes};\n{body}\nendmodule\n"


RATE = "1000*V(p, n)*(V(p, n) > 0 ? 1 - {x} : {x})"
SAME = {
    "potential from the column, equation to the ground": (
        f"analog begin I(p, n) <+ V(p, n)*(1e-5 + 1e-3*V(x, n)); I(x) <+ ddt(V(x, n)) - {RATE.format(x='V(x, n)')}; end"
    ),
    "potential from the ground, equation to the column": (
        f"analog begin I(p, n) <+ V(p, n)*(1e-5 + 1e-3*V(x)); I(x, n) <+ ddt(V(x)) - {RATE.format(x='V(x)')}; end"
    ),
    "written from the column to the state": (
        "branch (n, x) b; analog begin I(p, n) <+ V(p, n)*(1e-5 - 1e-3*V(b)); "
        f"I(b) <+ ddt(V(b)) + {RATE.format(x='(-V(b))')}; end"
    ),
    "two branches, a condition and a parameter": (
        "parameter real C = 2; parameter integer law = 1 from [0:1]; branch (x, n) b; analog begin "
        "I(p, n) <+ V(p, n)*(1e-5 + 1e-3*V(x, n)); I(x, n) <+ C*ddt(V(x, n)); "
        f"if (law == 1) I(b) <+ -C*{RATE.format(x='V(b)')}; end"
    ),
    "a named branch to a declared ground": (
        "electrical gnd; ground gnd; branch (x, gnd) b; analog begin "
        f"I(p, n) <+ V(p, n)*(1e-5 + 1e-3*V(b)); I(b) <+ ddt(V(b)) - {RATE.format(x='V(b)')}; end"
    ),
}
"""One device, written in several ways."""


@pytest.mark.ngspice
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize("body", SAME.values(), ids=SAME)
def test_a_state_may_be_written_in_any_way(tmp_path, body, engine):
    found = simulate(_bench(tmp_path, _module(body)), engine=engine)
    states, currents = solved(Case("ground"), 0.0, found.time.values)
    np.testing.assert_allclose(found.x, states, atol=1e-5)
    np.testing.assert_allclose(found.i_column, currents, atol=1e-5 * abs(currents).max())


@pytest.mark.ngspice
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_a_charge_that_the_current_itself_moves_is_no_current_of_the_column(tmp_path, engine):
    """The rate is the current, so that the equations of state and column hold it with opposite signs."""
    text = _module(
        "real i; analog begin i = V(p, n)*(1e-5 + 1e-3*V(x, n)); I(p, n) <+ i; I(x, n) <+ ddt(V(x, n)) - i; end"
    )
    found = simulate(_bench(tmp_path, text), engine=engine)
    np.testing.assert_allclose(found.x[0], STATE, rtol=1e-9)
    np.testing.assert_allclose(found.i_cell, found.v_cell * (1e-5 + 1e-3 * found.x), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.i_column, found.i_cell.sum("row"), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("charge", "rate", "end"), [("x, n", "x", "n"), ("x", "x, n", "n"), ("x, p", "x", "p"), ("x", "x, p", "p")]
)
def test_an_equation_that_ends_in_two_places_is_refused(tmp_path, charge, rate, end):
    body = f"analog begin I(p, n) <+ V(p, n)*V(x); I({charge}) <+ ddt(V(x)); I({rate}) <+ -V(p, n)*(1 - V(x)); end"
    (tmp_path / "m.va").write_text(_module(body))
    with pytest.raises(ModelError, match=f"state: a part of the equation of x ends in {end} and another"):
        ModuleDevice(tmp_path / "m.va", initial=(0.0, 1.0))


def test_the_state_is_told_with_its_reference(tmp_path):
    (tmp_path / "m.va").write_text(Case("m", series=True).text())
    device = ModuleDevice(tmp_path / "m.va", state="x", initial=(0.0, 1.0))
    assert device.provenance()["device_state"] == "V(x, m): 0 at x = 0, 1 at x = 1"
    assert device.is_balanced()
