"""Fragments of a trained network: a perceptron for handwritten digits, projected on fragments of one sign."""

from __future__ import annotations

import functools
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from spicecim.accelerator import load_design
from spicecim.accelerator.device_power import crossbar_power, reading_scheme
from spicecim.devices import MODELS, load_presets
from spicecim.encodings.integers import IntArray
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import InputError, StateWarning
from spicecim.fields import FloatArray
from spicecim.training.digits import LARGEST_PIXEL, split_digits
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.crossbars import run_in_ngspice

_HIDDEN = 32
_LARGEST = 255
_POWER_VECTORS = 10
_VOLTAGE = 0.1
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
        digits = split_digits(seed)
        pixels = digits.train_images.reshape(len(digits.train_images), -1) / LARGEST_PIXEL
        network = MLPClassifier((_HIDDEN,), max_iter=60, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(pixels, digits.train_labels)
        self._weights: FloatArray = np.asarray(network.coefs_[0], dtype=float)
        tests = digits.test_images.reshape(len(digits.test_images), -1)[:images]
        self.inputs: IntArray = np.rint(tests * (_LARGEST / LARGEST_PIXEL)).astype(int)
        """Test images (image, pixel) in 8 bits."""

    def polarized(self, rows: int) -> IntArray:
        """Return the layer's weights (input line, output) as integers, of one sign in each fragment of so many rows."""
        near = WeightSet(fragment_size=rows, polarized=True).project(self._weights)
        return np.asarray(np.rint(near * (_LARGEST / np.abs(near).max())), dtype=int)

    @functools.cached_property
    def powers(self) -> dict[str, float]:
        """Power of eight crossbars of FORMS while they are read (mW), by model and preset.

        Presets whose cells a read moves are left out.
        """
        design, weights = load_design("forms_8"), self.polarized(8)
        inputs = self.inputs[:_POWER_VECTORS] * 257  # the same images in the 16 bits of the design
        found = {}
        for model in MODELS:
            for preset in load_presets(model):
                device = {"model": model, "preset": preset}
                try:
                    power = crossbar_power(design, device, weights, inputs, _VOLTAGE).power
                except InputError:
                    continue
                found[f"{model}, {preset}"] = 8e3 * power
        return found

    def energies_of_engines(self) -> Measured:
        """Read energy in ngspice over that in the reference engine, for some presets and a part of the layer."""
        weights, inputs = self.polarized(8)[8:16, :4], self.inputs[:1, 8:16] * 257
        found: Measured = {}
        for model, preset in _IN_NGSPICE:
            device = {"model": model, "preset": preset}
            scheme = reading_scheme(load_design("forms_8"), device, _VOLTAGE)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StateWarning)  # they are read, and are not to move
                spice = run_in_ngspice(scheme, weights, inputs).energy
            found[f"{model}, {preset}"] = spice / scheme.program(weights).read_energy(inputs).energy
        return found
