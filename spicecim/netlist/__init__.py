"""Netlists from testbenches: Jinja templates and what they are given."""

from spicecim.netlist.crossbar import CrossbarNetlist, crossbar_netlist
from spicecim.netlist.equations import EquationNetlist, equation_netlist

__all__ = ["CrossbarNetlist", "EquationNetlist", "crossbar_netlist", "equation_netlist"]
