"""A cured module in both engines against the rule of the original, at ever smaller steps."""

from __future__ import annotations

import itertools
import time as clock
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.engines import simulate
from spicecim.errors import (
    AccuracyWarning,
    CurrentWarning,
    InputError,
    SpiceCimError,
    StateWarning,
    TimeLimitError,
    VerilogAError,
)
from spicecim.testbench import Testbench
from spicecim.veriloga.cure.cured import CuredText
from spicecim.veriloga.cure.numbers import NotKnown
from spicecim.veriloga.cure.rule import Rule
from spicecim.veriloga.cure.terms import at_once
from spicecim.veriloga.cure.writing import WrittenState

FloatArray = NDArray[np.float64]

ENGINES_AGREE = 1e-4
"""Largest difference between the engines, relative to the peak of the current."""
RULE_AGREES = 1e-3
"""Largest difference of an engine from the original at its limit of small steps, relative to the peak."""

_SMALL = 1e-2
"""Potential (V) and current at which conductances are compared."""
_PERIODS = 2
_POINTS = 1000
"""Steps of the coarsest run of the rule, over all periods; the currents are compared at these instants."""
_HALVINGS = 10
_WANTED = 5e-5
"""Uncertainty of the limit, relative to the peak, at which no smaller steps are tried."""
_SECONDS = 12.0
"""Processor time after which no smaller steps are tried."""
_ACCURACY = 2e-5
"""Asked of ngspice."""
_AMPLITUDES = (1.0, 2.0, 0.5, 4.0, 8.0)
_FREQUENCIES = np.geomspace(1e-3, 1e10, 53)
_TRIAL_STEPS = 400
_TIME_LIMIT = 120.0
"""Seconds for each engine: one that creeps along a jump of the rate would take an hour."""
_ENOUGH = 0.25
"""Difference between the way up and the way down, relative to the peak, that is enough to compare."""
_LEAST_LOBE = 0.02
"""Difference between the way up and the way down, relative to the peak, that shows that the state moves."""


