"""Both engines on testbenches and Verilog-A modules drawn at random, against an integration that shares nothing."""

import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
from integration import Course
from judging import judge, stated
from random_benches import random_bench
from random_modules import random_module

from spicecim.engines import simulate
from spicecim.errors import AccuracyWarning, ConvergenceError
from spicecim.testbench import Testbench

BENCHES = range(30)
"""All models and presets, drives and kinds of wires are among them."""
MOST = 2
"""Rows and columns, with which they take little time."""
MODULES = (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13)
REFUSED = (177, 298)
"""What the reference engine once gave up."""
MISJUDGED = (25, 26)
"""Modules of which a second ngspice run with steps twice as long once shared the errors."""
DRAWN = [
    *(("bench", number) for number in (*BENCHES, *REFUSED)),
    *(("module", number) for number in (*MODULES, *MISJUDGED)),
]
QUICK = {*(("bench", number) for number in BENCHES[:18]), *(("module", number) for number in (*MODULES[:8], 26))}
STATED = 3.0
"""How many times the error that it states an engine may be off."""
OWN = 1e-6
"""What the integration may be off by itself."""
AT_STOPS = 3e-6
"""What the definition of a model leaves open of x at hard stops, where an equation acts over a millionth and the
integration at a point; of a current a hundred times that, since a resistance falls that fast there."""


@pytest.fixture(scope="module")
def course_of(tmp_path_factory):
    """The course of a kind of testbench and a number, which both engines are held against."""
    folder = tmp_path_factory.mktemp("modules")

    @functools.cache
    def draw(kind, number):
        if kind == "bench":
            return Course(Testbench.from_dict(random_bench(number, MOST)))
        module = random_module(number, folder, MOST)
        return Course(Testbench.from_dict(module.values), module.cells)

    return draw


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param(
            *each, marks=[pytest.mark.slow] * (each not in QUICK) + [pytest.mark.compiler] * (each[0] == "module")
        )
        for each in DRAWN
    ],
)
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_no_engine_is_further_off_than_it_says(course_of, kind, number, engine):
    course = course_of(kind, number)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = simulate(course.bench, engine, time_limit=120)
    found, said = judge(run, course), stated(run)
    at_stops = AT_STOPS * bool(course.cells.stops)
    assert found["current_edges"] < STATED * said["current_error"] + 100 * at_stops + OWN
    assert found["x_edges"] < STATED * said["state_error"] + at_stops + OWN
    if not any(issubclass(each.category, AccuracyWarning) for each in caught):
        reached = ("current_edges", "x_edges", "x_end", "mean", "power")
        assert {name: found[name] for name in reached if found[name] > course.bench.analysis.accuracy} == {}


@pytest.mark.slow
@pytest.mark.compiler
@pytest.mark.ngspice
def test_where_no_solution_is_found_the_error_says_what_to_do(tmp_path):
    """Module 44 stores a state in 28 kF: beside that, rounding decides."""
    drawn = random_module(44, tmp_path, MOST)
    bench = Testbench.from_dict(drawn.values)
    scale = r"module drawn stores y in 2\.84e\+04 F, .*: divide all contributions to y by that"
    with pytest.raises(ConvergenceError, match=rf"gave up at 0 s .*; {scale}, or take the reference engine"):
        simulate(bench, "ngspice")
    with pytest.raises(ConvergenceError, match=rf"found no solution .*; {scale}$"):
        simulate(bench, "reference")
    file = Path(drawn.values["device"]["verilog_a"])
    file.write_text(file.read_text().replace("28372.14416841017*", ""))
    assert simulate(bench, "reference").attrs["state_error"] < 1e-3


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize("number", range(3, 9))
def test_at_every_instant_the_drivers_power_is_what_cells_and_resistances_take(number):
    bench = Testbench.from_dict(random_bench(number, MOST))
    run = simulate(bench, "reference", time=np.linspace(0, bench.duration, 31))
    crossbar = bench.crossbar
    delivered = (run["v_row"] * run["i_row"]).sum("row")
    taken = (run["v_cell"] * run["i_cell"]).sum(["row", "column"])
    taken = taken + crossbar.source_resistance * (run["i_row"] ** 2).sum("row")
    taken = taken + crossbar.sense_resistance * (run["i_column"] ** 2).sum("column")
    # of a segment, the square of the current that passes it, which is that of the cells beyond it
    onwards = run["i_cell"].values[:, :, ::-1].cumsum(axis=2)
    downwards = run["i_cell"].values.cumsum(axis=1)
    taken = taken + crossbar.wire_row * (onwards**2).sum(axis=(1, 2))
    taken = taken + crossbar.wire_column * (downwards**2).sum(axis=(1, 2))
    np.testing.assert_allclose(taken, delivered, atol=1e-11 * float(abs(delivered).max()))
    into = run["i_row"].sum("row")
    np.testing.assert_allclose(into, run["i_column"].sum("column"), atol=1e-12 * float(abs(into).max()))
