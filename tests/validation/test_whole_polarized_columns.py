"""The validation of polarized columns, run once from the command line: claims, figures, data."""

import numpy as np
import pytest
from scipy.stats import t
from whole import Run

from spicecim.validation.claims import stated_claims
from spicecim.validation.polarized_columns.run import CLAIMS
from spicecim.validation.polarized_columns.schemes import ENCODINGS

FIGURES = (
    "accuracy", "polarization", "residuals", "input_cycles", "bit_currents", "power", "converters", "faults",
    "fragment_sizes",
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run("polarized-columns", tmp_path_factory.mktemp("polarized") / "new")


@pytest.fixture(scope="module")
def claims(run):
    return run.claims


@pytest.fixture(scope="module")
def data(run):
    return run.data


def values(numbers, words):
    """Values of all numbers with some words; there must be some."""
    found = [value for what, value in numbers.items() if words in what]
    assert found
    return np.array(found, dtype=float)


def test_the_folder_has_claims_figures_and_data(run):
    run.check(stated_claims(CLAIMS), FIGURES)
    assert run.summary["runs_of_scatter"] == 5
    assert run.summary["lenet_seeds"] == 3


def test_polarized_takes_half_of_two_crossbars(claims):
    """The perceptron of 64, 32 and 10, and a convolution of 576 by 64, with four cells per weight."""
    claim = claims["crossbars"]
    assert claim["verdict"] == "holds"
    details = claim["details"]
    weights = np.array([64 * 32 + 32 * 10, 576 * 64])
    crossbars = np.array([1 + 1, 5 * 2])
    for title, sets in (("polarized", 1), ("two crossbars", 2), ("offset", 1)):
        assert values(details, f"cells, {title}") == pytest.approx(4 * sets * weights)
        assert values(details, f"crossbars, {title}") == pytest.approx(sets * crossbars)
    assert values(details, "signs kept") == pytest.approx([8 * 32 + 4 * 10, 72 * 64])
    assert values(details, "subtracted for one vector") == pytest.approx([32 + 10, 64])


def test_no_fragment_has_both_signs(claims, data):
    claim = claims["one-sign"]
    assert claim["verdict"] == "holds"
    assert values(claim["details"], "in the pruned network").all()
    shown = data("polarization")
    fragments = shown["after"].values.reshape(8, 8, 32)
    signs = shown["sign"].values[:, None]
    assert np.all(fragments * signs >= 0)
    assert np.array_equal(np.sign(fragments.sum(axis=1)), shown["sign"])
    assert abs(shown["after"]).max() <= 255


def test_residuals_fall(data):
    """Three updates of an epoch each reach no set, and come nearer."""
    primal = np.linalg.norm(data("residuals")["primal_residual"], axis=2)
    assert primal.shape == (3, 3)
    assert np.all(primal[:, -1] < 0.8 * primal[:, 0])


def test_accuracy_is_that_of_pairs(claims, data):
    """Networks that are trained briefly: nothing is said of what a long training keeps."""
    accuracy = data("accuracy")["accuracy"]
    assert accuracy.shape == (3, 3, 4)
    assert float(accuracy.sel(stage="float").min()) > 0.8
    drop = 100 * (accuracy.sel(stage="float") - accuracy.sel(stage="quantized"))
    for rows in (4, 8, 16):
        of_seeds = drop.sel(rows=rows)
        half = t.ppf(0.975, 2) * float(of_seeds.std(ddof=1)) / np.sqrt(3)
        low, high = claims["accuracy"]["measured"][f"{rows} rows"]
        assert (low, high) == pytest.approx((float(of_seeds.mean()) - half, float(of_seeds.mean()) + half))
        assert high > low
    off = values(claims["accuracy"]["details"], "that are not those of integers")
    assert off.tolist() == [0]


def test_no_pruning_saves_more_than_a_crossbar_per_layer_allows(claims):
    """Of LeNet-5, in crossbars of 128 rows and 8 outputs of 32 bits: 1, 2 x 2, 4 x 15, 11 and 2; two sets of them."""
    claim = claims["crossbars-saved"]
    assert claim["verdict"] == "does not hold"
    assert claim["details"]["crossbars of 32-bit weights on two sets of them"] == 2 * (1 + 4 + 60 + 11 + 2)
    assert claim["details"]["8 rows: crossbars"] == 5
    assert claim["measured"]["8 rows"] == pytest.approx(156 / 5)
    left = 25 * 6 + 128 * 16 + 128 * 32 + 32 * 32 + 32 * 10
    assert claim["details"]["8 rows: weights over those left"] == pytest.approx(61470 / left, rel=0.02)


def test_finer_fragments_share_more_zeros(claims, data):
    cycles = data("input_cycles")
    assert list(cycles["network"].values) == ["digits", "LeNet-5", "pnet", "rnet", "onet"]
    assert np.allclose(cycles["share"].sum("cycles"), 1.0, rtol=1e-12)
    mean = (cycles["share"] * cycles["cycles"]).sum("cycles")
    assert np.allclose(mean, cycles["mean_cycles"], rtol=1e-12)
    assert np.all(mean.diff("fragment") >= 0)
    assert np.all(mean <= cycles["input_bits"])
    form = "16 bits, one point with headroom"
    at = mean.sel(network="onet", format=form)
    gain = float(at.sel(fragment=128) / at.sel(fragment=4))
    assert claims["input-cycles"]["measured"][f"onet, {form}"] == pytest.approx(gain)
    assert claims["cycles-of-4-rows"]["measured"][f"onet, {form}"] == pytest.approx(float(at.sel(fragment=4)))
    # two bits are kept free, so that no input has more than fourteen
    assert not cycles["share"].sel(format=form, cycles=slice(15, None)).any()


@pytest.mark.parametrize("title", ["polarized", "two crossbars", "offset"])
def test_codes_of_ngspice_are_the_integers(claims, title):
    claim = claims["codes"]
    assert claim["verdict"] == "holds"
    assert claim["details"][f"{title}, trained layers: fragments read"] >= 200
    assert claim["details"][f"{title}, adversarial fragments: fragments read"] >= 2 * 7 * 7
    for kind in ("trained layers", "adversarial fragments"):
        assert claim["measured"][f"{title}, {kind}"] == 0
        assert claim["details"][f"{title}, {kind}: codes"] > 0


def test_currents_behind_wires_agree(claims):
    claim = claims["currents"]
    differences = values(claim["measured"], ", ")
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
    assert claims["read-energy-engines"]["verdict"] == "holds"
    many = claims["read-energy"]["measured"]
    assert 1.0 < many["two crossbars, same weights"] < 1.1
    assert many["offset, same weights"] > 1.2


def test_small_converters_lose(claims, data):
    details = claims["converters"]["details"]
    for cells, bits in (("8 rows of 2-bit", 5), ("4 rows of 2-bit", 4), ("8 rows of 1-bit", 4)):
        assert details[f"bits of a lossless converter, {cells} cells"] == bits
    shown = data("converters")
    assert np.allclose(shown["share"].sum("level"), 1.0, rtol=1e-12)
    error = shown["product_error"].sel(series="polarized", fragment=8).isel(run=0)
    assert not error.sel(converter_bits=slice(5, None)).any()
    assert error.sel(converter_bits=3) > error.sel(converter_bits=4) > 0.01
    clipped, stretched = values(details, "product error")
    assert clipped < stretched
    assert details["stretched over 24 levels: share of all layers' conversions together that were clipped (%)"] == 0


def test_faults_disturb_from_nothing_on(data):
    shown = data("faults")
    for name in ("sigma", "line_resistance", "stuck_share"):
        error = shown[f"product_error_by_{name}"].mean(f"run_by_{name}")
        assert not error.isel({name: 0}).any()
        assert np.all(error.diff(name) > 0)
    drawn = shown["accuracy_by_sigma"].sel(sigma=0.1).notnull().sum("run_by_sigma")
    assert np.all(drawn == 5)


def test_differences_are_judged_by_their_intervals(claims, data):
    fine, shown = claims["fine-fragments"], data("faults")
    assert len(fine["measured"]) == 4 * 2 * 2
    assert len(claims["as-robust"]["measured"]) == 4 * 2 * 2
    errors = 100 * shown["product_error_by_sigma"].sel(sigma=0.1, series="polarized")
    gap = float(errors.sel(fragment=8).mean() - errors.sel(fragment=128).mean())
    low, high = fine["measured"]["scatter of 0.1, polarized: product error"]
    assert 0.5 * (low + high) == pytest.approx(gap, abs=1e-9)
    assert high > low
    # a resistance draws nothing: the error is a number, and the images are what a loss is of
    low, high = fine["measured"]["1 ohm per segment, polarized: product error"]
    assert low == high
    right = shown["right_by_line_resistance"].sel(series="polarized").isel(run_by_line_resistance=0)
    lost = right.sel(line_resistance=0.0) - right.sel(line_resistance=5.0)
    gap = 100 * (lost.sel(fragment=8) - lost.sel(fragment=128))
    low, high = fine["measured"]["5 ohm per segment, polarized: loss"]
    assert 0.5 * (low + high) == pytest.approx(float(gap.mean()), abs=1e-4)
    for claim in (fine, claims["as-robust"]):
        for (low, high), met in zip(claim["measured"].values(), claim["met"].values(), strict=True):
            assert met == ("yes" if high <= 0 else "no" if low > 0 else "in part")


def test_an_offset_is_less_robust(claims):
    found = claims["as-robust"]["measured"]
    for title in ("scatter of 0.1", "1 ohm per segment"):
        assert found[f"{title}, less offset: product error"][1] < 0


def test_the_core_is_faster_than_loops_and_exact(claims):
    """No time is asserted, and no ratio: this machine may be busy."""
    assert claims["exact-products"]["verdict"] == "holds"
    assert len(claims["faster-than-loops"]["measured"]) == 2
