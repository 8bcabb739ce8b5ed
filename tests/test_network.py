"""Crossbars of ohmic cells in the reference engine, against closed forms, laws of linear networks and ngspice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ohmic import static
from oracles import operating_point
from wirings import PARASITICS, TOGETHER, wirings

from spicecim.errors import ConvergenceError
from spicecim.reference.wires import network as network_module
from spicecim.reference.wires.dissection import DissectedFactors
from spicecim.reference.wires.ladder import LadderFactors
from spicecim.reference.wires.network import Factors, Network
from spicecim.testbench import Crossbar

EACH = [{name: 3.0} for name in PARASITICS]


@st.composite
def networks(draw):
    """Resistances, some of them zero, and the conductances of cells."""
    resistances, shape, random = draw(wirings())
    return resistances, 10.0 ** random.uniform(-6, -2, shape), random


def test_a_single_cell_is_a_series_connection():
    solution = static([[1e-3]], [0.7], **TOGETHER)
    assert solution.i_column[0] == pytest.approx(0.7 / (1000 + 2 + 3 + 50 + 7), rel=1e-14)
    assert solution.v_row_node[0, 0] == pytest.approx(0.7 - 52 * solution.i_row[0], rel=1e-14)
    assert solution.v_column_node[0, 0] == pytest.approx(10 * solution.i_row[0], rel=1e-14)


def test_two_cells_on_a_row():
    """The second cell lies behind a further segment, in parallel with the first."""
    first, second = 1000.0, 1000.0 + 5.0
    together = first * second / (first + second) + 5.0
    solution = static([[1e-3, 1e-3]], [1.0], wire_row=5.0)
    assert solution.i_row[0] == pytest.approx(1 / together, rel=1e-14)
    assert solution.i_column[0] / solution.i_column[1] == pytest.approx(second / first, rel=1e-14)


@pytest.mark.parametrize("places", [1, 2, 50])
@pytest.mark.parametrize("along", ["wire_row", "wire_column"])
def test_a_ladder_attenuates_by_hyperbolic_sines(along, places):
    """Of a uniform ladder, v_k = cosh((n - k + 1/2) a) / cosh((n + 1/2) a) with 2 sinh(a / 2) = sqrt(R G)."""
    ohm, siemens = 20.0, 1e-3
    a = 2 * np.arcsinh(0.5 * np.sqrt(ohm * siemens))
    expected = np.cosh((places - np.arange(1, places + 1) + 0.5) * a) / np.cosh((places + 0.5) * a)
    g = np.full((1, places) if along == "wire_row" else (places, 1), siemens)
    solution = static(g, np.ones(len(g)), **{along: ohm})
    # at the column, drivers of 1 V look into the same ladder from the cells: the last row is next to the sense node
    drop = solution.v_cell.ravel() if along == "wire_row" else solution.v_cell.ravel()[::-1]
    np.testing.assert_allclose(drop, expected, rtol=1e-12)


def test_ideal_wires_are_a_matrix_product(rng):
    g, v = rng.uniform(0, 1e-3, (4, 7)), rng.uniform(-1, 1, (5, 4))
    np.testing.assert_allclose(static(g, v).i_column, v @ g, rtol=1e-13)


@settings(deadline=None)
@given(networks())
def test_inputs_superpose(network):
    resistances, g, random = network
    one, other = random.uniform(-1, 1, (2, len(g)))
    currents = static(g, np.stack([one, other, 2 * one - 3 * other]), **resistances).i_column
    np.testing.assert_allclose(currents[2], 2 * currents[0] - 3 * currents[1], atol=1e-10 * np.abs(currents).max())


@settings(deadline=None)
@given(networks())
def test_the_network_is_reciprocal(network):
    """The conductance from driver r to sense node c is that from c to r in the crossbar seen from its columns."""
    resistances, g, _ = network
    forward = static(g, np.eye(len(g)), **resistances).i_column
    seen_from_columns = {
        "wire_row": resistances["wire_column"], "wire_column": resistances["wire_row"],
        "source_resistance": resistances["sense_resistance"], "sense_resistance": resistances["source_resistance"],
    }  # fmt: skip
    backward = static(g[::-1, ::-1].T, np.eye(g.shape[1]), **seen_from_columns).i_column[::-1, ::-1]
    np.testing.assert_allclose(forward, backward.T, rtol=1e-9, atol=1e-10 * forward.max())


@settings(deadline=None)
@given(networks())
def test_tellegen(network):
    """The power of the drivers is what cells, segments and resistances take up."""
    resistances, g, random = network
    v = random.uniform(-1, 1, len(g))
    found = static(g, v, **resistances)
    feed = v - resistances["source_resistance"] * found.i_row
    out = resistances["sense_resistance"] * found.i_column
    row_segments = np.diff(found.v_row_node, axis=1, prepend=feed[:, None])
    column_segments = np.diff(found.v_column_node, axis=0, append=out[None])
    row_currents = np.cumsum(found.i_cell[:, ::-1], axis=1)[:, ::-1]
    column_currents = np.cumsum(found.i_cell, axis=0)
    taken = [
        (found.v_cell * found.i_cell).sum(), -(row_segments * row_currents).sum(),
        -(column_segments * column_currents).sum(), resistances["source_resistance"] * (found.i_row**2).sum(),
        resistances["sense_resistance"] * (found.i_column**2).sum(),
    ]  # fmt: skip
    assert sum(taken) == pytest.approx(v @ found.i_row, rel=1e-9)


def dense_correction(network, g, residual):
    """inverse(1 + Z G) of the residual, Z by the voltages that a current through one cell after the other makes."""
    units = np.eye(g.size).reshape(-1, *g.shape)
    z = network.residual(np.zeros((g.size, len(g))), np.zeros_like(units), units).reshape(g.size, -1).T
    return np.linalg.solve(np.eye(g.size) + z * g.ravel(), residual.ravel()).reshape(g.shape)


@settings(deadline=None)
@given(networks(), st.sampled_from(["lines", "boxes", "nodes"]))
def test_any_factorization_solves_the_network(network, kind):
    resistances, g, random = network
    wires = Network(Crossbar(state=np.zeros(g.shape), **resistances), g.shape)
    with pytest.MonkeyPatch.context() as patch:
        if kind == "boxes":
            patch.setattr(network_module, "_DENSE", 0)
        factors = wires.factorize(0.0, g)
    meshed = resistances["wire_row"] and resistances["wire_column"]
    assert isinstance(factors, DissectedFactors if kind == "boxes" and meshed else LadderFactors)
    if kind == "nodes" and wires.nodal.nodes:
        both = g.reshape(-1, 1, 1) * [[1.0, -1.0], [-1.0, 1.0]]
        factors = Factors(wires, g, wires.nodal.factorize(0.0, both, symmetric=True))
    residual = random.uniform(-1, 1, (2, 3, *g.shape))
    expected = np.array([[dense_correction(wires, g, part) for part in stack] for stack in residual])
    # resistances up to a million times apart: corrections are repeated until the residual is small
    np.testing.assert_allclose(factors.correction(residual), expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("resistances", [*EACH, TOGETHER], ids=[*PARASITICS, "together"])
def test_a_conductance_may_be_negative(resistances, rng):
    """As the differential one of a device whose current falls with its voltage: by pivots, not by square roots."""
    g = rng.uniform(1e-3, 1e-2, (4, 3))
    g[1, 2], g[3, 0] = -1.5, -0.7
    wires = Network(Crossbar(state=np.zeros(g.shape), **resistances), g.shape)
    residual = rng.uniform(-1, 1, g.shape)
    expected = dense_correction(wires, g, residual)
    np.testing.assert_allclose(wires.factorize(0.0, g).correction(residual), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("least", [1e-3, -1.5], ids=["positive", "negative"])
@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (1, 4), (4, 1)])
@pytest.mark.parametrize("resistances", [*EACH, TOGETHER], ids=[*PARASITICS, "together"])
def test_several_crossbars_are_solved_as_each_alone(resistances, shape, least, rng):
    g = rng.uniform(1e-3, 1e-2, (3, *shape))
    g[1, 0, 0] = least
    crossbar = Crossbar(state=np.zeros(shape), **resistances)
    one, several = Network(crossbar, shape), Network(crossbar, shape, len(g))
    drive, (v, i) = rng.uniform(-1, 1, (2, shape[0])), rng.uniform(-1, 1, (2, 2, *g.shape))
    found = several.factorize(0.0, g).correction(v), several.misses(drive, v.reshape(2, -1), i.reshape(2, -1), None)
    ends = several.ends(i.reshape(2, -1))
    for number in range(len(g)):
        own_v, own_i = v[:, number], i[:, number]
        np.testing.assert_allclose(
            found[0][:, number], one.factorize(0.0, g[number]).correction(own_v), rtol=1e-12, atol=1e-13
        )
        missed = one.misses(drive, own_v.reshape(2, -1), own_i.reshape(2, -1), None)
        np.testing.assert_allclose(found[1].reshape(v.shape)[:, number].reshape(2, -1), missed, rtol=1e-12, atol=1e-13)
        for some, right in zip(ends, one.ends(own_i.reshape(2, -1)), strict=True):
            np.testing.assert_allclose(some[:, number], right, rtol=1e-12)


@pytest.mark.ngspice
@pytest.mark.parametrize("shape", [(5, 3), (3, 7), (1, 6), (6, 1)])
@pytest.mark.parametrize("resistances", [*EACH, TOGETHER], ids=[*PARASITICS, "together"])
def test_ngspice_finds_the_same_operating_point(shape, resistances, rng):
    g, v = rng.choice([1e-3, 1 / 40e3], shape), rng.uniform(0.2, 1, shape[0])
    expected = operating_point(g, v, **resistances)
    np.testing.assert_allclose(static(g, v, **resistances).i_column, expected, rtol=1e-9)


@pytest.mark.parametrize("parasitic", PARASITICS)
def test_a_vanishing_resistance_is_none(parasitic, rng):
    g, v = rng.uniform(0, 1e-3, (4, 3)), rng.uniform(-1, 1, 4)
    np.testing.assert_allclose(static(g, v, **{parasitic: 1e-12}).i_column, v @ g, rtol=1e-12)


def test_cells_may_be_open(rng):
    solution = static(np.zeros((3, 2)), rng.uniform(-1, 1, 3), **TOGETHER)
    np.testing.assert_array_equal(solution.i_column, 0.0)


def test_resistances_beyond_the_digits_of_a_float_are_an_error_not_a_result():
    with pytest.raises(ConvergenceError, match="too far apart"):
        static(np.full((8, 8), 1e-3), np.ones(8), wire_row=1e-12, wire_column=1e-12, source_resistance=1e9)


@pytest.mark.parametrize("name", ["wire_row", "wire_column"])
def test_lines_that_are_summed_up_in_parts_are_the_same(name, rng, monkeypatch):
    g, v = rng.uniform(0, 1e-3, (9, 5)), rng.uniform(-1, 1, 9)
    resistances = {name: 3.0, "source_resistance": 20.0, "sense_resistance": 7.0}
    expected = static(g, v, **resistances).i_cell
    monkeypatch.setattr("spicecim.reference.wires.ladder._TOGETHER", 100)
    np.testing.assert_allclose(static(g, v, **resistances).i_cell, expected, rtol=1e-13)
