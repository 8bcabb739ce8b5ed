"""Figures of waveforms, power and hysteresis, fit for a paper. Every function returns a matplotlib Figure."""

from spicecim.plotting.curves import plot_endurance, plot_potentiation, plot_semilog
from spicecim.plotting.hysteresis import plot_hysteresis
from spicecim.plotting.measurement import plot_cycles, plot_fit, plot_measurement
from spicecim.plotting.power import plot_power
from spicecim.plotting.program import plot_levels, plot_program
from spicecim.plotting.style import COLORS, FORMATS, STYLE, label_axis, new_figure, quantity_text, save_figure, styled
from spicecim.plotting.waveforms import plot_column_currents, plot_row_drives

__all__ = [
    "COLORS",
    "FORMATS",
    "STYLE",
    "label_axis",
    "new_figure",
    "plot_column_currents",
    "plot_cycles",
    "plot_endurance",
    "plot_fit",
    "plot_hysteresis",
    "plot_levels",
    "plot_measurement",
    "plot_potentiation",
    "plot_power",
    "plot_program",
    "plot_row_drives",
    "plot_semilog",
    "quantity_text",
    "save_figure",
    "styled",
]
