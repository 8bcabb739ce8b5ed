"""The page of a folder of results: what is in it, and, in a real browser, what it does."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from command import spicecim

from spicecim.cli.app import app
from spicecim.demo import run_demo
from spicecim.engines import simulate
from spicecim.errors import FailedRunsWarning, InputError, ResultsError
from spicecim.json_text import json_text
from spicecim.report import write_report
from spicecim.report.contents import outcome, tables_of
from spicecim.report.waveforms import cell_picker
from spicecim.runs import run_testbench
from spicecim.sweeps import open_sweep, sweep
from spicecim.testbench import Testbench
from spicecim.waveforms import load_waveforms

ROOT = Path(__file__).parent.parent


def bench(rows=3, columns=2, **analysis):
    state = np.linspace(0.1, 0.9, rows * columns).reshape(rows, columns)
    return Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {"state": state.tolist()},
            "drive": {"kind": "sine", "amplitude": 0.45, "frequency": 100},
            "analysis": {"probe": "cells", "points_per_period": 100, **analysis},
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "a <b> & c"
    run_testbench(bench(), folder, engine="reference")
    write_report(folder)
    return folder


def test_the_page_stands_by_itself(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<title>a &lt;b&gt; &amp; c - spicecim</title>" in text
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)  # what these load, the browser tells
    assert not re.search(r"""src=["']http|<link|@import|url\(http""", markup)
    assert "<script src" not in text
    assert len(text) < 8e6
    assert "netlist" in text
    assert (folder / "reference.nc").name in text


def test_the_next_results_replace_the_page(folder, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    assert "report.html" in json.loads((again / "summary.json").read_text())["artifacts"]
    write_report(again)
    assert json.loads((again / "summary.json").read_text())["artifacts"].count("report.html") == 1
    run_testbench(bench(), again, engine="reference")
    assert not (again / "report.html").exists()


def test_texts_of_users_are_no_markup(tmp_path):
    hostile = "</script><script>alert(1)</script>"
    (tmp_path / "claims.json").write_text(
        json.dumps(
            [
                {
                    "id": "x", "claim": hostile, "source": hostile, "definition": hostile, "criterion": hostile,
                    "verdict": "does not hold", "published": {hostile: 1.0}, "measured": {hostile: [1.0, 2.0]},
                    "met": {}, "details": {}, "ranges": hostile, "reason": hostile,
                }
            ]
        )
    )  # fmt: skip
    (tmp_path / "summary.json").write_text(
        json_text({"spicecim_version": "0", hostile: hostile, "artifacts": ["claims.json", "summary.json"]})
    )
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert hostile not in text
    assert "&lt;/script&gt;" in text
    assert "1 does not hold" in text


def test_folders_without_results_and_damaged_files_are_refused(tmp_path, folder):
    with pytest.raises(ResultsError, match="holds no results"):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ResultsError, match="spicecim_version"):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text('{"spicecim_version": "0", "artifacts": ["gone.nc"]}')
    with pytest.raises(ResultsError, match=r"gone\.nc is missing"):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(InputError):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text('{"spicecim_version": "0", "artifacts": ["reference.nc"]}')
    whole = (folder / "reference.nc").read_bytes()
    (tmp_path / "reference.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"reference\.nc"):
        write_report(tmp_path)
    run = spicecim("report", "nowhere", cwd=tmp_path)
    assert run.returncode == 2
    assert "nowhere" in run.stderr


def refuse(waveforms):
    """Refuse a voltage above 0.35 V."""
    if float(waveforms.v_row.max()) > 0.35:
        raise ValueError("<i>0.4 V</i> is too much")
    return waveforms.i_column.max("time").assign_attrs(units="A")


@pytest.fixture(scope="module")
def sweep_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    vary = {"a1": {"normal": 0.1}}
    with pytest.warns(FailedRunsWarning):
        sweep(
            bench(), {"drive.amplitude": [0.2, 0.4]}, samples=6, vary=vary, store=folder, executor="serial",
            measures={"largest": refuse},
        )  # fmt: skip
    write_report(folder)
    return folder


def test_the_page_of_a_sweep_has_its_runs_failures_settings_and_figures(sweep_folder):
    text = (sweep_folder / "report.html").read_text(encoding="utf-8")
    for part in (
        "Runs: 12", "Failed runs: 6", "ValueError: &lt;i&gt;0.4 V&lt;/i&gt; is too much",
        "6 of 12 runs failed", "drawn for every cell", "normal 0.1", "largest, column 0 (A)", "preset: oblea",
        "<figcaption>largest distribution</figcaption>", 'href="figures/largest_yield.pdf"',
    ):  # fmt: skip
        assert part in text
    assert "<i>0.4 V" not in text
    cells = re.sub(r' class="[a-z]+"', "", text)
    rows = re.findall(r"<tr><td>(\d+)</td><td>0.2</td><td>\d</td><td>done</td>", cells)
    assert rows == list("012345")
    assert open_sweep(sweep_folder).sizes["sample"] == 6


@pytest.mark.slow
def test_in_a_browser_the_page_of_a_sweep_draws_and_fits_a_phone(page, sweep_folder):
    opened(page, sweep_folder)
    page.wait_for_function(DRAWN)
    shown = page.evaluate(
        "() => [...Bokeh.documents[0]._all_models.values()].filter((each) => each.type == 'ColumnDataSource')"
        ".map((each) => Array.from(each.data.value).filter((value) => !Number.isNaN(value)).length)"
    )
    assert shown == [6, 6]  # a source per column; runs that failed have no value
    table = page.locator("#runs table").last
    table.locator("th button").nth(3).click()
    assert table.locator("tbody tr td:nth-child(4)").all_inner_texts() == ["done"] * 6 + ["failed"] * 6
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, sweep_folder)
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.faults == []


