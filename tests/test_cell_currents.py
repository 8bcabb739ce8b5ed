"""A current that no published cell takes is said in one line, once. A warning that no test expects is its failure."""

import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from typer.testing import CliRunner

import spicecim as sc
from spicecim import limits
from spicecim.cell_currents import largest_cell_current, warned_once
from spicecim.cli.app import app
from spicecim.devices import MODELS
from spicecim.encodings.base import Programmed, Resources
from spicecim.encodings.comparison import compare_encodings
from spicecim.errors import CurrentWarning, ModelError, StateWarning
from spicecim.runs import run_hysteresis
from spicecim.summary import summarize
from spicecim.validation.report import run_validation


def bench(resistance=10.0, *, probe="cells", rows=1, device=None, **crossbar):
    parameters = {"Ron": resistance, "Roff": 10.0 * resistance}
    return sc.Testbench(
        device=device or {"model": "resistor", "parameters": parameters},
        crossbar={"state": [[1.0]] * rows, **crossbar},
        drive={"kind": "sine", "amplitude": 1.0, "frequency": 1e3},
        analysis={"probe": probe},
    )


LINE = r"a cell carries 0\.1 A, above 0\.05 A \(spicecim\.limits\.CELL_CURRENT\): .*\(crossbar\.source_resistance\)$"


@pytest.mark.parametrize("probe", ["cells", "columns"])
def test_a_current_beyond_that_of_published_cells_warns(probe):
    with pytest.warns(CurrentWarning, match=LINE) as caught:
        run = sc.simulate(bench(probe=probe), "reference")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert largest_cell_current(run) == pytest.approx(0.1, rel=1e-6)
    assert summarize({"reference": run})["implausible_current"] == str(caught[0].message)


def test_a_negative_current_counts_as_a_positive_one():
    run = sc.simulate(bench(100.0), "reference")
    halves = run.isel(time=run["v_row"].values[:, 0] <= 0)
    assert largest_cell_current(halves) == pytest.approx(0.01, rel=1e-6)


def test_a_column_of_many_cells_is_not_taken_for_one():
    run = sc.simulate(bench(25.0, probe="columns", rows=4), "reference")
    assert summarize({"reference": run})["implausible_current"] is None


def test_what_charges_a_wire_is_not_taken_for_a_current_of_a_cell():
    wires = {"wire_row": 1.0, "wire_column": 1.0, "wire_capacitance": 1e-15}
    run = sc.simulate(bench(100.0, probe="columns", **wires), "reference")
    assert largest_cell_current(run.assign(i_row=run["i_row"] + 1.0)) == 0.0


def test_the_limit_is_one_that_a_program_sets(monkeypatch):
    monkeypatch.setattr(limits, "CELL_CURRENT", 0.2)
    sc.simulate(bench(), "reference")


@pytest.fixture
def stated(monkeypatch):
    """Let the preset of the resistor state a largest current; return its section of a testbench, with 0.1 A at 1 V."""

    def state(current):
        preset = sc.load_presets("resistor")["ideal"].model_copy(update={"largest_current": current})
        monkeypatch.setitem(sc.load_presets("resistor"), "ideal", preset)
        return {"model": "resistor", "preset": "ideal", "parameters": {"Ron": 10.0, "Roff": 100.0}}

    return state


def test_a_preset_may_state_a_smaller_current(stated):
    with pytest.warns(CurrentWarning, match=r"0\.1 A, above 0\.001 A \(largest_current of its preset\)"):
        sc.simulate(bench(device=stated(1e-3)), "reference")


def test_a_preset_may_state_a_larger_current(stated):
    sc.simulate(bench(device=stated(0.2)), "reference")


@pytest.mark.parametrize("stated", [0.0, -1.0, "1 V"])
def test_a_preset_states_a_current_above_0(stated):
    class Ohmic(MODELS["resistor"]):
        name = "ohmic"

    preset = {
        "description": "d", "source": "s", "x0": 0.5, "amplitude": 1.0, "frequency": 1.0,
        "parameters": {"Ron": 1e3, "Roff": 1e4}, "largest_current": stated,
    }  # fmt: skip
    with pytest.raises(ModelError, match=r"presets\.one\.largest_current"):
        sc.register_device(Ohmic, {"one": preset})


