"""Claims as data: criteria and verdicts, intervals, trials, the page, and the folder that a validation leaves."""

import functools
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import ttest_ind

from spicecim.errors import InputError, SimulationError, TestbenchError
from spicecim.plotting import new_figure
from spicecim.validation import forms_architecture, frequency_weighting, polarized_columns
from spicecim.validation.claims import StatedClaim, judge, stated_claims
from spicecim.validation.intervals import difference_interval, mean_interval
from spicecim.validation.page import claims_page, measured_text
from spicecim.validation.report import run_validation
from spicecim.validation.trials import run_trials

FILES = [
    Path(str(resources.files(package))) / "claims.yaml"
    for package in (forms_architecture, frequency_weighting, polarized_columns)
]


def claim(criterion, published=10.0, name="a"):
    return StatedClaim(
        id=name, claim="b | c", source="d", definition="e", published=published, criterion=criterion, reason="f"
    )


@pytest.mark.parametrize(
    ("criterion", "value", "verdict"),
    [
        ({"within": 0.1}, 10.9, "holds"),
        ({"within": 0.1}, 11.1, "does not hold"),
        ({"within": 0.1}, (9.5, 10.5), "holds"),
        ({"within": 0.1}, (9.5, 12.0), "holds in part"),
        ({"within": 0.1}, (8.0, 12.0), "holds in part"),
        ({"within": 0.1}, (11.5, 12.0), "does not hold"),
        ({"at_least": "published"}, 10.0, "holds"),
        ({"at_least": "published"}, 9.9, "does not hold"),
        ({"at_least": 5}, (4.0, 9.9), "holds in part"),
        ({"at_most": "published"}, 10.1, "does not hold"),
        ({"at_most": 0}, 0.0, "holds"),
        ({"at_most": 0}, float("nan"), "does not hold"),
    ],
)
def test_a_verdict_follows_the_criterion(criterion, value, verdict):
    assert judge(claim(criterion), {"x": value}).verdict == verdict


def test_a_claim_of_several_numbers_holds_if_all_do():
    stated = claim({"within": 0.1}, {"x": 1.0, "y": 2.0})
    assert judge(stated, {"x": 1.0, "y": 2.0}).verdict == "holds"
    found = judge(stated, {"x": 1.0, "y": 3.0})
    assert (found.verdict, found.met) == ("holds in part", {"x": "yes", "y": "no"})
    assert judge(stated, {"x": 2.0, "y": 3.0}).verdict == "does not hold"
    for wrong in ({"x": 1.0}, {}):
        with pytest.raises(KeyError):
            judge(stated, wrong)


def test_one_exception_refutes_a_claim_about_everything():
    """A worst case of 1.1 mW is none if one of the devices draws 4 mW."""
    worst = claim({"at_most": "published", "every": True}, 1.1)
    assert judge(worst, {"x": 0.02, "y": 1.0}).verdict == "holds"
    assert judge(worst, {"x": 0.02, "y": 4.0}).verdict == "does not hold"
    assert judge(worst, {"x": 0.02, "y": (1.0, 4.0)}).verdict == "holds in part"
    assert "without exception" in judge(worst, {"x": 0.02}).criterion
    assert judge(claim({"at_most": "published"}, 1.1), {"x": 0.02, "y": 4.0}).verdict == "holds in part"


@pytest.mark.parametrize("criterion", [{}, {"within": 0.1, "at_most": 1}, {"within": 0}, {"every": True}])
def test_a_criterion_is_one_that_can_fail(criterion):
    with pytest.raises(TestbenchError):
        claim(criterion)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_claims_of_a_validation_can_be_read(file):
    claims = stated_claims(file)
    assert len(claims) > 10
    for name, stated in claims.items():
        assert name == stated.id
        assert all((stated.claim, stated.source, stated.definition))


def test_two_claims_of_one_name_are_refused(tmp_path):
    line = "- {id: a, claim: b, source: c, definition: d, published: 1, criterion: {within: 0.1}}\n"
    (tmp_path / "claims.yaml").write_text(2 * line)
    with pytest.raises(ValueError, match="same id"):
        stated_claims(tmp_path / "claims.yaml")


