"""Every face of every model and preset computes what its class does, in the engine and exported to plain ngspice.

A face is what is written from a model's class: the behavioral subcircuit and the compiled Verilog-A module that the
engine ngspice runs, and the subcircuit and the module that `spicecim model export` writes.
"""

import shutil
import subprocess

import numpy as np
import pytest

from spicecim.device_choice import LibraryDevice
from spicecim.devices import MODELS, load_presets
from spicecim.netlist.export import FORMATS, export_model
from spicecim.ngspice.engine import evaluate_equations
from spicecim.veriloga.device import ModuleDevice

EVERY_PRESET = [(model, preset) for model in MODELS for preset in load_presets(model)]
VARIANTS = [
    *[(model, preset, {}) for model, preset in EVERY_PRESET],
    ("linear_drift", "joglekar", {"p": 4}),
    ("linear_drift", "biolek", {"p": 7}),
    ("yakopcic", "oblea", {"eta": -1}),
    ("vteam", "kvatinsky", {"alpha_on": 1.5, "alpha_off": 4, "von": -1.1, "voff": 0.7}),
    ("pershin_di_ventra", "biolek", {"alpha": 1e12, "Vt": 1}),
    ("stanford_pku", "hfox", {"F_min": 1e7, "beta": 0, "Rth": 0}),
    ("team", "technion", {"conduction": "exponential"}),
    ("team", "windows", {"conduction": "exponential"}),
]
COUNT = 500
LONG = {False: [], True: [pytest.mark.slow]}
"""ngspice takes half a minute to read 500 sources as long as those of jart_vcm."""


def largest_voltage(model, preset):
    """A voltage beyond every threshold."""
    return max(2.5, 1.5 * load_presets(model)[preset].amplitude)


def random_points(device, rng, largest, count=COUNT):
    """Voltages of both signs and zero, and states with both bounds among them."""
    v = rng.uniform(-largest, largest, count)
    x = rng.uniform(0, 1, count)
    x[:20], x[20:40], v[40:60] = 0.0, 1.0, 0.0
    return v, x, device.state_from_x(x)


def check(device, v, x, s, current, rate):
    """Hold currents to those of the class, and rates to 1e-9 of the largest that there is at the same voltage.

    Where motions towards either bound cancel, and over the millionth of x before a hard stop, a rate has fewer digits.
    """
    right = device.current(v, s)
    np.testing.assert_allclose(current, right, rtol=1e-9, atol=1e-13 * np.abs(right).max())
    everywhere = device.rate(v[:, None], device.state_from_x(np.linspace(0.0, 1.0, 33)))
    allowed = 1e-9 * np.abs(everywhere).max(axis=1)
    assert np.all(np.abs(rate - device.rate(v, s)) <= allowed + 1e-300)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("model", "preset", "parameters", "native"),
    [
        pytest.param(*variant, native, id="-".join([*variant[:2], *map(str, variant[2]), backend]), marks=LONG[long])
        for variant in VARIANTS
        for native, backend in ((False, "behavioral"), (True, "osdi"))
        for long in [variant[0] == "jart_vcm" and not native]
    ],
)
def test_ngspice_and_numpy_evaluate_alike(model, preset, parameters, native, rng):
    device = LibraryDevice(model=model, preset=preset, parameters=parameters).build()
    v, x, s = random_points(device, rng, largest_voltage(model, preset))
    found = evaluate_equations(device, v, s, native=native)
    check(device, v, x, s, *found)


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("model", "preset", "format"),
    [
        pytest.param(model, preset, format, marks=LONG[model == "jart_vcm" and format == "subcircuit"])
        for model, preset in EVERY_PRESET
        for format in FORMATS
    ],
)
def test_what_is_exported_computes_alike_in_plain_ngspice(model, preset, format, rng, tmp_path):
    device = LibraryDevice(model=model, preset=preset).build()
    v, x, s = random_points(device, rng, largest_voltage(model, preset))
    path = tmp_path / f"{model}.{'va' if format == 'verilog-a' else 'sub'}"
    path.write_text(export_model(model, preset, format), encoding="utf-8")
    if format == "verilog-a":
        library, name = ModuleDevice(path, state="s", initial=(0.0, 1.0)).native()
        element, definition, load = "N", f".model cell {name}", f"pre_osdi {library}"
    else:
        element, definition, load, name = "X", f".include {path.name}", "", model
    check(device, v, x, s, *plain_ngspice(tmp_path, element, definition, load, v, s))


def plain_ngspice(folder, element, definition, load, v, s):
    """Currents and rates at points, from an operating point of ngspice in batch mode."""
    ngspice = shutil.which("ngspice")
    assert ngspice, "ngspice is missing"
    name = "cell" if element == "N" else definition.split()[-1].removesuffix(".sub")
    cells = [
        f"Vdevice_{k} a_{k} 0 {float(v[k])!r}\nVstate_{k} s_{k} 0 {float(s[k])!r}\n{element}{k} a_{k} 0 s_{k} {name}"
        for k in range(len(v))
    ]
    control = [".control", load, "set num_threads=1", "set filetype=ascii", "op", "write op.raw all", ".endc", ".end"]
    deck = ["cells at points", definition, ".option klu reltol=1e-12 abstol=1e-30 vntol=1e-18", *cells, *control]
    (folder / "deck.cir").write_text("\n".join(deck) + "\n", encoding="utf-8")
    ran = subprocess.run([ngspice, "-b", "deck.cir"], cwd=folder, capture_output=True, text=True, timeout=600)
    assert (folder / "op.raw").exists(), ran.stdout + ran.stderr
    head, _, values = (folder / "op.raw").read_text().partition("Values:")
    names = [line.split()[1] for line in head.partition("Variables:\n")[2].splitlines()]
    found = dict(zip(names, (float(value) for value in values.split()[1:]), strict=True))
    return (
        -np.array([found[f"i(vdevice_{k})"] for k in range(len(v))]),
        np.array([found[f"i(vstate_{k})"] for k in range(len(v))]),
    )
