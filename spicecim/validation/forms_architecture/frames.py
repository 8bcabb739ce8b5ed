"""Frames per second of FORMS and ISAAC on the networks of FORMS's table of pruning ratios."""

from __future__ import annotations

import functools

import xarray as xr

from spicecim.accelerator import (
    Design,
    Evaluation,
    LayerShape,
    NetworkResult,
    NetworkShape,
    evaluate,
    load_design,
    load_network,
)
from spicecim.accelerator.mapping import map_network
from spicecim.validation.claims import Measured
from spicecim.validation.forms_architecture.ratios import CYCLES, INPUT_BITS

NETWORKS = (
    "lenet5", "vgg16_cifar10", "resnet18_cifar10", "vgg16_cifar100", "resnet18_cifar100", "resnet50_cifar100",
    "resnet18", "resnet50",
)  # fmt: skip
"""Those of FORMS's table; of two ratios on ImageNet the larger."""

DESIGNS = ("pruned ISAAC", "8 rows", "16 rows", "8 rows with skipping", "16 rows with skipping")


def without_skipping(design: Design) -> Design:
    """Return a design that reads all bits."""
    return design.changed(timing={"zero_skipping": None})


def of_32_bits(network: NetworkShape) -> NetworkShape:
    """Return a network whose weights take two of 16 bits each."""
    layers = [LayerShape(**{**layer.model_dump(), "outputs": 2 * layer.outputs}) for layer in network.layers]
    return network.model_copy(update={"layers": tuple(layers)})


def _design(name: str) -> Design:
    if name == "pruned ISAAC":
        return load_design("isaac_pruned")
    rows, _, skipping = name.partition(" rows")
    design = load_design(f"forms_{rows}")
    return design if skipping else without_skipping(design)


class Frames:
    """Frames per second over those of ISAAC with weights of 32 bits, on as many chips as that needs."""

    @functools.cached_property
    def data(self) -> xr.Dataset:
        """``ratio`` and ``most_ratio`` (network, design): with copies that are whole, and with all crossbars busy."""
        ratio, most = [], []
        reference = load_design("isaac")
        for name in NETWORKS:
            network = load_network(name)
            wide = of_32_bits(network)
            chips = map_network(reference, wide)[1]
            own = _result(evaluate(reference, wide, chips=chips))
            found = [_result(evaluate(_design(design), network, chips=chips)) for design in DESIGNS]
            ratio.append([_over(result.frames_per_second, own.frames_per_second) for result in found])
            most.append([_over(result.most_frames_per_second, own.most_frames_per_second) for result in found])
        return xr.Dataset(
            {
                "ratio": (("network", "design"), ratio, {"long_name": "frames per second over 32-bit ISAAC"}),
                "most_ratio": (("network", "design"), most, {"long_name": "the same, with all crossbars busy"}),
            },
            coords={"network": list(NETWORKS), "design": list(DESIGNS)},
        )

    def ranges(self) -> Measured:
        """Least and most over the networks, with all crossbars busy."""
        measured: Measured = {}
        for design in DESIGNS:
            values = self.data["most_ratio"].sel(design=design)
            measured[f"{design}, least"] = float(values.min())
            measured[f"{design}, most"] = float(values.max())
        return measured

    def skipping_speed(self) -> Measured:
        """Frames per second with skipping over those without, over the networks, and what FORMS's own cycles allow."""
        measured: Measured = {}
        for rows in (8, 16):
            gain = self.data["ratio"].sel(design=f"{rows} rows with skipping") / self.data["ratio"].sel(
                design=f"{rows} rows"
            )
            measured[f"{rows} rows"] = (float(gain.min()), float(gain.max()))
        measured["4 rows, by its own cycles"] = INPUT_BITS / CYCLES[4][0]
        return measured


def _result(evaluation: Evaluation) -> NetworkResult:
    assert evaluation.result is not None
    return evaluation.result


def _over(one: float | None, other: float | None) -> float:
    assert one is not None
    assert other is not None
    return one / other