def test_numbers_stand_with_their_units():
    first, second = tables_of(
        {
            "average_power_w": 0.5,
            "worst_case_power_w": 2.0,
            "passed": True,
            "none": {},
            "columns": {"a": {"current_a": [1]}},
        }
    )
    powers = [["average power (W)", "0.5"], ["largest instantaneous power (W)", "2"]]
    assert first.rows == [*powers, ["passed", "yes"], ["none", "none"]]
    assert (second.columns, second.rows) == (["engine", "column", "current (A)"], [["a", "0", "1"]])


def test_lists_over_columns_and_over_loops_have_a_row_each():
    (_, columns) = tables_of(
        {"column_names": ["left", "right"], "columns": {"a": {"i_a": [1, 2], "p_w": [3, 4]}, "b": {"i_a": [5, None]}}}
    )
    assert columns.columns == ["engine", "column", "i (A)", "p (W)"]
    assert columns.rows == [["a", "left", "1", "3"], ["a", "right", "2", "4"], ["b", "left", "5", "none"],
                            ["b", "right", "none", "none"]]  # fmt: skip
    measured = {"lobe_area": [[1, 2]], "peak_frequency_hz": [7]}
    _, over_both, over_one = tables_of({"amplitude_v": [0.5], "frequency_hz": [10, 20], "engines": {"a": measured}})
    assert over_both.columns == ["engine", "amplitude (V)", "frequency (Hz)", "lobe area (VA)"]
    assert over_both.rows == [["a", "0.5", "10", "1"], ["a", "0.5", "20", "2"]]
    assert (over_one.columns[1:], over_one.rows) == (["amplitude (V)", "peak frequency (Hz)"], [["a", "0.5", "7"]])
    of_one = {"lobe_area": [1, 2], "peak_frequency_hz": 7}
    _, over_both, over_one = tables_of({"amplitude_v": 0.5, "frequency_hz": [10, 20], "engines": {"a": of_one}})
    assert (over_both.columns[1:], over_both.rows) == (
        ["frequency (Hz)", "lobe area (VA)"], [["a", "10", "1"], ["a", "20", "2"]],
    )  # fmt: skip
    assert (over_one.columns, over_one.rows) == (["engine", "peak frequency (Hz)"], [["a", "7"]])


def test_parameters_of_a_model_stand_with_their_units():
    _, found = tables_of({"device": "linear_drift", "parameters": {"Ron": 100.0, "window": "biolek"}})
    assert found.rows == [["Ron (ohm)", "100"], ["window", "biolek"]]
    _, foreign = tables_of({"model": "my.va", "fixed": {"Ron": 100.0}})
    assert foreign.rows == [["Ron", "100"]]


