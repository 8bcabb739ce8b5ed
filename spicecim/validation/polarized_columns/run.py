"""The validation from training to claims."""

from __future__ import annotations

from pathlib import Path

from spicecim.validation.claims import JudgedClaim, stated_claims
from spicecim.validation.polarized_columns.extent import FULL, QUICK
from spicecim.validation.report import Progress, ValidationReport, run_validation

CLAIMS = Path(__file__).with_name("claims.yaml")
_FIGURES = (
    "accuracy", "polarization", "residuals", "input_cycles", "bit_currents", "power", "converters", "faults",
    "fragment_sizes",
)  # fmt: skip


def validate_polarized_columns(
    folder: str | Path, quick: bool = False, progress: Progress = lambda name, fraction: None
) -> list[JudgedClaim]:
    """Put the claims about polarized columns beside what is measured.

    Parameters
    ----------
    folder
        Folder for ``claims.json`` (a list), ``claims.md``, ``summary.json``, figures and the data behind each.
    quick
        A smaller network, shorter training and fewer runs: half a minute on two idle cores.
    progress
        Called with what is being done and the fraction of it that is.

    Returns
    -------
    list of JudgedClaim
        The claims with what was measured and verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured.
    MissingPackageError
        Without PyTorch, the extra ``networks``.
    """
    from spicecim.validation.polarized_columns.steps import measure_claims

    extent = QUICK if quick else FULL

    def measure(report: ValidationReport) -> dict[str, object]:
        measure_claims(report, extent, progress)
        return {
            "quick": quick,
            "network": extent.kind,
            "lenet_seeds": extent.lenet_seeds,
            "images": extent.images,
            "runs_of_scatter": extent.runs[extent.sigmas.index(0.1)],
            "runs_of_stuck_cells": extent.stuck_runs[extent.stuck_shares.index(0.01)],
        }

    return run_validation(folder, "Polarized columns", stated_claims(CLAIMS), _FIGURES, measure)
