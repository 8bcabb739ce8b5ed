"""Accelerators from their components: area, power and rate of a design, and of a network mapped onto it."""

from spicecim.accelerator.converters import with_converters
from spicecim.accelerator.design import Design, design_names, load_design
from spicecim.accelerator.evaluation import Evaluation, NetworkResult, compare, evaluate, evaluate_beside
from spicecim.accelerator.layers import LayerShape, NetworkShape
from spicecim.accelerator.networks import NETWORK_NAMES, load_network
from spicecim.accelerator.summary import evaluate_design

__all__ = [
    "NETWORK_NAMES",
    "Design",
    "Evaluation",
    "LayerShape",
    "NetworkResult",
    "NetworkShape",
    "compare",
    "design_names",
    "evaluate",
    "evaluate_beside",
    "evaluate_design",
    "load_design",
    "load_network",
    "with_converters",
]
