"""What the README and the documents show works as it stands there."""

import ast
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command import spicecim

from spicecim.accelerator import NETWORK_NAMES, design_names
from spicecim.accelerator.converters import CONVERTER_MODELS
from spicecim.accelerator.design import Component, Organization, Timing, Traffic, WeightEncoding, ZeroSkipping
from spicecim.accelerator.sourced import PROVENANCES
from spicecim.cell_choice import OneTransistor, WordLines
from spicecim.device_choice import DEVICE_SECTIONS
from spicecim.devices import MODELS, Memristor, Preset
from spicecim.devices.library import _parsed_presets
from spicecim.drives import PulseDrive, SampledDrive, SineDrive
from spicecim.extensions import all_registries
from spicecim.lines import Columns
from spicecim.sweeps.file import SweepFile, read_plan
from spicecim.testbench import Analysis, Crossbar, Testbench
from spicecim.yaml_text import parse_yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, document=README):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", document, flags=re.DOTALL | re.MULTILINE)
    return [text for label, text in fenced if label == language]


@pytest.mark.ngspice
def test_the_python_of_the_readme_runs():
    (code,) = blocks("python")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) >= 5


def test_the_readme_is_one_page():
    assert len(README.split()) < 500


PAGES = [
    "accelerator",
    pytest.param("bit-sliced-encodings", marks=pytest.mark.ngspice),
    "fitting",
    "lines",
    "many-testbenches",
    "operating-point",
]
PAGES += ["programming", "sweeps", "variation", "decide-accuracy", "citing"]
LONG = ["cells", "get-started", "networks", "tutorial-architect", "tutorial-circuit", "tutorial-device"]
PAGES += [pytest.param(page, marks=pytest.mark.slow) for page in LONG]


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, tmp_path):
    code = "\n".join(blocks("python", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")))
    assert code
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


@pytest.mark.ngspice
def test_the_python_of_the_extensions_runs(tmp_path):
    code = blocks("python", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
    assert len(code) == 7  # the five doors, several states, and a mistake
    assert all("assert " in block for block in code)
    file = tmp_path / "extending.py"
    file.write_text("\n".join(code))
    run = subprocess.run([sys.executable, "-W", "error", file], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


def test_the_preset_file_of_the_page_of_extensions_is_one():
    """It holds what the page registers from Python too."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (written,) = blocks("yaml", text)

    class Threshold(Memristor):
        name = "threshold"

    (found,) = _parsed_presets(Threshold, parse_yaml(written)).items()
    (given,) = re.findall(r"^presets = \{.*?^\}", text, re.MULTILINE | re.DOTALL)
    ((name, preset),) = ast.literal_eval(given.removeprefix("presets = ")).items()
    assert found == (name, Preset.model_validate(preset))


def test_the_page_of_models_is_fresh():
    page = runpy.run_path(str(ROOT / "scripts" / "models_page.py"))
    assert page["PAGE"].read_text(encoding="utf-8") == page["models_page"](), "run make models"


VERDICTS = runpy.run_path(str(ROOT / "scripts" / "verdicts.py"))


@pytest.mark.parametrize("name", VERDICTS["PAGES"])
def test_tables_of_measured_numbers_are_fresh(name):
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == VERDICTS["page"](name), "run make verdicts"


@pytest.mark.parametrize("name", sorted({name for name, _ in VERDICTS["PAGES"].values()}))
def test_tables_of_verdicts_say_which_run_they_are_of(name):
    claims = VERDICTS["judged"](name)
    lines = VERDICTS["verdicts"](claims)[2:]
    assert [line.split(" | ")[-1] for line in lines] == [f"{claim.verdict} |" for claim in claims.values()]
    command = VERDICTS["stored_run"](name)["command"]
    assert command.startswith(f"spicecim validate {name} -o DIR")
    assert f"Measured by `{command}`" in (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_every_door_is_in_the_page_of_extensions():
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for registry in all_registries():
        assert f'[project.entry-points."{registry.group}"]' in text
        assert f"sc.register_{registry.kind}(" in text


COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
TEXTS = (README, COMMAND_LINE)
LINES = [line for text in TEXTS for block in blocks("", text) for line in block.splitlines() if line[:9] == "spicecim "]
MARKS = {
    "spicecim run": pytest.mark.slow,
    "spicecim hysteresis": pytest.mark.slow,
    "spicecim netlist": pytest.mark.ngspice,
    "spicecim model check": pytest.mark.compiler,
}
COMMANDS = [
    pytest.param(line, marks=[mark for start, mark in MARKS.items() if line.startswith(start)]) for line in LINES
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_documents_run(line, tmp_path):
    command = shlex.split(line, comments=True)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run = spicecim(*command[1:], cwd=tmp_path)
    assert run.returncode == 0, run.stderr


def test_commands_were_found():
    assert len(COMMANDS) == 13


def test_links_lead_to_files():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            built = target.startswith("gallery/")  # by make docs
            assert built or (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_field_and_model_is_documented():
    text = (ROOT / "docs" / "testbench.md").read_text(encoding="utf-8")
    sections = (Testbench, *DEVICE_SECTIONS.values(), Crossbar, Columns, OneTransistor, WordLines, Analysis, SineDrive)
    sections = (*sections, PulseDrive, SampledDrive)
    for name in [field for section in sections for field in section.model_fields] + list(MODELS):
        assert f"`{name}" in text or f"{name}`" in text, name


def test_the_examples_are_valid():
    for name, shape in (
        ("bench.yaml", (3, 2)),
        ("half_select.yaml", (4, 4)),
        ("one_transistor.yaml", (2, 3)),
        ("subcircuit.yaml", (3, 2)),
        ("verilog_a.yaml", (2, 3)),
    ):
        assert Testbench.from_yaml(ROOT / "examples" / name).shape == shape


def test_the_examples_of_sweeps_are_valid():
    sizes = {path.stem: len(read_plan(path)) for path in (ROOT / "examples").glob("sweep_*.yaml")}
    assert sizes == {
        "sweep_wires": 12,
        "sweep_yield": 200,
        "sweep_corners": 3,
        "sweep_sensitivity": 384,
        "sweep_tornado": 9,
    }


def test_every_key_of_a_sweep_is_documented():
    text = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    for name in SweepFile.model_fields:
        assert f"`{name}`" in text, name


@pytest.mark.slow
def test_the_example_of_variation_runs():
    run = subprocess.run(
        [sys.executable, ROOT / "examples" / "variation.py"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    errors = [float(number) for number in re.findall(r"\d\.\d+", run.stdout)]
    assert len(errors) == 8
    # currents spread by 5 %, averaged over 16 cells: 1.25 % of the peak and less over a period
    assert all(0.001 < error < 0.02 for error in errors)


def test_every_design_and_field_of_one_is_documented():
    text = (ROOT / "docs" / "accelerator.md").read_text(encoding="utf-8")
    sections = (WeightEncoding, Organization, Timing, Traffic, ZeroSkipping, Component)
    fields = [field for section in sections for field in section.model_fields if field not in PROVENANCES]
    for name in (*design_names(), *NETWORK_NAMES, *CONVERTER_MODELS, *PROVENANCES, *fields):
        assert f"`{name}`" in text, name
