"""``spicecim accelerator`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spicecim.accelerator import evaluate_design
from spicecim.cli.accelerator_tables import print_accelerator

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
    assert found["layers"][0]["name"] == "conv1"
    assert found["components"][0]["provenance"] == "published"


def test_tables_name_components_totals_and_layers(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_accelerator(evaluate_design("forms_8", "lenet5", compare_with="isaac"))
    shown = capsys.readouterr().out
    for text in ("ADC (unit)", "66.36 W", "over isaac", "frames per second", "slowest layer", "conv2"):
        assert text in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_tables_say_what_is_unknown_and_leave_out_what_is_not_asked_for(capsys):
    print_accelerator(evaluate_design("prime"))
    shown = capsys.readouterr().out
    assert "unknown" in shown
    assert "frames per second" not in shown
