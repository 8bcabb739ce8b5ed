"""Device-to-device variation: parameters drawn for every cell of a crossbar, stuck cells, and read noise."""

from spicecim.variation.distributions import Distribution, distribution, lognormal, normal, uniform
from spicecim.variation.noise import read_noise
from spicecim.variation.vary import vary

__all__ = ["Distribution", "distribution", "lognormal", "normal", "read_noise", "uniform", "vary"]
