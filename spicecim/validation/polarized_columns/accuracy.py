"""What polarization costs in accuracy, and whether training leaves weights of both signs in a fragment."""

from __future__ import annotations

import math

import numpy as np

from spicecim.validation.claims import Claim, Measurement, Verdict
from spicecim.validation.polarized_columns.extent import FRAGMENT
from spicecim.validation.polarized_columns.networks import Trained, sign_violations
from spicecim.validation.polarized_columns.sources import FORMS


def sign_claim(trained: Trained) -> Claim:
    """Count fragments with weights of both signs before training towards the sets and after."""
    measurements, left = [], 0
    for size, stages in trained.stages.items():
        found = sign_violations(stages, size)
        before = found.pop("float")
        left += sum(found.values())
        measurements += [
            Measurement(f"fragments of {size} rows with both signs: float network", reference=before),
            Measurement(f"fragments of {size} rows with both signs: all later stages", reference=sum(found.values())),
        ]
    measurements.append(
        Measurement(
            f"fragments of {FRAGMENT}: last distance of the weights from the set over the first, by ADMM",
            reference=_residual_fall(trained),
        )
    )
    return Claim(
        "After training, all weights of a column fragment have one sign",
        FORMS,
        "fragments that hold weights above and below 0, over all layers of the first seed's network, after every "
        "projection and after training on within the sets",
        tuple(measurements),
        "holds" if left == 0 else "does not hold",
        "the last step is an exact projection, and training on is bounded by the signs that it chose"
        if left == 0
        else f"{left} fragments are left",
    )


def accuracy_claim(trained: Trained) -> Claim:
    """Compare accuracies over the seeds, each seed's with its own float network's."""
    accuracy = trained.accuracy["accuracy"]
    seeds = accuracy.sizes["seed"]
    measurements, drops = [], []
    for kind in accuracy["kind"].values:
        of_kind = accuracy.sel(kind=kind)
        test = f"{kind}, {seeds} seeds"
        measurements.append(
            Measurement(f"{test}: accuracy, float", "%", reference=100.0 * float(of_kind.sel(network="float").mean()))
        )
        for network, title in (
            ("dual_crossbar", "8 bits, not polarized"),
            ("polarized", f"8 bits, polarized in fragments of {FRAGMENT}"),
            ("pruned", "the same with half of the fragments pruned"),
        ):
            drop = 100.0 * (of_kind.sel(network="float") - of_kind.sel(network=network))
            spread = float(drop.std(ddof=1))
            measurements += [
                Measurement(f"{test}: mean drop from float, {title}", "points", reference=float(drop.mean())),
                Measurement(f"{test}: standard deviation of that drop", "points", reference=spread),
            ]
            if network == "polarized":
                drops.append((kind, float(drop.mean()), spread))
    return Claim(
        "Polarization costs hardly any accuracy (LeNet-5 on MNIST keeps 99.17 %, pruned and quantized besides)",
        FORMS,
        "share of 500 test images of scikit-learn's digits, a small network of that kind, 8-bit weights and inputs; "
        "per seed another split, other initial weights; the paper's networks and images are larger",
        tuple(measurements),
        _verdict(max(mean for _, mean, _ in drops)),
        "; ".join(
            f"{kind}: {mean:.2f} ± {spread / math.sqrt(seeds):.2f} points of accuracy (mean over {seeds} seeds and its "
            "standard error)"
            for kind, mean, spread in drops
        ),
    )


def _verdict(drop: float) -> Verdict:
    """One point is five of 500 images."""
    return "holds" if drop <= 1.0 else "holds in part" if drop <= 3.0 else "does not hold"


def _residual_fall(trained: Trained) -> float:
    """Last primal residual of ADMM over the first, for the polarized set."""
    stage = trained.stages[FRAGMENT][1]
    assert stage.residuals is not None
    primal = np.linalg.norm(stage.residuals["primal_residual"].values, axis=1)
    return float(primal[-1] / primal[0])
