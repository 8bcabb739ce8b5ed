"""An encoding: one cell per weight of 0 to 3, inputs of 0 or 1 as read voltages, one vector at a time."""

from typing import Annotated

import numpy as np

import spicecim as sc
from spicecim.encodings.base import Encoded, Encoding, check_integers
from spicecim.fields import Quantity


class Plain(Encoding):
    """The conductance of an ideal cell is proportional to the weight; column currents are products."""

    name = "plain"
    read_voltage: Annotated[float, Quantity("V", 0.0, exclusive=True)] = 0.1

    def encode(self, weights, inputs):
        weights, inputs = check_integers(weights, "weights", 0, 3), check_integers(inputs, "inputs", 0, 1)
        benches = tuple(
            sc.Testbench(
                device={"model": "resistor", "parameters": {"Ron": 1e4, "Roff": 1e20}},
                crossbar={"state": weights / 3},
                drive={"kind": "samples", "time": [0, 1e-6], "voltages": self.read_voltage * np.outer(vector, [1, 1])},
            )
            for vector in inputs
        )
        return PlainEncoded(weights, inputs, benches, weights.size, 1, 1)


class PlainEncoded(Encoded):
    """Products are the column currents over that of a weight of 1."""

    def decode(self, waveforms):
        volts = [float(run.v_row.max()) or 1.0 for run in waveforms]
        return np.stack([run.i_column.values[-1] * 3e4 / v for run, v in zip(waveforms, volts, strict=True)])
