"""The comparison of FORMS with ISAAC, run once from the command line: claims, figures, data."""

import pytest
from whole import Run

from spicecim.validation.claims import stated_claims
from spicecim.validation.forms_architecture.run import CLAIMS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run("forms-architecture", tmp_path_factory.mktemp("forms") / "new")


def test_the_folder_has_claims_figures_and_data(run):
    run.check(
        stated_claims(CLAIMS), ("components", "efficiency", "frames", "sensitivity", "utilization", "crossbar_power")
    )


def test_the_tables_of_the_documents_are_those_of_this_code(run):
    # a quick run has fewer images and perceptrons, and time depends on the machine
    run.check_documented(1e-3, left_out=("converter-clipping", "crossbar-power", "evaluation-time"))


def test_verdicts(run):
    for name in ("isaac-sums", "forms-sums", "network-sizes", "crossbar-power-engines", "frames-by-weights"):
        assert run.claims[name]["verdict"] == "holds"
    for name in ("headline-area", "headline-power", "skipping-speed", "frames-range"):
        assert run.claims[name]["verdict"] == "does not hold"


def test_fewer_weights_and_larger_fragments_make_more_frames(run):
    shown = run.data("frames")["frames_per_second"]
    ratio = shown.sel(network="resnet50", design="isaac_pruned") / shown.sel(network="resnet50", design="isaac")
    assert float(ratio) > 8
    assert (shown.sel(design="forms_16") > shown.sel(design="forms_8")).all()
