"""Synthetic loops of the library's models fitted again: how often the parameters come back, and how long it takes.

``python benchmarks/fitting.py FOLDER [--model NAME ...] [--seeds 20]`` writes a JSON file per model. Each loop is that
of the first preset at its frequency and at four times that, 300 samples, noise of 2 % of the current and 0.1 % of the
peak. The search begins at values that are off by 10 % at random; of devices that switch within a sample (`ABRUPT`), it
looks from 0.8 to 1.25 times these.

``python benchmarks/fitting.py FOLDER --times`` writes ``times.json`` instead: how long a fit takes, with all defaults.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import xarray as xr

import spicecim as sc
from spicecim.devices.library import get_preset

MODULE = Path(__file__).parent.parent / "examples" / "series_memristor.va"
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
ABRUPT = ("jart_vcm", "stanford_pku")


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
        lot, model, free=FREE[model], first=begin, x0=preset.x0,
        starts=32 if model in ABRUPT else 8,
        bounds={name: (0.8 * value, 1.25 * value) for name, value in begin.items()} if model in ABRUPT else None,
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
            "determined": int(determined.sum()), "back": int((within | near | ~determined).sum()),
        }  # fmt: skip
    reduced = [fit.chi_square / fit.degrees_of_freedom for fit in found.fits]
    return {
        "model": model, "seeds": seeds, "all_parameters_back": int(good.sum()), "cpu_seconds": seconds,
        "chi_square_per_degree": [min(reduced), max(reduced)], "parameters": counts,
        "warnings": sorted({text for fit in found.fits for text in fit.warnings}),
    }  # fmt: skip


def loops_of_module(points: int) -> xr.Dataset:
    """Two rates of a Verilog-A module by the reference engine, with noise of 2 % of the current."""
    random, sweeps = np.random.default_rng(0), []
    for frequency in (50.0, 200.0):
        time_, place = np.linspace(0.0, 1.0 / frequency, points), np.linspace(0.0, 1.0, points)
        voltage = np.sin(2.0 * np.pi * place)
        bench = sc.Testbench.from_dict({
            "device": {"verilog_a": str(MODULE), "initial": [0, 1]}, "crossbar": {"state": [[0.1]]},
            "drive": {"kind": "samples", "time": time_.tolist(), "voltages": [voltage.tolist()]},
            "analysis": {"duration": float(time_[-1])},
        })  # fmt: skip
        current = sc.simulate(bench, "reference", time=time_)["i_column"].values[:, 0]
        sweeps.append((time_, voltage, current * (1.0 + 0.02 * random.standard_normal(points))))
    return sc.make_measurement(sweeps)


def times() -> dict[str, object]:
    """Time of a fit to two loops of 1000 points: a model of the library with 6 free parameters, a module with 4."""
    preset = get_preset("yakopcic")
    free = FREE["yakopcic"]
    cases = {
        "yakopcic": (
            sc.synthetic_measurement("yakopcic", frequency=[preset.frequency, 4.0 * preset.frequency]), "yakopcic",
            free, {name: 1.2 * float(preset.parameters[name]) for name in free}, preset.x0,
        ),
        "verilog_a": (
            loops_of_module(1000), MODULE, ["Gon", "Goff", "Vt", "k"], {"Gon": 1.2e-3, "Goff": 8e-6, "k": 2.4e3}, 0.1
        ),
    }  # fmt: skip
    found = {}
    for name, (measured, model, free, first, x0) in cases.items():
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = sc.fit(measured, model, free=free, first=first, x0=x0, noise={"relative": 0.02, "peak": 1e-3})
        found[name] = {
            "seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu,
            "chi_square_per_degree": fitted.chi_square / fitted.degrees_of_freedom,
            "parameters": {key: [each.low, each.value, each.high] for key, each in fitted.parameters.items()},
        }  # fmt: skip
        print(f"{name}: {found[name]['seconds']:.0f} s, {found[name]['cpu_seconds']:.0f} s of CPU", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", nargs="+", default=[*FREE])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--times", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.times:
        (options.folder / "times.json").write_text(json.dumps(times(), indent=2) + "\n")
        return
    for model in options.model:
        result = recover(model, options.seeds)
        (options.folder / f"{model}.json").write_text(json.dumps(result, indent=2) + "\n")
        print(f"{model}: {result['all_parameters_back']} of {options.seeds}, {result['cpu_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