def test_a_matrix_of_correlations_stays_a_matrix():
    _, found = tables_of({"correlation": {"parameters": ["p", "q"], "matrix": [[1, 0.5], [0.5, 1]]}})
    assert (found.columns, found.rows) == (["name", "p", "q"], [["p", "1", "0.5"], ["q", "0.5", "1"]])


def test_the_outcome_stands_in_words():
    assert outcome({}) is None
    assert outcome({"runs": 3, "runs_done": 3}) == (True, "3 of 3 runs done")
    assert outcome({"runs": 3, "runs_done": 2}) == (False, "2 of 3 runs done")
    assert outcome({"runs": 3, "runs_done": 2, "runs_failed": 1}) == (False, "1 of 3 runs failed")
    assert outcome({"passed": False, "max_relative_error": 0.25, "tolerance": 1e-4}) == (
        False, "not passed: the engines differ by at most 0.25 of a column's peak, tolerance 0.0001",
    )  # fmt: skip
    assert outcome({"passed": True, "failure": None, "converged": 4, "cells": 4}) == (
        True, "passed: 4 of 4 cells are within the tolerance",
    )  # fmt: skip
    assert outcome({"passed": False, "failure": "no cell came nearer", "converged": 1, "cells": 4}) == (
        False, "not passed: no cell came nearer",
    )  # fmt: skip


def test_of_a_large_array_the_cells_of_the_largest_currents_can_be_picked(folder):
    run = load_waveforms(folder / "reference.nc")
    many = run.isel(row=np.zeros(90, int), column=np.zeros(90, int)).assign_coords(row=range(90), column=range(90))
    picker = cell_picker(many, "name")
    assert picker.left_out + len(picker.cells) == 8100
    assert 0 < picker.left_out < 8100
    small = cell_picker(run, "name")
    assert small.left_out == 0
    assert sorted(small.cells) == [(row, column) for row in range(3) for column in range(2)]
    assert cell_picker(run.drop_vars(["v_cell", "i_cell", "x"]), "name") is None


def browser():
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    assert found, "the tests of pages need Chromium: sh scripts/browser.sh"
    return found[0]


DRAWN = "window.Bokeh && Bokeh.documents.length == 1 && Bokeh.documents[0].is_idle"


def outside(address):
    return not address.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="module")
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        opened = chromium.new_page(viewport={"width": 1440, "height": 900})
        opened.faults = []
        opened.on("pageerror", lambda error: opened.faults.append(str(error)))
        opened.on("console", lambda text: opened.faults.append(text.text) if text.type == "error" else None)
        opened.on("request", lambda request: opened.faults.append(request.url) if outside(request.url) else None)
        yield opened
        chromium.close()


def opened(page, folder):
    page.faults.clear()
    page.goto((folder / "report.html").resolve().as_uri())
    page.wait_for_function("document.readyState === 'complete'")


@pytest.mark.slow
def test_in_a_browser_a_cell_is_picked(page, folder):
    opened(page, folder)
    page.wait_for_function(DRAWN)
    run = load_waveforms(folder / "reference.nc")
    page.select_option("select[data-map]", label="row 2, column 1")
    shown = page.evaluate(
        "() => { const all = Bokeh.documents[0]; const lines = [...all._all_models.values()]"
        ".filter((each) => each.type == 'ColumnDataSource' && each.data.t); return Array.from(lines[0].data.v); }"
    )
    assert np.allclose(shown, run["v_cell"].values[:, 2, 1], atol=1e-6)
    # and by the mouse, in the map: the cell in the upper left corner
    map_ = page.locator(".bk-Figure").nth(1)
    map_.scroll_into_view_if_needed()
    box = map_.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    assert page.inner_text("select[data-map] option:checked") == "row 0, column 0"
    assert page.faults == []


