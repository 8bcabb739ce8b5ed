"""What is measured of waveforms: currents, charge, power, energy balance, hysteresis; and two runs compared."""

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
    average_power,
    cell_power,
    column_power,
    delivered_energy,
    energy_balance,
    row_power,
    worst_case_power,
)

__all__ = [
    "Comparison",
    "EnergyBalance",
    "average_power",
    "cell_power",
    "charge",
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
    "row_power",
    "tone_current",
    "worst_case_power",
]
