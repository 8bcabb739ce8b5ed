"""Netlists: what stands in them, that plain ngspice runs them, and that nothing from users becomes syntax."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import bench_dict
from hypothesis import given
from hypothesis import strategies as st

from spicecim.errors import InputError, SpiceCimError, UnsupportedError
from spicecim.netlist import crossbar_netlist
from spicecim.netlist.environment import comment_text, netlist_environment, spice_text
from spicecim.ngspice.engine import render_netlist, write_netlist
from spicecim.resources import resource_folder
from spicecim.testbench import Testbench

WIRES = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 50.0, "sense_resistance": 20.0}


def elements(netlist, letter):
    """Lines outside subcircuits that start with a letter."""
    outside = re.sub(r"\.subckt.*?\.ends", "", netlist, flags=re.DOTALL)
    return [line for line in outside.splitlines() if line.startswith(letter)]


@pytest.mark.ngspice
def test_the_header_says_what_made_it_and_of_what(make_bench):
    text = render_netlist(make_bench())
    assert "made by spicecim" in text
    assert make_bench().digest() in text
    assert "Yakopcic" in text
    assert "Ap        4000.0 1/s" in text
    assert text.endswith(".end\n")


@pytest.mark.compiler
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (2, 3)])
@pytest.mark.parametrize("wires", [{}, WIRES])
@pytest.mark.parametrize("native", [False, True], ids=["behavioral", "osdi"])
def test_counts_of_elements(shape, wires, native):
    rows, columns = shape
    bench = Testbench.from_dict(
        bench_dict(
            crossbar={"state": np.full(shape, 0.5), **wires},
            drive={"kind": "sine", "amplitude": 0.4, "frequency": 100},
        )
    )
    text = crossbar_netlist(bench, native=native).text
    assert len(elements(text, "N" if native else "X")) == rows * columns
    assert len(elements(text, "V")) == rows + columns
    assert len(elements(text, "R")) == (2 * rows * columns + rows + columns if wires else 0)
    assert text.count(" initial_state=" if native else ".ic ") == rows * columns


@pytest.mark.ngspice
def test_segments_that_share_a_node_are_one_capacitor(make_bench):
    lumped = render_netlist(make_bench(crossbar={"state": np.full((3, 2), 0.5), "wire_capacitance": 1e-12}))
    assert elements(lumped, "C")[0].split()[-1] == repr(2e-12)  # a row's two segments
    spread = render_netlist(make_bench(crossbar={"state": np.full((3, 2), 0.5), "wire_capacitance": 1e-12, **WIRES}))
    assert len(elements(spread, "C")) == 2 * 3 * 2


@pytest.mark.ngspice
def test_numbers_keep_every_digit(make_bench):
    frequency = 1000.0 / 3.0
    drive = {"kind": "sine", "amplitude": np.float64(0.1) + 0.2, "frequency": frequency, "phase": 1.0}
    text = render_netlist(make_bench(drive=drive))
    assert f"SIN(0.0 0.30000000000000004 {frequency!r} 0 0 {np.degrees(1.0).item()!r})" in text
    assert "np.float64" not in text


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("case", ["ideal", "wires", "pulse", "samples", "single"])
@pytest.mark.parametrize("native", [False, True], ids=["behavioral", "osdi"])
def test_plain_ngspice_runs_the_file(tmp_path, case, native):
    program = shutil.which("ngspice")
    assert program, "the program ngspice is part of the set-up"
    change = {
        "ideal": {},
        "wires": {"crossbar": {"state": np.full((3, 2), 0.5), "wire_capacitance": 1e-12, **WIRES}},
        "pulse": {"drive": {"kind": "pulse", "high": 0.4, "rise": "1u", "fall": "1u", "width": "3m", "period": "10m"}},
        "samples": {"drive": {"kind": "samples", "time": [0, 1e-3, 2e-3], "voltages": [[0, 0.4, -0.2]] * 3}},
        "single": {
            "crossbar": {"state": [[0.3]]},
            "drive": {"kind": "sine", "amplitude": 0.4, "frequency": 100},
            "analysis": {"probe": "cells"},
        },
    }[case]
    bench = Testbench.from_dict(bench_dict(**change))
    folder = tmp_path / "of another"
    folder.mkdir()
    written = write_netlist(bench, folder / "out.cir", "osdi" if native else "behavioral")
    assert [file.name for file in written] == ["out.cir", *(["out.osdi"] if native else [])]
    moved = folder.rename(tmp_path / "moved")  # to where no cache is
    result = subprocess.run([program, "-b", moved / "out.cir"], cwd="/", capture_output=True, text=True, timeout=60)
    means = re.findall(r"^mean_column_\d+\s*=\s*(\S+)", result.stdout, flags=re.MULTILINE)
    assert len(means) == bench.shape[1], result.stdout + result.stderr
    assert all(np.isfinite(float(mean)) for mean in means)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("name", ["my out.cir", "'x'.cir", ";quit.cir", "$HOME.cir", "out"])
def test_a_compiled_device_stands_beside_the_netlist_whatever_its_name(tmp_path, make_bench, name):
    written = write_netlist(make_bench(), tmp_path / name, "osdi")
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert os.environ["SPICECIM_CACHE"] not in written[0].read_text()
    result = subprocess.run([shutil.which("ngspice"), "-b", f"./{name}"], cwd=tmp_path, capture_output=True, text=True)
    assert "mean_column_1" in result.stdout, result.stdout + result.stderr


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_form_that_a_device_does_not_have_is_refused(make_bench, tmp_path):
    module = make_bench(device={"verilog_a": str(resource_folder("models") / "team.va"), "state": "s"})
    with pytest.raises(UnsupportedError, match="write the netlist to a file"):
        render_netlist(module, "behavioral")
    (tmp_path / "m.sub").write_text(".subckt m p n x\nCx x 0 1\nR1 p n 1k\n.ends\n")
    subcircuit = make_bench(device={"subcircuit": str(tmp_path / "m.sub"), "ports": ["row", "column", "state"]})
    with pytest.raises(UnsupportedError, match="backend: osdi is no form of this device, which is subcircuit"):
        write_netlist(subcircuit, tmp_path / "out.cir", "osdi")
    with pytest.raises(InputError, match="backend: must be auto or osdi or behavioral; it is 'fast'"):
        render_netlist(make_bench(), "fast")


NASTY = [
    "x\n.include /etc/passwd",
    "1\n.control\nshell touch owned\n.endc",
    "0.45 )\nV1 1 0 1",
    "{{ 7*7 }}",
    "{% include 'x' %}",
    "1; quit",
    "$(touch owned)",
    "`id`",
    "*",
    "+ 1",
]
PLACES = [
    ("device", "model"), ("device", "preset"), ("crossbar", "wire_row"), ("drive", "amplitude"), ("drive", "kind"),
    ("analysis", "duration"), ("analysis", "probe"),
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize(("section", "key"), PLACES)
def test_texts_from_users_do_not_become_syntax(text, section, key):
    values = bench_dict()
    values[section] = {**values[section], key: text}
    with pytest.raises(SpiceCimError):
        render_netlist(Testbench.from_dict(values))


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("parameter", ["a1", "window", "x\n.end"])
def test_parameters_do_not_become_syntax(text, parameter):
    device = {"model": "linear_drift", "preset": "hp", "parameters": {parameter: text}}
    with pytest.raises(SpiceCimError):
        render_netlist(Testbench.from_dict(bench_dict(device=device)))


@given(st.text())
def test_only_plain_one_line_text_passes_into_a_netlist(text):
    try:
        written = spice_text(text)
    except ValueError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_.,#/()^+ -]*", written)
    assert not written.startswith((".", "*", "+", "$"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "a\nb", "a;b", "{x}", "'x'", ".include"])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="may not stand in a netlist"):
        spice_text(value)


@given(st.text() | st.text("\n\r\x0b\x0c\x1c\x85\u2028\\$`*+.é"))
def test_a_text_in_a_comment_stays_one_line_that_ngspice_does_not_act_upon(text):
    written = comment_text(text)
    assert re.fullmatch(r"[ -~]*", written)
    assert not re.search(r"[`$\\]", written)
    assert len(f"* {written}".splitlines()) == 1


def test_only_comments_of_templates_hold_such_a_text():
    """A line that holds one begins with the star of a comment, and a blank: ``*#`` is a command to ngspice."""
    templates = resource_folder("netlist_templates")
    lines = [line for file in templates.rglob("*.j2") for line in file.read_text().splitlines() if "|comment" in line]
    assert len(lines) == 7
    assert all(line.startswith("* ") for line in lines)


def test_titles_and_units_are_comments_as_they_are_written():
    device = {"model": "team", "backend": "behavioral"}
    netlist = render_netlist(Testbench.from_dict(bench_dict(device=device)))
    assert "* device: TEAM (threshold adaptive, current-controlled)\n" in netlist
    assert comment_text("doi:10.1/a[1]; 5 % of it's\n.end") == "doi:10.1/a[1]; 5 % of it's .end"


def test_an_undefined_name_in_a_template_is_an_error():
    with pytest.raises(Exception, match="undefined"):
        netlist_environment().from_string("{{ nothing }}").render()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_exactly(value):
    assert float(spice_text(value)) == value
    assert float(spice_text(np.float64(value))) == value
