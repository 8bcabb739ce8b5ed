"""The wires of a crossbar in a netlist: names of their nodes, resistors and capacitors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.testbench import Testbench


class Ends(NamedTuple):
    """What the nodes at the ends of lines are called, before their number."""

    row: str
    column: str


LINE_ENDS = Ends("in", "sense")


class Wires(NamedTuple):
    """Names of the wires' nodes at every cell, row by row. A wire without resistance is one node, that of its end."""

    rows: list[list[str]]
    columns: list[list[str]]
    ends: Ends

    @classmethod
    def of(cls, testbench: Testbench, ends: Ends = LINE_ENDS) -> Wires:
        wires, rows = testbench.crossbar.parasitics(), testbench.shape[0]
        row_nodes, column_nodes = [], []
        for row, (source, segments) in enumerate(zip(wires.sources, wires.rows, strict=True)):
            node, nodes = f"feed_{row}" if source else f"{ends.row}_{row}", []
            for column, ohm in enumerate(segments):
                node = f"row_{row}_{column}" if ohm else node
                nodes.append(node)
            row_nodes.append(nodes)
        for column, (sense, segments) in enumerate(zip(wires.senses, wires.columns.T, strict=True)):
            node, nodes = f"out_{column}" if sense else f"{ends.column}_{column}", []
            for row in reversed(range(rows)):
                node = f"col_{row}_{column}" if segments[row] else node
                nodes.append(node)
            column_nodes.append(nodes[::-1])
        return cls(row_nodes, [list(nodes) for nodes in zip(*column_nodes, strict=True)], ends)


def resistors(testbench: Testbench, wires: Wires) -> list[tuple[str, str, str, float]]:
    """Every resistance that is not zero: name, two nodes, ohm."""
    given, (rows, columns) = testbench.crossbar.parasitics(), testbench.shape
    found = []
    for row in range(rows):
        node = f"{wires.ends.row}_{row}"
        if given.sources[row]:
            node, before = f"feed_{row}", node
            found.append((f"source_{row}", before, node, float(given.sources[row])))
        for column in np.flatnonzero(given.rows[row]).tolist():
            node, before = wires.rows[row][column], node
            found.append((f"row_{row}_{column}", before, node, float(given.rows[row, column])))
    for column in range(columns):
        node = f"{wires.ends.column}_{column}"
        if given.senses[column]:
            node, after = f"out_{column}", node
            found.append((f"sense_{column}", node, after, float(given.senses[column])))
        for row in np.flatnonzero(given.columns[:, column])[::-1].tolist():
            node, after = wires.columns[row][column], node
            found.append((f"col_{row}_{column}", node, after, float(given.columns[row, column])))
    return found


def capacitors(testbench: Testbench, wires: Wires) -> list[tuple[str, str, float]]:
    """Every capacitance to ground: name, node, farad. Segments that share a node are one capacitor."""
    given = testbench.crossbar.parasitics()
    if not given.storing:
        return []
    segments: dict[str, tuple[int, float]] = {}
    for row_nodes, column_nodes, of_row in zip(wires.rows, wires.columns, given.row_capacitance.tolist(), strict=True):
        for row_node, column_node, of_column in zip(
            row_nodes, column_nodes, given.column_capacitance.tolist(), strict=True
        ):
            for node, farad in ((row_node, of_row), (column_node, of_column)):
                segments[node] = segments.get(node, (0, 0.0))[0] + 1, farad
    return [(node, node, count * farad) for node, (count, farad) in segments.items() if farad]
