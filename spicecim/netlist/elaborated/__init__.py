"""Subcircuits of a library worked out to plain numbers: what a PDK writes by parameters, conditions and models."""
