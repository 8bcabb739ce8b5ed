"""Random Verilog-A modules in testbenches, with their equations in numpy written from the same draw.

Between its terminals p and n a module has a resistance or none, and a conductance that its state sets; the state's rate
is a function of the voltage over this conductance, with or without thresholds, times a window, times what a second
state adds. The states are counted from the column, the row, the ground or the inner node m, and their equations are
scaled by up to a million either way. Nothing here passes through spicecim's front end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from integration import FloatArray, Wires
from random_benches import random_drive, random_states, random_wires


@dataclass(frozen=True)
class ModuleCells:
    """Cells of a drawn module; states are (x,) or (x, y), and voltages those over the conductance itself."""

    conduction: str
    """How the conductance goes from `off` to `on` with x: linear, exponential or square."""
    curve: str
    """The current over the voltage: ohmic, sinh or cubic, bent from `bend` on."""
    motion: str
    """The rate over the voltage: linear, sinh, cubic or threshold, normalized at `swing`."""
    window: str
    """polar: 1 - x or x, by the sign of v; smooth: 4 x (1 - x)."""
    off: float
    on: float
    bend: float
    swing: float
    thresholds: tuple[float, float]
    speed: float
    series: float
    heat: float | None
    """Second state y per square of the voltage, which speeds the first up by 1 + y; None for one state."""
    delay: float
    """Time constant (s) of the second state."""

    stops = None

    @property
    def ohmic(self) -> bool:
        return self.curve == "ohmic"

    def conductance(self, s: FloatArray) -> FloatArray:
        x = s[..., 0]
        if self.conduction == "exponential":
            return self.off * np.exp(np.log(self.on / self.off) * x)
        return self.off + (self.on - self.off) * (x if self.conduction == "linear" else x * x)

    def shape(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        u = v / self.bend
        if self.curve == "sinh":
            return self.bend * np.sinh(u), np.cosh(u)
        if self.curve == "cubic":
            return v * (1 + u * u), 1 + 3 * u * u
        return v, np.ones_like(v)

    def rate(self, v: FloatArray, s: FloatArray) -> FloatArray:
        x, u = s[..., 0], v / self.swing
        low, high = self.thresholds
        g = {
            "linear": lambda: u,
            "sinh": lambda: np.sinh(3 * u) / np.sinh(3),
            "cubic": lambda: u**3,
            "threshold": lambda: (np.maximum(v - high, 0) - np.maximum(-v - low, 0)) / (self.swing - high),
        }[self.motion]()
        f = 4 * x * (1 - x) if self.window == "smooth" else np.where(v > 0, 1 - x, x)
        moved = self.speed * g * f
        if self.heat is None:
            return moved[..., None]
        return np.stack([moved * (1 + s[..., 1]), (self.heat * v * v - s[..., 1]) / self.delay], axis=-1)

    def levels(self, v: FloatArray, s: FloatArray) -> FloatArray:
        low, high = self.thresholds
        return np.stack([v, v - high, v + low] if self.motion == "threshold" else [v], axis=-1)

    def start(self, x: FloatArray) -> FloatArray:
        return x[:, None] if self.heat is None else np.stack([x, np.zeros_like(x)], axis=-1)

    def settled(self, wires: Wires, s: FloatArray, u: FloatArray) -> FloatArray:
        """The second state is where it stays at the voltages of the start."""
        if self.heat is None:
            return s
        return np.stack([s[:, 0], self.heat * wires.voltages(u, s) ** 2], axis=-1)

    def x(self, s: FloatArray) -> FloatArray:
        return s[..., 0]


@dataclass(frozen=True)
class Writing:
    """How a module is written: what the states are counted from, and what its equations are multiplied by."""

    state: str
    second: str
    scales: tuple[float, float]
    at_0: float
    """Value of the state's node at x = 0, and its span to x = 1."""
    span: float
    terminal: bool
    """Whether the state is a third terminal."""
    named: bool
    """Whether the state's branch has a name."""

    def text(self, cells: ModuleCells) -> str:
        """Verilog-A of the module."""
        inner = "m" if cells.series else "p"
        ports = "p, n, w" if self.terminal else "p, n"
        nodes = ["p", "n", "w", *(["m"] if cells.series else []), *(["y"] if cells.heat is not None else [])]
        at_w = "w" if self.state == "ground" else f"w, {self.state}"
        at_y = "y" if self.second == "ground" else f"y, {self.second}"
        branch = f"  branch ({at_w}) held;\n" if self.named else ""
        at_w = "held" if self.named else at_w
        x = {
            "linear": "x", "square": "x*x",
        }.get(cells.conduction)  # fmt: skip
        g = f"{cells.off!r}*exp({float(np.log(cells.on / cells.off))!r}*x)"
        g = g if x is None else f"({cells.off!r} + {cells.on - cells.off!r}*{x})"
        shape = {
            "ohmic": "v", "sinh": f"{cells.bend!r}*sinh(v/{cells.bend!r})",
            "cubic": f"v*(1 + (v/{cells.bend!r})*(v/{cells.bend!r}))",
        }[cells.curve]  # fmt: skip
        low, high = cells.thresholds
        motion = {
            "linear": f"v/{cells.swing!r}", "sinh": f"sinh(3*v/{cells.swing!r})/{float(np.sinh(3))!r}",
            "cubic": f"pow(v/{cells.swing!r}, 3)",
            "threshold": f"(max(v - {high!r}, 0) - max(-v - {low!r}, 0))/{cells.swing - high!r}",
        }[cells.motion]  # fmt: skip
        window = "4*x*(1 - x)" if cells.window == "smooth" else "(v > 0 ? 1 - x : x)"
        lines = [
            f"v = V({inner}, n);",
            f"x = (V({at_w}) - ({self.at_0!r}))/({self.span!r});",
            f"rate = {cells.speed!r}*{motion}*{window};",
        ]
        if cells.heat is not None:
            lines.append(f"rate = rate*(1 + V({at_y}));")
            change = f"({cells.heat!r}*v*v - V({at_y}))/{cells.delay!r}"
            lines.append(f"I({at_y}) <+ {self.scales[1]!r}*(ddt(V({at_y})) - {change});")
        if cells.series:
            lines.append(f"I(p, m) <+ V(p, m)/{cells.series!r};")
        lines.append(f"I({inner}, n) <+ {g}*{shape};")
        lines.append(f"I({at_w}) <+ {self.scales[0]!r}*(ddt(V({at_w})) - ({self.span!r})*rate);")
        body = "\n    ".join(lines)
        return (
            f'`include "disciplines.vams"\n\nmodule drawn({ports});\n  inout {ports};\n'
            f"  electrical {', '.join(nodes)};\n{branch}  real v, x, rate;\n"
            f"  analog begin\n    {body}\n  end\nendmodule\n"
        )


