"""Times, memory and errors of both engines over the versions of the project, by asv: `make history`."""

from __future__ import annotations

import numpy as np

import spicecim as sc


def crossbar(size: int, wire: float = 0.0, points: int = 100) -> sc.Testbench:
    """A square crossbar of one published device with states of all sizes."""
    frequencies = 100.0 * (1 + np.arange(size) % 4)
    return sc.Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {
                "state": np.random.default_rng(7).uniform(0.05, 0.95, (size, size)),
                "wire_row": wire,
                "wire_column": wire,
            },
            "drive": {"kind": "sine", "amplitude": 0.45, "frequency": frequencies},
            "analysis": {"points_per_period": points, "duration": "10ms"},
        }
    )


class Reference:
    """The reference engine."""

    params = ([(128, 0.0), (32, 1.0), (64, 1.0)],)
    param_names = ("rows and ohm per segment",)

    def setup(self, case: tuple[int, float]) -> None:
        """Build the testbench."""
        self.bench = crossbar(*case)

    def time_run(self, case: tuple[int, float]) -> None:
        """Seconds of a run."""
        sc.simulate(self.bench, engine="reference")

    def peakmem_run(self, case: tuple[int, float]) -> None:
        """Memory of a run."""
        sc.simulate(self.bench, engine="reference")


class Ngspice:
    """ngspice, its process warm."""

    def setup(self) -> None:
        """Compile the model and start the process."""
        self.bench = crossbar(16, 1.0)
        sc.simulate(self.bench, "ngspice", estimate=False)

    def time_run(self) -> None:
        """Seconds of a run."""
        sc.simulate(self.bench, "ngspice", estimate=False)

    def track_difference(self) -> float:
        """How far the engines are from each other."""
        spice = sc.simulate(self.bench, "ngspice", estimate=False)
        reference = sc.simulate(self.bench, "reference", time=spice["time"].values)
        return float(sc.compare(reference, spice).max_error.max())

    track_difference.unit = "of a column's peak"  # type: ignore[attr-defined]


class OperatingPoint:
    """Nonlinear cells behind wires, at rest."""

    params = ([128, 256],)
    param_names = ("rows",)

    def setup(self, rows: int) -> None:
        """Build the testbench."""
        self.bench = crossbar(rows, 1.0)

    def time_solve(self, rows: int) -> None:
        """Seconds of a solution."""
        sc.operating_point(self.bench)


class Many:
    """Many testbenches in one call."""

    def setup(self) -> None:
        """Draw the parameters."""
        bench = crossbar(16)
        self.benches = [sc.vary(bench, {"Ap": sc.lognormal(0.1)}, seed=seed) for seed in range(20)]

    def time_batch(self) -> None:
        """Seconds of all of them."""
        sc.simulate_many(self.benches)
