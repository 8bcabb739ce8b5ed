"""The validation of frequency weighting, run once through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from spicecim.validation.frequency_weighting.subjects import DRIFT, OBLEA

FIGURES = ("accuracy", "agreement", "calibration", "linearity", "loops", "pictures", "power", "products", "psnr")
PROGRAM = Path(sys.executable).with_name("spicecim")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """Folder of a quick validation, and what the command printed."""
    folder = tmp_path_factory.mktemp("validated")
    command = [PROGRAM, "validate", "frequency-weighting", "-o", folder, "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr
    return folder, json.loads(run.stdout)


@pytest.fixture(scope="module")
def measured(validated):
    """Measurements by what was measured, as (ngspice, reference engine)."""
    return {
        measurement["what"]: (measurement["ngspice"], measurement["reference"])
        for claim in validated[1]
        for measurement in claim["measurements"]
    }


def core(measured, what):
    (value,) = (values[1] for name, values in measured.items() if name == what)
    return value


def test_every_claim_has_numbers_a_verdict_and_a_reason(validated):
    folder, printed = validated
    written = json.loads((folder / "claims.json").read_text())
    assert written["claims"] == printed
    assert written["seed"] == 1904
    assert written["quick"] is True
    verdicts = {claim["claim"][:24]: claim["verdict"] for claim in printed}
    assert verdicts == {
        "ngspice and the referenc": "holds",
        "amplitude times frequenc": "holds in part",
        "the average power of one": "holds in part",
        "one convolution consumes": "holds in part",
        "area falls by 8 times": "holds in part",
        "accuracy does not fall t": "holds in part",
    }
    table = (folder / "claims.md").read_text()
    for claim in printed:
        assert claim["measurements"]
        assert claim["reason"] in table


def test_every_figure_has_its_data(validated):
    folder, _ = validated
    listed = json.loads((folder / "claims.json").read_text())["artifacts"]
    expected = {f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf", "nc")}
    assert set(listed) == expected | {"claims.md", "claims.json"}
    assert {path.name for path in folder.iterdir()} == set(listed)
    for name in FIGURES:
        with xr.open_dataset(folder / f"{name}.nc", engine="h5netcdf") as dataset:
            assert dataset.data_vars


def test_ngspice_agrees_with_the_core(measured):
    differences = [values[0] for what, values in measured.items() if "largest difference" in what]
    assert len(differences) == 16
    assert max(differences) < 1e-3


def test_more_instants_bring_ngspice_nearer(measured):
    """The trapezoidal rule's error falls with the square of the step, by 64 where nothing switches abruptly."""
    for device, factor in ((DRIFT, 4.0), (OBLEA, 16.0)):
        coarse, _ = measured[f"{device.title}: worst cell of the patches, of its full scale"]
        fine, _ = measured[f"{device.title}: the same with eight times the instants"]
        assert factor * fine < coarse


def test_the_product_of_coscaled_drift_is_exact(measured, validated):
    with xr.open_dataset(validated[0] / "products.nc", engine="h5netcdf") as products:
        worst = abs(products.error).max(["pixel", "level"])
        drift = worst.sel(device=DRIFT.title)
        assert float(drift.sel(scheme="coscaled")) < 1e-6
        assert float(drift.sel(scheme="fixed")) > 0.1
        assert float(worst.sel(device=OBLEA.title, scheme="coscaled")) > 0.1
        for device in (DRIFT, OBLEA):
            for scheme in ("fixed", "coscaled"):
                claimed = core(measured, f"{device.title}, {scheme}: largest product error over all pixels and weights")
                assert claimed == pytest.approx(100 * float(worst.sel(device=device.title, scheme=scheme)))
    spice, _ = measured[f"{DRIFT.title}, coscaled: largest product error at the pixels and weights sampled"]
    assert spice < 1e-2  # percent
    assert core(measured, f"{DRIFT.title}: largest change of the state by one read") < 1e-9
    assert core(measured, f"{OBLEA.title}: largest change of the state by one read") > 0.1


def test_the_worst_kernel_is_named(measured, validated):
    with xr.open_dataset(validated[0] / "psnr.nc", engine="h5netcdf") as ratios:
        for case in ratios.case.values:
            worst = [(what, value) for what, (_, value) in measured.items()
                     if what.startswith(f"{case}: PSNR") and "worst of" in what]  # fmt: skip
            ((what, value),) = worst
            assert value == float(ratios.psnr.sel(case=case).min())
            assert "sharpening" in what


def test_what_a_quick_run_leaves_out_is_said(validated):
    text = {claim["claim"][:24]: claim["definition"] + claim["reason"] for claim in validated[1]}
    assert "32 levels" in text["the average power of one"]
    assert "2 seeds only" in text["accuracy does not fall t"]
    assert f"on {DRIFT.title} and {OBLEA.title} only" in text["ngspice and the referenc"]


def test_power_ratios_have_the_size_that_the_mean_conductance_of_the_levels_gives(validated, measured):
    """P = V²G/2: the ratio is 8 x 1/2 (Gon + Goff) over the levels' mean in-phase conductance."""
    with xr.open_dataset(validated[0] / "power.nc", engine="h5netcdf") as power:
        for device in power.device.values:
            one = power.sel(device=device)
            for branches, title in (("off", "OFF"), ("both", "both")):
                share = one.levels_conductance.sel(branches=branches) * one.squared.sel(branches=branches)
                explained = 4 * (1 + one.off_conductance / one.on_conductance) / share
                found = core(measured, f"{device}, {title}, largest pixel: eight one-bit devices / scheme")
                assert found == pytest.approx(float(explained), rel=1e-6)
    assert core(measured, f"{DRIFT.title}, OFF, camera image: eight one-bit devices / scheme") == pytest.approx(
        15.83, abs=0.02
    )
    for statistics in ("camera image", "uniform pixels"):
        both = core(measured, f"{DRIFT.title}, both, {statistics}: eight one-bit devices / scheme")
        # co-scaled drift draws in proportion to the square of the pixel, as static devices do
        assert both == pytest.approx(
            core(measured, f"{DRIFT.title}, both, largest pixel: eight one-bit devices / scheme"), rel=1e-5
        )
    spice, reference = measured[f"{DRIFT.title}, both, median of 4 camera patches: eight one-bit devices / scheme"]
    assert spice == pytest.approx(reference, rel=1e-3)


def test_the_worst_case_is_the_same_in_ngspice(measured):
    found = 0
    for what, (spice, reference) in measured.items():
        if spice is not None and what.endswith(" V"):
            assert spice == pytest.approx(reference, rel=1e-3)
            found += 1
    assert found == 6


def test_accuracies_follow_from_products(validated):
    with xr.open_dataset(validated[0] / "accuracy.nc", engine="h5netcdf") as digits:
        mean = digits.frequency.mean("seed")
        exact = float(digits.accuracy.sel(arithmetic="8 bit").mean())
        # an exact product leaves every answer as it is
        assert float(mean.sel(case=f"{DRIFT.title}, coscaled", bits=8, varied=False)) == pytest.approx(exact, abs=2e-3)
        assert float(mean.sel(case=f"{OBLEA.title}, bit by bit", bits=8, varied=False)) == pytest.approx(
            exact, abs=2e-3
        )
        assert float(mean.sel(case=f"{OBLEA.title}, coscaled", bits=8, varied=False)) < 0.5
        assert exact > 0.9


def test_devices_per_weight(measured):
    assert core(measured, "frequency weighting: devices per weight") == 1
    assert core(measured, "eight one-bit devices: devices per weight") == 8
    assert core(measured, "frequency weighting: read cycles per weight") == 1