@dataclass(frozen=True)
class Drawn:
    """A testbench as plain values, the equations of its cells, and what was drawn in a few words."""

    values: dict[str, Any]
    cells: ModuleCells
    label: str


def random_module(number: int, folder: Path, most: int = 3) -> Drawn:
    """Draw a module, write its file to a folder, and put it into a testbench.

    Parameters
    ----------
    number
        Which. What the state is counted from takes turns, so that any four numbers in a row have all of them.
    folder
        Where ``module-NUMBER.va`` is written.
    most
        Most rows and columns.
    """
    random = np.random.default_rng([7, number])
    reference = ("n", "p", "ground", "m")[number % 4]
    amplitude = random.uniform(0.3, 1.5)
    period = 10 ** random.uniform(-6, 0)
    series = 10 ** random.uniform(1, 3) if reference == "m" or random.random() < 0.3 else 0.0
    two = random.random() < 0.4
    on = 10 ** random.uniform(-4, -2.5)
    cells = ModuleCells(
        conduction=str(random.choice(["linear", "exponential", "square"])),
        curve=str(random.choice(["ohmic", "sinh", "cubic"])),
        motion=str(random.choice(["linear", "sinh", "cubic", "threshold"])),
        window=str(random.choice(["polar", "smooth"])),
        off=float(on * 10 ** random.uniform(-2.5, -0.5)), on=float(on), bend=float(amplitude * random.uniform(0.3, 2)),
        swing=float(amplitude), thresholds=tuple((amplitude * random.uniform(0.1, 0.6, 2)).tolist()),
        speed=float(10 ** random.uniform(0, 1.3) / period), series=float(series),
        heat=float(random.uniform(0.3, 3) / amplitude**2) if two else None,
        delay=float(period * 10 ** random.uniform(-2, 0)),
    )  # fmt: skip
    inner = ["n", "p", "ground", *(["m"] if series else [])]
    scaled = random.random() < 0.6
    at_0, span = (0.0, 1.0) if random.random() < 0.5 else (random.uniform(-1, 2), random.choice([-1, 1]) * 2.5)
    writing = Writing(
        state=reference, second=str(random.choice(inner)),
        scales=tuple((10 ** random.uniform(-6, 6, 2)).tolist()) if scaled else (1.0, 1.0),
        at_0=float(at_0), span=float(span), terminal=bool(random.random() < 0.15), named=bool(random.random() < 0.2),
    )  # fmt: skip
    shape = (int(random.integers(1, most + 1)), int(random.integers(1, most + 1)))
    states = random_states(random, shape)
    if cells.window == "smooth":
        states = np.clip(states, 0.02, 0.98)  # at its bounds nothing moves, and rounding would decide
    peak = on * float(cells.shape(np.array(amplitude))[0])
    wires = random_wires(random, amplitude / peak + series, period)
    wires.pop("wire_capacitance", None)
    path = folder / f"module-{number}.va"
    path.write_text(f"// {number}\n{writing.text(cells)}", encoding="utf-8")
    values = {
        "device": {
            "verilog_a": str(path), "state": "w", "initial": [writing.at_0, writing.at_0 + writing.span],
        },
        "crossbar": {"state": states.tolist(), **wires},
        "drive": random_drive(random, shape[0], amplitude, 1 / period),
        "analysis": {"probe": "cells"},
    }  # fmt: skip
    counted = f"state from {reference}" + (f", second from {writing.second}" if two else "")
    scale = ", ".join(f"{each:.0e}" for each in writing.scales[: 1 + two]) if scaled else "unscaled"
    return Drawn(values, cells, f"{cells.motion} {cells.window} {cells.conduction} {cells.curve}, {counted}, {scale}")
