"""What is measured of waveforms: currents, charge, power, energy balance, hysteresis; and two runs compared."""

from collections.abc import Callable
from typing import Any

import xarray as xr

from spicecim.errors import InputError
from spicecim.measure.comparison import Comparison, compare
from spicecim.measure.currents import (
    charge,
    harmonics,
    in_phase_current,
    mean_current,
    rectified_mean_current,
    tone_current,
)
from spicecim.measure.loops import (
    effective_conductance,
    in_phase_conductance,
    lobe_areas,
    log_log_slope,
    peak_frequency,
    pinch_offset,
)
from spicecim.measure.power import (
    EnergyBalance,
    amplifier_power,
    average_power,
    cell_power,
    column_driver_power,
    column_power,
    delivered_energy,
    energy_balance,
    row_amplifier_power,
    row_power,
    total_energy,
    total_power,
    worst_case_power,
)
from spicecim.registry import Registry


def _check_measure(name: str, measure: Any) -> None:
    if not callable(measure):
        raise InputError(f"{name}: must be a function of waveforms; it is {measure!r}")


def _average_of_all(waveforms: xr.Dataset) -> xr.DataArray:
    return average_power(total_power(waveforms)).assign_attrs(long_name="average power")


MEASURES: Registry[Callable[[xr.Dataset], Any]] = Registry(
    "measure",
    lambda: {
        "mean_current": mean_current,
        "rectified_mean_current": rectified_mean_current,
        "charge": charge,
        "row_energy": delivered_energy,
        "average_power": _average_of_all,
    },
    _check_measure,
)
"""Measures of whole runs by name, for the command line: functions of waveforms."""


def register_measure(name: str, measure: Callable[[xr.Dataset], Any], *, replace: bool = False) -> None:
    """Make a measure known by a name, for this process.

    A package does the same by an entry point of the group ``spicecim.measures``.

    Parameters
    ----------
    name
        What ``spicecim run --measure`` knows it by.
    measure
        Takes waveforms, an `xarray.Dataset`, and returns a number or an array.
    replace
        Whether a measure of that name may be replaced.
    """
    MEASURES.register(name, measure, replace=replace)


__all__ = [
    "MEASURES",
    "Comparison",
    "EnergyBalance",
    "amplifier_power",
    "average_power",
    "cell_power",
    "charge",
    "column_driver_power",
    "column_power",
    "compare",
    "delivered_energy",
    "effective_conductance",
    "energy_balance",
    "harmonics",
    "in_phase_conductance",
    "in_phase_current",
    "lobe_areas",
    "log_log_slope",
    "mean_current",
    "peak_frequency",
    "pinch_offset",
    "rectified_mean_current",
    "register_measure",
    "row_amplifier_power",
    "row_power",
    "tone_current",
    "total_energy",
    "total_power",
    "worst_case_power",
]
