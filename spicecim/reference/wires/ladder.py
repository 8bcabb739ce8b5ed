"""Direct solution of a crossbar with resistive wires, one line of cells after the other.

A column wire is a ladder: down from its open end, each segment passes the current of all cells above. With the row
wires eliminated, a line of cells is a source (admittance K, a matrix of columns) on all column wires at once, and what
lies above a place acts there as one admittance Y and one current N, vectors and matrices of columns:

    Y' = K + inverse(1 + w Y) Y,    N' = k + inverse(1 + w Y) N

past a segment w, k the currents of the next line: block elimination of a tridiagonal system (G. H. Golub, C. F. Van
Loan, Matrix Computations, 4th ed., Johns Hopkins (2013), ISBN 978-1-4214-0794-4, section 4.5). Every term is a sum of
positive ones, so that the digits last from vanishing resistances to large ones. Dense blocks of one line each are far
fewer operations of far more work than a sparse factorization has: faster up to some hundred lines, and for several
right-hand sides above all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv, dpotrf, dpotri, dpttrf, dpttrs

from spicecim.fields import FloatArray

_TOGETHER = 8_000_000
"""Numbers of the matrices of lines that are summed up at once, to bound the memory."""


class NotPositive(Exception):
    """A conductance is negative or infinite, or resistances are too far apart for the digits of a float."""


class Wire(NamedTuple):
    """Resistances (ohm) of each of the parallel wires in one direction."""

    segment: float
    """Of a segment; one lies before every cell."""
    terminal: float
    """Between the known potential and the first segment."""

    def along(self, cells: int) -> Wire:
        """The same along so many cells: before a single one, segment and terminal are one resistance."""
        return self if cells > 1 else Wire(0.0, self.segment + self.terminal)


class LadderFactors:
    """The factorized network at some conductances of the cells.

    Parameters
    ----------
    rows
        The row wires.
    columns
        The column wires.
    conductance
        (Differential) conductance of each cell (..., row, column), siemens: of one crossbar, or of several alike.

    Raises
    ------
    NotPositive
        If there are no such factors.
    """

    def __init__(self, rows: Wire, columns: Wire, conductance: FloatArray) -> None:
        if not np.isfinite(conductance).all():
            raise NotPositive
        down, along = conductance.shape[-2:]
        rows, columns = rows.along(along), columns.along(down)
        self._turned = _effort(columns, down) > _effort(rows, along)
        g = self._oriented(conductance)
        crossbars, count, places = self._each = (int(np.prod(g.shape[:-2])), *g.shape[-2:])
        lines, across = (columns, rows) if self._turned else (rows, columns)
        self._lines = _Lines(lines, g.reshape(-1, places))
        self._segment = across.segment
        self._end = across.segment + across.terminal
        if not self._end:
            return
        if not self._segment:
            totals = [_total(lines, each) for each in g.reshape(self._each)]
            self._last = np.stack([_inverse(np.eye(places) + self._end * total) for total in totals])
            return
        admittance = self._lines.admittance().reshape(*self._each, places)
        self._passed = np.empty((count - 1, crossbars, places, places))
        self._last = np.stack(
            [self._eliminate(*each) for each in zip(admittance, self._passed.swapaxes(0, 1), strict=True)]
        )

    def _eliminate(self, admittance: FloatArray, passed: FloatArray) -> FloatArray:
        """Eliminate the lines (line, place, place) of a crossbar, write what passes each, and return what is left."""
        diagonal = np.arange(admittance.shape[-1])
        above = admittance[0].copy()
        for line in range(1, len(admittance)):
            divisor = self._segment * above
            divisor[diagonal, diagonal] += 1.0
            # transposed, the matrices are in the order that LAPACK works on in place; they are symmetric
            _, reduced, failed = dposv(divisor.T, above.T, overwrite_a=True, overwrite_b=True)
            if failed:
                raise NotPositive
            np.multiply(reduced.T, -self._segment, out=passed[line - 1])
            passed[line - 1, diagonal, diagonal] += 1.0
            above = admittance[line] + reduced.T
        return _inverse(np.eye(len(above)) + self._end * above)

    def correction(self, residual: FloatArray) -> FloatArray:
        """Return what to take off the cells' voltages for a residual of theirs: inverse(1 + Z G) of it.

        Both are (..., row, column).
        """
        sources = self._oriented(residual)
        crossbars, count, places = self._each
        stack = np.ascontiguousarray(sources).reshape(-1, crossbars * count, places)
        if self._end:
            stack = stack - self._across(self._lines.current(stack))
        return self._oriented((stack - self._lines.drop(stack)).reshape(sources.shape))

    def _oriented(self, cells: FloatArray) -> FloatArray:
        """Cells (..., row, column) as (..., line, place): line 0 farthest from the terminal of the other wires.

        And back. Places count from the lines' own terminal.
        """
        return np.asarray(np.swapaxes(cells, -1, -2)[..., ::-1, ::-1] if self._turned else cells)

    def _across(self, current: FloatArray) -> FloatArray:
        """Voltages of the wires across the lines (stack, line, place) by what short-circuited lines would feed them.

        Lines of one crossbar follow those of another.
        """
        each = current.reshape(len(current), *self._each)
        if not self._segment:
            total = each.sum(axis=2).swapaxes(0, 1)
            drop = self._end * (total @ self._last).swapaxes(0, 1)
            return np.broadcast_to(drop[:, :, None], each.shape).reshape(current.shape)
        fed = np.ascontiguousarray(each.transpose(2, 1, 0, 3))
        count = len(fed)
        voltages = np.empty_like(fed)
        above = fed[0]
        for line in range(count - 1):
            passed = np.matmul(above, self._passed[line], out=voltages[line])
            above = np.add(passed, fed[line + 1], out=fed[line + 1])
        np.matmul(self._end * above, self._last, out=voltages[-1])
        voltages[:-1] *= self._segment
        for line in range(count - 2, -1, -1):
            voltages[line] += voltages[line + 1] @ self._passed[line]
        return voltages.transpose(2, 1, 0, 3).reshape(current.shape)


class _Lines:
    """Lines of cells (line, place) along their own wires, the wires across them at known potentials."""

    def __init__(self, wire: Wire, conductance: FloatArray) -> None:
        self._wire, self._g = wire, conductance
        segment, terminal = wire
        if segment:
            # all lines are one tridiagonal matrix, without entries from one line to the next
            diagonal = np.full(conductance.shape, 2.0 / segment)
            diagonal[:, 0] = 1.0 / segment + 1.0 / (segment + terminal)
            diagonal[:, -1] -= 1.0 / segment
            beside = np.full(conductance.shape, -1.0 / segment)
            beside[:, -1] = 0.0
            self._pivots, self._ratios, failed = dpttrf((diagonal + conductance).ravel(), beside.ravel()[:-1])
            if failed:
                raise NotPositive
        elif terminal:
            self._total = 1.0 / terminal + conductance.sum(axis=1)
            if not (self._total > 0).all():
                raise NotPositive

    def drop(self, sources: FloatArray) -> FloatArray | float:
        """Voltages of the lines' own wires (stack, line, place) with sources in series with the cells."""
        if self._wire.segment:
            currents = (self._g * sources).reshape(len(sources), -1)
            potentials, _ = dpttrs(self._pivots, self._ratios, currents.T, overwrite_b=True)
            return np.asarray(potentials.T.reshape(sources.shape))
        if self._wire.terminal:
            return np.asarray(((self._g * sources).sum(axis=2) / self._total)[:, :, None])
        return 0.0

    def current(self, sources: FloatArray) -> FloatArray:
        """Currents of the cells (stack, line, place) with sources in series with them."""
        return self._g * (sources - self.drop(sources))

    def admittance(self) -> FloatArray:
        """Matrices (line, place, place) from sources to the currents of the cells."""
        g = self._g
        count, places = g.shape
        if self._wire.segment:
            inverse = self._inverse()
        elif self._wire.terminal:
            inverse = np.repeat(1.0 / self._total, places * places).reshape(count, places, places)
        else:
            inverse = np.zeros((count, places, places))
        inverse *= -g[:, :, None]
        inverse *= g[:, None, :]
        diagonal = np.arange(places)
        inverse[:, diagonal, diagonal] += g
        return inverse

    def _inverse(self) -> FloatArray:
        """Inverses (line, place, place) of the lines' nodal equations, by their factors from the last place on."""
        count, places = self._g.shape
        pivots = self._pivots.reshape(count, places)
        ratios = np.append(self._ratios, 0.0).reshape(count, places)
        inverse = np.empty((count, places, places))
        inverse[:, -1, -1] = 1.0 / pivots[:, -1]
        for place in range(places - 2, -1, -1):
            ratio = -ratios[:, place, None]
            beyond = ratio * inverse[:, place + 1, place + 1 :]
            inverse[:, place, place + 1 :] = inverse[:, place + 1 :, place] = beyond
            inverse[:, place, place] = 1.0 / pivots[:, place] + ratio[:, 0] * beyond[:, 0]
        return inverse


def _total(lines: Wire, conductance: FloatArray) -> FloatArray:
    """Sum (place, place) of the matrices of lines (line, place)."""
    places = conductance.shape[1]
    total, together = np.zeros((places, places)), max(1, _TOGETHER // places**2)
    for first in range(0, len(conductance), together):
        total += _Lines(lines, conductance[first : first + together]).admittance().sum(axis=0)
    return total


def _effort(across: Wire, lines: int) -> tuple[int, int]:
    """What elimination costs with these wires across so many lines: kind of wire first."""
    return (2 if across.segment else 1 if across.terminal else 0), -lines


def _inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix."""
    factor, failed = dpotrf(matrix)
    inverse, singular = dpotri(factor)
    if failed or singular:
        raise NotPositive
    upper = np.triu(inverse)
    return np.asarray(upper + np.triu(upper, 1).T)
