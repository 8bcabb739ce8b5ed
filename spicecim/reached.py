"""Whether a run reached the accuracy that its testbench asks for."""

from __future__ import annotations

import math

import xarray as xr

from spicecim.waveforms import testbench_of

ERRORS = {"current_error": "the column currents, relative to a column's peak,", "state_error": "x"}
"""Attributes of waveforms that hold estimated errors, and what they are errors of."""
UNSTEADY = "start"
"""Attribute of waveforms whose run did not begin in a steady state: lines that float keep what they began with."""


def errors_of(waveforms: xr.Dataset) -> dict[str, float]:
    """Estimated errors of a run by the names of its attributes; none of a run that was not compared with a second."""
    return {name: float(waveforms.attrs[name]) for name in ERRORS if name in waveforms.attrs}


def missed_accuracy(waveforms: xr.Dataset) -> str | None:
    """Say in one line that a run did not reach the accuracy asked for, and what to do; None if it did.

    The currents must have a known error. That of x may be unknown: a device need not show its state.
    """
    errors, bench = errors_of(waveforms), testbench_of(waveforms)
    accuracy = bench.analysis.accuracy
    missed = [
        f"that of {ERRORS[name]} is {error:.1e}" for name, error in errors.items() if error > accuracy
    ]  # fmt: skip
    name = str(waveforms.attrs["engine"])
    engine = "the reference engine" if name == "reference" else name
    if math.isnan(errors.get("current_error", 0.0)):
        return f"{engine}: the error is not known, because it was compared with {waveforms.attrs['error_estimate']}"
    if not missed:
        return None
    cures = ["accept it by a larger analysis.accuracy"]
    if engine == "ngspice":
        analysis = bench.analysis
        cures.insert(0, f"lower analysis.tolerance ({analysis.tolerance:g})")
        cures.insert(1, f"raise analysis.points_per_period ({analysis.points_per_period})")
        if bench.only_ngspice() is None:
            cures.insert(2, "take the reference engine")
    else:
        cures.insert(0, "take ngspice with a lower analysis.tolerance")
    return (
        f"{engine} did not reach the accuracy of {accuracy:g} (analysis.accuracy): of the estimated errors, "
        f"{' and '.join(missed)}; {', '.join(cures[:-1])} or {cures[-1]}"
    )


def unsteady_start(waveforms: xr.Dataset) -> str | None:
    """Say in one line that a run did not begin in a steady state, and what to do; None if it did."""
    if UNSTEADY not in waveforms.attrs:
        return None
    return (
        f"{waveforms.attrs['engine']} found no steady state at time 0 and let the circuit move to where the run begins"
        ": lines that float and keep their charge may be at other potentials; take the reference engine, or let a cell "
        "of each such line conduct at time 0"
    )
