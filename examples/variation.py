"""Device-to-device variation: how far the columns of 50 drawn arrays are from an array of equal cells."""

import numpy as np

import spicecim as sc

bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={"state": np.random.default_rng(1).uniform(0.1, 0.9, (16, 8))},
    drive={"kind": "sine", "amplitude": 0.4, "frequency": 100, "phase": np.linspace(0.0, 1.0, 16)},
)
spreads = {"Vp": sc.lognormal("5 %"), "Vn": sc.lognormal("5 %"), "a1": sc.normal("5 %"), "a2": sc.normal("5 %")}
arrays = [sc.vary(bench, spreads, seed=seed, correlation={("a1", "a2"): 0.9}) for seed in range(50)]

equal = sc.simulate(bench, engine="reference").i_column
drawn = np.stack([run.i_column.values for run in sc.simulate_many(arrays, time=equal.time.values)])
error = np.sqrt((abs(drawn - equal.values) ** 2).mean(axis=(0, 1))) / abs(equal).max("time").values
print("RMS error of each column's current, relative to its peak:")
print(error.round(4))
