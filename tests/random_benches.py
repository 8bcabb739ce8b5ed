"""Random testbenches of the library's models, each of which its number alone brings back."""

from __future__ import annotations

from typing import Any

import numpy as np

from spicecim.devices import load_presets, make_device

PRESETS = (
    ("linear_drift", "hp"),
    ("linear_drift", "joglekar"),
    ("linear_drift", "biolek"),
    ("yakopcic", "oblea"),
    ("yakopcic", "miao"),
    ("yakopcic", "jo"),
    ("vteam", "kvatinsky"),
    ("vteam", "exponential"),
    ("pershin_di_ventra", "biolek"),
    ("stanford_pku", "hfox"),
    ("stanford_pku", "ihp"),
    ("resistor", "ideal"),
)
"""Models and presets in turn. What is added goes to the end, and gives every number another testbench."""

RESISTANCES = ("wire_row", "wire_column", "source_resistance", "sense_resistance")

_EXCESS = 3.0
"""Largest amplitude, relative to the preset's."""


def random_bench(number: int, most: int = 6) -> dict[str, Any]:
    """Return a testbench as plain values, for `Testbench.from_dict`.

    Parameters
    ----------
    number
        Which; the model and the preset take turns, so that any twelve numbers in a row have all of them.
    most
        Most rows and columns.
    """
    random = np.random.default_rng([11, number])
    model, preset = PRESETS[number % len(PRESETS)]
    published = load_presets(model)[preset]
    rows, columns = (int(min(most, size)) for size in random.choice(range(1, 7), 2, p=[0.25, 0.25, 0.2, 0.1, 0.1, 0.1]))
    shape = (rows, columns)
    frequency = published.frequency * 10 ** random.uniform(-0.7, 0.7)
    amplitude = published.amplitude * random.uniform(0.3, _EXCESS)
    device = make_device(model, preset)
    closed = device.state_from_x(np.array(1.0))
    low_resistance = published.amplitude / abs(float(device.current(published.amplitude, closed)))
    crossbar = random_wires(random, low_resistance, 1 / frequency)
    if "wire_capacitance" in crossbar:
        shape = (min(shape[0], 3), min(shape[1], 3))
    return {
        "device": {"model": model, "preset": preset},
        "crossbar": {"state": random_states(random, shape).tolist(), **crossbar},
        "drive": random_drive(random, shape[0], amplitude, frequency),
        "analysis": {"probe": "cells"},
    }


def random_states(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normalized initial states (row, column), some of them at a bound or in the middle."""
    states = random.uniform(0.02, 0.98, shape)
    fixed = random.choice([0.0, 0.5, 1.0], shape)
    return np.where(random.random(shape) < random.choice([0.0, 0.3, 1.0]), fixed, states)


def random_wires(random: np.random.Generator, low_resistance: float, period: float) -> dict[str, float]:
    """None, some or all of the resistances of a crossbar, a thousandth to a third of a cell's; seldom a capacitance.

    A capacitance comes with every resistance, and with time constants of a few thousandths of the period and more.
    """
    kind = random.choice(["ideal", "some", "all", "capacitive"], p=[0.3, 0.4, 0.25, 0.05])
    ohms = {name: float(low_resistance * 10 ** random.uniform(-3, -0.5)) for name in RESISTANCES}
    if kind == "ideal":
        return {}
    if kind == "some":
        present = random.permutation(RESISTANCES)[: random.integers(1, 4)]
        return {name: ohms[name] for name in RESISTANCES if name in present}
    if kind == "capacitive":
        ohms["wire_capacitance"] = float(period * 10 ** random.uniform(-3, -1.5) / min(ohms.values()))
    return ohms


def random_drive(random: np.random.Generator, rows: int, amplitude: float, frequency: float) -> dict[str, Any]:
    """A sine, pulses or samples, a value per row, none above `amplitude` in magnitude; many start beside 0 V."""
    kind = str(random.choice(["sine", "pulse", "samples"]))
    period = 1 / frequency
    high = amplitude * random.uniform(0.3, 1.0, rows)
    if kind == "sine":
        offset = np.where(random.random(rows) < 0.3, random.uniform(-0.3, 0.3, rows) * high, 0.0)
        phase = random.uniform(-np.pi, np.pi, rows) if random.random() < 0.6 else np.zeros(rows)
        return {
            "kind": kind, "amplitude": (high - np.abs(offset)).tolist(), "offset": offset.tolist(),
            "frequency": (frequency * random.choice([1.0, 1.5, 2.0, 3.0], rows)).tolist(), "phase": phase.tolist(),
        }  # fmt: skip
    if kind == "pulse":
        low = np.where(random.random(rows) < 0.5, 0.0, -high * random.uniform(0, 1, rows))
        swap = random.random() < 0.5
        rise, fall = 10 ** random.uniform(-4, -0.7, 2)
        width = random.uniform(0.0 if random.random() < 0.2 else 0.1, 0.95) * (1 - rise - fall)
        delay = random.uniform(0, 0.3) if random.random() < 0.7 else 0.0
        return {
            "kind": kind, "low": (-low if swap else low).tolist(), "high": (-high if swap else high).tolist(),
            "delay": delay * period, "rise": rise * period, "fall": fall * period, "width": width * period,
            "period": period,
        }  # fmt: skip
    instants = np.concatenate([[0.0], np.sort(random.uniform(0.01, 0.99, random.integers(1, 10))), [1.0]])
    instants = instants[np.concatenate([[True], np.diff(instants) > 1e-4])]
    volts = high[:, None] * random.uniform(-1, 1, (rows, len(instants)))
    if random.random() < 0.4:
        volts[:, 0] = 0.0
    if random.random() < 0.3:
        volts = np.repeat(volts[:, ::2], 2, axis=1)[:, : len(instants)]  # levels held from one instant to the next
    return {"kind": kind, "time": (instants * period).tolist(), "voltages": volts.tolist()}
