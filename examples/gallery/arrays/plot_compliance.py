"""
SET and RESET of a cell with a transistor
=========================================

One 1T1R cell with its word line at four voltages: SET by a ramp of the row, RESET by a ramp of the column. Left, the
loops: the transistor in saturation limits the current of SET, and by it how far the state goes. Right, the state.
"""

import matplotlib.pyplot as plt

import spicecim as sc
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%

gates = [0.7, 0.9, 1.1, 1.5]
ramp = {"kind": "pulse", "high": 0.8, "rise": "2ms", "fall": "2ms", "width": "1us", "period": "20ms"}


def run(gate):
    bench = sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": [[0.1]]},
        drive=ramp,
        columns={"drive": {**ramp, "delay": "4.2ms"}},
        cell={"kind": "1t1r", "transistor": {"preset": "generic_130nm", "parameters": {"W": "1um"}}},
        word_lines={"drive": {"kind": "pulse", "high": gate, "rise": "1us", "fall": "1us", "width": 1, "period": 10}},
        analysis={"duration": "8.4ms", "probe": "cells"},
    )
    return sc.simulate(bench, engine="reference")


runs = {gate: run(gate) for gate in gates}

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained")
for (gate, waveforms), color in zip(runs.items(), COLORS, strict=False):
    volts = (waveforms.v_row[:, 0] - waveforms.v_column[:, 0]).values
    left.plot(1e3 * volts, 1e6 * waveforms.i_cell[:, 0, 0], color=color, label=f"{gate} V")
    right.plot(1e3 * waveforms.time, waveforms.x[:, 0, 0], color=color)
left.set(xlabel="row against column (mV)", ylabel="current (µA)")
left.legend(title="word line", loc="upper left")
right.set(xlabel="time (ms)", ylabel="x")

# %%

numbers = {
    "gates": gates,
    "peak_currents": [float(waveforms.i_cell.max()) for waveforms in runs.values()],
    "after_set": [float(waveforms.x.max()) for waveforms in runs.values()],
    "after_reset": [float(waveforms.x[-1, 0, 0]) for waveforms in runs.values()],
}
print(numbers)
