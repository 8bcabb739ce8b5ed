"""The command line as a user meets it: a process, its output and its exit status."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import command
import numpy as np
import pytest
import xarray as xr
import yaml
from command import spicecim
from conftest import bench_dict

import spicecim as sc
from spicecim.cli.lists import spread
from spicecim.devices import MODELS
from spicecim.hysteresis_sweep import load_sweep
from spicecim.waveforms import testbench_of


@pytest.fixture
def bench_file(tmp_path):
    """Write a testbench and return its path."""

    def write(**sections):
        path = tmp_path / "bench.yaml"
        path.write_text(yaml.safe_dump(bench_dict(**sections)))
        return path

    return write


def test_help_names_every_command():
    result = spicecim("--help")
    assert result.returncode == 0
    names = (
        "doctor",
        "models",
        "schema",
        "netlist",
        "run",
        "operating-point",
        "multiply",
        "accelerator",
        "extensions",
        "hysteresis",
    )
    for name in (*names, "validate"):
        assert name in result.stdout
    validations = spicecim("validate", "--help").stdout
    assert "polarized-columns" in validations
    assert "forms-architecture" in validations


@pytest.mark.parametrize("arguments", [["accelerator", "forms_8"], ["--version"]])
def test_a_command_whose_output_nobody_reads_ends_as_by_a_broken_pipe(arguments):
    """As in ``spicecim ... | head -3``, of which the pipe is closed here before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [Path(sys.executable).with_name("spicecim"), *arguments], stdout=writing, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (141, b"")


def test_help_loads_no_heavy_package():
    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['spicecim', '--help']\n"
        "from spicecim.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(*{'numpy', 'xarray', 'matplotlib', 'scipy', 'pydantic', 'PySpice', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "", result.stdout + result.stderr


@pytest.mark.ngspice
def test_doctor_finds_what_is_there():
    result = spicecim("doctor", "--json")
    assert result.returncode == 0
    found = json.loads(result.stdout)
    names = {"libngspice", "ngspice version", "KLU", "OSDI", "XSPICE", "C compiler", "OpenVAF", "cache"}
    assert names | {"PySpice", "PyTorch"} <= set(found)
    assert found["PySpice"]["found"] == "1.5"
    assert "libngspice" in spicecim("doctor").stdout


def test_doctor_says_what_to_do_where_nothing_runs(tmp_path):
    result = spicecim("doctor", "--json", env={"NGSPICE_LIBRARY_PATH": str(tmp_path / "gone.so"), "PATH": ""})
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert found["libngspice"]["status"] == "missing"
    assert "gone.so" in found["libngspice"]["advice"]
    assert found["C compiler"]["status"] == "optional"
    assert "gcc" in found["C compiler"]["advice"]


def test_models_are_listed_and_described():
    assert "yakopcic" in spicecim("models").stdout
    described = json.loads(spicecim("models", "yakopcic", "--json").stdout)
    assert described["presets"]["oblea"]["parameters"]["Ap"] == 4000
    assert described["parameters"]["b"]["unit"] == "1/V"
    assert "doi:" in spicecim("models", "linear_drift").stdout
    assert {model["name"] for model in json.loads(spicecim("models", "--json").stdout)} == set(MODELS)


def test_the_schema_is_json():
    assert "crossbar" in json.loads(spicecim("schema").stdout)["properties"]


@pytest.mark.ngspice
def test_a_netlist_goes_into_a_pipe_too(bench_file):
    result = spicecim("netlist", bench_file(), "-o", "/dev/stdout")
    assert result.returncode == 0
    assert result.stdout.endswith(".end\n")


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_netlist_goes_to_a_file_or_to_the_terminal(bench_file, tmp_path):
    printed = spicecim("netlist", bench_file())
    spicecim("netlist", bench_file(), "-o", tmp_path / "out.cir", "--backend", "behavioral")
    assert printed.stdout == (tmp_path / "out.cir").read_text()
    assert printed.stdout.endswith(".end\n")
    assert not (tmp_path / "out.osdi").exists()
    spicecim("netlist", bench_file(), "-o", tmp_path / "out.cir")
    assert "pre_osdi out.osdi" in (tmp_path / "out.cir").read_text()
    assert (tmp_path / "out.osdi").exists()
    refused = spicecim("netlist", bench_file(), "--backend", "osdi")
    assert refused.returncode == 2
    assert "needs --output" in refused.stderr


