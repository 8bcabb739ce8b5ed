"""What polarization costs in accuracy, and whether training leaves weights of both signs in a fragment."""

from __future__ import annotations

import numpy as np

from spicecim.validation.claims import Measured
from spicecim.validation.intervals import mean_interval
from spicecim.validation.polarized_columns.extent import FRAGMENT
from spicecim.validation.polarized_columns.networks import Trained, sign_violations

_RESTRICTED = {
    "dual_crossbar": "8 bits, not polarized",
    "polarized": "8 bits, polarized",
    "pruned": "8 bits, polarized, half of the fragments pruned",
}


def one_sign(trained: Trained) -> tuple[Measured, Measured]:
    """Count fragments with weights of both signs before training towards the sets and after."""
    measured: Measured = {}
    details: Measured = {}
    for size, stages in trained.stages.items():
        found = sign_violations(stages, size)
        details[f"{size} rows: fragments with both signs in the float network"] = found.pop("float")
        measured[f"{size} rows"] = sum(found.values())
    details[f"{FRAGMENT} rows: last distance of the weights from the set over the first, by ADMM"] = _residual_fall(
        trained
    )
    return measured, details


def accuracy(trained: Trained) -> tuple[Measured, Measured]:
    """Compare accuracies over the seeds, each seed's with its own float network's."""
    found = trained.accuracy["accuracy"]
    measured: Measured = {}
    details: Measured = {}
    for kind in found["kind"].values:
        of_kind = 100.0 * found.sel(kind=kind)
        details[f"{kind}: accuracy of the float network (%)"] = mean_interval(of_kind.sel(network="float"))
        for network, title in _RESTRICTED.items():
            drop = mean_interval(of_kind.sel(network="float") - of_kind.sel(network=network))
            if network == "polarized":
                measured[f"{kind}, {found.sizes['seed']} seeds"] = drop
            else:
                details[f"{kind}: drop, {title}"] = drop
    return measured, details


def _residual_fall(trained: Trained) -> float:
    """Last primal residual of ADMM over the first, for the polarized set."""
    stage = trained.stages[FRAGMENT][1]
    assert stage.residuals is not None
    primal = np.linalg.norm(stage.residuals["primal_residual"].values, axis=1)
    return float(primal[-1] / primal[0])
