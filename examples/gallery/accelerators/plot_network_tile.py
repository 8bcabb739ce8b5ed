"""
A tile of a network in ngspice
==============================

A small network is trained on 8 x 8 digits with weights that are polarized, and put on crossbars. One crossbar of its
first layer then runs in ngspice with inputs that this layer got: left, the current of a column over the read pulses of
one input vector; right, what the converters see of every read, in levels, against the integers.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import spicecim as sc
from spicecim.encodings import Polarized
from spicecim.networks import Batches, accuracy, constrain, crossbars, digits, record_inputs, train
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%

data = digits()
batches = Batches(data.train_images, data.train_labels, seed=0)
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))
scheme = Polarized(fragment=4, cell_bits=2, input_bits=4, weight_bits=4)
train(model, batches, epochs=2)
constrain(model, {"0": scheme.constraint(), "4": scheme.constraint()}, keep=True)
train(model, batches, epochs=2)
on_crossbars = crossbars(model, scheme, batches)

# %%

layer = on_crossbars.get_submodule("0")
seen = record_inputs(on_crossbars, data.test_images[:1])["0"]
vectors = np.unique(seen[(seen > 0).sum(axis=1) > 4], axis=0)[:6]
tile, inputs = layer.tile(0), layer.tile_inputs(0, vectors)
(bench,) = tile.testbenches(inputs)
waveforms = sc.simulate(bench, "ngspice")
(sums,), (exact,), (codes,) = tile.sums(inputs, [waveforms]), tile.exact_sums(inputs), tile.codes(inputs, [waveforms])

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained", width_ratios=[1.6, 1])
column = int(sums.sum(axis=0).argmax())
first = waveforms.time < waveforms.time[-1] / len(vectors)
left.plot(1e6 * waveforms.time[first], 1e6 * waveforms.i_column[first, column], color=COLORS[0], linewidth=1.0)
left.set(xlabel="time (µs)", ylabel=f"current of column {column} (µA)")
right.plot([0, exact.max()], [0, exact.max()], "--", color="#444444", linewidth=1.0)
right.plot(exact.ravel(), sums.ravel(), "o", color=COLORS[0], markersize=4)
right.set(xlabel="sum of levels, in integers", ylabel="sum of levels in ngspice")

# %%

numbers = {
    "codes": codes.size,
    "other_codes": int((codes != exact).sum()),
    "largest_error": float(abs(sums - exact).max()),
    "sums": sorted({int(value) for value in exact.ravel()}),
    "accuracy": accuracy(on_crossbars, data.test_images, data.test_labels),
}
print(numbers)
