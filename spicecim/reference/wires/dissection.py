"""Direct solution of a large crossbar with resistive wires, by nested dissection.

A box of cells meets the rest of the crossbar at the nodes where its wires leave it: as many as its edges are long, not
as its cells. To join two boxes is to put the wires between them inside and to eliminate these nodes. Of n x n cells
that takes some 10 n^3 operations and 90 n^2 numbers, where line after line (see `ladder`) takes n^4 and n^3 (A. George,
Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10 (1973), doi:10.1137/0710032; the dense
fronts are those of I. S. Duff, J. K. Reid, The multifrontal solution of indefinite sparse symmetric linear equations,
ACM Trans. Math. Softw. 9 (1983), doi:10.1145/356044.356047).

Small boxes are all alike and are joined side by side, one pivot after the other, by the sweep operator
(J. H. Goodnight, A tutorial on the SWEEP operator, Am. Stat. 33 (1979), doi:10.1080/00031305.1979.10482685); larger
ones one by one, by Cholesky's factors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from spicecim.deadline import check_deadline
from spicecim.fields import FloatArray
from spicecim.reference.wires.ladder import NotPositive, Wire

_DOUBLINGS = 4
_SIDE = 1 << _DOUBLINGS
"""Rows and columns of a small box."""
_LEAF_JOINS = 4
_LEAF = 1 << _LEAF_JOINS
"""Cells of a leaf: what so few do to each other is less than what their joins take one by one."""
_TOGETHER = 32
"""Small boxes that are eliminated side by side: as many as a processor's cache holds."""
_RIGHT_SIDES = 8_000_000
"""Most cells times right sides that are solved for at once, to bound the memory."""
_STRIDE = 1 << 24
"""More columns than a crossbar has."""

Places = NDArray[np.int_]


