"""What is wrong with a Verilog-A module as a memristor, as far as evaluating its equations tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spicecim.devices.expressions import FloatArray
from spicecim.quantities import format_quantity
from spicecim.veriloga.device import ModuleDevice
from spicecim.veriloga.findings import Finding
from spicecim.veriloga.jumps import Jump, find_jumps

LEAST_CURRENT = 1e-12
"""Current at v = 0 that counts, relative to the largest of the grid."""

LEAST_LEAK = 1e-6
"""Rate out of the bounds that counts, relative to the largest rate at the same voltage."""

LEAST_RETURN = 1e-9
"""Rate back from a bound that counts as none, relative to the rate a thousandth of the range beside it."""

_LITTLE = 1e-2
"""How far beyond a bound, relative to the range, a soft stop may hold the state."""

LEAST_POWER = 1e-9
"""Current against the voltage that counts, relative to the largest current at the same voltage."""

_SMALLEST = 1e-6
"""Smallest voltage of the grid, relative to the largest."""

_FURTHER = 10.0
"""How far beyond the grid a device that does not move is probed."""


def voltage_grid(voltage: float, points: int = 81) -> FloatArray:
    """Voltages of both signs up to a magnitude, so many evenly and as many logarithmically spaced, with 0."""
    magnitudes = np.concatenate([np.geomspace(_SMALLEST, 1.0, points), np.linspace(0.0, 1.0, points)]) * voltage
    return np.unique(np.concatenate([-magnitudes, magnitudes]))


@dataclass(frozen=True)
class Probe:
    """Current and rate of a device on a grid of voltages v (n,) and states x (m,)."""

    device: ModuleDevice
    voltage: float

    @cached_property
    def v(self) -> FloatArray:
        """Voltages (n,)."""
        return voltage_grid(self.voltage)

    @cached_property
    def x(self) -> FloatArray:
        """States (m,), from 0 to 1."""
        return np.unique(np.concatenate([np.linspace(0.0, 1.0, 21), [1e-3, 1.0 - 1e-3]]))

    def evaluate(self, v: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Current (A) and dx/dt (1/s) at voltages and states that broadcast."""
        low, high = self.device.initial
        states = self.device.state_from_x(x)
        with np.errstate(all="ignore"):
            return self.device.current(v, states), self.device.rate(v, states) / (high - low)

    @cached_property
    def values(self) -> tuple[FloatArray, FloatArray]:
        """Current and dx/dt on the grid (n, m), as they come."""
        return self.evaluate(self.v[:, None], self.x[None, :])

    @cached_property
    def current(self) -> FloatArray:
        """Current (n, m); zero where it is not finite."""
        return _finite(self.values[0])

    @cached_property
    def rate(self) -> FloatArray:
        """dx/dt (n, m); zero where it is not finite."""
        return _finite(self.values[1])


def probe_findings(device: ModuleDevice, voltage: float) -> list[Finding]:
    """Return what a device shows at voltages up to `voltage` (V) and states from 0 to 1.

    Raises
    ------
    VerilogAError
        If the device has inner nodes whose equilibrium is not found.
    """
    probe = Probe(device, voltage)
    return [
        *_not_finite(probe),
        *_current_at_rest(probe),
        *_generated_power(probe),
        *_motion(probe),
        *_bounds(probe),
        *_jumps(probe),
        *_state_jumps(probe),
    ]


def range_findings(device: ModuleDevice, voltage: float) -> list[Finding]:
    """Return of `probe_findings` what the rate shows at the ends of the state; raises the same."""
    probe = Probe(device, voltage)
    return [*_motion(probe), *_bounds(probe)]


def _finite(values: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isfinite(values), values, 0.0))


def _at(v: float, x: float | None = None) -> str:
    return f"v = {v + 0.0:.6g} V" + ("" if x is None else f", x = {x:.3g}")


def _not_finite(probe: Probe) -> Iterator[Finding]:
    for name, values in zip(("current", "rate"), probe.values, strict=True):
        bad = ~np.isfinite(values)
        if not bad.any():
            continue
        rows, columns = np.nonzero(bad)
        first = np.argmin(np.abs(probe.v[rows]))
        v, x = probe.v[rows[first]], probe.x[columns[first]]
        what = "infinite" if np.isinf(values[rows[first], columns[first]]) else "not a number"
        message = f"the {name} is {what} at {_at(v, x)}"
        if (rows == np.flatnonzero(probe.v == 0.0)).all():
            message += ", and finite at all other voltages"
            cure = "Treat v = 0 by its limit, for 0/0 is not a number: V == 0 ? limit : quotient"
        else:
            message += f", the smallest of the voltages where it is; in all at {100 * bad.mean():.3g} % of the points"
            cure = "Limit the argument of exp, sinh or pow (limexp), and keep ln, sqrt and pow from negative arguments"
            cure += "; and let ddt take the node's own potential, not a clipped one" if name == "rate" else ""
        yield Finding("error", "not-finite", message, None, cure)


