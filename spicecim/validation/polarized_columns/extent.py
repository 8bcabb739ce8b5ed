"""How much a validation of polarized columns trains and simulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WHOLE = 128
"""Rows of a crossbar: a fragment of so many is the whole column."""

FRAGMENT = 8
"""Rows of a fragment where one size is shown: that of which the accuracy is measured."""


@dataclass(frozen=True)
class Extent:
    """Sizes of everything that takes time.

    Attributes
    ----------
    kind
        Network for the digits that is put on crossbars.
    lenet_seeds, lenet_images
        Seeds of LeNet-5, each with a split of its own, and images to train it with.
    lenet_epochs, lenet_updates, lenet_within
        Epochs of the float network; of each later stage updates of ADMM, of one epoch, and epochs within the sets.
    lenet_rate
        Learning rate of the later stages; the float network is trained at twice that.
    fragments
        Sizes of fragments that networks are trained for and read with (rows).
    images
        Test images that are classified on crossbars with faults.
    photographs
        Windows of photographs that networks for faces get.
    sigmas, runs
        Log-normal scatter, and crossbars drawn at each.
    line_resistances
        Of a segment of row or column wire (ohm).
    stuck_shares, stuck_runs
        Shares of stuck cells, and crossbars drawn at each.
    crossbar_rows
        Rows of the crossbars in ngspice: the fewer, the faster.
    vectors
        Input vectors that ngspice reads each layer with.
    wired_part
        Input lines and outputs of what ngspice reads behind wires.
    """

    kind: Literal["convolutional", "perceptron"]
    lenet_seeds: int
    lenet_images: int
    lenet_epochs: int
    lenet_updates: int
    lenet_within: int
    lenet_rate: float
    fragments: tuple[int, ...]
    images: int
    photographs: int
    sigmas: tuple[float, ...]
    runs: tuple[int, ...]
    line_resistances: tuple[float, ...]
    stuck_shares: tuple[float, ...]
    stuck_runs: tuple[int, ...]
    crossbar_rows: int
    vectors: int
    wired_part: tuple[int, int]


FULL = Extent(
    kind="convolutional",
    lenet_seeds=3,
    lenet_images=4000,
    lenet_epochs=14,
    lenet_updates=6,
    lenet_within=3,
    lenet_rate=1e-3,
    fragments=(4, 8, 16, WHOLE),
    images=100,
    photographs=20,
    sigmas=(0.0, 0.05, 0.1, 0.2),
    runs=(1, 3, 10, 3),
    line_resistances=(0.0, 1.0, 2.0, 5.0),
    stuck_shares=(0.0, 0.001, 0.003, 0.01),
    stuck_runs=(1, 3, 3, 6),
    crossbar_rows=WHOLE,
    vectors=2,
    wired_part=(32, 8),
)
"""For a paper."""

QUICK = Extent(
    kind="perceptron",
    lenet_seeds=3,
    lenet_images=1000,
    lenet_epochs=8,
    lenet_updates=3,
    lenet_within=1,
    lenet_rate=2.5e-3,
    fragments=(8, WHOLE),
    images=150,
    photographs=8,
    sigmas=(0.0, 0.1, 0.2),
    runs=(1, 5, 3),
    line_resistances=(0.0, 1.0, 5.0),
    stuck_shares=(0.0, 0.01),
    stuck_runs=(1, 5),
    crossbar_rows=FRAGMENT,
    vectors=1,
    wired_part=(16, 4),
)
"""Half a minute on two idle cores."""


def rows_text(size: int) -> str:
    """Name the size of fragments for people to read."""
    return "whole column" if size == WHOLE else f"{size} rows"