@pytest.mark.ngspice
def test_a_run_leaves_everything_in_its_folder(bench_file, tmp_path):
    bench = bench_file(analysis={"probe": "cells", "points_per_period": 200})
    result = spicecim("run", bench, "-o", tmp_path / "out", "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["passed"]
    assert summary["max_relative_error"] < 1e-4
    assert summary["energy_balance_error"] < 1e-9
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(summary["artifacts"])
    assert "spicecim.engines" not in result.stderr  # without -v only the log in the folder has it
    first, *lines, last = (tmp_path / "out" / "summary.log").read_text().splitlines()
    assert f"run {bench} -o {tmp_path / 'out'} --json" in first
    assert sum("spicecim.engines: ngspice: " in line for line in lines) == 2
    assert sum("spicecim.engines: reference: " in line for line in lines) == 2
    assert "done in" in last


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_one_engine_alone(bench_file, tmp_path, engine):
    bench = bench_file(analysis={"points_per_period": 200})
    result = spicecim("run", bench, "-o", tmp_path / "out", "--engine", engine)
    assert result.returncode == 0, result.stderr
    assert "average" in result.stdout
    assert (tmp_path / "out" / f"{engine}.nc").exists()


def test_a_run_that_misses_the_accuracy_is_status_5_and_says_so(bench_file, tmp_path):
    steep = {
        "device": {"model": "linear_drift", "preset": "biolek"},
        "drive": {"kind": "sine", "amplitude": 1.0, "frequency": 1.0},
        "analysis": {"points_per_period": 16, "accuracy": 1e-4},
    }
    result = spicecim("run", bench_file(**steep), "-o", tmp_path / "out", "--engine", "reference")
    assert result.returncode == 5
    printed = " ".join(result.stdout.split())
    assert re.search(r"warning: means and powers are known to \S+ of the mean magnitude with these instants", printed)
    assert re.search(r"error of means and powers, from the spacing of the instants: \S+ of the mean magnitude", printed)
    assert re.search(r"power of all drivers: average \S+ \w+, largest instantaneous power \S+ \w+", printed)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not summary["accurate"]
    assert summary["accuracy"] == 1e-4
    assert "points_per_period" in summary["accuracy_missed"]["measures"]
    assert summary["current_error"]["reference"] < 1e-4


@pytest.mark.slow
def test_frequencies_may_follow_each_other(tmp_path):
    result = spicecim(
        "hysteresis", "yakopcic", "--amplitude", "300mV", "450mV", "--frequency", "1k", "10k", "-o", tmp_path, "--json",
        "--cycle", "2",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert measured["amplitude_v"] == [0.3, 0.45]
    assert measured["frequency_hz"] == [1000, 10000]
    assert np.shape(measured["engines"]["ngspice"]["lobe_area"]) == (2, 2)
    assert (measured["preset"], measured["x0"], measured["cycle"]) == ("oblea", 0.11, 2)
    assert measured["parameters"]["Ap"] == 4000
    assert measured["passed"]
    assert measured["max_relative_difference"] == np.max(measured["relative_difference"]) < 1e-3
    assert {path.name for path in tmp_path.iterdir()} == set(measured["artifacts"])
    for engine in ("ngspice", "reference"):
        loops = load_sweep(tmp_path / f"hysteresis_{engine}.nc").loops
        assert [float(testbench_of(loop).drive.amplitude[0]) for loop in loops] == [0.3, 0.3, 0.45, 0.45]
    table = spicecim(
        "hysteresis", "yakopcic", "--frequency", "100", "-o", tmp_path, "--engine", "reference", "--accuracy", "1e-7"
    )  # fmt: skip
    assert table.returncode == 1
    assert "lobe area" in table.stdout
    assert "the loops are not periodic yet" in table.stdout
    assert "reference: areas and conductances are known to" in table.stdout


@pytest.mark.parametrize(
    ("given", "spread_out"),
    [
        ("m --a 1 2 --f 3 -o out", "m --a 1 --a 2 --f 3 -o out"),
        ("m --a -1 -.5 --f=3 4 --json x", "m --a -1 --a -.5 --f=3 --f 4 --json x"),
        ("--f 1 2 -- --f 3 4", "--f 1 --f 2 -- --f 3 4"),
        ("m -o out", "m -o out"),
        ("m --f", "m --f"),
    ],
)
def test_an_option_of_several_values_ends_where_the_next_begins(given, spread_out):
    assert spread(given.split(), {"--a", "--f"}) == spread_out.split()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "gone.yaml", "-o", "out"], "gone.yaml"),
        (["netlist", "gone.yaml"], "gone.yaml"),
        (["models", "nope"], "unknown model 'nope'"),
        (["hysteresis", "yakopcic", "--frequency", "10M", "-o", "out"], "mega in SI and milli in SPICE"),
        (["hysteresis", "yakopcic", "--frequency", "10", "-o", "out", "--engine", "hspice"], "unknown engine"),
        (["run"], "BENCH.yaml"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_input_is_one_message_and_status_2(tmp_path, arguments, reason):
    result = spicecim(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_bad_testbench_names_file_and_field(bench_file, tmp_path):
    result = spicecim("run", bench_file(crossbar={"state": [[2]]}), "-o", tmp_path / "out")
    assert result.returncode == 2
    assert "bench.yaml: crossbar.state: must be between 0 and 1" in result.stderr


@pytest.mark.slow
def test_capacitive_wires_run_in_both_engines(bench_file, tmp_path):
    bench = bench_file(crossbar={"state": [[0.5]] * 3, "wire_capacitance": 1e-12, "source_resistance": 10})
    result = spicecim("run", bench, "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["passed"]


@pytest.mark.ngspice
def test_a_failed_simulation_is_status_3_and_says_where_it_is_kept(bench_file, tmp_path):
    bench = bench_file(analysis={"points_per_period": 1_000_000, "duration": "0.3"})
    result = spicecim("run", bench, "-o", tmp_path / "out", "--engine", "ngspice", "--time-limit", "5")
    assert result.returncode == 3
    assert "time limit of 5 s" in result.stderr
    kept = Path(result.stderr.split("kept in ")[1].strip())
    assert (kept / "netlist.cir").exists()
    assert (kept / "ngspice.log").exists()
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_results_of_two_runs_never_stand_side_by_side(bench_file, tmp_path):
    out = tmp_path / "out"
    assert spicecim("run", bench_file(), "-o", out).returncode == 0
    (out / "power.png").write_text("mine")
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert spicecim("run", bench_file(), "-o", out, "--time-limit", "0.002", "--engine", "ngspice").returncode == 3
    assert spicecim("run", bench_file(), "-o", out, "--time-limit", "inf").returncode == 2
    assert spicecim("hysteresis", "nonsense", "--frequency", "300", "-o", out).returncode == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    fine = bench_file(analysis={"points_per_period": 200})
    assert spicecim("run", fine, "-o", out, "--engine", "reference").returncode == 0
    assert not (out / "ngspice.nc").exists()
    assert not (out / "netlist.cir").exists()
    assert (out / "power.png").read_text() == "mine"


@pytest.mark.slow
def test_only_results_of_the_same_kind_are_replaced(bench_file, tmp_path):
    out = tmp_path / "out"
    bench = bench_file(analysis={"points_per_period": 200})
    assert spicecim("run", bench, "-o", out, "--engine", "reference").returncode == 0
    run = {path.name for path in out.iterdir()}
    sweep = ("hysteresis", "yakopcic", "--frequency", "300", "-o", out, "--engine", "reference")
    assert spicecim(*sweep).returncode == 0
    assert run < {path.name for path in out.iterdir()}
    (out / "theirs.txt").write_text("kept")
    (out / "summary.json").write_text('{"artifacts": ["theirs.txt"]}')  # another program's
    assert spicecim("run", bench, "-o", out, "--engine", "reference").returncode == 0
    assert (out / "theirs.txt").exists()


@pytest.mark.ngspice
def test_engines_that_disagree_beyond_the_tolerance_are_status_1(bench_file, tmp_path):
    result = spicecim("run", bench_file(), "-o", tmp_path / "out", "--tolerance", "1e-12")
    assert result.returncode == 1
    assert "NOT within the tolerance" in result.stdout


def test_json_has_no_nan(tmp_path):
    result = spicecim("hysteresis", "yakopcic", "--frequency", "100", "-o", tmp_path, "--engine", "reference", "--json")
    measured = json.loads(result.stdout, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert measured["engines"]["reference"]["log_log_slope"] is None
    json.loads((tmp_path / "hysteresis.json").read_text(), parse_constant=lambda text: pytest.fail(text))


def test_a_file_that_cannot_be_written_is_bad_input(bench_file, tmp_path):
    (tmp_path / "out" / "summary.json").mkdir(parents=True)
    result = spicecim("run", bench_file(), "-o", tmp_path / "out", "--engine", "reference")
    assert result.returncode == 2
    assert "summary.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_traceback_is_for_the_asking():
    assert "Traceback" in spicecim("--debug", "models", "nope").stderr


def test_an_unusable_folder_is_bad_input(bench_file, tmp_path):
    (tmp_path / "file").write_text("")
    result = spicecim("run", bench_file(), "-o", tmp_path / "file")
    assert result.returncode == 2
    assert "cannot make the folder" in result.stderr


def test_the_version_is_the_package_s():
    from importlib.metadata import version

    assert spicecim("--version").stdout.strip() == f"spicecim {version('spicecim')}"


def test_products_of_an_encoding_stand_beside_the_exact_ones(tmp_path):
    np.save(tmp_path / "w.npy", [[200, -100], [50, 255]])
    np.save(tmp_path / "x.npy", [[255, 0], [17, 201]])
    files = ("--weights", "w.npy", "--inputs", "x.npy")
    settings = ("--set", "device={model: linear_drift, preset: hp}", "--set", "amplitude=1")
    result = spicecim("multiply", "frequency_weighting", *files, *settings, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["exact_products"] == [[51000, -25500], [13450, 49555]]
    assert np.allclose(found["products"], found["exact_products"], atol=51000 * 0.03)
    shown = spicecim("multiply", "ideal", *files, cwd=tmp_path).stdout
    assert "13450  49555" in shown


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scheme": "plane"}, "unknown encoding 'plane'; known are"),
        ({"scheme": "conductance_weighted"}, "device: is required"),
        ({"set": "bits=[1"}, "--set bits: is no valid YAML"),
        ({"set": "bites=3"}, "bites: unknown key; known are bits"),
        ({"set": "bits"}, "--set bits: must be NAME=VALUE"),
        ({"engine": "both"}, "unknown engine 'both'; known are ngspice, reference"),
        ({"inputs": "w.npy"}, "inputs: must be (vector, input line) of 2 input lines; they have (1, 1)"),
        ({"inputs": "missing.npy"}, "missing.npy cannot be read"),
    ],
)
def test_what_is_wrong_with_a_multiplication_is_said(tmp_path, change, said):
    np.save(tmp_path / "weights.npy", [[1], [2]])
    np.save(tmp_path / "inputs.npy", [[1, 0]])
    np.save(tmp_path / "w.npy", [[1]])
    given = {"weights": "weights.npy", "inputs": "inputs.npy", **change}
    scheme = given.pop("scheme", "ideal")
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    result = spicecim("multiply", scheme, *options, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_an_operating_point(bench_file, tmp_path):
    bench = bench_file(crossbar={"state": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], "wire_row": 1.0})
    voltages = np.array([[0.1, 0.2, -0.1], [0.0, 0.0, 0.3]])
    np.save(tmp_path / "inputs.npy", voltages)
    result = spicecim("operating-point", bench, "--inputs", "inputs.npy", "-o", "out.nc", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    expected = sc.operating_point(sc.Testbench.from_yaml(bench), voltages)
    np.testing.assert_allclose(found["column_current_a"], expected["i_column"])
    assert found["row_voltage_v"] == voltages.tolist()
    assert found["residual"] < 1e-9
    with xr.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as saved:
        np.testing.assert_array_equal(saved["i_cell"], expected["i_cell"])
        assert saved["testbench"].item() == expected.attrs["testbench"]
    shown = spicecim("operating-point", bench, cwd=tmp_path)
    assert "column currents" in shown.stdout
    assert "factorizations" in shown.stdout


def test_voltages_for_other_rows_are_bad_input(bench_file, tmp_path):
    np.save(tmp_path / "inputs.npy", np.zeros(7))
    result = spicecim("operating-point", bench_file(), "--inputs", "inputs.npy", cwd=tmp_path)
    assert result.returncode == 2
    assert "v_row: must be voltages" in result.stderr


@pytest.mark.compiler
@pytest.mark.ngspice
def test_verbose_says_what_is_done_and_quiet_says_nothing(tmp_path):
    example = Path(__file__).parent.parent / "examples" / "bench.yaml"
    (tmp_path / "bench.yaml").write_text(example.read_text())
    run = spicecim("-v", "run", "bench.yaml", "-o", "out", "--json", cwd=tmp_path)
    assert run.returncode == 0
    assert "spicecim.engines: ngspice: 3 x 2 cells" in run.stderr
    assert re.search(r"spicecim\.ngspice\.client: ngspice: process \d+ started", run.stderr)
    json.loads(run.stdout)
    run = spicecim("-vv", "run", "bench.yaml", "-o", "out", "--json", "--engine", "ngspice", cwd=tmp_path)
    assert re.search(r"spicecim\.veriloga\.cache: cache: .* is there", run.stderr)
    run = spicecim("-q", "run", "bench.yaml", "-o", "out", "--json", "--engine", "reference", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "--output" in spicecim("run", "-h", cwd=tmp_path).stdout


def test_a_command_of_the_tests_that_was_interrupted_does_not_answer_the_next(monkeypatch):
    class Interrupted:
        def readline(self):
            raise KeyboardInterrupt

        def close(self):
            pass

    version = spicecim("--version").stdout
    with monkeypatch.context() as patch:
        streams = command._SERVER.process.stdout
        patch.setattr(command._SERVER.process, "stdout", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            spicecim("models")
    streams.close()
    assert spicecim("--version").stdout == version
