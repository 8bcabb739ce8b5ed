"""An encoding: one cell per weight of 0 to 3, inputs of 0 or 1 as read voltages, one vector at a time."""

from typing import Annotated

import numpy as np

import spicecim as sc
from spicecim.encodings import Encoding, Programmed, Resources
from spicecim.encodings.integers import check_integers
from spicecim.fields import Quantity


class Plain(Encoding):
    """The conductance of an ideal cell is proportional to the weight; column currents are products."""

    name = "plain"
    read_voltage: Annotated[float, Quantity("V", 0.0, exclusive=True)] = 0.1

    def program(self, weights):
        matrix = check_integers(weights, "weights", 0, 3)
        return PlainProgrammed(self, matrix, Resources(cells=matrix.size, crossbars=1, cycles=1))


class PlainProgrammed(Programmed):
    """Products are the column currents over that of a weight of 1."""

    input_range = (0, 1)

    def testbenches(self, inputs):
        volts = self.scheme.read_voltage
        return tuple(
            sc.Testbench(
                device={"model": "resistor", "parameters": {"Ron": 1e4, "Roff": 1e20}},
                crossbar={"state": self.weights / 3},
                drive={
                    "kind": "samples",
                    "time": [0, 1e-6],
                    "voltages": volts * np.outer(vector, [1, 1]),
                },
            )
            for vector in self.check_inputs(inputs)
        )

    def decode(self, waveforms, inputs):
        volts = [float(run.v_row.max()) or 1.0 for run in waveforms]
        return np.stack([run.i_column.values[-1] * 3e4 / v for run, v in zip(waveforms, volts, strict=True)])