def _current_at_rest(probe: Probe) -> Iterator[Finding]:
    rest = probe.current[probe.v == 0.0][0]
    worst, largest = np.argmax(np.abs(rest)), np.abs(probe.current).max()
    if abs(rest[worst]) > LEAST_CURRENT * largest:
        yield Finding(
            "error",
            "current-at-zero",
            f"the current at v = 0 is {format_quantity(rest[worst], 'A')} at x = {probe.x[worst]:.3g}, "
            f"{abs(rest[worst]) / largest:.2g} of the largest current up to {probe.voltage:g} V "
            f"(tolerance {LEAST_CURRENT:g}): the loop is not pinched, and the device is a source",
            None,
            "Make every contribution to the current vanish at v = 0, such as exp(a*v) - 1 in place of exp(a*v)",
        )


def _generated_power(probe: Probe) -> Iterator[Finding]:
    """Power that flows out, beyond what a current at v = 0 explains, which is a finding of its own."""
    current = probe.current - probe.current[probe.v == 0.0]
    against = -current * np.sign(probe.v)[:, None]
    largest = np.abs(probe.current).max(axis=1, keepdims=True)
    bad = against > LEAST_POWER * largest
    if bad.any():
        row, column = np.unravel_index(np.argmax(np.where(bad, against, -np.inf)), bad.shape)
        v, power = probe.v[row], abs(probe.v[row] * current[row, column])
        yield Finding(
            "error",
            "generated-power",
            f"the device generates power: {format_quantity(power, 'W')} at {_at(v, probe.x[column])}, where the "
            f"current flows against the voltage; in all at {100 * bad.mean():.3g} % of the points (tolerance: "
            f"{LEAST_POWER:g} of the largest current at the same voltage)",
            None,
            "Give the current the sign of the voltage: check the signs of the branch V(p, n), of the contribution and "
            "of a resistance that depends on the state",
        )


def _motion(probe: Probe) -> Iterator[Finding]:
    inner = probe.rate[:, 1:-1]
    up, down = bool((inner > 0).any()), bool((inner < 0).any())
    if up and down:
        return
    limit = f"within {probe.voltage:g} V"
    code, seen = ("one-way", f"only {'rises' if up else 'falls'}") if up or down else ("no-motion", "does not move")
    further = np.geomspace(1.0, _FURTHER, 61) * probe.voltage
    further = np.concatenate([further, -further])
    rates = probe.evaluate(further, np.full_like(further, 0.5))[1]
    wanted = rates * (-1.0 if up else 1.0) > 0 if up or down else np.abs(rates) > 0
    if wanted.any():
        v = further[wanted][np.argmin(np.abs(further[wanted]))]
        message = f"{limit} the state {seen}; it {'moves' if not (up or down) else 'turns back'} from about {v:.2g} V"
        cure = f"Check at a voltage above, such as {float(f'{2 * abs(v):.1g}'):g} V"
        yield Finding("note", code, message, None, cure)
    else:
        message = f"{limit} the state {seen}, nor does it up to {_FURTHER * probe.voltage:g} V"
        if up or down:
            message = f"{limit} the state {seen}, at {_FURTHER * probe.voltage:g} V too"
        cure = "Check the thresholds and rate constants, and the state's scale at x = 0 and x = 1 (initial)"
        yield Finding("warning", code, message, None, cure)


