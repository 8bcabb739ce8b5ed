"""Layers of a network as matrices: what an accelerator needs to know of them, from a table in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from spicecim.accelerator.design import Name, read_yaml
from spicecim.accelerator.sourced import NoTruth, PruningRatio, SourcedSection, Text
from spicecim.errors import TestbenchError
from spicecim.fields import Quantity, Section
from spicecim.problems import problems_from

Count = Annotated[int, Field(ge=1, le=1_000_000_000), NoTruth]


class LayerShape(Section):
    """A layer as a matrix of weights that is multiplied with a vector at each position.

    A convolution has a line for each value under its kernel and a position for each pixel of its output map. Groups
    are matrices of the same shape, each with its own part of the inputs and outputs.
    """

    name: Name
    lines: Count = Field(description="input lines of a group: channels x kernel height x kernel width")
    outputs: Count = Field(description="outputs of a group")
    positions: Count = Field(default=1, description="input vectors per frame")
    groups: Count = 1
    wait: Annotated[float, Quantity("", 0.0, 1.0)] = Field(
        default=1.0, description="share of the layer before that must be ready for the first vector"
    )
    pruning: Annotated[float, Quantity("", 1.0, 1e6)] | None = Field(
        default=None, description="weights over those that pruning leaves; that of the network if left out"
    )

    @property
    def weights(self) -> int:
        """Weights, pruned ones too."""
        return self.lines * self.outputs * self.groups

    @property
    def products(self) -> int:
        """Products of a weight and an input per frame, pruned ones too."""
        return self.weights * self.positions


class NetworkShape(SourcedSection):
    """Layers of a network in their order."""

    name: Name
    title: Text = "a network of one's own"
    pruning: PruningRatio | None = Field(default=None, description="weights over those that pruning leaves")
    layers: Annotated[tuple[LayerShape, ...], Field(min_length=1, max_length=100_000)]

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def products(self) -> int:
        """Products of a weight and an input per frame."""
        return sum(layer.products for layer in self.layers)

    @classmethod
    def from_yaml(cls, path: str | Path) -> NetworkShape:
        """Read a table of layers from a YAML file.

        Raises
        ------
        TestbenchError
            If it is none, with the name of each field that is wrong.
        """
        values: Any = read_yaml(path, "network")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise TestbenchError(problems_from(error, cls), str(path)) from None
