"""The validation of frequency weighting, run once through the command line."""

import pytest
from whole import Run

from spicecim.validation.claims import stated_claims
from spicecim.validation.frequency_weighting.run import CLAIMS
from spicecim.validation.frequency_weighting.subjects import DRIFT, OBLEA, VTEAM

FIGURES = (
    "accuracy", "agreement", "calibration", "chips", "linearity", "loops", "pictures", "power", "products", "psnr",
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run("frequency-weighting", tmp_path_factory.mktemp("validated") / "new")


def test_the_folder_has_claims_figures_and_data(run):
    run.check(stated_claims(CLAIMS), FIGURES)
    assert run.summary["seed"] == 1904
    assert run.summary["power_levels"] == 32


def test_verdicts(run):
    assert run.summary["verdicts"] == {
        "engines-agree": "holds",
        "product-of-drift": "holds",
        "product-of-8-bits": "holds in part",
        "power-16": "holds in part",
        "power-of-one-device": "does not hold",
        "energy-saved": "does not hold",
        "worst-case": "does not hold",
        "area-of-the-array": "holds",
        "area-of-the-chip": "does not hold",
        "energy-per-convolution": "does not hold",
        "accuracy": "holds in part",
    }


def test_the_tables_of_the_documents_are_those_of_this_code(run):
    # a quick run has other patches, corners and seeds, and fewer levels, of which the slowest takes most of the energy
    left_out = ("engines-agree", "product-of-drift", "product-of-8-bits", "accuracy")
    run.check_documented(0.05, left_out=(*left_out, "energy-saved", "energy-per-convolution"))


def test_more_instants_bring_ngspice_nearer(run):
    """The trapezoidal rule's error falls with the square of the step, by 64 where nothing switches abruptly."""
    details = run.claims["engines-agree"]["details"]
    for device, factor in ((DRIFT, 4.0), (OBLEA, 16.0)):
        coarse = details[f"{device.title}: worst cell of the patches, of its full scale"]
        fine = details[f"{device.title}: the same with eight times the instants"]
        assert factor * fine < coarse


def test_the_product_of_coscaled_drift_is_exact(run):
    worst = abs(run.data("products").error).max(["pixel", "level"])
    drift = worst.sel(device=DRIFT.title)
    assert float(drift.sel(scheme="coscaled")) < 1e-6
    assert float(drift.sel(scheme="fixed")) > 0.1
    assert float(worst.sel(device=OBLEA.title, scheme="coscaled")) > 0.1
    assert run.claims["product-of-drift"]["measured"]["ngspice"] < 1e-4
    details = run.claims["product-of-drift"]["details"]
    for device in (DRIFT, OBLEA):
        for scheme in ("fixed", "coscaled"):
            claimed = details[f"{device.title}, {scheme}: largest error over all pixels and weights (%)"]
            assert claimed == pytest.approx(100 * float(worst.sel(device=device.title, scheme=scheme)))
    reads = run.claims["product-of-8-bits"]["details"]
    assert reads[f"{DRIFT.title}: largest change of the state by one read"] < 1e-9
    assert reads[f"{OBLEA.title}: largest change of the state by one read"] > 0.1


def test_the_worst_kernel_is_named(run):
    ratios = run.data("psnr")
    for case in ratios.case.values:
        ((what, value),) = [
            (what, value)
            for what, value in run.claims["product-of-8-bits"]["details"].items()
            if what.startswith(f"{case}: PSNR") and "worst of" in what
        ]
        assert value == float(ratios.psnr.sel(case=case).min())
        assert "sharpening" in what


def test_power_ratios_have_the_size_that_the_mean_conductance_of_the_levels_gives(run):
    """P = V²G/2: the ratio is 8 x 1/2 (Gon + Goff) over the levels' mean in-phase conductance."""
    power, claim = run.data("power"), run.claims["power-16"]
    for device in power.device.values:
        one = power.sel(device=device)
        for branches, title in (("off", "OFF"), ("both", "both")):
            share = one.levels_conductance.sel(branches=branches) * one.squared.sel(branches=branches)
            explained = 4 * (1 + one.off_conductance / one.on_conductance) / share
            assert claim["measured"][f"{device}, {title}"] == pytest.approx(float(explained), rel=1e-6)
    assert claim["details"][f"{DRIFT.title}, OFF: camera image"] == pytest.approx(15.83, abs=0.02)
    for statistics in ("camera image", "uniform pixels"):
        # co-scaled drift draws in proportion to the square of the pixel, as static devices do
        both = claim["details"][f"{DRIFT.title}, both: {statistics}"]
        assert both == pytest.approx(claim["measured"][f"{DRIFT.title}, both"], rel=1e-5)
    medians = [claim["details"][f"{DRIFT.title}, both: median of 4 camera patches, {engine}"]
               for engine in ("ngspice", "reference")]  # fmt: skip
    assert medians[0] == pytest.approx(medians[1], rel=1e-3)


def test_the_worst_case_is_the_same_in_ngspice(run):
    claim = run.claims["worst-case"]
    assert len(claim["measured"]) == 6
    for what, value in claim["measured"].items():
        assert claim["details"][f"{what}, ngspice"] == pytest.approx(value, rel=1e-3)


def test_the_energy_of_a_chip_is_at_least_that_of_its_cells(run):
    chips = run.data("chips")
    for device in (DRIFT, OBLEA, VTEAM):
        one = chips.sel(device=device.title)
        groups = chips.energy.sel(design=device.title)
        cells = 9 * float(one.cell_power * one.read_time)
        assert float(groups.sel(group="cells")) == pytest.approx(cells, rel=1e-6)
        total = one.swept.sel(rewriting=True).sel(source_power=chips.attrs["source_power"])
        assert float(groups.sum()) == pytest.approx(float(total), rel=1e-9)
        sources = 9 * chips.attrs["source_power"] * float(one.read_time)
        assert float(groups.sel(group="row sources or DACs")) == pytest.approx(sources, rel=1e-6)
    assert list(chips.rewritten.values) == [False, True, True]


def test_accuracies_follow_from_products(run):
    digits = run.data("accuracy")
    mean = digits.frequency.mean("seed")
    exact = float(digits.accuracy.sel(arithmetic="8 bit").mean())
    # an exact product leaves every answer as it is
    for case in (f"{DRIFT.title}, coscaled", f"{OBLEA.title}, bit by bit"):
        assert float(mean.sel(case=case, bits=8, varied=False)) == pytest.approx(exact, abs=2e-3)
    # products that are none keep 31 to 54 % over trainings, which differ with the vector units of a processor
    assert float(mean.sel(case=f"{OBLEA.title}, coscaled", bits=8, varied=False)) < exact - 0.25
    assert exact > 0.9


def test_devices_per_weight(run):
    details = run.claims["area-of-the-array"]["details"]
    assert details["frequency weighting: devices per weight"] == 1
    assert details["eight one-bit devices: devices per weight"] == 8
    assert details["frequency weighting: read cycles per weight"] == 1
