"""A module's own rule: what one step of time makes of its variables, as its author wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.deadline import check_deadline
from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.functions import FUNCTIONS, over, power, remainder, rounded
from spicecim.veriloga.cure.rule_text import RuleWriter
from spicecim.veriloga.cure.syntax import Syntax
from spicecim.veriloga.cure.terms import Term
from spicecim.veriloga.cure.values import StepSource
from spicecim.veriloga.expressions import OPERATORS
from spicecim.veriloga.source import Source

FloatArray = NDArray[np.float64]

_MOST_ITERATIONS = 60
_CLOSE = 1e-11
_MOST_ROUNDS = 100_000


class Rule:
    """The rule of a module between a row and a column: variables and voltages to currents, step by step.

    Parameters
    ----------
    parameters
        Values of all parameters.
    row, column
        Names of the two terminals.
    limits
        Bounds at which an `idt` stops, by its call.
    """

    def __init__(
        self,
        source: Source,
        syntax: Syntax,
        parameters: Mapping[str, Any],
        step: StepSource,
        means: bool,
        row: str,
        column: str,
        limits: Mapping[Term, tuple[float, float]] | None = None,
    ) -> None:
        writer = RuleWriter(source, syntax, step, means, row, column, limits or {})
        text = writer.module()
        table: dict[str, Any] = {
            **{f"f_{name}": function for name, function in FUNCTIONS.items()},
            **{f"p_{name}": value for name, value in parameters.items()},
            "_over": over, "_whole": OPERATORS["/"][1], "_rest": remainder, "_pow": power, "_round": rounded,
            "_rounds": range(_MOST_ROUNDS),
        }  # fmt: skip
        exec(compile(text, "rule", "exec"), table)
        self._step: Callable[..., Any] = table["step"]
        self.functions: dict[str, Callable[..., float]] = {
            **FUNCTIONS,
            **{name: table[f"u_{name}"] for name in syntax.functions},
        }
        self.variables = writer.slots
        self._unknowns = len(writer.unknowns)
        self._scales = [1.0 if kind == "node" else 1e-3 for kind, _ in writer.unknowns]

    def run(self, time: FloatArray, v: FloatArray) -> FloatArray:
        """Return the current (n,) into the row at instants and voltages (n,), a step from each to the next.

        Raises
        ------
        VerilogAError
            If the equations of the inner nodes have no solution that is found.
        """
        values = [0.0] * len(self.variables)
        unknowns = [0.0] * self._unknowns
        currents = np.empty(len(time))
        last = time[0]
        for index, (t, voltage) in enumerate(zip(time.tolist(), v.tolist(), strict=True)):
            if not index % 1000:
                check_deadline()
            h = t - last if index else float(time[1] - time[0])
            values, unknowns, currents[index] = self._advance(values, unknowns, voltage, t, h, index == 0)
            last = t
        return currents

    def _advance(
        self, values: list[float], z: list[float], v: float, t: float, h: float, first: bool
    ) -> tuple[list[float], list[float], float]:
        fresh, missed, current = self._step(values, z, v, t, h, first)
        if not z:
            return fresh, z, current
        for _ in range(_MOST_ITERATIONS):
            slopes = np.empty((len(z), len(z)))
            for k in range(len(z)):
                shift = 1e-7 * max(abs(z[k]), self._scales[k])
                moved = [*z[:k], z[k] + shift, *z[k + 1 :]]
                slopes[:, k] = (np.array(self._step(values, moved, v, t, h, first)[1]) - missed) / shift
            try:
                change = np.linalg.solve(slopes, missed)
            except np.linalg.LinAlgError:
                break
            z = [a - b for a, b in zip(z, change.tolist(), strict=True)]
            fresh, missed, current = self._step(values, z, v, t, h, first)
            near = zip(change.tolist(), z, self._scales, strict=True)
            if all(abs(c) <= 1e-9 * abs(a) + _CLOSE * s for c, a, s in near):
                return fresh, z, current
        raise VerilogAError(f"the module's own equations have no solution that is found at {t:g} s and {v:g} V")
