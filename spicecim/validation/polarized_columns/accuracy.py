"""What pruning, polarization and quantization cost in accuracy and save in crossbars, of LeNet-5 on MNIST."""

from __future__ import annotations

import math

import numpy as np

from spicecim.networks import lenet5
from spicecim.validation.claims import Measured
from spicecim.validation.intervals import mean_interval
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.lenet import OUTPUTS, ROWS, STAGES, LeNets
from spicecim.validation.polarized_columns.networks import matrices


def one_sign(lenets: LeNets) -> tuple[Measured, Measured]:
    """Count fragments with weights of both signs before polarization and after."""
    mixed = lenets.mixed["mixed"]
    measured: Measured = {
        f"{rows_text(rows)}, {stage}": int(mixed.sel(rows=rows, stage=stage))
        for rows in ROWS
        for stage in ("polarized", "quantized")
    }
    details: Measured = {
        f"{rows_text(rows)}: fragments with both signs in the pruned network": int(mixed.sel(rows=rows, stage="pruned"))
        for rows in ROWS
    }
    for stage in STAGES[1:]:
        primal = np.linalg.norm(lenets.residuals["primal_residual"].sel(stage=stage), axis=1)
        title = f"{rows_text(FRAGMENT)}, {stage}: distance of the weights from their sets"
        details |= {f"{title}, first update": float(primal[0]), f"{title}, last update": float(primal[-1])}
    return measured, details


def accuracy(lenets: LeNets) -> tuple[Measured, Measured]:
    """Compare accuracies over the seeds, each seed's with its own float network's."""
    found = 100.0 * lenets.accuracy["accuracy"]
    whole = found.sel(stage="float")
    measured: Measured = {
        rows_text(rows): mean_interval((whole - found.sel(stage="quantized")).sel(rows=rows)) for rows in ROWS
    }
    details: Measured = {
        "seeds": found.sizes["seed"],
        "accuracy of the float network (%)": mean_interval(whole.isel(rows=0)),
        "loss by pruning (points)": mean_interval((whole - found.sel(stage="pruned")).isel(rows=0)),
    }
    for rows in ROWS:
        of_rows = found.sel(rows=rows)
        for stage, before in (("polarized", "pruned"), ("quantized", "polarized")):
            step = of_rows.sel(stage=before) - of_rows.sel(stage=stage)
            details[f"{rows_text(rows)}: loss from {before} to {stage} (points)"] = mean_interval(step)
    off, compared = lenets.off_integers
    details[f"{rows_text(FRAGMENT)}: outputs on ideal crossbars that are not those of integers, of {compared}"] = off
    return measured, details


def crossbars_saved(lenets: LeNets) -> tuple[Measured, Measured]:
    """Count crossbars of the float network in 32 bits on two sets of them over those of the last stage."""
    plain = matrices(lenet5())
    before = 2 * _crossbars(plain, 16)
    after = {rows: _crossbars(of_rows, WHOLE // OUTPUTS) for rows, of_rows in lenets.left.items()}
    measured: Measured = {rows_text(rows): before / count for rows, count in after.items()}
    details: Measured = {
        "crossbars of 32-bit weights on two sets of them": before,
        "crossbars of 8-bit weights on two sets of them, not pruned": 2 * _crossbars(plain, WHOLE // OUTPUTS),
        "the most that any pruning saves, a crossbar for each layer": before / len(plain),
    }
    for rows, count in after.items():
        ratio = _size(plain) / _size(lenets.left[rows])
        details |= {
            f"{rows_text(rows)}: crossbars": count,
            f"{rows_text(rows)}: weights over those left": ratio,
            f"{rows_text(rows)}: by the formula of FORMS, that ratio times 4 times 2": 8 * ratio,
        }
    return measured, details


def _crossbars(layers: dict[str, np.ndarray], cells: int) -> int:
    """Crossbars of 128 x 128 for layers with so many cells per weight, each layer on its own."""
    return sum(math.ceil(one.shape[0] / WHOLE) * math.ceil(one.shape[1] * cells / WHOLE) for one in layers.values())


def _size(layers: dict[str, np.ndarray]) -> int:
    return sum(one.size for one in layers.values())
