"""A fit run in an engine: the same loop, and the same residual."""

from __future__ import annotations

from typing import Any

import numpy as np

from spicecim.engines import simulate
from spicecim.fitting.result import Fit
from spicecim.fitting.systems import SERIES
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.testbench import Testbench


def testbenches(fit: Fit) -> list[Testbench]:
    """Return a testbench of one cell for each sweep, with the measured voltages as its drive.

    The series resistance is that of the driver. Where the source limited the current, which a driver does not, the
    drive is the voltage over the device by the fit.
    """
    curves = fit.curves
    limited = bool(np.isfinite(fit.problem.data.records.limit).any())
    found = []
    for index, sweep in enumerate(np.unique(curves["sweep"].values)):
        one = curves.isel(point=np.flatnonzero(curves["sweep"].values == sweep))
        time = one["time"].values
        voltage = one["device_voltage" if limited else "voltage"].values
        values: dict[str, Any] = {
            "device": fit.device_section(),
            "crossbar": {
                "state": [[fit.x0(index)]],
                "source_resistance": 0.0 if limited else float(fit.value(SERIES)),
            },
            "drive": {"kind": "samples", "time": time.tolist(), "voltages": [voltage.tolist()]},
            "analysis": {"duration": float(time[-1]), "points_per_period": max(200, 2 * len(time))},
        }
        found.append(Testbench.from_dict(values, source="fit"))
    return found


def verify(fit: Fit, engine: str = "ngspice", time_limit: float | str | None = DEFAULT_TIME_LIMIT) -> dict[str, float]:
    """Run a fit in an engine.

    Parameters
    ----------
    fit
        The fit.
    engine
        ``"ngspice"`` or ``"reference"``.
    time_limit
        Seconds for each sweep.

    Returns
    -------
    dict
        ``residual_rms`` (A): root of the mean squared difference from the measured currents, as `Fit.residual_rms`; and
        ``largest_difference``: of the currents from those of the fit, relative to the largest of their sweep.

    Raises
    ------
    SimulationError
        If a run did not succeed.
    """
    squares, count, largest = 0.0, 0, 0.0
    data = fit.problem.data
    for index, bench in enumerate(testbenches(fit)):
        length = int(data.records.length[index])
        run = simulate(bench, engine, time_limit=time_limit)
        # the samples are corners of the drive, which an engine's instants hold
        current = np.interp(data.records.time[index, :length], run["time"].values, run["i_column"].values[:, 0])
        counted = data.counts[index, :length]
        squares += float(((current - data.current[index, :length])[counted] ** 2).sum())
        count += int(counted.sum())
        fitted = fit.at.current[0, index, :length]
        largest = max(largest, float(np.abs(current - fitted).max() / np.abs(fitted).max()))
    return {"residual_rms": float(np.sqrt(squares / count)), "largest_difference": largest}
