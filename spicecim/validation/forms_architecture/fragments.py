"""Fragments of a trained network: a perceptron for handwritten digits, projected on fragments of one sign."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from spicecim.accelerator import load_design
from spicecim.accelerator.converters import clipped_share
from spicecim.accelerator.device_power import crossbar_power, reading_scheme
from spicecim.devices import MODELS, load_presets
from spicecim.encodings.bit_sliced import Polarized
from spicecim.encodings.integers import IntArray
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import InputError, MissingPackageError, StateWarning
from spicecim.fields import FloatArray
from spicecim.validation.claims import Measured
from spicecim.validation.forms_architecture.ratios import ROWS, converter_width
from spicecim.validation.polarized_columns.crossbars import run_in_ngspice
from spicecim.validation.trials import run_trials

try:
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
except ImportError as error:
    raise MissingPackageError.of("validations", f"fragments come from scikit-learn ({error})") from error

_HIDDEN = 32
_TESTS = 500
_LARGEST_PIXEL = 16
_LARGEST = 255
_POWER_VECTORS = 10
READ_VOLTAGE = 0.1
"""Of the pulses that read the crossbars (V)."""
_IN_NGSPICE = (("data_driven", "tiox"), ("stanford_pku", "hfox"), ("resistor", "ideal"))


class TrainedFragments:
    """The first layer of a perceptron (64 to 32), and images that it gets.

    Parameters
    ----------
    images
        Test images.
    seed
        Of the split and of the initial weights.
    """

    def __init__(self, images: int, seed: int = 0) -> None:
        digits = load_digits()
        trained, tests, labels, _ = train_test_split(
            digits.data.astype(int), digits.target, test_size=_TESTS, random_state=seed, stratify=digits.target
        )
        network = MLPClassifier((_HIDDEN,), max_iter=60, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(trained / _LARGEST_PIXEL, labels)
        self._weights: FloatArray = np.asarray(network.coefs_[0], dtype=float)
        self.inputs: IntArray = np.rint(tests[:images] * (_LARGEST / _LARGEST_PIXEL)).astype(int)
        """Test images (image, pixel) in 8 bits."""

    def polarized(self, rows: int) -> IntArray:
        """Return the layer's weights (input line, output) as integers, of one sign in each fragment of so many rows."""
        near = WeightSet(fragment_size=rows, polarized=True).project(self._weights)
        return np.asarray(np.rint(near * (_LARGEST / np.abs(near).max())), dtype=int)

    def clipped(self, rows: int) -> float:
        """Share of conversions (%) beyond the highest code of the converters for so many rows."""
        bits = converter_width(rows)
        return 100 * clipped_share(Polarized(fragment=rows), self.polarized(rows), self.inputs, bits)

    def power(self, model: str, preset: str) -> float:
        """Power of eight crossbars of FORMS while they are read (mW); NaN if a read moves the cells."""
        inputs = self.inputs[:_POWER_VECTORS] * 257  # the same images in the 16 bits of the design
        device = {"model": model, "preset": preset}
        try:
            return 8e3 * crossbar_power(load_design("forms_8"), device, self.polarized(8), inputs, READ_VOLTAGE).power
        except InputError:
            return float("nan")

    def energies_of_engines(self) -> Measured:
        """Read energy in ngspice over that in the reference engine, for some presets and a part of the layer."""
        weights, inputs = self.polarized(8)[8:16, :4], self.inputs[:1, 8:16] * 257
        found: Measured = {}
        for model, preset in _IN_NGSPICE:
            device = {"model": model, "preset": preset}
            scheme = reading_scheme(load_design("forms_8"), device, READ_VOLTAGE)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StateWarning)  # they are read, and are not to move
                spice = run_in_ngspice(scheme, weights, inputs).energy
            found[f"{model}, {preset}"] = spice / scheme.program(weights).read_energy(inputs).energy
        return found


def perceptrons(images: int, seeds: int, progress: Callable[[float], None] = lambda fraction: None) -> xr.Dataset:
    """Train perceptrons, and measure converters and crossbars of each.

    Returns
    -------
    xarray.Dataset
        ``clipped`` (seed, rows), share of conversions (%), and ``power`` (seed, preset), of eight crossbars of FORMS
        while they are read (mW), for presets whose cells a read does not move.
    """
    names = [f"{model}, {preset}" for model in MODELS for preset in load_presets(model)]
    function = functools.partial(_one_perceptron, images=images, names=names)
    found = run_trials(function, {"seed": range(seeds)}, progress)[["clipped", "power"]]
    return found.assign_coords(rows=list(ROWS), preset=names).dropna("preset")


def _one_perceptron(seed: int, images: int, names: Sequence[str]) -> dict[str, xr.DataArray]:
    trained = TrainedFragments(images, seed)
    return {
        "clipped": xr.DataArray([trained.clipped(rows) for rows in ROWS], dims="rows"),
        "power": xr.DataArray([trained.power(*name.split(", ")) for name in names], dims="preset"),
    }
