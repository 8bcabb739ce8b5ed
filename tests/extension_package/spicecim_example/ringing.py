"""A drive: a sinusoid that dies away."""

import math
from typing import Literal

import numpy as np

from spicecim.drives import PositiveHertz, PositiveSeconds, SmoothDrive, Source, Volts


class RingingDrive(SmoothDrive):
    """``v(t) = amplitude exp(-t / decay) sin(2 pi frequency t)``."""

    kind: Literal["ringing"] = "ringing"
    amplitude: Volts
    frequency: PositiveHertz
    decay: PositiveSeconds

    def voltage(self, time):
        return self._at(np.asarray(time, dtype=float)[:, None], slice(None))

    def largest_voltage(self):
        return float(np.abs(self.amplitude).max())

    def periods(self):
        return np.atleast_1d(1.0 / self.frequency)

    def source(self, row):
        start = 0.0  # SPICE's damped sine: offset, amplitude, frequency, delay, damping
        return Source("SIN", [0.0, self.amplitude[row], self.frequency[row], start, 1.0 / self.decay[row]])

    def smooth(self, rows, begin, since):
        time = begin[:, None] + since
        return self._at(time, (rows, None))

    def smooth_slope(self, rows, begin, since):
        time, speed = begin[:, None] + since, 2 * math.pi * self.frequency[rows, None]
        envelope = self.amplitude[rows, None] * np.exp(-time / self.decay[rows, None])
        return envelope * (speed * np.cos(speed * time) - np.sin(speed * time) / self.decay[rows, None])

    def _at(self, time, rows):
        angle = 2 * math.pi * self.frequency[rows] * time
        return self.amplitude[rows] * np.exp(-time / self.decay[rows]) * np.sin(angle)
