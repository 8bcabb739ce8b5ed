"""Crossbars of ohmic cells at rest, as the reference engine solves them."""

from typing import Any, NamedTuple

import numpy as np

from spicecim.reference.static import solve_ohmic
from spicecim.reference.wires.network import Network
from spicecim.testbench import Crossbar


class Solution(NamedTuple):
    """Currents (..., row), (..., column) and (..., row, column), and voltages of cells and wires alike."""

    i_row: Any
    i_column: Any
    i_cell: Any
    v_cell: Any
    v_row_node: Any
    v_column_node: Any


def static(g, v, **resistances):
    """Solve conductances (row, column) for voltages of the drivers (..., row)."""
    g, v = np.asarray(g), np.asarray(v)
    network = Network(Crossbar(state=np.zeros(g.shape), **resistances), g.shape)
    found = solve_ohmic(network, g, v)
    i_cell = g * found.v_cell
    nodes = network.voltage_at_rows(v, i_cell), network.voltage_at_columns(v, i_cell)
    return Solution(found.i_row, found.i_column, i_cell, found.v_cell, *nodes)