@pytest.mark.slow
def test_in_a_browser_tables_sort_and_the_netlist_unfolds_by_the_keyboard(page, tmp_path):
    run_demo(tmp_path)
    write_report(tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 8e6
    opened(page, tmp_path)
    files = page.locator("#files table")
    first = files.locator("th button").first
    first.focus()
    page.keyboard.press("Enter")
    names = files.locator("td:first-child").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    page.keyboard.press("Enter")
    assert files.locator("td:first-child").all_inner_texts() == names[::-1]
    summary = page.locator("#texts details summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#texts pre").first.is_visible()
    assert page.faults == []


@pytest.mark.slow
def test_in_a_browser_a_claim_unfolds_and_nothing_is_wider_than_a_phone(page, tmp_path, folder):
    run = spicecim("validate", "forms-architecture", "--quick", "--report", "-o", str(tmp_path / "claims"), cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "claims" / "report.html").stat().st_size < 8e6
    opened(page, tmp_path / "claims")
    claim = page.locator("details.claim").first
    assert not claim.locator("table").is_visible()
    claim.locator("summary").click()
    assert claim.locator("table").is_visible()
    for place in (tmp_path / "claims", folder):
        page.set_viewport_size({"width": 390, "height": 844})
        opened(page, place)
        if place == folder:
            page.wait_for_function(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.faults == []


LONG = pytest.mark.slow
RESULTS = {
    "run": ["bench.yaml", "--engine", "reference"],
    "hysteresis": ["yakopcic", "--frequency", "100", "--engine", "reference"],
    "program": ["bench.yaml", "--target", "target.npy", "--quantity", "x", "--scheme", "v/3"],
    "endurance": ["bench.yaml", "--cycles", "3"],
    "measurement": ["loop.csv"],
    "fit": ["loop.csv", "--model", "yakopcic", "--free", "Ap", "--starts", "1", "--engine", "none"],
    "sweep run": ["sweep.yaml", "--workers", "1"],
    "demo": [],
    "validate forms-architecture": ["--quick"],
}
"""Arguments of the commands that leave a folder of results, beside the folder."""
SAME_KIND = {"validate frequency-weighting", "validate polarized-columns"}
"""Commands that take long, and whose folders are those of another one."""
QUICK = {"endurance", "measurement"}


@pytest.fixture
def inputs(tmp_path):
    small = bench(2, 2, accuracy=0.01)
    small.to_yaml(tmp_path / "bench.yaml")
    np.save(tmp_path / "target.npy", [[0.1, 0.38], [0.65, 0.9]])
    (tmp_path / "sweep.yaml").write_text("testbench: bench.yaml\naxes: {drive.amplitude: [0.2]}\nengine: reference\n")
    loop = simulate(small, "reference").isel(row=0, column=0)
    values = np.column_stack([loop.time, loop.v_cell, loop.i_cell])
    np.savetxt(tmp_path / "loop.csv", values, delimiter=",", header="time (s),voltage (V),current (A)", comments="")
    return tmp_path


def commands(group, *names):
    """Names of all commands of the command line, and the commands."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


def test_all_commands_that_leave_a_folder_of_results_are_tried():
    found = dict(commands(typer.main.get_command(app)))
    folders = {
        name for name, each in found.items() if any("-o" in of.opts and of.metavar == "DIR" for of in each.params)
    }
    assert folders - {"sweep plot"} == RESULTS.keys() | SAME_KIND


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else LONG) for name in RESULTS])
def test_what_a_command_wrote_becomes_a_page(name, inputs):
    asked = dict(commands(typer.main.get_command(app)))[name].params
    at_once = any("--report" in of.opts for of in asked)
    done = spicecim(*name.split(), *RESULTS[name], *["--report"] * at_once, "-o", "out", cwd=inputs)
    assert done.returncode == 0, done.stderr
    if not at_once:
        assert spicecim("report", "out", cwd=inputs).stderr == ""
    assert "<html" in (inputs / "out" / "report.html").read_text(encoding="utf-8")[:200]


def test_a_page_that_cannot_be_written_hides_no_result(inputs):
    (inputs / "out" / "report.html").mkdir(parents=True)
    done = spicecim("run", "bench.yaml", "--engine", "reference", "--report", "-o", "out", cwd=inputs)
    assert done.returncode == 2
    assert "report.html" in done.stderr
    assert "power of all drivers" in done.stdout
    assert "results in out: " in done.stdout
