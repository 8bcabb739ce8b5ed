"""The devices that the claims are measured on, with the tables of products that all measurements share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from spicecim.device_choice import LibraryDevice
from spicecim.devices import Memristor, load_presets
from spicecim.encodings.baselines import BitSliced, ConductanceWeighted
from spicecim.encodings.frequency_weighting.amplitude import AmplitudeScheme, ProductTable, pixel_drive, product_table
from spicecim.encodings.frequency_weighting.calibration import Branches, Calibration, calibrate
from spicecim.encodings.frequency_weighting.encoding import FrequencyWeighting
from spicecim.encodings.frequency_weighting.images import WEIGHT_MAX
from spicecim.encodings.frequency_weighting.responses import Readout

LEVELS = WEIGHT_MAX + 1
"""Levels of an 8-bit weight's magnitude."""


@dataclass(frozen=True)
class Subject:
    """A device of the library at the amplitude of its preset.

    Attributes
    ----------
    title
        What figures and claims call it.
    model, preset
        The device.
    """

    title: str
    model: str
    preset: str

    @property
    def choice(self) -> LibraryDevice:
        """The device section of a testbench."""
        return LibraryDevice(model=self.model, preset=self.preset)

    @property
    def device(self) -> Memristor:
        """The device's equations."""
        return self.choice.behavioral()

    @property
    def amplitude(self) -> float:
        """Amplitude of the largest pixel (V)."""
        return float(load_presets(self.model)[self.preset].amplitude)

    def encoding(self, **fields: object) -> FrequencyWeighting:
        """The scheme with this device; weights in both states unless told otherwise."""
        values = {"device": self.choice, "amplitude": self.amplitude, "branches": "both", **fields}
        scheme = FrequencyWeighting.model_validate(values)
        if "states" not in fields:
            # levels do not depend on what else differs between the schemes of a device: found once, they serve all
            vars(scheme)["calibration"] = calibrated(self, scheme.branches, scheme.readout, scheme.levels)
        return scheme

    def bit_sliced(self, **fields: object) -> BitSliced:
        """Eight one-bit devices per weight."""
        return BitSliced.model_validate({"device": self.choice, "amplitude": self.amplitude, **fields})

    def conductance_weighted(self) -> ConductanceWeighted:
        """One device per weight, its conductance in proportion."""
        return ConductanceWeighted(device=self.choice, amplitude=self.amplitude)


DRIFT = Subject("linear drift (HP)", "linear_drift", "hp")
OBLEA = Subject("Yakopcic, Oblea", "yakopcic", "oblea")
VTEAM = Subject("VTEAM", "vteam", "kvatinsky")
MIAO = Subject("Yakopcic, Miao", "yakopcic", "miao")
JO = Subject("Yakopcic, Jo", "yakopcic", "jo")


def calibrated(
    subject: Subject, branches: Branches = "both", readout: Readout = "rectified", levels: int = LEVELS
) -> Calibration:
    """Levels of a weight, found once."""
    return _calibration(subject, branches, readout, levels)


@cache
def _calibration(subject: Subject, branches: Branches, readout: Readout, levels: int) -> Calibration:
    return calibrate(subject.device, subject.amplitude, levels, branches=branches, readout=readout)


def tabulated(
    subject: Subject,
    scheme: AmplitudeScheme = "coscaled",
    branches: Branches = "both",
    readout: Readout = "rectified",
    levels: int = LEVELS,
) -> ProductTable:
    """Every pixel with every level, simulated once."""
    return _table(subject, scheme, branches, readout, levels)


@cache
def _table(
    subject: Subject, scheme: AmplitudeScheme, branches: Branches, readout: Readout, levels: int
) -> ProductTable:
    return product_table(pixel_drive(calibrated(subject, branches, readout, levels), scheme))


def rms(values: np.ndarray) -> float:
    """Root mean square of all values."""
    return float(np.sqrt(np.mean(np.square(values))))
