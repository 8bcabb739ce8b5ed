"""An engine: states that do not move, in crossbars with ideal wires."""

import numpy as np

import spicecim as sc
from spicecim.waveforms import make_waveforms


class HeldStates:
    """Currents by each device's equation at its initial state: what reads below every threshold would give."""

    name = "held"

    def obstacle(self):
        return None

    def uncovered(self, testbench):
        return None if testbench.crossbar.ideal else "crossbar: the engine held has no wires"

    def run(self, testbench, *, time=None, progress=None, estimate=True):
        device = testbench.device.build()
        time = testbench.time_grid() if time is None else np.asarray(time, dtype=float)
        rows, columns = testbench.shape
        v_row = testbench.drive.voltage(time)
        states = device.state_from_x(testbench.crossbar.state)
        v_cell = np.broadcast_to(v_row[:, :, None], (len(time), rows, columns))
        i_cell = device.current(v_cell, states[None])
        variables = {"v_row": v_row, "i_row": i_cell.sum(axis=2), "i_column": i_cell.sum(axis=1)}
        if testbench.analysis.probe == "cells":
            x = np.broadcast_to(testbench.crossbar.state, v_cell.shape)
            variables |= {"v_cell": v_cell, "i_cell": i_cell, "x": x}
        about = {"engine": self.name, "engine_version": sc.__version__, "device_backend": "numpy"}
        about |= {"spicecim_version": sc.__version__, "state_error": 0.0, "current_error": 0.0}
        return make_waveforms(testbench, time, variables, about)
