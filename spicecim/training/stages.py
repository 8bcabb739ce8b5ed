"""From a float network to one that fits a crossbar, one restriction after the other, and what each costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import xarray as xr

from spicecim.encodings.layout import Policy, check_policy, fragments
from spicecim.encodings.weight_scales import best_scale, check_levels
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import InputError
from spicecim.training.admm import retrain, run_admm
from spicecim.training.digits import Digits, split_digits
from spicecim.training.networks import Kind, Network
from spicecim.training.trainer import train_float

STAGES = ("float", "polarized", "quantized", "pruned")

Structure = Literal["columns", "fragments"]


@dataclass(frozen=True)
class Restrictions:
    """What the weights are to fit.

    Attributes
    ----------
    fragment_size
        Rows of a column fragment, whose weights get one sign; None for the whole column.
    levels
        Largest magnitude of a weight in units of its layer's scale.
    structure
        What is pruned: fragments, or whole columns. A column of the last layer is a class of digits, so that this layer
        is left as it is where whole columns would go, also where a fragment is one.
    keep
        Share of the columns or fragments of each layer that stays, above 0 and up to 1.
    policy
        The order of a convolution's input lines along the rows.

    Raises
    ------
    InputError
        If one of them is not among what is allowed.
    """

    fragment_size: int | None = 8
    levels: int = 255
    structure: Structure = "fragments"
    keep: float = 0.5
    policy: Policy = "channel"

    def __post_init__(self) -> None:
        fragments(1, self.fragment_size)
        check_levels(self.levels)
        check_policy(self.policy)
        if self.structure not in get_args(Structure):
            raise InputError(f"structure: must be one of {', '.join(get_args(Structure))} (given: {self.structure!r})")
        if not 0.0 < self.keep <= 1.0:
            raise InputError(f"keep: must be above 0 and at most 1 (given: {self.keep})")


@dataclass(frozen=True)
class Stage:
    """A network after one more restriction.

    Attributes
    ----------
    name
        One of `STAGES`.
    targets
        The set of each layer's matrix.
    projected
        The network after ADMM and the projection on the sets.
    network
        The same trained on within the sets.
    residuals
        Of ADMM, see `AdmmResult`; None for the float network.
    """

    name: str
    targets: tuple[WeightSet, ...]
    projected: Network
    network: Network
    residuals: xr.Dataset | None


def run_stages(kind: Kind, digits: Digits, seed: int, restrictions: Restrictions | None = None) -> tuple[Stage, ...]:
    """Train a network, then polarize, quantize and prune it, each stage with all restrictions of those before.

    The scale of each layer is the best for the weights of the polarized stage and stays.
    """
    wanted = restrictions or Restrictions()
    network = train_float(kind, digits, seed, wanted.policy)
    count = len(network.layers)
    stages = [Stage("float", (WeightSet(),) * count, network, network, None)]
    polarized = (WeightSet(fragment_size=wanted.fragment_size, polarized=True),) * count
    stages.append(_next_stage("polarized", polarized, stages[-1], digits, seed))
    scales = [best_scale(matrix, wanted.levels, wanted.fragment_size) for matrix in stages[-1].network.matrices]
    quantized = tuple(
        replace(target, levels=wanted.levels, scale=scale) for target, scale in zip(polarized, scales, strict=True)
    )
    stages.append(_next_stage("quantized", quantized, stages[-1], digits, seed))
    pruned = tuple(
        _pruned(target, matrix.shape, wanted, last=number == count - 1)
        for number, (target, matrix) in enumerate(zip(quantized, network.matrices, strict=True))
    )
    stages.append(_next_stage("pruned", pruned, stages[-1], digits, seed))
    return tuple(stages)


def stage_accuracies(kind: Kind, seeds: Sequence[int], restrictions: Restrictions | None = None) -> xr.Dataset:
    """Measure the accuracy on the test images after each stage, each seed with its own split and initial weights.

    Returns
    -------
    xarray.Dataset
        ``projected`` and ``retrained`` (seed, stage): before and after training on within the sets.
    """
    accuracies = np.empty((2, len(seeds), len(STAGES)))
    for number, seed in enumerate(seeds):
        digits = split_digits(seed)
        stages = run_stages(kind, digits, seed, restrictions)
        accuracies[:, number] = [
            [network.accuracy(digits.test_images, digits.test_labels) for network in networks]
            for networks in ([stage.projected for stage in stages], [stage.network for stage in stages])
        ]
    return xr.Dataset(
        {"projected": (("seed", "stage"), accuracies[0]), "retrained": (("seed", "stage"), accuracies[1])},
        coords={"seed": list(seeds), "stage": list(STAGES)},
    )


def _next_stage(name: str, targets: tuple[WeightSet, ...], before: Stage, digits: Digits, seed: int) -> Stage:
    result = run_admm(before.network, digits, targets, seed)
    network = retrain(result.projected, digits, targets, seed)
    return Stage(name, targets, result.projected, network, result.residuals)


def _pruned(target: WeightSet, shape: tuple[int, ...], wanted: Restrictions, last: bool) -> WeightSet:
    rows, columns = shape
    per_column = fragments(rows, wanted.fragment_size)[-1] + 1
    if wanted.structure == "fragments" and per_column > 1:
        return replace(target, keep_fragments=math.ceil(wanted.keep * columns * per_column))
    return target if last else replace(target, keep_columns=math.ceil(wanted.keep * columns))
