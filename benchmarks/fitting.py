"""Synthetic loops of the library's models fitted again: how often the parameters come back, and how long it takes.

``python benchmarks/fitting.py FOLDER [--model NAME ...] [--seeds 20]`` writes a JSON file per model. Each loop is that
of the first preset at its frequency and at four times that, 300 samples, noise of 2 % of the current and 0.1 % of the
peak. The search begins at values that are off by 10 % at random.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import spicecim as sc
from spicecim.devices.library import get_preset

FREE = {
    "data_driven": ["ap", "an", "bp", "bn", "An", "tn", "kn"],
    "jart_vcm": ["mobility", "dWa", "R0", "Rth"],
    "linear_drift": ["Ron", "Roff", "mobility"],
    "memdiode": ["imin", "imax", "alphamin", "alphamax", "etas", "vs", "etar", "vr"],
    "metastable_switch": ["Ron", "Roff", "Von", "Voff", "tau"],
    "pershin_di_ventra": ["Ron", "Roff", "beta", "Vt"],
    "resistor": ["Roff"],
    "stanford_pku": ["I0", "g0", "V0", "Vel0", "gap_max"],
    "team": ["Ron", "Roff", "kon", "koff", "alpha_on", "alpha_off"],
    "umich": ["alpha", "gamma", "delta", "eta1", "eta2", "tau"],
    "vteam": ["Ron", "Roff", "kon", "koff", "alpha_on"],
    "well_posed_gap": ["I0", "g0", "V0", "Vel0", "gap_max"],
    "yakopcic": ["a1", "a2", "Ap", "An", "Vp", "Vn"],
}
"""Free parameters of each model: of those that act as one, one."""


def recover(model: str, seeds: int, samples: int = 300) -> dict[str, object]:
    """Fit loops that differ in the noise alone, and count parameters within 2 % and within their intervals."""
    preset = get_preset(model)
    random = np.random.default_rng(0)
    truth = {name: float(preset.parameters[name]) for name in FREE[model]}
    begin = {name: value * (1.0 + 0.1 * random.uniform(-1.0, 1.0)) for name, value in truth.items()}
    lot = [
        sc.synthetic_measurement(model, frequency=[preset.frequency, 4.0 * preset.frequency], points=samples, seed=seed)
        for seed in range(seeds)
    ]
    begun = time.process_time()
    found = sc.fit_each(
        lot, model, free=FREE[model], fixed={**preset.parameters, **begin}, x0=preset.x0, starts=8,
        noise={"relative": 0.02, "peak": 1e-3},
    )  # fmt: skip
    seconds = time.process_time() - begun
    counts = {}
    good = np.ones(seeds, dtype=bool)
    for name, true in truth.items():
        each = [fit.parameters[name] for fit in found.fits]
        within = np.array([one.low <= true <= one.high for one in each])
        near = np.array([abs(one.value / true - 1.0) <= 0.02 for one in each])
        determined = np.array([one.determined for one in each])
        good &= within | near | ~determined
        counts[name] = {
            "within_2_percent": int(near.sum()), "within_interval": int(within.sum()),
            "determined": int(determined.sum()),
        }  # fmt: skip
    reduced = [fit.chi_square / fit.degrees_of_freedom for fit in found.fits]
    return {
        "model": model, "seeds": seeds, "all_parameters_back": int(good.sum()), "cpu_seconds": seconds,
        "chi_square_per_degree": [min(reduced), max(reduced)], "parameters": counts,
        "warnings": sorted({text for fit in found.fits for text in fit.warnings}),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", nargs="+", default=[*FREE])
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for model in options.model:
        result = recover(model, options.seeds)
        (options.folder / f"{model}.json").write_text(json.dumps(result, indent=2) + "\n")
        print(f"{model}: {result['all_parameters_back']} of {options.seeds}, {result['cpu_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
