"""Subcircuits of other simulators, rewritten for ngspice: see `adapt_subcircuit`."""

from spicecim.netlist.adapting.adapt import Adaptation, adapt_subcircuit

__all__ = ["Adaptation", "adapt_subcircuit"]
