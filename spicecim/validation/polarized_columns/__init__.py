"""Polarized columns (FORMS) from a trained network to column currents in ngspice, beside both baselines."""

from spicecim.validation.polarized_columns.run import validate_polarized_columns

__all__ = ["validate_polarized_columns"]
