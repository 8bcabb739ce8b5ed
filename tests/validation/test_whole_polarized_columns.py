"""The validation of polarized columns, run once from the command line: claims, figures, data."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from spicecim.validation.polarized_columns.crossbars import ENCODINGS

SPICECIM = Path(sys.executable).with_name("spicecim")
FIGURES = {
    "polarization", "residuals", "input_cycles", "bit_currents", "power", "converters", "faults", "fragment_sizes",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    """Run the quick validation: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("polarized") / "new"
    command = [SPICECIM, "validate", "polarized-columns", "-o", folder, "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr
    return folder, run.stdout


@pytest.fixture(scope="module")
def claims(validation):
    """Claims by a few words of theirs."""
    found = json.loads((validation[0] / "claims.json").read_text())["claims"]

    def find(words):
        (claim,) = [claim for claim in found if words in claim["claim"]]
        return claim

    return find


@pytest.fixture(scope="module")
def data(validation):
    """Open the data behind a figure."""

    def load(name):
        with xr.open_dataset(validation[0] / f"{name}.nc", engine="h5netcdf") as stored:
            return stored.load()

    return load


def values(claim, words, engine="reference"):
    """Values of all measurements with some words; there must be some."""
    found = [measured[engine] for measured in claim["measurements"] if words in measured["what"]]
    assert found
    return np.array(found, dtype=float)


def test_the_folder_holds_what_it_lists(validation):
    folder, _ = validation
    summary = json.loads((folder / "claims.json").read_text())
    assert {path.name for path in folder.iterdir()} == set(summary["artifacts"])
    assert summary["quick"] is True
    for name in FIGURES:
        assert {f"{name}.png", f"{name}.pdf", f"{name}.nc"} <= set(summary["artifacts"])
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_every_claim_has_a_source_a_verdict_and_measurements(validation):
    folder, printed = validation
    found = json.loads((folder / "claims.json").read_text())["claims"]
    table = (folder / "claims.md").read_text()
    assert len(found) == 11
    for claim in found:
        assert claim["source"]
        assert claim["definition"]
        assert claim["reason"]
        assert claim["verdict"] in ("holds", "holds in part", "does not hold")
        assert claim["claim"] in table
        assert claim["claim"].split()[0] in printed
        assert len(claim["measurements"]) >= 4
        for measured in claim["measurements"]:
            assert measured["ngspice"] is not None or measured["reference"] is not None


def test_polarized_takes_half_of_two_crossbars(claims):
    """The perceptron of 64, 32 and 10, and a convolution of 576 by 64, with four cells per weight."""
    claim = claims("half the crossbars")
    assert claim["verdict"] == "holds"
    weights = np.array([64 * 32 + 32 * 10, 576 * 64])
    crossbars = np.array([1 + 1, 5 * 2])
    for title, sets in (("polarized", 1), ("two crossbars", 2), ("offset", 1)):
        assert values(claim, f"cells, {title}") == pytest.approx(4 * sets * weights)
        assert values(claim, f"crossbars, {title}") == pytest.approx(sets * crossbars)
    assert values(claim, "signs kept") == pytest.approx([8 * 32 + 4 * 10, 72 * 64])
    assert values(claim, "subtracted for one vector") == pytest.approx([32 + 10, 64])


def test_no_fragment_has_both_signs(claims, data):
    claim = claims("one sign")
    assert claim["verdict"] == "holds"
    assert not values(claim, "all later stages").any()
    assert values(claim, "float network").all()
    shown = data("polarization")
    fragments = shown["after"].values.reshape(8, 8, 32)
    signs = shown["sign"].values[:, None]
    assert np.all(fragments * signs >= 0)
    assert np.array_equal(np.sign(fragments.sum(axis=1)), shown["sign"])
    assert abs(shown["after"]).max() <= 255


def test_residuals_reach_the_set(data):
    """ADMM is for a set that is not convex, but the last of its penalties holds the weights to it."""
    primal = np.linalg.norm(data("residuals")["primal_residual"], axis=2)
    assert primal.shape == (3, 20)
    assert np.all(primal[:, -1] < 0.3 * primal[:, 0])


def test_accuracy_is_hardly_lost(claims, data):
    """Three points are 15 of 500 images, far more than two seeds scatter by."""
    accuracy = data("accuracy")["accuracy"]
    assert accuracy.shape == (1, 2, 5)
    assert float(accuracy.min()) > 0.9
    drop = 100 * (accuracy.sel(network="float") - accuracy.sel(network="polarized"))
    assert abs(drop).max() < 3
    assert values(claims("hardly any accuracy"), "mean drop from float, 8 bits, polarized") == pytest.approx(
        float(drop.mean()), abs=1e-9
    )


def test_finer_fragments_share_more_zeros(claims, data):
    cycles = data("input_cycles")
    assert np.allclose(cycles["share"].sum("cycles"), 1.0, rtol=1e-12)
    mean = (cycles["share"] * cycles["cycles"]).sum("cycles")
    assert np.allclose(mean, cycles["mean_cycles"], rtol=1e-12)
    assert np.all(mean.diff("fragment") >= 0)
    assert np.all(mean <= cycles["input_bits"])
    assert claims("leading zero bits")["verdict"] in ("holds", "holds in part")


@pytest.mark.parametrize("title", ["polarized", "two crossbars", "offset"])
def test_codes_of_ngspice_are_the_integers(claims, title):
    claim = claims("With ideal wires")
    assert claim["verdict"] == "holds"
    assert values(claim, f"{title}: fragments of trained layers read", "ngspice") >= 200
    assert values(claim, f"{title}: adversarial fragments read", "ngspice") >= 2 * 7 * 7
    for wrong in ("unlike the reference engine's", "that are not the integers"):
        of_encoding = [m for m in claim["measurements"] if m["what"].startswith(title) and wrong in m["what"]]
        assert len(of_encoding) >= 2
        assert all(measured["ngspice"] == 0 for measured in of_encoding)


def test_currents_behind_wires_agree(claims):
    claim = claims("column currents of both engines")
    differences = values(claim, "largest difference / full scale", "ngspice")
    assert len(differences) == 3 * 2 * 2
    assert 0 < differences.max() < 1e-5
    assert claim["verdict"] == "holds"


def test_currents_bit_by_bit_give_the_codes(data):
    """A code is the number of thresholds below the current on the plateau."""
    shown = data("bit_currents")
    reads = shown.sizes["read"]
    period = float(shown["time"][-1]) / reads
    middle = (np.arange(reads) + 0.5) * period
    for engine in ("ngspice", "reference"):
        sampled = shown["current"].sel(engine=engine).interp(time=middle).values
        found = (shown["threshold"].values[:, None] < sampled[:, :, None]).sum(axis=2)
        assert np.array_equal(found, shown["code"])
    spice, core = shown["current"].values
    assert np.abs(spice - core).max() < 1e-9 * np.abs(core).max()
    assert len(np.unique(shown["code"])) > 3


def test_power_agrees_and_is_least_for_polarized_columns(claims, data):
    """What a second crossbar adds to the same weights are cells at the lowest level, 1 of 100 of the highest."""
    power = data("power")["power"]
    assert float(abs(power.sel(engine="ngspice") / power.sel(engine="reference") - 1).max()) < 1e-9
    polarized, dual, offset = (power.sel(encoding=name, weights="same weights", engine="ngspice") for name in ENCODINGS)
    assert 1.0 < float(dual / polarized) < 1.1
    assert float(offset / polarized) > 1.2
    assert claims("less energy per operation")["verdict"] == "holds in part"


def test_small_converters_lose(claims, data):
    claim = claims("4-bit converters")
    lossless = {m["what"]: m["reference"] for m in claim["measurements"] if m["what"].startswith("lossless")}
    assert lossless["lossless: 8 rows of 2-bit cells"] == 5
    assert lossless["lossless: 4 rows of 2-bit cells"] == 4
    assert lossless["lossless: 8 rows of 1-bit cells"] == 4
    shown = data("converters")
    assert np.allclose(shown["share"].sum("level"), 1.0, rtol=1e-12)
    error = shown["product_error"].sel(series="polarized", fragment=8).isel(run=0)
    assert not error.sel(converter_bits=slice(5, None)).any()
    assert error.sel(converter_bits=3) > error.sel(converter_bits=4) > 0.01
    stretched, clipped = (values(claim, f"4-bit converter {how}") for how in ("over the whole range", "one level"))
    assert clipped[0] < stretched[0]
    assert stretched[2] == 0


def test_faults_disturb_from_nothing_on(data):
    shown = data("faults")
    for name in ("sigma", "line_resistance", "stuck_share"):
        error = shown[f"product_error_by_{name}"].mean(f"run_by_{name}")
        assert not error.isel({name: 0}).any()
        assert np.all(error.diff(name) > 0)
    drawn = shown["accuracy_by_sigma"].sel(sigma=0.1).notnull().sum("run_by_sigma")
    assert np.all(drawn == 5)


def test_what_is_robust_is_said_with_its_numbers(claims, data):
    fine = claims("Fine fragments are less sensitive")
    assert len(fine["measurements"]) == 4 * 4 * 2 * 2 + 2 * 4 * 2
    assert "5 runs with scatter of 0.1, 1 run with 1 ohm" in fine["definition"]
    assert "3 runs with 1 % stuck cells" in fine["definition"]
    accuracy = data("faults")["accuracy_by_sigma"].sel(sigma=0.1, series="polarized", fragment=8)
    assert values(fine, "scatter of 0.1, polarized, 8 rows: standard deviation") == pytest.approx(
        100 * float(accuracy.std("run_by_sigma", ddof=1)), abs=1e-9
    )
    for measured in fine["measurements"]:
        assert measured["unit"] == ("%" if "product error" in measured["what"] else "points")
    offset = claims("at least as robust")
    for title in ("scatter of 0.1", "1 ohm per segment"):
        polarized, other = (values(offset, f"{title}, {name}, 8 rows: product") for name in ("polarized", "offset"))
        assert polarized < other
    assert "against two crossbars: product error smaller in" in offset["reason"]


def test_the_core_is_faster_than_loops_and_exact(claims):
    """No time is asserted, and no ratio: this machine may be busy."""
    claim = claims("1000 vectors")
    assert values(claim, "not those of integers") == 0
    assert values(claim, "over the reference engine").shape == (2,)