def test_the_warning_survives_the_way_between_processes():
    sent = pickle.loads(pickle.dumps(CurrentWarning("too much", 0.3)))
    assert (str(sent), sent.current) == ("too much", 0.3)


def warn_twice():
    for resistance in (10.0, 5.0, 15.0):
        sc.simulate(bench(resistance), "reference")
    warnings.warn("another", StateWarning, stacklevel=2)


def test_runs_that_belong_together_warn_once_of_the_largest():
    def together():
        with warned_once():
            warn_twice()

    with pytest.warns() as caught:
        together()
    assert [str(each.message)[:18] for each in caught] == ["another", "a cell carries 0.2"]
    assert caught[1].filename == __file__


def test_a_sweep_warns_once():
    device = {"model": "resistor", "parameters": {"Ron": 10.0, "Roff": 100.0}}
    with pytest.warns(CurrentWarning, match=r"carries 0\.2 A") as caught:
        sc.hysteresis(device, amplitude=[1.0, 2.0], frequency=[1.0, 2.0], x0=1.0, engine="reference")
    assert len(caught) == 1
    assert caught[0].filename == __file__


class Decoded(Programmed):
    def testbenches(self, inputs):
        return (bench(10.0), bench(5.0))

    def decode(self, waveforms, inputs):
        return np.zeros((1, 1))


@dataclass
class Two:
    """A scheme of two testbenches, whose cells carry 0.1 and 0.2 A."""

    name: str

    def program(self, weights):
        return Decoded(self, np.array(weights), Resources(1, 1, 1))


def test_a_comparison_of_schemes_warns_once():
    with pytest.warns(CurrentWarning, match=r"carries 0\.2 A") as caught:
        compare_encodings([Two("one"), Two("other")], [[1]], [[1]])
    assert len(caught) == 1


def test_a_validation_warns_once(tmp_path):
    def measure(report):
        for resistance in (10.0, 5.0):
            sc.simulate(bench(resistance), "reference")
        return {}

    with pytest.warns(CurrentWarning, match=r"carries 0\.2 A") as caught:
        run_validation(tmp_path, "A title", {}, [], measure)
    assert len(caught) == 1


@pytest.mark.ngspice
@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_says_it_once_and_succeeds(tmp_path, as_json):
    path = tmp_path / "bench.yaml"
    bench().to_yaml(path)
    result = CliRunner().invoke(app, ["run", str(path), "-o", str(tmp_path / "out"), *(["--json"] * as_json)])
    assert result.exit_code == 0
    assert (result.stdout + result.stderr).count("a cell carries 0.1 A") == 1


def test_a_hysteresis_sweep_says_it_once_and_succeeds(tmp_path):
    drive = ["--amplitude", "1.25", "--frequency", "0.05", "0.1", "--engine", "reference"]
    result = CliRunner().invoke(app, ["hysteresis", "yakopcic", "--preset", "miao", *drive, "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert (result.stdout + result.stderr).count("a cell carries") == 1


def test_a_hysteresis_sweep_says_it_of_every_cycle(tmp_path, monkeypatch):
    """Here the first carries 3.66 mA, those that follow at most 2.48 mA."""
    monkeypatch.setattr(limits, "CELL_CURRENT", 3e-3)
    drive = {"amplitude": ["0.45"], "frequency": ["1k"], "x0": 0.95, "cycle": 2, "engine": "reference"}
    measured = run_hysteresis(tmp_path, "yakopcic", **drive)
    assert measured["implausible_current"].startswith("a cell carries 0.00366 A, above 0.003 A")


@pytest.mark.ngspice
@pytest.mark.parametrize(("model", "preset"), [("yakopcic", "miao"), ("stanford_pku", "hfox")])
def test_a_preset_whose_own_drive_leaves_the_plausible_says_so(model, preset):
    values = sc.load_presets(model)[preset]
    own = sc.Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[values.x0]]},
        drive={"kind": "sine", "amplitude": values.amplitude, "frequency": values.frequency},
    )
    with pytest.warns(CurrentWarning, match=r"a cell carries 0\.0(73|9)\d* A"):
        sc.simulate(own, estimate=False)