@dataclass(frozen=True)
class Comparison:
    """How a cured module agrees with the original.

    Attributes
    ----------
    amplitude, frequency
        Of the sinusoidal voltage (V, Hz) that both were driven with, for two periods from the initial state.
    steps
        Numbers of steps per period that the original's rule was run with.
    rule
        Its largest difference, with each, from its limit, relative to the peak of the current.
    limit_error
        Uncertainty of the limit, relative to the peak.
    engines
        Largest difference of the two engines, relative to the peak.
    reference, ngspice
        Largest difference of each engine from the limit, relative to the peak; None if it did not run.
    wind_up
        The same of the original whose `idt` winds up beyond its bounds, where the cured one stops; None without such.
    peak
        Peak of the current (A).
    problem
        Why no comparison was possible; empty if it was.
    """

    amplitude: float
    frequency: float
    steps: tuple[int, ...] = ()
    rule: tuple[float, ...] = ()
    limit_error: float | None = None
    engines: float | None = None
    reference: float | None = None
    ngspice: float | None = None
    wind_up: float | None = None
    peak: float | None = None
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both engines agree with each other and with the original."""
        found = (self.engines, self.reference, self.ngspice, self.limit_error)
        if self.problem or any(value is None for value in found):
            return False
        engines, reference, ngspice, limit = (float(value or 0.0) for value in found)
        return engines <= ENGINES_AGREE and max(reference, ngspice) <= RULE_AGREES and limit <= RULE_AGREES


def compare_cured(
    cured: CuredText, path: Path, amplitude: float | None = None, frequency: float | None = None
) -> Comparison:
    """Compare a cured module with the rule of the original.

    Parameters
    ----------
    cured
        The module.
    path
        Its file as it was written.
    amplitude, frequency
        Of the drive (V, Hz). Those left out are looked for: the fastest at which the state moves.
    """
    chosen = (amplitude or _AMPLITUDES[0], frequency or 1.0)
    try:
        rule = cured.rule()
        chosen = _drive(rule, amplitude, frequency)
        return _compared(cured, rule, path, *chosen)
    except TimeLimitError:
        problem = (
            f"an engine takes more than {_TIME_LIMIT:g} s, as it does where a rate jumps with the state and the state "
            "creeps along the jump; give --amplitude and --frequency of a drive that does not lead there"
        )
        return Comparison(*chosen, problem=problem)
    except (SpiceCimError, ArithmeticError) as error:
        return Comparison(*chosen, problem=str(error))


def device_section(cured: CuredText, path: Path) -> dict[str, Any]:
    """Return the section `device` of a testbench of a cured module."""
    section: dict[str, Any] = {"verilog_a": str(path), "module": cured.syntax.declaration.name}
    main = main_state(cured)
    if main is not None:
        low, high, _ = state_scale(cured, main)
        section |= {"state": main.node, "initial": [low, high]}
    return section


def main_state(cured: CuredText) -> WrittenState | None:
    """The state that a testbench sets: the first that does not relax to where it starts when nothing drives it."""
    states = cured.written.states
    held = {item.state.own: cured.numbers(item.state.initial) for item in states}
    for item in states:
        own, start = item.state.own, cured.numbers(item.state.initial)
        unit = cured.numbers(item.unit)
        rates = []
        for shift in (-1e-3, 0.0, 1e-3):
            try:
                rates.append(cured.numbers(item.state.rate, {**held, own: start + shift * unit}))
            except NotKnown:
                rates = [0.0]
                break
        relaxes = len(rates) == 3 and rates[0] > 0.0 > rates[2] and abs(rates[1]) < 1e-6 * (rates[0] - rates[2])
        if not relaxes:
            return item
    return states[0] if states else None


def state_scale(cured: CuredText, item: WrittenState) -> tuple[float, float, float]:
    """Potential of a state's node at x = 0 and at x = 1, where the resistance is lower, and x at its start."""
    start, unit = cured.numbers(item.state.initial), cured.numbers(item.unit)
    low, high = ((bound - start) / unit for bound in cured.bounds(item.state))
    if not np.isfinite(low):
        low = min(0.0, high - 1.0) if np.isfinite(high) else 0.0
    if not np.isfinite(high):
        high = max(1.0, low + 1.0)
    if _conducts(cured, item, low) > _conducts(cured, item, high):
        low, high = high, low
    return low, high, min(max((0.0 - low) / (high - low), 0.0), 1.0)


def _conducts(cured: CuredText, item: WrittenState, potential: float) -> float:
    """A measure of the conductance between the terminals with a potential in a state's node; 0 if it is not known."""
    values = {each.state.own: cured.numbers(each.state.initial) for each in cured.written.states}
    values[item.state.own] += cured.numbers(item.unit) * potential
    for contribution in cured.memories.followed.contributions:
        statement = contribution.statement
        if set(statement.nodes) != set(cured.syntax.declaration.ports[:2]):
            continue
        try:
            value = abs(cured.numbers(at_once(contribution.value), values, _SMALL))
        except NotKnown:
            continue
        return -value if statement.access in cured.syntax.potentials else value
    return 0.0


def _sine(time: FloatArray, amplitude: float, frequency: float) -> FloatArray:
    return np.asarray(amplitude * np.sin(2.0 * np.pi * frequency * time))