def _bounds(probe: Probe) -> Iterator[Finding]:
    """Rates at x = 0 and x = 1, relative to the largest at the same voltage."""
    largest = np.abs(probe.rate).max(axis=1)
    for end, beside, bound, sign in ((0, 1, 0, -1.0), (-1, -2, 1, 1.0)):
        outward = _shares(sign * probe.rate[:, end], largest)
        # of all voltages that drive it out, the one that does so fastest
        row = int(np.argmax(np.where(outward > LEAST_LEAK, sign * probe.rate[:, end], 0.0)))
        value = f"{probe.device.state_from_x(bound):.6g}"
        where = f"x = {bound} ({probe.device.state_node} = {value})"
        if outward[row] > LEAST_LEAK:
            yield _leaving(probe, where, row, bound, sign, largest)
        # a stop ahead that stops the way back too does so at the bound, not beside it
        back, free = (-sign * probe.rate[:, place] for place in (end, beside))
        if (free > 0.0).any() and outward[row] <= LEAST_LEAK and (back <= LEAST_RETURN * np.abs(free)).all():
            yield Finding(
                "warning",
                "locks-at-bound",
                f"the state locks at {where}: no voltage up to {probe.voltage:g} V moves it away faster than "
                f"{LEAST_RETURN:g} of the rate at x = {probe.x[beside]:g}",
                None,
                "Let the window depend on the direction, so that it stops the motion towards the bound alone "
                "(such as Biolek's)",
            )


def _shares(rates: FloatArray, largest: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _finite(rates / largest)


def _leaving(probe: Probe, where: str, row: int, bound: int, sign: float, largest: FloatArray) -> Finding:
    """The finding of a state that goes on outwards: only a note if it is held, and conducts alike, a little beyond."""
    v, share = probe.v[row], abs(probe.rate[row, -bound]) / largest[row]
    for distance in np.geomspace(LEAST_LEAK, _LITTLE, 25):
        current, rate = probe.evaluate(probe.v, np.full_like(probe.v, bound + sign * distance))
        held = _shares(sign * _finite(rate), largest).max() <= LEAST_LEAK
        if held and (current * probe.current[:, -bound] >= 0.0).all():
            return Finding(
                "note",
                "soft-stop",
                f"the state passes {where} by up to {distance:.2g} of its range, where its rate holds it at {v:.6g} V",
                None,
                "Nothing needs doing: x may be that far outside 0 and 1",
            )
    return Finding(
        "error",
        "leaves-bounds",
        f"the state leaves {where}: at v = {v:.6g} V it goes on outwards with dx/dt = {probe.rate[row, -bound]:.3g}/s, "
        f"{100 * share:.3g} % of the largest rate at this voltage (tolerance {100 * LEAST_LEAK:g} %)",
        None,
        "Make the rate zero at a bound that the state moves towards, by a window or a ramp in the rate itself "
        "(a clip of the state alone winds up); or give the state's real bounds as initial",
    )


def _jumps(probe: Probe) -> Iterator[Finding]:
    x = probe.x[[0, 2, 6, 11, 16, 20, -1]]
    jumps = find_jumps(probe.evaluate, probe.v, x)
    for index, name in enumerate(("current", "rate")):
        places = jumps[index]
        if not places:
            continue
        yield Finding(
            "warning",
            "discontinuity",
            f"the {name} jumps with the voltage: {_listed(places)}. A jump is what is left when its interval is "
            "halved down to the rounding of the voltage",
            None,
            "Let it set in from zero, or blend the two sides over a small voltage: a simulator's error control cannot "
            "step over a jump, and cuts its steps or gives up",
        )


def _state_jumps(probe: Probe) -> Iterator[Finding]:
    """Jumps of the rate with the state, at hard stops above all, a little beyond which it is probed too."""
    states = np.linspace(-0.05, 1.05, 111)
    voltages = probe.v[:: len(probe.v) // 6]
    _, rate = find_jumps(lambda x, v: probe.evaluate(v, x), states, voltages[voltages != 0.0])
    places = [jump for jump in rate if -_BEYOND <= jump.v <= 1.0 + _BEYOND]
    if places:
        # what is found along the state comes with the places swapped
        swapped = [Jump(jump.x, jump.v, jump.share) for jump in places]
        yield Finding(
            "warning",
            "discontinuity-in-state",
            f"the rate jumps with the state: {_listed(swapped)}",
            None,
            "Let the rate fall to zero over a small distance before a stop ahead, and be free on the way back: a "
            "simulator's iterations do not settle on a jump",
        )


_BEYOND = 1e-3
"""Distance beyond x = 0 and x = 1 that still is at the stop."""

_MOST_LISTED = 3


def _listed(places: list[Jump]) -> str:
    texts = [f"by {100 * jump.share:.3g} % at {_at(jump.v, jump.x)}" for jump in places[:_MOST_LISTED]]
    more = len(places) - _MOST_LISTED
    return "; ".join(texts) + (f"; and at {more} other places" if more > 0 else "")
