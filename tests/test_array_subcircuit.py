"""A crossbar as a subcircuit in a circuit of one's own: what plain ngspice makes of it."""

import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from spicecim.cli.app import app
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.ngspice.engine import render_netlist, write_netlist
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench

WIRES = {"wire_row": 2.0, "wire_column": [1.0, 0.0, 3.0], "source_resistance": [10.0, 0.0], "wire_capacitance": 1e-12}


def bench_of(device="yakopcic", **crossbar):
    return Testbench.from_dict(
        {
            "device": {"model": device},
            "crossbar": {"state": np.linspace(0.1, 0.6, 6).reshape(2, 3), **crossbar},
            "drive": {"kind": "sine", "amplitude": 0.45, "frequency": [100, 200]},
            "analysis": {"probe": "cells"},
        }
    )


def run_deck(folder, sources, options, vectors, before="", nodes="a b x y z"):
    """The table of what plain ngspice gives of a deck that includes the subcircuit: time, then each vector."""
    ngspice = shutil.which("ngspice")
    assert ngspice, "ngspice is missing"
    lines = [
        "one's own circuit", ".include array.sub", *sources, f"Xmine {nodes} array", *options,
        f".save {' '.join(vectors)}", ".control", before, "run", "set wr_singlescale", "set numdgt=15",
        f"wrdata out.txt {' '.join(vectors)}", ".endc", ".end",
    ]  # fmt: skip
    (folder / "deck.cir").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = subprocess.run([ngspice, "-b", "deck.cir"], cwd=folder, capture_output=True, text=True, check=False)
    assert (folder / "out.txt").exists(), run.stdout + run.stderr
    return np.loadtxt(folder / "out.txt")


GROUNDED = [f"V{column} {column} 0 0" for column in "xyz"]
CURRENTS = [f"i(v{line})" for line in "abxyz"]


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", ["behavioral", "osdi"])
def test_the_currents_at_rest_are_those_of_the_testbench(tmp_path, backend):
    bench = bench_of(**WIRES)
    write_netlist(bench, tmp_path / "array.sub", backend, subcircuit="array")
    sources, options = ["Va a 0 0.1", "Vb b 0 -0.05", *GROUNDED], [".options reltol=1e-10 abstol=1e-16", ".tran 1n 10n"]
    before = "pre_osdi array.osdi" if backend == "osdi" else ""
    table = run_deck(tmp_path, sources, options, CURRENTS, before)
    at_rest = operating_point(bench, [0.1, -0.05])
    wanted = np.concatenate([-at_rest["i_row"], at_rest["i_column"]])
    np.testing.assert_allclose(table[0, 1:], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize(("gates", "source_line"), [("rows", "rows"), ("columns", "columns")])
def test_word_lines_are_ports(tmp_path, gates, source_line):
    words = "gh" if gates == "rows" else "ghk"
    volts = [1.2, 0.6, 0.9][: len(words)]
    bench = bench_of(**WIRES).with_sections(
        cell={"kind": "1t1r", "gates": gates, "source_line": source_line},
        word_lines={
            "drive": {"kind": "pulse", "low": volts, "high": volts, "rise": 0.1, "fall": 0.1, "width": 1, "period": 2}
        },
    )
    write_netlist(bench, tmp_path / "array.sub", "behavioral", subcircuit="array")
    sources = ["Va a 0 0.1", "Vb b 0 -0.05", *GROUNDED]
    sources += [f"V{name} {name} 0 {volt}" for name, volt in zip(words, volts, strict=True)]
    options = [".options reltol=1e-10 abstol=1e-16", ".tran 1n 10n"]
    table = run_deck(tmp_path, sources, options, CURRENTS, nodes=" ".join(["a b x y z", *words]))
    at_rest = operating_point(bench, [0.1, -0.05], v_word=volts)
    wanted = np.concatenate([-at_rest["i_row"], at_rest["i_column"]])
    np.testing.assert_allclose(table[0, 1:], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


def test_currents_and_states_over_time_are_those_of_the_testbench(tmp_path):
    bench = bench_of(**WIRES)
    [file] = write_netlist(bench, tmp_path / "array.sub", "behavioral", subcircuit="array")
    options = [line[2:] for line in file.read_text().splitlines() if line.startswith("* .")]
    sources = ["Va a 0 SIN(0 0.45 100 0 0)", "Vb b 0 SIN(0 0.45 200 0 0)", *GROUNDED]
    table = run_deck(tmp_path, sources, options, [*CURRENTS, "v(xmine.s_0_1)"])
    run = simulate(bench, "reference", time=np.minimum(table[:, 0], bench.duration))
    wanted = np.concatenate([-run["i_row"].values, run["i_column"].values], axis=1)
    np.testing.assert_allclose(table[:, 1:6], wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(table[:, 6], run["x"].values[:, 0, 1], rtol=0, atol=1e-4)


def test_two_arrays_of_other_devices_stand_side_by_side(tmp_path):
    """What a subcircuit defines is its own: both define a device, and nodes of the same names."""
    for name, device in (("one", "yakopcic"), ("other", "stanford_pku")):
        write_netlist(bench_of(device), tmp_path / f"{name}.sub", "behavioral", subcircuit=name)
    text = "".join((tmp_path / f"{name}.sub").read_text() for name in ("one", "other"))
    (tmp_path / "array.sub").write_text(text + ".subckt array a b x y z\nX1 a b x y z one\nX2 a b x y z other\n.ends\n")
    options = [".options reltol=1e-10 abstol=1e-18", ".tran 1n 10n"]
    table = run_deck(tmp_path, ["Va a 0 0.1", "Vb b 0 0.1", *GROUNDED], options, CURRENTS)
    runs = [operating_point(bench_of(device), [0.1, 0.1]) for device in ("yakopcic", "stanford_pku")]
    wanted = sum(np.concatenate([-run["i_row"], run["i_column"]]) for run in runs)
    np.testing.assert_allclose(table[0, 1:], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.ngspice
def test_the_command_writes_it(tmp_path):
    bench_of().to_yaml(tmp_path / "bench.yaml")
    arguments = ["netlist", str(tmp_path / "bench.yaml"), "--subcircuit", "tile", "-o", str(tmp_path / "tile.sub")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "tile.sub").read_text()
    assert ".subckt tile\n+ row_0 row_1 column_0 column_1 column_2\n" in text
    assert text.rstrip().endswith(".ends tile")
    assert not any(line.startswith((".tran", ".options", "Vrow", "Vsense", "Vcell")) for line in text.splitlines())


@pytest.mark.ngspice
@pytest.mark.parametrize("name", ["", "a b", "1x", "x\n.include /etc/passwd", "ä", "x" * 65])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(InputError, match="subcircuit: must be a name"):
        render_netlist(bench_of(), subcircuit=name)
