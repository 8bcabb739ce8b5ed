"""Measured current over voltage and time: import from files, clean, and loops per cycle."""
