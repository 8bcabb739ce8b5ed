"""Packages of others: loaded when they are asked for, kept from standard output, and shown as they are named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import bench_dict

NOTE = """\
import pathlib
with pathlib.Path(__file__).with_name("loaded").open("a") as file:
    file.write(__name__ + "\\n")
print("hello from", __name__)
"""
MODULES = {
    "a_device": """
from spicecim.devices import Memristor, Number, parameter

class Device(Memristor):
    name, title, source = "odd_device", "[red]T[/red] :x: [/bold]", "[/red] :x:"
    R: Number = parameter("[/ohm]", ":x: [/bold]", 1e3, gt=0)

    def current(self, v, s):
        print("current")
        return s * v / self.R

    def rate(self, v, s):
        return v * s * (1.0 - s)
""",
    "a_drive": """
import numpy as np
from typing import Literal
from spicecim.drives import Drive, Source, Volts

class Constant(Drive):
    kind: Literal["constant"] = "constant"
    height: Volts

    def voltage(self, time):
        return self.height + np.zeros((len(time), 1))

    def largest_voltage(self):
        return float(np.abs(self.height).max())

    def periods(self):
        return np.full(len(np.atleast_1d(self.height)), 1e-3)

    def source(self, row):
        return Source("PWL", [0, self.height[row], 1, self.height[row]])
""",
    "an_engine": """
from spicecim.engines import _Reference

class Engine(_Reference):
    pass
""",
    "an_encoding": """
from spicecim.encodings.baselines import IdealArithmetic

class Scheme(IdealArithmetic):
    name = "scheme"
""",
    "a_measure": "def measure(waveforms):\n    return 1.0\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "leaves": "raise SystemExit\n",
}
ENTRIES = """
[spicecim.devices]
odd_device = a_device:Device
interrupts = interrupts:Device

[spicecim.drives]
constant = a_drive:Constant
leaves = leaves:Drive

[spicecim.engines]
ep_int:X = an_engine:Engine

[spicecim.encodings]
scheme = an_encoding:Scheme