def _drive(rule: Rule, amplitude: float | None, frequency: float | None) -> tuple[float, float]:
    """The amplitude and the frequency that were given, or the highest frequency at which the state moves well.

    Raises
    ------
    InputError
        If the current is the same on the way up and on the way down with each.
    """
    best = (0.0, 0.0, 0.0)
    heights = (amplitude,) if amplitude else _AMPLITUDES
    # a state that starts at the bound to which the first half of a period drives it moves in the second
    for sign, height in itertools.product((1.0, -1.0), heights):
        lobes = []
        frequencies = [frequency] if frequency else _FREQUENCIES.tolist()
        for each in frequencies:
            time = np.linspace(0.0, 0.5 / each, _TRIAL_STEPS + 1)
            with np.errstate(all="ignore"):
                try:
                    current = rule.run(time, _sine(time, sign * height, each))
                except VerilogAError:
                    current = np.full_like(time, np.nan)
                peak = np.abs(current).max()
                lobe = float(np.abs(current - current[::-1]).max() / peak) if 0 < peak < np.inf else 0.0
            lobes.append(lobe)
        largest = max(lobes)
        if largest > best[0]:
            index = max(place for place, lobe in enumerate(lobes) if lobe >= min(_ENOUGH, 0.5 * largest))
            best = (largest, height, frequencies[index])
        if largest >= _ENOUGH:
            break
    if best[0] < _LEAST_LOBE:
        tried = f"up to {max(heights):g} V {f'at {frequency:g} Hz' if frequency else 'from 1 mHz to 10 GHz'}"
        raise InputError(
            f"the state hardly moves under sinusoidal voltages {tried}, or only in a moment; give --amplitude and "
            "--frequency of a drive that moves it"
        )
    return (amplitude or best[1] or 1.0), (frequency or best[2] or 1.0)


def _limit(rule: Rule, amplitude: float, frequency: float) -> tuple[FloatArray, FloatArray, list[FloatArray], float]:
    """Instants, the limit of the currents there, the currents with each number of steps, and the limit's error."""
    duration = _PERIODS / frequency
    runs: list[FloatArray] = []
    limits: list[FloatArray] = []
    error = np.inf
    started = clock.process_time()
    for halving in range(_HALVINGS):
        count = _POINTS * 2**halving
        time = np.linspace(0.0, duration, count + 1)
        runs.append(rule.run(time, _sine(time, amplitude, frequency))[:: 2**halving])
        if halving:
            limits.append(2.0 * runs[-1] - runs[-2])
        if halving > 1:
            error = float(np.abs(limits[-1] - limits[-2]).max() / np.abs(limits[-1]).max())
        spent = clock.process_time() - started
        if error <= _WANTED or (halving > 2 and 3.0 * spent > _SECONDS):
            break
    return np.linspace(0.0, duration, _POINTS + 1), limits[-1], runs, error


def _compared(cured: CuredText, rule: Rule, path: Path, amplitude: float, frequency: float) -> Comparison:
    with np.errstate(all="ignore"):
        time, limit, runs, error = _limit(rule, amplitude, frequency)
    peak = float(np.abs(limit).max())
    if not 0.0 < peak < np.inf or not np.isfinite(limit).all():
        raise InputError(f"the original's currents are not finite at {amplitude:g} V and {frequency:g} Hz")
    main = main_state(cured)
    bench = Testbench.model_validate(
        {
            "device": device_section(cured, path),
            "crossbar": {"state": [[state_scale(cured, main)[2] if main else 0.5]]},
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": frequency},
            "analysis": {"periods": _PERIODS, "accuracy": _ACCURACY, "points_per_period": 4000},
        }
    )

    def difference(one: FloatArray, other: FloatArray) -> float:
        return float(np.abs(one - other).max() / peak)

    with warnings.catch_warnings():
        # the comparison tells the accuracy; what a cell should carry is no question of the cure
        for category in (AccuracyWarning, StateWarning, CurrentWarning):
            warnings.simplefilter("ignore", category)
        fast = simulate(bench, engine="reference", time=time, time_limit=_TIME_LIMIT)
        spice = simulate(bench, engine="ngspice", estimate=False, time_limit=_TIME_LIMIT)
    reference = fast.i_row.values[:, 0]
    ngspice = np.interp(time, spice.time.values, spice.i_row.values[:, 0])
    wind_up = None
    if any(item.integral and (item.lower or item.upper) for item in cured.memories.states):
        with np.errstate(all="ignore"):
            wind_up = difference(_limit(cured.rule(stopping=False), amplitude, frequency)[1], limit)
    return Comparison(
        amplitude,
        frequency,
        tuple(_POINTS * 2**halving // _PERIODS for halving in range(len(runs))),
        tuple(difference(run, limit) for run in runs),
        error,
        difference(reference, ngspice),
        difference(reference, limit),
        difference(ngspice, limit),
        wind_up,
        peak,
    )
