"""Answers found by other means than the engines', for the tests and the benchmarks to hold them against."""

from __future__ import annotations

import mpmath
import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices.models.linear_drift import LinearDrift
from spicecim.fields import FloatArray
from spicecim.ngspice.run import run_netlist

DIGITS = 40


def sine_flux(amplitude: float, frequency: float, time: ArrayLike) -> list[mpmath.mpf]:
    """Integral of ``amplitude sin(2 pi frequency t)`` from 0 on (V s)."""
    with mpmath.workdps(DIGITS):
        turn = 2 * mpmath.pi * mpmath.mpf(frequency)
        return [amplitude * (1 - mpmath.cos(turn * mpmath.mpf(t))) / turn for t in np.asarray(time).tolist()]


def joglekar(device: LinearDrift, x0: float, fluxes: list[mpmath.mpf]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Linear drift with the Joglekar window of p = 1 at given fluxes (V s).

    ``flux = Roff q - (Roff - Ron) / (4 k) ln((1 - x0) + x0 exp(4 k q))`` is solved for the charge q by Newton's method
    in `DIGITS` digits. The flux is increasing and concave or convex throughout, so that it is found from a step of
    bisection on.

    Returns
    -------
    charge : numpy.ndarray
        Charge (flux,), coulomb.
    x : numpy.ndarray
        Normalized state (flux,).
    resistance : numpy.ndarray
        Resistance (flux,), ohm, which 1 - x lost to rounding would spoil.
    """
    charges, states, resistances = [], [], []
    with mpmath.workdps(DIGITS):
        ron, roff, k, start = (mpmath.mpf(value) for value in (device.Ron, device.Roff, device.k, x0))
        charge = mpmath.mpf(0)
        for flux in fluxes:
            low, high = sorted([flux / ron, flux / roff])
            charge = min(max(charge, low), high)
            for _ in range(400):
                grown = start * mpmath.exp(4 * k * charge)
                x = grown / (1 - start + grown)
                resistance = roff - (roff - ron) * x
                missed = roff * charge - (roff - ron) / (4 * k) * mpmath.log(1 - start + grown) - flux
                low, high = (low, charge) if missed > 0 else (charge, high)
                step = charge - missed / resistance
                if abs(step - charge) <= mpmath.mpf(10) ** (5 - DIGITS) * max(abs(charge), 1 / k):
                    break
                charge = step if low < step < high else (low + high) / 2
            else:
                raise ArithmeticError(f"no charge found at the flux {flux}")
            charges.append(float(charge))
            states.append(float(x))
            resistances.append(float(resistance))
    return np.array(charges), np.array(states), np.array(resistances)


def joglekar_conductance(device: LinearDrift, x0: float, amplitude: float, frequency: float) -> float:
    """Mean |i| over mean |v| (S) of the first cycle of a sine: the charge over the flux of half of it."""
    flux = sine_flux(amplitude, frequency, [0.5 / frequency])
    (charge,), _, _ = joglekar(device, x0, flux)
    return float(charge / float(flux[0]))


def operating_point(
    g: FloatArray,
    v: FloatArray,
    wire_row: float = 0.0,
    wire_column: float = 0.0,
    source_resistance: float = 0.0,
    sense_resistance: float = 0.0,
    *,
    current: str = "",
) -> FloatArray:
    """Column currents (A) of resistors as cells by ngspice's ``.op``; what has no resistance is one node.

    Or of sources whose current is g times a function, written with ``v`` for the voltage over the cell.
    """
    rows, columns = g.shape
    lines = ["resistors as cells"]
    for row in range(rows):
        lines.append(f"V{row} in_{row} 0 {float(v[row])!r}")
        node = f"in_{row}"
        if source_resistance:
            lines.append(f"Rsource_{row} {node} feed_{row} {source_resistance}")
            node = f"feed_{row}"
        for column in range(columns):
            if wire_row:
                lines.append(f"Rrow_{row}_{column} {node} row_{row}_{column} {wire_row}")
                node = f"row_{row}_{column}"
            into = f"col_{row}_{column}" if wire_column else f"out_{column}"
            if current:
                written = current.replace("v", f"v({node},{into})")
                lines.append(f"Bcell_{row}_{column} {node} {into} I={float(g[row, column])!r}*{written}")
            else:
                lines.append(f"Rcell_{row}_{column} {node} {into} {float(1 / g[row, column])!r}")
            if wire_column:
                after = f"col_{row + 1}_{column}" if row + 1 < rows else f"out_{column}"
                lines.append(f"Rcolumn_{row}_{column} {into} {after} {wire_column}")
    for column in range(columns):
        sense = f"sense_{column}" if sense_resistance else f"out_{column}"
        if sense_resistance:
            lines.append(f"Rsense_{column} out_{column} {sense} {sense_resistance}")
        lines.append(f"Vsense_{column} {sense} 0 0")
    lines += [".options reltol=1e-12 abstol=1e-24 vntol=1e-18 klu", ".op", ".end"]
    names = [f"i(vsense_{column})" for column in range(columns)]
    vectors = run_netlist("\n".join(lines) + "\n", names).vectors
    return np.array([vectors[name][0] for name in names])
