"""``spicecim accelerator`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPICECIM = Path(sys.executable).with_name("spicecim")


def accelerator(*arguments, cwd=None):
    return subprocess.run(
        [SPICECIM, "accelerator", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )  # fmt: skip


def test_json_has_what_scripts_need():
    run = accelerator("forms_8", "--network", "lenet5", "--compare", "isaac", "--json")
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


def test_tables_name_components_totals_and_layers():
    run = accelerator("forms_8", "--network", "lenet5", "--compare", "isaac")
    assert run.returncode == 0, run.stderr
    for text in ("ADC (unit)", "66.36 W", "over isaac", "frames per second", "slowest layer", "conv2"):
        assert text in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_a_wrong_field_of_a_file_is_bad_input(tmp_path):
    (tmp_path / "own.yaml").write_text("name: own\ntitle: t\nsource: s\ntechnology: 32 nm\ncomponents: {chips: {}}\n")
    run = accelerator("own.yaml", cwd=tmp_path)
    assert run.returncode == 2
    assert "own.yaml: components.chips: unknown key; known are unit, tile, chip; did you mean 'chip'?" in run.stderr
    assert "Traceback" not in run.stderr
