"""How much devices that are not ideal disturb fine fragments and whole columns, and the three encodings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from spicecim.fields import FloatArray
from spicecim.validation.claims import Measured, Range
from spicecim.validation.intervals import difference_interval, mean_interval
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.robustness import FOR_WHOLE_COLUMNS, SERIES, series_title
from spicecim.validation.polarized_columns.schemes import ENCODINGS

_ROUNDING = 1e-9
"""Differences (% or points) that are rounding: the same cells, summed in another order, are not the better ones."""


class Place(NamedTuple):
    """Which cells: a series of `SERIES`, and the rows of a fragment."""

    series: str
    fragment: int


class Fault(NamedTuple):
    """One kind of cells or wires that are not ideal."""

    title: str
    errors: xr.DataArray
    """Product error (series, fragment, run), %."""
    losses: xr.DataArray
    """Loss against ideal cells (series, fragment, run, image): 100 for an image that is lost, -100 for one won."""

    def error(self, place: Place) -> FloatArray:
        """Product error of each run (run,), %."""
        return np.asarray(self.errors.sel(place._asdict()))

    def loss(self, place: Place) -> FloatArray:
        """Loss of accuracy (points): of each run (run,), or where nothing is drawn of each image (image,)."""
        found = np.asarray(self.losses.sel(place._asdict()))
        return np.asarray(found[0] if len(found) == 1 else found.mean(axis=1))

    def measured(self, place: Place) -> Measured:
        """Product error and loss of accuracy, with the number of runs."""
        title = f"{self.title}, {series_title(place.series)}, {rows_text(place.fragment)}"
        runs = self.errors.sizes["run"]
        of_runs = f"{runs} run{'' if runs == 1 else 's'}"
        return {
            f"{title}: product error, {of_runs} (%)": mean_interval(self.error(place)),
            f"{title}: loss of accuracy, {of_runs} (points)": mean_interval(self.loss(place)),
        }

    def differences(self, one: Place, other: Place) -> dict[str, Range]:
        """Product error and loss of accuracy of one place less those of another.

        Runs draw cells of their own, so that they are not pairs; images where nothing is drawn are.
        """
        paired = self.losses.sizes["run"] == 1
        loss = mean_interval(self.loss(one) - self.loss(other)) if paired else None
        found = {
            "product error": difference_interval(self.error(one), self.error(other)),
            "loss": loss or difference_interval(self.loss(one), self.loss(other)),
        }
        return {name: _without_rounding(interval) for name, interval in found.items()}


def faults(scatter: xr.Dataset, wires: xr.Dataset, stuck: xr.Dataset) -> list[Fault]:
    """Return those that the claims are about: one scatter, two resistances and one share of stuck cells."""
    ideal = wires["right"].sel(line_resistance=0.0).isel(run=0, drop=True)
    found = []
    for data, title in (
        (scatter.sel(sigma=0.1), "scatter of 0.1"),
        (wires.sel(line_resistance=1.0), "1 ohm per segment"),
        (wires.sel(line_resistance=5.0), "5 ohm per segment"),
        (stuck.sel(stuck_share=0.01), "1 % stuck cells"),
    ):
        made = data.isel(run=slice(int(data["accuracy"].notnull().sum("run").max())))
        losses = (100.0 * (ideal - made["right"])).transpose(..., "run", "image")
        found.append(Fault(title, 100.0 * made["product_error"], losses))
    return found


def fine_fragments(cases: Sequence[Fault]) -> tuple[Measured, Measured]:
    """Put fine fragments beside whole columns."""
    measured: Measured = {}
    details: Measured = {}
    for case in cases:
        for series in SERIES:
            fine, whole = Place(series, FRAGMENT), Place(series, WHOLE)
            details |= case.measured(fine) | case.measured(whole)
            if series in ("polarized", FOR_WHOLE_COLUMNS):
                for quantity, interval in case.differences(fine, whole).items():
                    measured[f"{case.title}, {series_title(series)}: {quantity}"] = interval
    return measured, details


def as_robust(cases: Sequence[Fault]) -> tuple[Measured, Measured]:
    """Put polarized columns beside the two baselines with the same faults."""
    measured: Measured = {}
    details: Measured = {}
    for case in cases:
        for name in ENCODINGS:
            details |= case.measured(Place(name, FRAGMENT))
            if name != "polarized":
                for quantity, interval in case.differences(Place("polarized", FRAGMENT), Place(name, FRAGMENT)).items():
                    measured[f"{case.title}, less {series_title(name)}: {quantity}"] = interval
    return measured, details


def _without_rounding(interval: Range) -> Range:
    low, high = (0.0 if abs(end) < _ROUNDING else end for end in interval)
    return low, high
