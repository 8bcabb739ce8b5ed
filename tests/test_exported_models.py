"""What is written from a model's class: Verilog-A and subcircuits, in the folder of models and in plain ngspice."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from spicecim.cli.app import app
from spicecim.devices import MODELS, load_presets, make_device
from spicecim.errors import InputError, ModelError
from spicecim.netlist.export import export_model
from spicecim.resources import resource_folder


@pytest.fixture(params=list(MODELS))
def name(request):
    return request.param


def test_the_files_in_the_folder_of_models_are_fresh(name):
    """`make models` writes them."""
    found = (resource_folder("models") / f"{name}.va").read_text(encoding="utf-8")
    assert found == export_model(name), "run `make models`"


def test_a_module_declares_what_the_class_does(name):
    model, text = MODELS[name], export_model(name)
    declared = dict(re.findall(r"parameter (?:real|integer) (\w+) = ([^ ]+) from", text))
    assert list(declared) == list(model.model_fields)
    first = next(iter(load_presets(name).values())).parameters
    values = make_device(name).values()
    for parameter in first:
        assert float(declared[parameter]) == values[parameter]
    assert model.source.split(",")[0] in text
    assert not re.search(r"@|\bidt\b|\$", re.sub(r"//.*", "", text))


def test_presets_become_defaults_and_numbers():
    assert "parameter real b = 0.5 from" in export_model("yakopcic", "miao")
    assert "sinh(0.5*v(p,n))" in export_model("yakopcic", "miao", "subcircuit")


def test_an_exported_subcircuit_runs_in_plain_ngspice(tmp_path, name):
    ngspice = shutil.which("ngspice")
    assert ngspice, "ngspice is missing"
    shown = next(iter(load_presets(name).values()))
    device = make_device(name)
    volts, x = 0.3 * shown.amplitude, 0.4
    state = float(device.state_from_x(x))
    (tmp_path / "model.sub").write_text(export_model(name, format="subcircuit"), encoding="utf-8")
    (tmp_path / "deck.cir").write_text(
        f"one device\n.include model.sub\nVrow a 0 {volts!r}\nVstate s 0 {state!r}\nXcell a 0 s {name}\n"
        ".options reltol=1e-10\n.control\nop\nset numdgt=12\nprint i(vrow) i(vstate)\n.endc\n.end\n",
        encoding="utf-8",
    )
    ran = subprocess.run([ngspice, "-b", "deck.cir"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    printed = dict(re.findall(r"^i\((\w+)\) = (\S+)", ran.stdout, re.MULTILINE))
    assert -float(printed["vrow"]) == pytest.approx(float(device.current(volts, state)), rel=1e-6)
    rate = float(device.rate(volts, state))
    assert float(printed["vstate"]) == pytest.approx(rate, rel=1e-6, abs=1e-9)


def test_the_command_writes_what_python_does(tmp_path):
    target = tmp_path / "out.va"
    done = CliRunner().invoke(app, ["model", "export", "vteam", "--preset", "exponential", "-o", str(target)])
    assert done.exit_code == 0
    assert target.read_text(encoding="utf-8") == export_model("vteam", "exponential")
    shown = CliRunner().invoke(app, ["model", "export", "resistor", "--format", "subcircuit"])
    assert shown.stdout == export_model("resistor", format="subcircuit")


def test_what_cannot_be_exported_is_named():
    with pytest.raises(ModelError, match=r"unknown model 'yakopic'; known are .*did you mean 'yakopcic'"):
        export_model("yakopic")
    with pytest.raises(ModelError, match="unknown preset 'obla'"):
        export_model("yakopcic", "obla")
    with pytest.raises(InputError, match="format: unknown format 'spectre'; known are verilog-a, subcircuit"):
        export_model("yakopcic", format="spectre")


def test_numbers_keep_all_their_digits_in_behavioral_sources():
    """Ngspice reads 11 digits of a number there: one that has more is written as a sum."""
    text = export_model("stanford_pku", format="subcircuit")
    for number in re.findall(r"\d[\d.]*(?:e[-+]?\d+)?", "".join(text.partition(".subckt")[1:])):
        assert float(f"{float(number):.10e}") == float(number) or len(re.sub(r"\D", "", number.split("e")[0])) <= 17
    rough, rest = np.float64(11604.518122), 11604.518121550082 - 11604.518122
    assert f"({rough} + (-" in text.replace("\n+ ", " ")
    assert float(rough) + rest == 11604.518121550082
