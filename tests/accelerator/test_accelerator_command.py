"""``spicecim accelerator`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spicecim.accelerator import evaluate, evaluate_design
from spicecim.accelerator.design import design_names
from spicecim.cli.accelerator_tables import print_accelerator
from spicecim.errors import ImplausibleWarning
from spicecim.resources import resource_folder

SPICECIM = Path(sys.executable).with_name("spicecim")


def test_json_has_what_scripts_need():
    command = [SPICECIM, "accelerator", "forms_8", "--network", "lenet5", "--compare", "isaac", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    for name in (
        "power_w", "area_mm2", "peak_tops", "gops_per_watt", "gops_per_mm2", "frames_per_second", "energy_per_frame_j",
    ):  # fmt: skip
        assert found[name] > 0
    assert found["compared_with"] == "isaac"
    assert found["ratios"]["power_w"] == pytest.approx(found["power_w"] / 65.80808)
    assert found["compared_values"]["power_w"] == pytest.approx(65.80808)
    assert found["ratios"].keys() <= found["compared_values"].keys()
    assert found["differences"] == {"weight_bits": [8, 16], "pruning": [pytest.approx(23.18), 1]}
    assert found["layers"][0]["name"] == "conv1"
    assert found["components"][0]["provenance"] == "published"


def test_tables_name_components_totals_and_layers(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_accelerator(evaluate_design("forms_8", "lenet5", compare_with="isaac"))
    shown = capsys.readouterr().out
    for text in ("ADC (unit)", "66.36 W", "over isaac", "frames per second", "slowest layer", "conv2"):
        assert text in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_what_two_designs_do_not_do_alike_is_said():
    found = evaluate_design("forms_8", "resnet50", compare_with="isaac")
    assert found["differences"]["weight_bits"] == (8, 16)
    left = sum(layer.weights / layer.pruning for layer in found["layers"])
    assert found["differences"]["pruning"] == (pytest.approx(found["weights"] / left), 1.0)
    assert found["differences"]["pruning"][0] > 1.5
    assert "pruning" not in evaluate_design("forms_8", compare_with="isaac")["differences"]
    assert evaluate_design("forms_8", "resnet50", compare_with="isaac_pruned")["differences"] == {}
    assert evaluate_design("forms_8", compare_with="dadiannao")["differences"] == {}  # whose bits are not known


def test_tables_have_a_line_for_each_difference(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_accelerator(evaluate_design("forms_8", "resnet50", compare_with="isaac"))
    shown = capsys.readouterr().out
    assert "the ratios include: bits of a weight 8 against 16 of isaac\n" in shown
    assert "the ratios include: pruning ratio 3.67 against 1 of isaac\n" in shown


def test_a_component_that_no_chip_can_have_is_warned_of(tmp_path):
    text = (resource_folder("designs") / "forms_8.yaml").read_text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("power: 15.2 mW", "power: 15.2 MW").replace("0.24271 mm2", "24.271 mm2"))
    with pytest.warns(ImplausibleWarning) as warned:
        evaluate(wrong)
    assert [str(each.message) for each in warned] == [
        "components.unit.ADC: all on a chip have a power of 30.64 GW, more than 1000 W; is the unit right?",
        "components.tile.digital unit: all on a chip have an area of 4078 mm2, more than 1000 mm2; is the unit right?",
    ]


def test_published_designs_are_plausible(recwarn):
    for name in design_names():
        evaluate(name)
    assert not recwarn.list


def test_tables_say_what_is_unknown_and_leave_out_what_is_not_asked_for(capsys):
    print_accelerator(evaluate_design("prime"))
    shown = capsys.readouterr().out
    assert "unknown" in shown
    assert "frames per second" not in shown
