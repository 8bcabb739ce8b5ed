"""What is written from a model's class: Verilog-A and subcircuits, in the folder of models and in plain ngspice."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from spicecim.cli.app import app
from spicecim.devices import MODELS, load_presets, make_device
from spicecim.engines import simulate
from spicecim.errors import InputError, ModelError
from spicecim.netlist.export import export_model
from spicecim.resources import resource_folder
from spicecim.testbench import Testbench


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


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize("name", ["team", "vteam", "yakopcic", "linear_drift", "stanford_pku"])
def test_an_exported_subcircuit_runs_with_the_options_that_its_header_names(tmp_path, name):
    """Plain ngspice with them follows the reference engine, and no state passes its stops."""
    shown, text = next(iter(load_presets(name).values())), export_model(name, format="subcircuit")
    options, transient = (re.search(rf"^\* (\.{word} .*)$", text, re.MULTILINE)[1] for word in ("options", "tran"))
    bench = Testbench(
        device={"model": name},
        crossbar={"state": [[shown.x0]]},
        drive={"kind": "sine", "amplitude": shown.amplitude, "frequency": shown.frequency},
        analysis={"probe": "cells"},
    )
    device = bench.device.build()
    state = float(device.state_from_x(shown.x0))
    (tmp_path / "model.sub").write_text(text, encoding="utf-8")
    (tmp_path / "deck.cir").write_text(
        f"one device\n.include model.sub\nVrow a 0 SIN(0 {shown.amplitude!r} {shown.frequency!r})\n"
        f"Xcell a 0 s {name}\n.ic v(s)={state!r}\n{options}\n{transient}\n"
        ".control\nset numdgt=12\nrun\nwrdata out.data i(vrow) v(s)\n.endc\n.end\n",
        encoding="utf-8",
    )
    subprocess.run([shutil.which("ngspice"), "-b", "deck.cir"], cwd=tmp_path, capture_output=True, timeout=60)
    time, current, _, states = np.loadtxt(tmp_path / "out.data").T
    assert time[-1] == pytest.approx(bench.duration, rel=1e-6)
    time, first = np.unique(time, return_index=True)
    run = simulate(bench, "reference", time=np.minimum(time, bench.duration))
    expected = run.i_column.values[:, 0]
    # where TEAM switches, its current moves by a tenth within a rounding of the instant
    error = np.sqrt(np.trapezoid((current[first] + expected) ** 2, time) / bench.duration)
    assert error < 1e-3 * np.abs(expected).max()
    if device.stops():
        low, high = device.stops()
        assert (states >= low - 1e-4 * (high - low)).all()
        assert (states <= high + 1e-4 * (high - low)).all()


def test_a_header_names_title_source_and_preset_as_they_are_written():
    lines = export_model("team", format="subcircuit").splitlines()
    assert lines[0] == "* TEAM (threshold adaptive, current-controlled), preset technion"
    assert lines[1].endswith("TEAM: threshold adaptive memristor model, IEEE Trans. Circuits Syst. I 60(1), 211-221 "
                             "(2013), doi:10.1109/TCSI.2012.2215714")  # fmt: skip
    options = "reltol=8.5e-09 abstol=8.5e-14 vntol=8.5e-12 trtol=1.7"
    assert f"* .options {options}" in lines
    assert f"// .options {options}" in export_model("team").splitlines()
    other = " ".join(export_model("team", "kvatinsky").split("\n// "))
    assert "preset kvatinsky under a sine of 75 mV and 1 Hz:" in other


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
