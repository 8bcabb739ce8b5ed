"""Ngspice as an engine: finding the library, running it in a process of its own, reading its waveforms."""
