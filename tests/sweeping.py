"""Small sweeps that the tests of them share, and functions that stand in for measures."""

import os
import time

import numpy as np

import spicecim as sc


def ohmic(rows=2, columns=2, **sections):
    """A crossbar of ohmic cells, whose currents are sums of products."""
    return sc.Testbench.from_dict(
        {
            "device": {"model": "resistor", "parameters": {"Ron": 1e4, "Roff": 1e6}},
            "crossbar": {"state": np.linspace(0.2, 1.0, rows * columns).reshape(rows, columns).tolist()},
            "drive": {"kind": "sine", "amplitude": 0.3, "frequency": 100, "offset": 0.1},
            "analysis": {"points_per_period": 16},
            **sections,
        }
    )


def peak(waveforms):
    """Largest current of each column."""
    return abs(waveforms.i_column).max("time").assign_attrs(units="A")


def slow_peak(waveforms):
    time.sleep(0.02)
    return peak(waveforms)


def refuse_large(waveforms):
    """Fail where the first row's voltage is above 0.45 V."""
    CALLS.append(1)
    if float(waveforms.v_row.max()) > 0.45:
        raise ValueError("the voltage is above 0.45 V")
    return float(waveforms.v_row.max())


def kill_worker(waveforms):
    """End the process where the first row's voltage is above 0.45 V."""
    if float(waveforms.v_row.max()) > 0.45:
        os._exit(7)
    return float(waveforms.v_row.max())


CALLS = []
"""One for each call of `refuse_large`."""

QUIET = {"measures": {"peak": peak}, "executor": "serial"}
