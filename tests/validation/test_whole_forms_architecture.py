"""The comparison of FORMS with ISAAC, run once from the command line: claims, figures, data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from spicecim.validation.forms_architecture.criteria import stated_claims

SPICECIM = Path(sys.executable).with_name("spicecim")
FIGURES = ("components", "efficiency", "frames", "sensitivity", "utilization", "crossbar_power")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    """Run the quick validation: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("forms") / "new"
    command = [SPICECIM, "validate", "forms-architecture", "-o", folder, "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return folder, run.stdout


def test_claims_are_a_list_with_verdicts(validation):
    folder, printed = validation
    claims = json.loads((folder / "claims.json").read_text())
    assert {claim["id"] for claim in claims} == set(stated_claims())
    for claim in claims:
        assert claim["claim"]
        assert claim["criterion"]
        assert claim["verdict"] in ("holds", "holds in part", "does not hold")
        assert set(claim["published"]) == set(claim["measured"]) == set(claim["met"])
        assert claim["id"] in printed
        assert f"## {claim['id']}" in (folder / "claims.md").read_text()
    verdicts = {claim["id"]: claim["verdict"] for claim in claims}
    for name in ("isaac-sums", "forms-sums", "network-sizes", "crossbar-power-engines", "frames-by-weights"):
        assert verdicts[name] == "holds"
    for name in ("headline-area", "headline-power", "skipping-speed", "frames-range"):
        assert verdicts[name] == "does not hold"


def test_the_folder_holds_what_it_lists(validation):
    folder, _ = validation
    summary = json.loads((folder / "summary.json").read_text())
    assert {path.name for path in folder.iterdir()} == set(summary["artifacts"])
    for name in FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        with xr.open_dataset(folder / f"{name}.nc", engine="h5netcdf") as stored:
            assert stored.sizes


def test_fewer_weights_and_larger_fragments_make_more_frames(validation):
    with xr.open_dataset(validation[0] / "frames.nc", engine="h5netcdf") as frames:
        shown = frames["frames_per_second"].load()
    assert (
        float(shown.sel(network="resnet50", design="isaac_pruned") / shown.sel(network="resnet50", design="isaac")) > 8
    )
    assert (shown.sel(design="forms_16") > shown.sel(design="forms_8")).all()