class DissectedFactors:
    """The factorized network at some conductances of the cells.

    Parameters
    ----------
    rows
        The row wires, with resistive segments.
    columns
        The column wires, with resistive segments.
    conductance
        (Differential) conductance of each cell (row, column), siemens.

    Raises
    ------
    NotPositive
        If there are no such factors.
    """

    def __init__(self, rows: Wire, columns: Wire, conductance: FloatArray) -> None:
        if not (np.isfinite(conductance) & (conductance >= 0.0)).all():
            raise NotPositive
        self._g = conductance
        self._pattern = _pattern(*conductance.shape)
        self._beyond = int(self._pattern.cells.size > conductance.size)
        cells = [
            1.0 / np.where(self._pattern.first_of_row, rows.segment + rows.terminal, rows.segment),
            1.0 / np.where(self._pattern.first_of_column, columns.segment + columns.terminal, columns.segment),
            self._grouped(conductance),
        ]
        self._leaves: list[_Leaves] = []
        self._small: list[list[_Swept]] = []
        fronts: dict[int, FloatArray] = {}
        for block in self._pattern.blocks():
            check_deadline()
            leaves, swept, matrices = _sweep_boxes(*(part[:, block].ravel() for part in cells))
            self._leaves.append(leaves)
            self._small.append(swept)
            for number, box in enumerate(range(block.start, block.stop)):
                kept = self._pattern.ports[box]
                fronts[box] = matrices[kept[:, None], kept, number]
        self._large = [_eliminated(join, fronts) for join in self._pattern.joins]

    def correction(self, residual: FloatArray) -> FloatArray:
        """Return what to take off the cells' voltages for a residual of theirs: inverse(1 + Z G) of it.

        Both are (..., row, column).
        """
        stack = residual.reshape(-1, *self._g.shape)
        together, change = max(1, _RIGHT_SIDES // self._g.size), np.empty_like(stack)
        for some in (slice(first, first + together) for first in range(0, len(stack), together)):
            np.subtract(stack[some], self._voltages(self._g * stack[some]), out=change[some])
        return change.reshape(residual.shape)

    def _voltages(self, currents: FloatArray) -> FloatArray:
        """Voltages between the wires at the cells by currents that the cells feed into them (stack, row, column)."""
        pattern, count = self._pattern, len(currents)
        grouped = self._grouped(currents)
        loads: dict[int, FloatArray] = {}
        small = []
        for block, leaves, swept in zip(pattern.blocks(), self._leaves, self._small, strict=True):
            fed = np.ascontiguousarray(grouped[..., block].reshape(count, _LEAF, -1).T)
            load, inside = leaves.forward(fed), [fed]
            for join, part in zip(_small_boxes().joins[_LEAF_JOINS:], swept, strict=True):
                load, own = part.forward(join, load)
                inside.append(own)
            small.append(inside)
            for number, box in enumerate(range(block.start, block.stop)):
                loads[box] = load[number, pattern.ports[box]]
        large = [front.forward(join, loads) for join, front in zip(pattern.joins, self._large, strict=True)]
        potentials = {pattern.joins[-1].number: np.empty((0, count))}
        for join, front, own in reversed([*zip(pattern.joins, self._large, large, strict=True)]):
            front.backward(join, own, potentials)
        for block, leaves, swept, (fed, *inside) in zip(
            pattern.blocks(), self._leaves, self._small, small, strict=True
        ):
            at = np.zeros((block.stop - block.start, len(_small_boxes().ports), count))
            for number, box in enumerate(range(block.start, block.stop)):
                at[number, pattern.ports[box]] = potentials[box]
            for join, part, own in reversed([*zip(_small_boxes().joins[_LEAF_JOINS:], swept, inside, strict=True)]):
                at = part.backward(join, own, at)
            grouped[..., block] = leaves.backward(fed, at).T.reshape(count, -1, block.stop - block.start)
        voltages = np.empty((count, self._g.size + self._beyond))
        voltages[:, pattern.cells] = grouped
        return voltages[:, : self._g.size].reshape(currents.shape)

    def _grouped(self, cells: FloatArray) -> FloatArray:
        """Cells (..., row, column) as (..., place, box), zero where the pattern has none."""
        flat = cells.reshape(*cells.shape[:-2], -1)
        if self._beyond:
            flat = np.concatenate([flat, np.zeros((*flat.shape[:-1], 1))], axis=-1)
        return flat.take(self._pattern.cells, axis=-1)


class _Part(NamedTuple):
    """A box that becomes a part of another."""

    box: int
    """Its number."""
    gone: Places
    """Its ports at nodes that go."""
    left: Places
    """Its ports at nodes that stay."""
    stays: slice
    """Places of these among all that stay."""


class _Join(NamedTuple):
    """How one or two boxes become one: the nodes that both have go, those of the first stay before the second's."""

    number: int
    """Number of the box that it makes."""
    parts: list[_Part]


def _join(number: int, boxes: list[int], nodes: list[Places], gone: Places | None = None) -> tuple[_Join, Places]:
    """Join boxes with ports at nodes, of which those go that both have; returns the nodes that are left, too."""
    if gone is None:
        gone = np.intersect1d(nodes[0], nodes[1])
    parts, start = [], 0
    for box, own in zip(boxes, nodes, strict=True):
        goes = np.isin(own, gone)
        ports, left = np.flatnonzero(goes), np.flatnonzero(~goes)
        parts.append(_Part(box, ports[np.argsort(own[ports])], left, slice(start, start + len(left))))
        start += len(left)
    return _Join(number, parts), np.concatenate([own[part.left] for own, part in zip(nodes, parts, strict=True)])


def _node(row: int, column: int, of_column_wire: int) -> int:
    """Number of a node; those before the first of a wire are in row or column -1."""
    return 2 * ((row + 1) * _STRIDE + column + 1) + of_column_wire


def _shift(rows: int, columns: int) -> int:
    """Difference of the numbers of nodes so many rows and columns apart."""
    return 2 * (rows * _STRIDE + columns)


class _SmallBoxes(NamedTuple):
    """How single cells are joined to small boxes."""

    joins: list[_Join]
    ports: Places
    """Nodes of the ports of the box at row 0 and column 0."""


@lru_cache(maxsize=1)
def _small_boxes() -> _SmallBoxes:
    nodes = np.array([_node(0, -1, 0), _node(0, 0, 0), _node(-1, 0, 1), _node(0, 0, 1)])
    joins = []
    for bit in range(_DOUBLINGS):
        for shift in (_shift(0, 1 << bit), _shift(1 << bit, 0)):
            join, nodes = _join(0, [0, 0], [nodes, nodes + shift])
            joins.append(join)
    return _SmallBoxes(joins, nodes)


class _Pattern(NamedTuple):
    """How a crossbar of a shape is taken apart; it does not depend on the conductances."""

    cells: Places
    """Number of each cell among those of the crossbar (place, box), places in the order in which they join; beyond the
    last one, that which follows."""
    first_of_row: NDArray[np.bool_]
    """Whether it is at the terminal of its row wire (place, box)."""
    first_of_column: NDArray[np.bool_]
    """Whether it is at that of its column wire (place, box)."""
    ports: list[Places]
    """Ports of each small box, but for those at known potentials."""
    joins: list[_Join]
    """Joins of small boxes to large ones, in their order."""

    def blocks(self) -> list[slice]:
        """Small boxes that are eliminated side by side."""
        count = len(self.ports)
        return [slice(first, min(first + _TOGETHER, count)) for first in range(0, count, _TOGETHER)]


@lru_cache(maxsize=8)
def _pattern(rows: int, columns: int) -> _Pattern:
    down, along = -(-rows // _SIDE), -(-columns // _SIDE)
    last = down * _SIDE, along * _SIDE
    # bit by bit from the highest on, a place is the lowest bit of the column in the box, that of the row, the next ones
    bits = np.arange(_SIDE * _SIDE)[:, None] >> np.arange(2 * _DOUBLINGS)[::-1] & 1
    row, column = (bits[:, first::2] @ (1 << np.arange(_DOUBLINGS)) for first in (1, 0))
    down_boxes, along_boxes = np.divmod(np.arange(down * along), along)
    row, column = row[:, None] + _SIDE * down_boxes, column[:, None] + _SIDE * along_boxes
    cells = np.where((row < rows) & (column < columns), (rows - 1 - row) * columns + column, rows * columns)
    ports, nodes, joins = [], {}, []
    for box in range(down * along):
        own = _small_boxes().ports + _shift(box // along * _SIDE, box % along * _SIDE)
        at_row, at_column, of_column_wire = own // (2 * _STRIDE), own // 2 % _STRIDE, own % 2
        along_wire = np.where(of_column_wire, at_row, at_column)
        kept = np.flatnonzero(along_wire)
        ports.append(kept)
        nodes[box] = own[kept]
        # nothing lies beyond the ends of the wires
        gone = nodes[box][along_wire[kept] == np.where(of_column_wire, *last)[kept]]
        if len(gone):
            join, nodes[box] = _join(box, [box], [nodes[box]], gone)
            joins.append(join)
    numbers = np.arange(down * along).reshape(down, along)
    following = numbers.size
    while numbers.size > 1:
        # across the longer side of what is left, so that boxes become square
        turned = numbers.shape[0] > numbers.shape[1]
        lines = numbers.T if turned else numbers
        made = np.empty((lines.shape[0], -(-lines.shape[1] // 2)), dtype=int)
        for line, boxes in enumerate(lines.tolist()):
            for first in range(0, len(boxes), 2):
                pair = boxes[first : first + 2]
                made[line, first // 2] = pair[0]
                if len(pair) == 2:
                    join, nodes[following] = _join(following, pair, [nodes.pop(box) for box in pair])
                    joins.append(join)
                    made[line, first // 2] = following
                    following += 1
        numbers = made.T if turned else made
    return _Pattern(cells, column == 0, row == 0, ports, joins)


class _Swept(NamedTuple):
    """What is kept of fronts side by side, to solve for their nodes that went."""

    inverse: FloatArray
    """Inverses (front, gone, gone) of their equations, with the opposite sign."""
    passed: FloatArray
    """What they do to the nodes that are left (front, left, gone)."""

    def forward(self, join: _Join, load: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Currents (front, left, stack) into what is left, by those of the parts; and what the others do alone."""
        half = len(load) // 2
        (first, second), one, other = join.parts, load[:half], load[half:]
        own = one[:, first.gone] + other[:, second.gone]
        left = np.concatenate([one[:, first.left], other[:, second.left]], axis=1)
        left -= self.passed @ own
        return left, -(self.inverse @ own)

    def backward(self, join: _Join, own: FloatArray, potentials: FloatArray) -> FloatArray:
        """Potentials (front, port, stack) of both parts by those of what is left."""
        own = own - self.passed.swapaxes(1, 2) @ potentials
        half = len(own)
        ports = np.empty((2 * half, len(join.parts[0].gone) + len(join.parts[0].left), own.shape[2]))
        for part, box in zip(join.parts, (ports[:half], ports[half:]), strict=True):
            box[:, part.gone], box[:, part.left] = own, potentials[:, part.stays]
        return ports


class _Leaves(NamedTuple):
    """Leaves side by side, by what their cells feed into the wires and what lies between these there."""

    own: FloatArray
    """Voltages at the cells by their currents (leaf, cell, cell), with the ports at potential zero."""
    passed: FloatArray
    """Currents into the ports by those of the cells (leaf, port, cell)."""

    @classmethod
    def of_cells(cls, count: int) -> _Leaves:
        """Leaves of a single cell each: all its nodes are ports."""
        return cls(np.zeros((count, 1, 1)), np.repeat([[[0.0], [1.0], [0.0], [-1.0]]], count, axis=0))

    def joined(self, join: _Join, part: _Swept) -> _Leaves:
        """Join the first half of the leaves to the second; their cells take turns."""
        half, cells = len(self.own) // 2, 2 * self.own.shape[1]
        own, passed = np.zeros((half, cells, cells)), np.zeros((2 * half, self.passed.shape[1], cells))
        for number, leaves in enumerate((slice(None, half), slice(half, None))):
            own[:, number::2, number::2] = self.own[leaves]
            passed[leaves, :, number::2] = self.passed[leaves]
        left, inside = part.forward(join, passed)
        first, second = join.parts
        own += (passed[:half, first.gone] + passed[half:, second.gone]).swapaxes(1, 2) @ inside
        return _Leaves(own, left)

    def forward(self, fed: FloatArray) -> FloatArray:
        """Currents (leaf, port, stack) into the ports by those that cells feed in (leaf, cell, stack)."""
        return np.asarray(self.passed @ fed)

    def backward(self, fed: FloatArray, potentials: FloatArray) -> FloatArray:
        """Voltages (leaf, cell, stack) by the same currents and the ports' potentials (leaf, port, stack)."""
        return np.asarray(self.own @ fed + self.passed.swapaxes(1, 2) @ potentials)


def _sweep_boxes(
    row_wire: FloatArray, column_wire: FloatArray, cell: FloatArray
) -> tuple[_Leaves, list[_Swept], FloatArray]:
    """Join cells (place times box,) to small boxes, by the conductances of the segments before them and their own."""
    matrix = np.zeros((4, 4, len(cell)))
    for one, other, conductance in ((0, 1, row_wire), (2, 3, column_wire), (1, 3, cell)):
        matrix[one, one] += conductance
        matrix[other, other] += conductance
        matrix[one, other] = matrix[other, one] = -conductance
    leaves, swept = _Leaves.of_cells(len(cell)), []
    for number, join in enumerate(_small_boxes().joins):
        gone, front = len(join.parts[0].gone), _front(join, np.split(matrix, 2, axis=2))
        for pivot in range(gone):
            row = front[pivot] / front[pivot, pivot]
            scale = -1.0 / front[pivot, pivot]
            front -= front[:, pivot, None] * row
            front[pivot] = front[:, pivot] = row
            front[pivot, pivot] = scale
        taken = np.moveaxis(front[:, :gone], 2, 0)
        part = _Swept(taken[:, :gone].copy(), taken[:, gone:].copy())
        if number < _LEAF_JOINS:
            leaves = leaves.joined(join, part)
        else:
            swept.append(part)
        matrix = front[gone:, gone:]
    return leaves, swept, matrix


def _front(join: _Join, matrices: list[FloatArray]) -> FloatArray:
    """Equations (node, node, ...) of the nodes of boxes that are joined, those first that go."""
    gone = len(join.parts[0].gone)
    size = gone + sum(len(part.left) for part in join.parts)
    front = np.zeros((size, size, *matrices[0].shape[2:]))
    for part, matrix in zip(join.parts, matrices, strict=True):
        own = slice(gone + part.stays.start, gone + part.stays.stop)
        front[:gone, :gone] += matrix[part.gone[:, None], part.gone]
        front[:gone, own] = matrix[part.gone[:, None], part.left]
        front[own, :gone] = front[:gone, own].swapaxes(0, 1)
        front[own, own] = matrix[part.left[:, None], part.left]
    return front


class _Eliminated(NamedTuple):
    """What is kept of a front, to solve for its nodes that went."""

    inverse: FloatArray
    """Inverse (gone, gone) of the lower Cholesky factor of their equations."""
    passed: FloatArray
    """That inverse times what the nodes that are left do to them (gone, left)."""

    def forward(self, join: _Join, loads: dict[int, FloatArray]) -> FloatArray:
        """Put currents (left, stack) into what is left in place of those of the parts; return what the others get."""
        given = [loads.pop(part.box) for part in join.parts]
        own = given[0][join.parts[0].gone]
        for part, load in zip(join.parts[1:], given[1:], strict=True):
            own += load[part.gone]
        own = self.inverse @ own
        left = -(self.passed.T @ own)
        for part, load in zip(join.parts, given, strict=True):
            left[part.stays] += load[part.left]
        loads[join.number] = left
        return own

    def backward(self, join: _Join, own: FloatArray, potentials: dict[int, FloatArray]) -> None:
        """Put the potentials of the parts (port, stack) in place of those of what is left."""
        left = potentials.pop(join.number)
        own = self.inverse.T @ (own - self.passed @ left)
        for part in join.parts:
            ports = np.empty((len(part.gone) + len(part.left), own.shape[1]))
            ports[part.gone], ports[part.left] = own, left[part.stays]
            potentials[part.box] = ports


def _eliminated(join: _Join, fronts: dict[int, FloatArray]) -> _Eliminated:
    """Put the front of a box in place of those of its parts."""
    check_deadline()
    gone, front = len(join.parts[0].gone), _front(join, [fronts.pop(part.box) for part in join.parts])
    try:
        lower = np.linalg.cholesky(front[:gone, :gone])
    except np.linalg.LinAlgError:
        raise NotPositive from None
    inverse, _ = dtrtri(lower, lower=True)
    passed = inverse @ front[:gone, gone:]
    fronts[join.number] = front[gone:, gone:] - passed.T @ passed
    return _Eliminated(inverse, passed)