[spicecim.measures]
own = a_measure:measure
"""
PRESETS = """
model: odd_device
default: odd
presets:
  odd: {description: "[/d] :x:", source: "[/s]", x0: 0.5, amplitude: 1, frequency: 100, parameters: {}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Make a folder with an installed package that adds something of each kind."""
    site = tmp_path_factory.mktemp("site")
    about = site / "odd-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    for name, text in MODULES.items():
        (site / f"{name}.py").write_text(NOTE + text)
    (site / "odd_device.yaml").write_text(PRESETS)
    return site


@pytest.fixture
def spicecim(site, tmp_path):
    """Run the command; returns what it prints, and the modules of the package that it loaded."""
    drive = {"kind": "constant", "height": 0.1}
    benches = {
        "plain": bench_dict(analysis={}),
        "own": bench_dict(device={"model": "odd_device"}, drive=drive, analysis={"duration": "1m"}),
        "unknown": bench_dict(drive={"kind": "constnt"}),
        "wrong": bench_dict(drive={**drive, "hight": 1}),
    }
    for name, bench in benches.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(bench))
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    program = Path(sys.executable).with_name("spicecim")

    def run(*arguments, status=0):
        (site / "loaded").write_text("")
        result = subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result, set((site / "loaded").read_text().split())

    return run


@pytest.mark.parametrize(
    "command",
    [
        ["run", "plain.yaml", "-o", "out", "--engine", "reference", "--measure", "charge"],
        ["netlist", "plain.yaml"],
        ["models", "team"],
        ["model", "export", "team"],
        pytest.param(
            ["hysteresis", "team", "--frequency", "10", "--engine", "reference", "--accuracy", "0.1", "-o", "loops"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_names_of_spicecim_load_no_package(spicecim, command):
    assert spicecim(*command)[1] == set()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["netlist", "own.yaml"], {"a_device", "a_drive"}),
        (["run", "plain.yaml", "-o", "out", "--engine", "ep_int:X", "--measure", "own"], {"an_engine", "a_measure"}),
        (["models", "odd_device"], {"a_device"}),
        (["models"], {"a_device", "interrupts"}),
        (["schema"], {"a_drive", "leaves"}),
        (["extensions"], set(MODULES)),
    ],
)
def test_a_name_loads_its_package_and_a_list_all(spicecim, command, expected):
    assert spicecim(*command)[1] == expected


@pytest.mark.parametrize(
    "command",
    [
        ["models", "--json"],
        ["models", "odd_device", "--json"],
        ["extensions", "--json"],
        ["schema"],
        pytest.param(["run", "own.yaml", "-o", "out", "--engine", "reference", "--json"], marks=pytest.mark.slow),
    ],
)
def test_what_a_package_prints_stays_out_of_json(spicecim, command):
    result, _ = spicecim(*command)
    assert json.loads(result.stdout)
    assert "hello from" in result.stderr


@pytest.mark.parametrize(
    "command", [["netlist", "own.yaml"], ["model", "export", "odd_device", "--format", "subcircuit"]]
)
def test_what_a_package_prints_stays_out_of_files(spicecim, command):
    lines = spicecim(*command)[0].stdout.splitlines()
    assert not [line for line in lines if line == "current" or line.startswith("hello")]


def test_an_import_that_ends_the_process_is_told(spicecim):
    listed = json.loads(spicecim("extensions", "--json")[0].stdout)
    assert "interrupts:Device: KeyboardInterrupt" in listed["device"]["failures"]["interrupts"]
    assert "leaves:Drive: SystemExit" in listed["drive"]["failures"]["leaves"]
    assert "line 5 of leaves.py" in listed["drive"]["failures"]["leaves"]
    said = spicecim("models", "interrupts", status=2)[0].stderr
    assert "model 'interrupts' of an installed package cannot be used: the package odd" in said


@pytest.mark.slow
def test_texts_of_a_package_are_shown_as_they_stand(spicecim):
    assert "ep_int:X" in spicecim("extensions")[0].stdout
    assert "[red]T[/red] :x: [/bold]" in spicecim("models")[0].stdout
    shown = spicecim("models", "odd_device")[0].stdout
    for text in ("[red]T[/red] :x: [/bold]", "[/red] :x:", "[/ohm]", ":x: [/bold]", "odd: [/d] :x:"):
        assert text in shown
    assert "'[/b] :x:'" in spicecim("models", "[/b] :x:", status=2)[0].stderr


@pytest.mark.slow
def test_an_unknown_kind_names_those_of_packages(spicecim):
    result, loaded = spicecim("netlist", "unknown.yaml", status=2)
    assert "drive.kind: unknown kind; known are sine, pulse, samples, constant, leaves; did you mean" in result.stderr
    assert loaded == set()
    assert "drive.hight: unknown key; known are kind, height" in spicecim("netlist", "wrong.yaml", status=2)[0].stderr


def test_the_schema_has_the_drives_of_packages(spicecim):
    kinds = json.loads(spicecim("schema")[0].stdout)["properties"]["drive"]["anyOf"][0]["discriminator"]["mapping"]
    assert {"sine", "pulse", "samples", "constant"} == set(kinds)


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_person_can_end_a_slow_import(tmp_path, signal):
    """Such an interruption is not the doing of the package, which can be loaded later."""
    about = tmp_path / "slow-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[spicecim.measures]\nslow = slow:measure\n")
    (tmp_path / "slow.py").write_text(
        "import os, signal\n\nif 'again' not in os.environ:\n"
        f"    os.environ['again'] = 'yes'\n    os.kill(os.getpid(), signal.{signal})\n\n"
        "def measure(waveforms):\n    return 1.0\n"
    )
    program = (
        "import signal, sys\nfrom spicecim.measure import MEASURES\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "try:\n    MEASURES['slow']\nexcept (KeyboardInterrupt, SystemExit):\n    print('ended')\n"
        "print(MEASURES['slow'](None), signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert ran.stdout == "ended\n1.0 True\n", ran.stderr
