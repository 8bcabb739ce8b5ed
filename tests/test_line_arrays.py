"""Resistances and capacitances line by line: against a modified nodal solve, closed forms, and ngspice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicecim.engines import simulate
from spicecim.errors import TestbenchError
from spicecim.measure import energy_balance
from spicecim.ngspice.engine import render_netlist
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench

OHMIC = {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e5}}
SINE = {"kind": "sine", "amplitude": 0.45, "frequency": 100}
FIELDS = ("wire_row", "wire_column", "source_resistance", "sense_resistance")


def bench_of(state, device=OHMIC, drive=SINE, analysis=None, **crossbar):
    return Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": state, **crossbar},
            "drive": drive,
            "analysis": {"probe": "cells", **(analysis or {})},
        }
    )


def drawn(rng, shape):
    """Resistances of all kinds: one number, per line or per segment, some of them zero."""
    rows, columns = shape
    shapes = {
        "wire_row": (rows,),
        "wire_column": (columns,),
        "source_resistance": (rows,),
        "sense_resistance": (columns,),
    }
    found = {}
    for name, lines in shapes.items():
        size = [(), lines, shape][rng.integers(3 if name.startswith("wire") else 2)]
        values = 10.0 ** rng.uniform(-1, 3, size) * (rng.random(size) < 0.7)
        found[name] = float(values) if size == () else values
    return found


def modified_nodal(g, volts, wire_row, wire_column, source_resistance, sense_resistance):
    """Currents (line,) out of the drivers; each resistor is an unknown current, so that it may be 0 ohm."""
    rows, columns = g.shape
    per_row, per_column = (np.asarray(ohm, dtype=float) for ohm in (wire_row, wire_column))
    segments = np.broadcast_to(per_row[:, None] if per_row.ndim == 1 else per_row, g.shape)
    down = np.broadcast_to(per_column, g.shape)
    sources, senses = np.broadcast_to(source_resistance, rows), np.broadcast_to(sense_resistance, columns)
    at = np.arange(g.size).reshape(g.shape)
    branches = []
    for row in range(rows):
        chain = [("line", row), *(("node", at[row, column]) for column in range(columns))]
        steps = segments[row] + np.eye(1, columns)[0] * sources[row]
        branches += zip(chain[:-1], chain[1:], steps, strict=True)
    for column in range(columns):
        chain = [("line", rows + column), *(("node", g.size + at[row, column]) for row in reversed(range(rows)))]
        steps = down[::-1, column] + np.eye(1, rows)[0] * senses[column]
        branches += zip(chain[:-1], chain[1:], steps, strict=True)
    nodes = 2 * g.size
    matrix, right = np.zeros((nodes + len(branches),) * 2), np.zeros(nodes + len(branches))
    for cell, conductance in enumerate(g.ravel()):
        for one, other in ((cell, g.size + cell), (g.size + cell, cell)):
            matrix[one, one] += conductance
            matrix[one, other] -= conductance
    for number, (start, end, ohm) in enumerate(branches, start=nodes):
        for (kind, where), sign in ((start, 1.0), (end, -1.0)):
            if kind == "line":
                right[number] -= sign * volts[where]
            else:
                matrix[where, number] += sign
                matrix[number, where] += sign
        matrix[number, number] -= ohm
    solved = np.linalg.solve(matrix, right)
    return np.array([solved[nodes + number] for number, (start, _, _) in enumerate(branches) if start[0] == "line"])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**16))
def test_resistances_of_lines_and_segments_are_as_a_modified_nodal_solve_has_them(rows, columns, seed):
    rng = np.random.default_rng(seed)
    ohms = drawn(rng, (rows, columns))
    state = rng.random((rows, columns))
    volts = rng.uniform(-1, 1, rows + columns)
    found = operating_point(bench_of(state, **ohms), volts[:rows], volts[rows:])
    currents = modified_nodal(1e-5 + (1e-3 - 1e-5) * state, volts, **ohms)
    lines = np.concatenate([found["i_row"], -found["i_column"]])
    np.testing.assert_allclose(lines, currents, rtol=0, atol=1e-9 * np.abs(currents).max())


def test_a_line_of_its_own_among_long_wires_is_as_the_modified_nodal_solve_has_it():
    rng = np.random.default_rng(8)
    state = rng.random((3, 140))
    ohms = {"wire_row": [0.5, 1.0, 2.0], "wire_column": 1.0, "source_resistance": 10.0, "sense_resistance": 5.0}
    volts = np.concatenate([rng.uniform(-1, 1, 3), np.zeros(140)])
    found = operating_point(bench_of(state, **ohms), volts[:3])
    currents = modified_nodal(1e-5 + (1e-3 - 1e-5) * state, volts, **ohms)
    lines = np.concatenate([found["i_row"], -found["i_column"]])
    np.testing.assert_allclose(lines, currents, rtol=0, atol=1e-9 * np.abs(currents).max())


def test_equal_numbers_in_arrays_are_one_number():
    rng = np.random.default_rng(3)
    state, volts = rng.random((4, 3)), rng.uniform(-1, 1, (2, 4))
    one = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}
    arrays = {
        "wire_row": np.full((4, 3), 2.0),
        "wire_column": [3.0] * 3,
        "source_resistance": ["0.1 kohm"] * 4,
        "sense_resistance": np.full(3, 50.0),
    }
    plain, listed = (operating_point(bench_of(state, **ohms), volts) for ohms in (one, arrays))
    assert np.array_equal(plain["i_column"], listed["i_column"])
    dumped = bench_of(state, **one).crossbar.model_dump(mode="json", exclude_none=True)
    assert dumped == {"state": state.tolist(), "states": {}, "wire_capacitance": 0.0, **one}
    assert Testbench.from_dict(bench_of(state, **arrays).to_dict()) == bench_of(state, **arrays)


def test_rows_charge_by_their_own_resistance_and_capacitance():
    """A ramp of T and then a level u, through R into C beside a cell 1/g: one pole of R/(1 + R g) C per row."""
    ohm, farad, g, rise = np.array([1e3, 5e3, 2e4]), np.array([2e-9, 1e-9, 4e-9]), 1e-3, 2e-5
    pulse = {"kind": "pulse", "high": 0.2, "rise": rise, "fall": rise, "width": 1e-3, "period": 1e-2}
    bench = bench_of(
        np.ones((3, 1)), drive=pulse, source_resistance=ohm, row_capacitance=farad, analysis={"duration": 1e-4}
    )
    time = np.linspace(0, 1e-4, 101)
    tau = ohm * farad / (1 + ohm * g)

    def ramp(since):
        return np.where(since > 0, since - tau * -np.expm1(-np.maximum(since, 0) / tau), 0.0)

    wanted = 0.2 / rise / (1 + ohm * g) * (ramp(time[:, None]) - ramp(time[:, None] - rise))
    found = simulate(bench, engine="reference", time=time)
    np.testing.assert_allclose(found["v_row_node"].values[:, :, 0], wanted, rtol=0, atol=1e-7)
    # all of the column's current is that of the cells: its own capacitance is at ground
    np.testing.assert_allclose(found["i_column"].values[:, 0], g * wanted.sum(axis=1), rtol=0, atol=1e-9)
    assert energy_balance(found).error < 1e-3


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "crossbar",
    [
        {"wire_row": [1.0, 20.0, 0.0], "sense_resistance": [0.0, 300.0]},
        {"wire_column": [[5.0, 0.0], [0.0, 0.0], [50.0, 10.0]], "source_resistance": [0.0, 100.0, 10.0]},
        {"wire_row": 2.0, "wire_column": 3.0, "row_capacitance": [1e-9, 0.0, 5e-9], "column_capacitance": [0.0, 2e-9]},
        {"row_capacitance": [1e-9, 2e-9, 5e-9], "column_capacitance": 1e-9},
    ],
)
def test_both_engines_take_lines_of_their_own(crossbar):
    rng = np.random.default_rng(2)
    bench = bench_of(rng.uniform(0.1, 0.7, (3, 2)), device={"model": "yakopcic"}, **crossbar)
    spice = simulate(bench, engine="ngspice")
    found = simulate(bench, engine="reference", time=spice["time"].values)
    for name in ("i_row", "i_column", "v_row_node", "v_column_node"):
        difference = float(np.abs(found[name] - spice[name]).max())
        assert difference <= 1e-4 * float(np.abs(spice[name]).max()), name
    assert float(np.abs(found["x"] - spice["x"]).max()) <= 1e-4
    stored = "row_capacitance" in crossbar
    assert energy_balance(found).error < (1e-4 if stored else 1e-9)


@pytest.mark.ngspice
def test_a_wire_without_resistance_in_a_place_is_one_node_there():
    text = render_netlist(bench_of(np.ones((1, 3)), wire_row=[[0.0, 2.0, 0.0]]))
    assert [line.split()[:3] for line in text.splitlines() if line.startswith("Rrow")] == [
        ["Rrow_0_1", "in_0", "row_0_1"]
    ]
    assert "col_" not in text


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("wire_row", [1.0], "must have one number per row, 2 of them; there are 1"),
        ("wire_column", [1.0, 2.0], "must have one number per column, 3 of them; there are 2"),
        ("wire_column", np.ones((3, 2)), "must have one number per cell"),
        ("source_resistance", np.ones((2, 3)), "must be a list of numbers; its shape is (2, 3)"),
        ("sense_resistance", [1.0, -2.0, 3.0], "must be between 0 and 1e+18; element [1] is -2"),
        ("sense_resistance", [1.0, 1e-13, 3.0], "must be 0 or at least 1e-12 ohm; element [1] is 1e-13"),
        ("row_capacitance", [1e-12, "1 ohm"], "element [1]"),
        ("column_capacitance", [], "must be a list of numbers"),
    ],
)  # fmt: skip
def test_arrays_of_another_length_and_wrong_numbers_are_named(field, value, message):
    with pytest.raises(TestbenchError) as caught:
        bench_of(np.ones((2, 3)), **{field: value})
    assert f"crossbar.{field}" in str(caught.value)
    assert message in str(caught.value)