def test_intervals_hold_the_mean_as_often_as_they_say(rng):
    """95 of 100 intervals of five draws, to three standard errors of 500 trials; Welch's as scipy has it."""
    hits = [low <= 3.0 <= high for low, high in (mean_interval(draw) for draw in rng.normal(3.0, 2.0, (500, 5)))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)
    one, other = rng.normal(1.0, 2.0, 12), rng.normal(0.0, 0.5, 5)
    wanted = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert difference_interval(one, other) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert mean_interval([4.0]) == (4.0, 4.0)
    assert mean_interval([4.0, 4.0]) == (4.0, 4.0)


def test_a_page_has_a_line_per_claim_and_the_details_below():
    judged = judge(claim({"at_most": 0.5}), {"x": 0.25, "y": (1.0, 2.0)}, {"z": 3.0})
    page = claims_page([judged], "A title", ["one_figure"], {"seed": 7})
    assert "# A title" in page
    assert "| [b \\| c](#a) | **holds in part** | 10 | 0.25, 1 to 2 |" in page
    assert "- criterion: at most 0.5" in page
    assert "- ranges: over what is assumed" in page
    assert "| y | 10 | 1 to 2 | no |" in page
    assert page.index("<details>") < page.index("| z | 3 |") < page.index("</details>")
    assert "Settings: seed 7." in page
    assert "![one figure](one_figure.png)" in page


@pytest.mark.parametrize(
    ("published", "measured", "text"),
    [
        (1.0, {"x": 2.0}, "2"),
        (1.0, {"x": 2.0, "y": 2.0}, "2"),
        (1.0, {name: value for value, name in enumerate("abcd")}, "0 to 3 (4 numbers)"),
        ({name: value for value, name in enumerate("abcd")}, dict.fromkeys("abcd", 5.0), "5 and 3 more"),
    ],
)
def test_a_line_has_few_numbers(published, measured, text):
    assert measured_text(judge(claim({"at_most": 9}, published), measured)) == text


def test_a_run_leaves_its_claims_and_removes_what_an_earlier_one_left(tmp_path):
    figure, axes = new_figure()
    axes[0, 0].plot([0, 1])
    data = xr.Dataset({"y": ("x", np.arange(2.0))})
    stated = {name: claim({"at_most": 1}, name=name) for name in ("first", "second")}

    def measure(report):
        report.judge("second", {"x": 2.0})
        report.judge("first", {"x": (0.0, 1.0)}, {"more": float("nan")})
        report.add_figure("line", figure, data)
        return {"seed": 1}

    found = run_validation(tmp_path, "A title", stated, ["line"], measure)
    written = json.loads((tmp_path / "claims.json").read_text())
    assert [one["id"] for one in written] == [one.id for one in found] == ["first", "second"]
    assert written[0] | {"measured": {"x": [0.0, 1.0]}, "details": {"more": None}, "verdict": "holds"} == written[0]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["verdicts"] == {"first": "holds", "second": "does not hold"}
    assert summary["seed"] == 1
    others = ["claims.json", "claims.md", "summary.json", "summary.log"]
    assert {"line.png", "line.pdf", "line.nc", *others} == set(summary["artifacts"])
    with xr.open_dataset(tmp_path / "line.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["y"], [0.0, 1.0])
    (tmp_path / "mine.txt").write_text("kept")
    run_validation(tmp_path, "A title", {}, ["other"], lambda report: {})
    kept = ["claims.json", "claims.md", "mine.txt", "summary.json", "summary.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_a_claim_that_was_not_measured_leaves_no_results(tmp_path):
    with pytest.raises(KeyError):
        run_validation(tmp_path, "A title", {"a": claim({"at_most": 1})}, [], lambda report: {})
    assert not list(tmp_path.iterdir())


def _halved(value, offset=0):
    if value > 6:
        raise InputError(f"value: {value} is above 6")
    return {"half": value / 2 + offset}


def test_trials_are_calls_over_axes_that_all_succeed():
    done = []
    found = run_trials(functools.partial(_halved, offset=1), {"value": range(5)}, done.append)
    assert found["half"].values.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert done[-1] == 1.0
    with pytest.raises(SimulationError, match="InputError: value: 7 is above 6"):
        run_trials(_halved, {"value": range(9)})
