"""Sweeps: what they run, how it is labeled, and what is computed of it."""

import importlib
import json
import linecache
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from sweeping import CALLS, QUIET, kill_worker, ohmic, peak, refuse_large

import spicecim as sc
from spicecim import sweeps
from spicecim.errors import FailedRunsWarning, InputError, NotFiniteWarning, StoreError, TestbenchError
from spicecim.sweeps import drawing, figures, load_run
from spicecim.sweeps.design import drawn_factors
from spicecim.sweeps.figures import plot_sweep
from spicecim.sweeps.sensitivity import sobol_indices, tornado
from spicecim.sweeps.statistics import bands, correlations, yield_within

pytestmark = pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")


def test_axes_are_crossed_and_each_run_is_that_of_its_testbench(tmp_path):
    bench = ohmic()
    found = sc.sweep(bench, {"crossbar.wire_row": [0, "1k"], "drive.amplitude": ["100m", 0.3]}, store=tmp_path, **QUIET)
    assert found["peak"].dims == ("crossbar.wire_row", "drive.amplitude", "column")
    assert found["crossbar.wire_row"].values.tolist() == [0.0, 1000.0]
    assert found["crossbar.wire_row"].attrs["units"] == "ohm"
    assert found["drive.amplitude"].attrs["units"] == "V"
    assert found["peak"].attrs["units"] == "A"
    assert sc.Testbench.from_dict(eval(found.attrs["testbench"])) == bench
    for ohm in (0.0, 1000.0):
        for volts in (0.1, 0.3):
            alone = ohmic(
                crossbar={**bench.to_dict()["crossbar"], "wire_row": ohm},
                drive={"kind": "sine", "amplitude": volts, "frequency": 100, "offset": 0.1},
            )
            wanted = peak(sc.simulate(alone, "reference"))
            np.testing.assert_array_equal(
                found["peak"].sel({"crossbar.wire_row": ohm, "drive.amplitude": volts}), wanted
            )


def test_axes_in_step_labels_corners_and_devices(tmp_path):
    axes = {
        "device": {"oblea": {"model": "yakopcic", "preset": "oblea"}, "ohm": ohmic().device},
        "crossbar.wire_row": [1, 2],
        "crossbar.wire_column": [3, 4],
    }
    corners = {
        "slow": {"drive.frequency": 50, "drive.amplitude": 0.1},
        "fast": {"drive.frequency": 200, "drive.amplitude": 0.2},
    }
    found = sc.sweep(
        ohmic(), axes, zip=[("crossbar.wire_row", "crossbar.wire_column")], corners=corners, store=tmp_path, **QUIET
    )  # fmt: skip
    assert dict(found["peak"].sizes) == {"device": 2, "crossbar.wire_row": 2, "corner": 2, "column": 2}
    assert found["device"].values.tolist() == ["oblea", "ohm"]
    assert found["corner"].values.tolist() == ["slow", "fast"]
    assert found["crossbar.wire_column"].dims == ("crossbar.wire_row",)
    assert (found["status"] == "done").all()


def test_a_function_makes_the_testbenches_and_gets_seeds(tmp_path):
    def make(rows, seed):
        return sc.vary(ohmic(rows, 2), {"Ron": sc.normal("5 %")}, seed=seed % 1000)

    found = sc.sweep(make, {"rows": [1, 3]}, samples=2, store=tmp_path, **QUIET)
    assert found["peak"].dims == ("rows", "sample", "column")
    assert len(np.unique(found["peak"])) == 8


def test_measures_of_several_shapes_share_a_dataset(tmp_path):
    found = sc.sweep(lambda columns: ohmic(2, columns), {"columns": [1, 3]}, store=tmp_path, **QUIET)
    assert found["peak"].shape == (2, 3)
    assert np.isnan(found["peak"].values).tolist() == [[False, True, True], [False, False, False]]
    assert json.loads(found.attrs["padded"]) == {"peak": {"column": [1, 3]}}
    assert "not_finite" not in found.attrs  # padding is not what was measured


def lost(volts, seed):
    """Give a number below 0.2 V, and above it none, which is infinite for some seeds."""
    return {"delay": volts if volts < 0.2 else [np.nan, np.inf][seed % 2], "level": volts}


def test_values_that_are_no_numbers_are_kept_and_counted(tmp_path):
    arguments = {"samples": 4, "engine": None, "executor": "serial"}
    with pytest.warns(NotFiniteWarning, match="^values that are NaN or infinite: delay: 4 in 4 runs$"):
        found = sc.sweep(lost, {"volts": [0.1, 0.2]}, store=tmp_path, **arguments)
    assert (found["status"] == "done").all()
    assert 0 < np.isinf(found["delay"]).sum() < 4
    assert json.loads(found.attrs["not_finite"]) == {"delay": {"values": 4, "runs": 4}}
    with pytest.warns(NotFiniteWarning, match="delay: 4 in 4 runs; the figures are of the others"):
        drawn = plot_sweep(sc.open_sweep(tmp_path))
    assert set(drawn) == {"delay_over_volts", "level_over_volts"}
    # of another plan of the store, these are none of its runs
    fewer = sc.sweep(lost, {"volts": [0.1]}, store=tmp_path, **arguments)
    assert "not_finite" not in fewer.attrs


def test_the_same_samples_at_every_point_and_in_any_number(tmp_path):
    vary = {"Ron": {"lognormal": 0.1}}
    few = sc.sweep(ohmic(), samples=2, vary=vary, seed=3, store=tmp_path / "few", **QUIET).load()
    many = sc.sweep(
        ohmic(), {"drive.offset": [0.1, 0.0]}, samples=4, vary=vary, seed=3, store=tmp_path / "many", **QUIET
    )
    np.testing.assert_array_equal(many["peak"][0, :2], few["peak"])
    other = sc.sweep(ohmic(), samples=2, vary=vary, seed=4, store=tmp_path / "other", **QUIET)
    assert not np.isin(other["peak"].values, few["peak"].values).any()


def test_scatter_itself_may_be_an_axis(tmp_path):
    axes = {"vary.Ron.normal": [0.0, "5 %"], "stuck.off": [0, 0.5]}
    found = sc.sweep(ohmic(), axes, samples=3, vary={"Ron": {"normal": 0.1}}, stuck={"on": 0}, store=tmp_path, **QUIET)
    spread = found["peak"].std("sample").sum("column").values
    assert spread[0, 0] < 1e-15 < spread[1, 0]
    assert (found["peak"].sum("column")[:, 1] < 0.9 * found["peak"].sum("column")[0, 0]).all()


def test_what_is_not_valid_is_told_before_anything_runs(tmp_path):
    for message, arguments in {
        "crossbar.wire_rov": {"axes": {"crossbar.wire_rov": [1]}},
        "crossbar.wire_row": {"axes": {"crossbar.wire_row": [1, -2]}},
        "must be a field of a testbench": {"axes": {"wire_row": [1]}},
        "stands twice": {"axes": {"crossbar.wire_row": [1, 2, 1]}},
        "has no values": {"axes": {"crossbar.wire_row": []}},
        "must be a list": {"axes": {"crossbar.wire_row": 3}},
        "as many values": {
            "axes": {"drive.offset": [1, 2], "drive.amplitude": [1]},
            "zip": [("drive.offset", "drive.amplitude")],
        },
        "is no axis": {"axes": {"drive.offset": [1]}, "zip": [("drive.offset", "drive.phase")]},
        "must give all": {"corners": {"a": {"drive.offset": 0}, "b": {}}},
        "samples: must be": {"samples": 0},
        "samples: is missing": {"vary": {"Ron": sc.normal(0.1)}},
        "the device has no value of 'Rom'": {"vary": {"Rom": sc.normal(0.1)}, "samples": 2},
        "vary.Ron": {"vary": {"Ron": 3}, "samples": 2},
        "draw.drive.kind": {"draw": {"drive.kind": {"normal": 0.1}}, "samples": 2},
        "unknown design": {"draw": {"drive.offset": {"normal": 0.1}}, "samples": 2, "design": "sobel"},
        "power of 2": {"draw": {"drive.offset": {"normal": 0.1}}, "samples": 3, "design": "saltelli"},
        "level": {"level": -1},
        "seed": {"seed": -1},
        "unknown engine": {"engine": "spice"},
        "unknown measure": {"measures": ["means"]},
        "give names to functions": {"measures": [lambda waveforms: 1.0]},
        "it is {0.1}": {"axes": {"drive.offset": {0.1}}},
        "zip: must be groups": {"axes": {"drive.offset": [1]}, "zip": ["drive.offset"]},
        "batch: must be a whole number": {"batch": 0},
        "nothing would be stored": {"measures": []},
        "the name is taken": {"measures": {"error": peak}},
        "would all be the same": {"axes": {"drive.amplitude": [0.1]}, "samples": 2},
        "goes with no Testbench": {"engine": None},
        "more than": {"axes": {"drive.offset": range(4), "drive.amplitude": [0.1]}, "samples": 10**7},
    }.items():  # fmt: skip
        axes = arguments.pop("axes", {})
        with pytest.raises(InputError, match=message):
            sc.sweep(ohmic(), axes, store=tmp_path / "none", **{**QUIET, **arguments})
    with pytest.raises(InputError, match="executor"):
        sc.sweep(ohmic(), store=tmp_path / "some", executor="cluster")
    assert not (tmp_path / "none").exists()


def test_failed_runs_are_rows_that_are_tried_again_on_request(tmp_path):
    CALLS.clear()
    arguments = {"store": tmp_path, "executor": "serial", "measures": {"volts": refuse_large}}
    axes = {"drive.amplitude": [0.1, 0.3, 0.5]}
    for retry, wanted in ((False, 3), (False, 3), (True, 4)):
        with pytest.warns(FailedRunsWarning, match="1 of 3 runs failed; number 2: ValueError: the voltage is above"):
            found = sc.sweep(ohmic(), axes, retry=retry, **arguments)
        assert len(CALLS) == wanted
    assert found["status"].values.tolist() == ["done", "done", "failed"]
    assert found["error"].values.tolist() == ["", "", "ValueError: the voltage is above 0.45 V"]
    assert np.isnan(found["volts"].values).tolist() == [False, False, True]


def test_a_testbench_that_is_not_valid_in_one_combination_is_a_row(tmp_path):
    axes = {"device.parameters.Ron": [1e4, 5e5], "device.parameters.Roff": [1e6, 2e5]}
    with pytest.warns(FailedRunsWarning, match="1 of 4"):
        found = sc.sweep(ohmic(), axes, store=tmp_path, **QUIET)
    assert "TestbenchError" in found["error"].values[1, 1]


def test_a_change_of_a_measure_has_its_runs_done_again(tmp_path):
    def scaled(factor):
        return lambda waveforms: factor * peak(waveforms)

    one = sc.sweep(ohmic(), store=tmp_path, executor="serial", measures={"peak": scaled(1.0)}).load()
    two = sc.sweep(ohmic(), store=tmp_path, executor="serial", measures={"peak": scaled(2.0)}).load()
    np.testing.assert_array_equal(two["peak"], 2.0 * one["peak"])


OWN = """
import os
from own_limits import LARGEST
SCALE = {scale}
ORDER = []
{note}
class Meter:
    def read(self, waveforms):
        return {gain} * float(waveforms.v_row.max())
def scaled(waveforms):
    ORDER.append(1)
    return SCALE * Meter().read(waveforms)
def peak(waveforms):
    return min(scaled(waveforms), LARGEST)
"""


def test_what_a_measure_uses_of_ones_own_modules_decides_whether_runs_are_done_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def keys(largest=9.0, **parts):
        (tmp_path / "own_limits.py").write_text(f"LARGEST = {largest}")
        (tmp_path / "own_measures.py").write_text(OWN.format(**({"scale": 1, "gain": 1, "note": ""} | parts)))
        for name in ("own_measures", "own_limits"):
            sys.modules.pop(name, None)
        linecache.clearcache()
        importlib.invalidate_caches()
        peak = importlib.import_module("own_measures").peak
        found = sc.sweep(ohmic(), store=tmp_path / "store", measures=peak, executor="serial")
        return str(found["key"].values)

    first = keys()
    assert keys(note="def plot(): pass") == first
    assert len({first, keys(scale=2), keys(gain=2), keys(largest=0.1)}) == 4


def test_faults_of_functions_of_ones_own(tmp_path):
    with pytest.raises(InputError, match=r"<lambda> \(line .*\) fails with volts=0.1: ZeroDivisionError"):
        sc.sweep(lambda volts: 1 / 0, {"volts": [0.1]}, store=tmp_path, **QUIET)
    with pytest.raises(
        TypeError, match=r"^sweep\(\) got an unexpected keyword argument 'sample'; did you mean 'samples'"
    ):
        sc.sweep(ohmic(), sample=3, store=tmp_path, **QUIET)
    measures = {"end": lambda run: sys.exit(3)}
    with pytest.warns(FailedRunsWarning, match="SystemExit: 3"):
        sc.sweep(ohmic(), store=tmp_path, executor="serial", measures=measures)
    measures = {"shape": lambda run: np.ones(2) if float(run.v_row.max()) > 0.45 else 1.0}
    with pytest.raises(StoreError, match="a measure must return arrays of the same dimensions"):
        sc.sweep(
            ohmic(), {"drive.amplitude": [0.3, 0.5]}, store=tmp_path / "shapes", executor="serial", measures=measures
        )


def toss(sides, seed):
    """Throw a die with two other results, one of which is an array."""
    if sides == 13:
        raise ValueError("13 brings bad luck")
    random = np.random.default_rng(seed)
    return {"rolled": random.integers(1, sides + 1), "more": xr.DataArray(random.uniform(size=3), dims="throw")}


def test_a_function_may_measure_without_a_testbench(tmp_path):
    axes = {"sides": [6, 13, 20]}
    with pytest.warns(FailedRunsWarning, match="4 of 12 runs failed; number 4: ValueError: 13 brings bad luck"):
        found = sc.sweep(toss, axes, samples=4, engine=None, store=tmp_path, workers=2)
    assert found["rolled"].dims == ("sides", "sample")
    assert found["more"].dims == ("sides", "sample", "throw")
    with pytest.warns(FailedRunsWarning):
        more = sc.sweep(toss, axes, samples=5, engine=None, store=tmp_path, executor="serial", seed=0)
    np.testing.assert_array_equal(more["rolled"][:, :4], found["rolled"])  # which has its own runs in the store still
    np.testing.assert_array_equal(more["seconds"][[0, 2], :4], found["seconds"][[0, 2]])  # nothing was done again
    assert (found["rolled"].sel(sides=13).isnull()).all()
    assert bands(found, "rolled")["count"].values.tolist() == [4, 0, 4]
    with pytest.warns(FailedRunsWarning, match="4 of 12 runs have no result; the figures are of the others"):
        plot_sweep(found[["rolled", "status"]])
    with pytest.warns(FailedRunsWarning, match="must return what is measured by name; it returns 3"):
        sc.sweep(lambda seed: 3, samples=1, engine=None, store=tmp_path / "none", executor="serial")
    with pytest.raises(InputError, match=r"toss .* must take the axes as its arguments, side: missing .* 'sides'"):
        sc.sweep(toss, {"side": [6]}, samples=1, engine=None, store=tmp_path / "none", executor="serial")
    with pytest.raises(InputError, match="made by a function"):
        sweeps.retry_sweep(tmp_path)


def test_scatter_may_be_an_axis_alone(tmp_path):
    found = sc.sweep(ohmic(), {"vary.Ron.normal": [0.05, 0.1]}, samples=20, store=tmp_path, **QUIET)
    narrow, wide = found["peak"].isel(column=0).std("sample").values
    assert 1e-6 < narrow < 0.7 * wide


@pytest.mark.ngspice
def test_a_change_of_a_model_file_has_its_runs_done_again(tmp_path):
    from spicecim.sweeps.plan import make_plan

    source = tmp_path / "cell.sub"
    keys = []
    for ohms in ("1k", "2k"):
        source.write_text(f".subckt cell a b\nR1 a b {ohms}\n.ends\n")
        device = {"subcircuit": str(source), "ports": ["row", "column"]}
        plan = make_plan(ohmic(device=device, crossbar={"state": [[1]]}), {"drive.offset": [0, 0.1]}, engine="ngspice")
        keys += [key for key, _ in plan.recipes()]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("pool", ["processes", "threads", "pool"])
def test_every_executor_gives_the_same_to_the_last_bit(tmp_path, pool):
    arguments = {"samples": 4, "vary": {"Ron": sc.normal("5 %")}, "measures": {"peak": peak}}
    axes = {"crossbar.wire_row": [0, 5]}
    wanted = sc.sweep(ohmic(), axes, store=tmp_path / "serial", executor="serial", **arguments)
    if pool == "processes":
        found = sc.sweep(ohmic(), axes, store=tmp_path / pool, workers=2, **arguments)
    else:
        kind = ThreadPoolExecutor if pool == "threads" else ProcessPoolExecutor
        with warnings.catch_warnings(), kind(2) as executor:
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks of a process with threads
            found = sc.sweep(ohmic(), axes, store=tmp_path / pool, executor=executor, **arguments)
    xr.testing.assert_identical(found[["peak", "key"]], wanted[["peak", "key"]])


def test_a_run_that_kills_its_worker_is_a_row(tmp_path):
    with pytest.warns(FailedRunsWarning, match="1 of 6 runs failed; number 5: WorkerCrashError"):
        found = sc.sweep(
            ohmic(), {"drive.amplitude": [0.1, 0.2, 0.25, 0.3, 0.32, 0.5]}, store=tmp_path, workers=2, batch=4,
            measures={"volts": kill_worker},
        )  # fmt: skip
    assert found["status"].values.tolist() == ["done"] * 5 + ["failed"]


def test_a_pool_of_ones_own_that_breaks_is_an_error_that_keeps_the_rest(tmp_path):
    axes = {"drive.amplitude": [0.1, 0.5]}
    with warnings.catch_warnings(), ProcessPoolExecutor(1) as pool:
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(sc.SimulationError, match="a process of the executor died"):
            sc.sweep(ohmic(), axes, store=tmp_path, executor=pool, batch=1, measures={"volts": kill_worker})
        with pytest.raises(InputError, match="functions of a module"):
            sc.sweep(ohmic(), axes, store=tmp_path, executor=pool, measures={"volts": lambda run: 1.0})


def test_waveforms_are_kept_on_request(tmp_path):
    axes = {"drive.amplitude": [0.1, 0.2]}
    sc.sweep(ohmic(), axes, store=tmp_path, waveforms=True, **QUIET)
    run = load_run(tmp_path, **{"drive.amplitude": 1})
    xr.testing.assert_equal(run, sc.simulate(ohmic(drive=run_drive(run)), "reference"))
    with pytest.raises(InputError, match="selection"):
        load_run(tmp_path, **{"drive.amplitude": 2})
    (file,) = (
        path
        for path in (tmp_path / "waveforms").rglob("*.nc")
        if path.stem == str(sc.open_sweep(tmp_path)["key"][1].item())
    )
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(StoreError, match="is damaged"):
        load_run(tmp_path, **{"drive.amplitude": 1})
    file.write_bytes(damaged[:100])
    sc.sweep(ohmic(), axes, store=tmp_path, waveforms=True, **QUIET)
    xr.testing.assert_identical(load_run(tmp_path, **{"drive.amplitude": 1}), run)


def run_drive(run):
    return sc.testbench_of(run).to_dict()["drive"]


def test_designs_grow_and_fill_their_space():
    draws = {"a": sc.normal(1.0), "b": sc.normal(1.0), "c": sc.normal(1.0)}
    for design in ("random", "sobol"):
        np.testing.assert_array_equal(drawn_factors(draws, design, 64, 1)[:32], drawn_factors(draws, design, 32, 1))
    z = drawn_factors(draws, "latin-hypercube", 50, 1) - 1.0
    for column in z.T:  # one in each of as many strips as there are samples
        assert sorted((stats.norm.cdf(column) * 50).astype(int)) == list(range(50))
    assert np.abs(drawn_factors(draws, "sobol", 1024, 1).mean(0) - 1.0).max() < 5e-3
    np.testing.assert_allclose(
        drawn_factors(draws, "one-at-a-time", None, 1, 2.0) - 1.0,
        [[0, 0, 0], [-2, 0, 0], [2, 0, 0], [0, -2, 0], [0, 2, 0], [0, 0, -2], [0, 0, 2]],
    )


def made_up(function, draw, samples, design, **plan):
    """A dataset as of a sweep, with a function of the factors in place of what is simulated."""
    from spicecim.variation.distributions import distribution

    draws = {name: distribution(each) for name, each in draw.items()}
    factors = drawn_factors(draws, design, samples, 5)
    data = function(*factors.T)
    plan = {"design": design, "draws": draw, "level": 1.0, "seed": 5, "scatter": {"vary": {}}, **plan}
    coords = {f"factor of {name}": ("sample", factors[:, number]) for number, name in enumerate(draws)}
    status = ("sample", np.full(len(data), "done"))
    return xr.Dataset({"y": ("sample", data), "status": status}, coords=coords, attrs={"sweep": json.dumps(plan)})


def test_sobol_indices_are_those_of_ishigami_and_homma():
    """Of sin(x) + 7 sin(y)^2 + z^4 sin(x) / 10, whose indices are known in closed form."""

    def ishigami(*factors):
        x, y, z = (np.pi * (factor - 1.0) for factor in factors)
        return np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)

    draw = {name: {"uniform": 1.0} for name in "xyz"}
    found = sobol_indices(made_up(ishigami, draw, 2048, "saltelli"), "y")
    a, b = 7.0, 0.1
    parts = {"x": 0.5 * (1 + b * np.pi**4 / 5) ** 2, "y": a**2 / 8, "xz": b**2 * np.pi**8 * 8 / 225}
    variance = sum(parts.values())
    for name, first, total in (
        ("x", parts["x"], parts["x"] + parts["xz"]), ("y", parts["y"], parts["y"]), ("z", 0.0, parts["xz"]),
    ):  # fmt: skip
        own = found.sel(parameter=name)
        assert float(own["first"]) == pytest.approx(first / variance, abs=0.02)
        assert float(own["total"]) == pytest.approx(total / variance, abs=0.02)
        assert own["total_low"] <= own["total"] <= own["total_high"]


def test_correlations_are_ranked_and_those_of_a_linear_function():
    draw = {"a": {"normal": 0.1}, "b": {"normal": 0.1}, "c": {"normal": 0.1}}
    found = correlations(made_up(lambda a, b, c: a - 3 * b, draw, 4000, "random"), "y")
    assert found["parameter"].values.tolist()[:2] == ["b", "a"]
    np.testing.assert_allclose(found["pearson"][:2], [-3 / np.sqrt(10), 1 / np.sqrt(10)], atol=0.05)
    assert found["p"][0] < 1e-10 < 1e-3 < found["p"][2]


def along_volts(function, samples, volts=(1.0, 2.0, 3.0, 4.0)):
    """`made_up` of factors a and b, at each of some points of an axis: function(a, b, volt)."""
    draw = {"a": {"normal": 0.1}, "b": {"normal": 0.1}}
    points = [made_up(lambda a, b, volt=volt: function(a, b, volt), draw, samples, "random") for volt in volts]
    return xr.concat(points, xr.DataArray(list(volts), dims="volts", name="volts"), data_vars="all", coords="minimal")


def test_an_axis_does_not_hide_what_was_drawn():
    """Pooled over the points, a would hardly be correlated: the axis changes a hundred times as much."""
    found = correlations(along_volts(lambda a, b, volt: a - 100.0 * volt, 30), "y").to_dataframe()
    assert found["spearman"]["a"] == pytest.approx(1.0)
    assert found["pearson"]["a"] == pytest.approx(1.0)
    assert found["spearman"]["volts"] == pytest.approx(-np.sqrt(15 / 16), abs=1e-3)  # ranks with ties of 30 runs each
    assert found["n"].to_dict() == {"a": 30, "b": 30, "volts": 120}  # the same 30 draws at every point
    assert found["p"]["b"] > 0.001 > found["p"]["a"]


def test_ranks_within_points_of_which_some_have_fewer_values():
    sweep = along_volts(lambda a, b, volt: a**3 * volt, 12)
    sweep["y"][0, :7] = np.nan
    sweep["y"][1] = np.nan
    found = correlations(sweep, "y", volts=2).to_dataframe()
    expected = stats.spearmanr(sweep["factor of b"], sweep["y"][2])
    assert found["spearman"]["b"] == pytest.approx(expected.statistic)
    assert found["p"]["b"] == pytest.approx(expected.pvalue)
    found = correlations(sweep, "y").to_dataframe()
    assert found["spearman"]["a"] == pytest.approx(1.0)
    assert found["n"].to_dict() == {"a": 12, "b": 12, "volts": 29}
    alone = along_volts(lambda a, b, volt: a + volt, 1)
    assert correlations(alone, "y")["parameter"].values.tolist() == ["volts"]  # nothing to rank within a point
    pairs = correlations(along_volts(lambda a, b, volt: a, 2), "y").to_dataframe()
    assert np.isnan(pairs["p"]["a"])  # two draws are no evidence, at however many points


def note_of(figure):
    return figure.get_supxlabel()


def test_a_figure_of_correlations_says_of_what_it_is():
    sweep = along_volts(lambda a, b, volt: a - volt, 10)
    note = note_of(figures.plot_correlations(sweep, "y"))
    assert note.replace("\n", " ") == (
        "n = 40 runs: 10 samples at 4 points of the axes; what was drawn is ranked within each point of the axes"
    )
    assert note_of(figures.plot_correlations(sweep, "y", volts=1)) == "n = 10 runs"


def test_every_figure_says_that_runs_have_no_result():
    sweep = along_volts(lambda a, b, volt: a - volt, 10)
    assert {note_of(figure) for name, figure in plot_sweep(sweep).items() if "correlations" not in name} == {""}
    sweep["status"][1, 3:] = "failed"
    sweep["y"][1, 3:] = np.nan
    with pytest.warns(FailedRunsWarning):
        drawn = plot_sweep(sweep)
    assert set(drawn) == {"y_over_volts", "y_distribution", "y_yield", "y_correlations"}
    assert all(note_of(figure).startswith("33 of 40 runs have a result") for figure in drawn.values())
    assert note_of(figures.plot_yield(sweep, "y", volts=1)) == "3 of 10 runs have a result"
    assert note_of(figures.plot_yield(sweep, "y", volts=0)) == ""


def test_designs_of_which_a_run_has_no_result_have_no_figure_that_takes_all():
    for design in ("saltelli", "one-at-a-time"):
        sweep = made_up(lambda a, b: a + b, {"a": {"normal": 0.1}, "b": {"normal": 0.1}}, 8, design)
        assert any(name in ("y_sobol", "y_tornado") for name in plot_sweep(sweep))
        sweep["status"][3], sweep["y"][3] = "failed", np.nan
        with pytest.warns(FailedRunsWarning, match="without tornado plots and Sobol indices"):
            assert not {"y_sobol", "y_tornado"} & set(plot_sweep(sweep))


def test_correlation_with_the_cells_of_a_column(tmp_path):
    """The current of a column falls with the mean of its own resistances, not with that of the others."""
    bench = ohmic(4, 3, crossbar={"state": np.ones((4, 3)).tolist()})
    found = sc.sweep(bench, samples=40, vary={"Ron": sc.normal("5 %")}, store=tmp_path, **QUIET)
    ranked = correlations(found, "peak", column=1)
    assert ranked["parameter"].values.tolist() == ["mean of Ron"]
    assert ranked["pearson"][0] < -0.97
    with pytest.raises(InputError, match="say where along column"):
        correlations(found, "peak")


def test_a_tornado_has_the_closed_form_of_ohmic_cells(tmp_path):
    bench = ohmic(1, 1, crossbar={"state": [[1.0]]})
    draw = {
        "drive.amplitude": {"normal": 0.1},
        "device.parameters.Ron": {"normal": 0.01},
        "drive.offset": {"normal": 0.1},
    }
    found = tornado(sc.sweep(bench, draw=draw, design="one-at-a-time", store=tmp_path, **QUIET), "peak", column=0)
    assert found["parameter"].values.tolist() == ["drive.amplitude", "drive.offset", "device.parameters.Ron"]
    assert float(found["nominal"]) == pytest.approx(0.4e-4, rel=1e-6)
    np.testing.assert_allclose(found["low"], [0.37e-4, 0.39e-4, 0.4e-4 / 0.99], rtol=1e-6)
    np.testing.assert_allclose(found["high"], [0.43e-4, 0.41e-4, 0.4e-4 / 1.01], rtol=1e-6)


def test_yield_and_its_interval():
    sweep = made_up(lambda a: np.where(a > 1.0, 1.0, 0.0), {"a": {"normal": 0.1}}, 1000, "latin-hypercube")
    found = yield_within(sweep, "y", lower=0.5)
    share, z, n = 0.5, stats.norm.ppf(0.975), 1000
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert float(found["share"]) == share
    assert float(found["low"]) == pytest.approx(0.5 - half)
    assert float(found["high"]) == pytest.approx(0.5 + half)
    exact = yield_within(sweep, "y", lower=0.5, method="exact")
    assert float(exact["low"]) == pytest.approx(stats.beta.ppf(0.025, 500, 501))
    assert yield_within(sweep, "y", upper=-1.0)["share"] == 0.0
    for wrong in ({}, {"lower": 0, "confidence": 1}, {"lower": 0, "method": "normal"}):
        with pytest.raises(InputError):
            yield_within(sweep, "y", **wrong)
    sweep["y"][:10] = np.nan
    assert yield_within(sweep, "y", lower=-1)["count"] == 990


def test_axes_in_step_have_one_bar_which_names_both(tmp_path):
    axes = {"crossbar.wire_row": [0, 10, 20], "crossbar.wire_column": [0, 1, 5], "drive.offset": [0.2, 0.1, 0.3]}
    found = sc.sweep(ohmic(), axes, zip=[tuple(axes)], store=tmp_path, **QUIET)
    ranked = correlations(found, "peak", column=0).set_coords("in_step")
    row, column = (ranked["spearman"].sel(parameter=f"crossbar.wire_{name}") for name in ("row", "column"))
    assert float(row) == float(column)
    assert column["in_step"] == "crossbar.wire_row"
    assert ranked["in_step"].sel(parameter=["crossbar.wire_row", "drive.offset"]).values.tolist() == ["", ""]
    (drawn,) = figures.plot_correlations(found, "peak", column=0).axes
    names = {text.get_text() for text in drawn.get_yticklabels()}
    assert names == {"drive.offset", "crossbar.wire_row\nin step with crossbar.wire_column"}
    assert len(drawn.patches) == 2


def test_an_axis_and_the_factors_of_the_same_field_are_two_parameters(tmp_path):
    found = sc.sweep(
        ohmic(), {"drive.amplitude": [0.1, 0.3]}, samples=4, draw={"drive.amplitude": {"normal": 0.1}}, store=tmp_path,
        **QUIET,
    )  # fmt: skip
    ranked = correlations(found, "peak", column=0)
    assert set(ranked["parameter"].values) == {"drive.amplitude", "factor of drive.amplitude"}


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_every_band_is_named_in_the_legend(tmp_path):
    axes = {"drive.amplitude": [0.1, 0.3], "drive.frequency": {"slow": 50, "fast": 100}}
    found = sc.sweep(ohmic(), axes, samples=6, vary={"Ron": {"normal": 0.1}}, store=tmp_path, **QUIET)
    drawn = plot_sweep(found)
    quantiles = ["mean", "quantiles 5 % to 95 %", "quantiles 25 % to 75 %"]
    assert legend_of(drawn["peak_over_drive_amplitude"]) == ["frequency slow", "frequency fast", *quantiles]
    assert legend_of(drawn["peak_over_drive_frequency"]) == ["amplitude 0.1 V", "amplitude 0.3 V", *quantiles]
    assert legend_of(drawn["peak_yield"])[-1] == "95 % confidence interval (Wilson)"
    assert drawn["peak_yield"].axes[0].get_ylabel() == "yield"
    one = figures.plot_bands(found, "peak", "drive.amplitude", **{"drive.frequency": 0, "column": 0})
    assert legend_of(one) == quantiles


def test_the_interval_of_a_yield_is_drawn_where_the_values_of_its_curve_lie():
    sweep = made_up(lambda a: a, {"a": {"normal": 0.01}}, 20, "random")
    sweep["y"] = xr.concat([sweep["y"], 50.0 + sweep["y"]], "place")
    (axes,) = figures.plot_yield(sweep, "y").axes
    ranges = [np.ptp(band.get_paths()[0].vertices[:, 0]) for band in axes.collections]
    assert max(ranges) < 0.1
    assert [line.get_xdata()[[0, -1]].round().tolist() for line in axes.lines] == [[-4, 56]] * 2
    assert all(0.0 in line.get_ydata() and 1.0 in line.get_ydata() for line in axes.lines)


def test_a_legend_tells_that_there_are_more_curves_than_are_drawn():
    sweep = made_up(lambda a: a, {"a": {"normal": 0.01}}, 8, "random")
    for count, title in ((6, ""), (9, "6 of 9 curves")):
        many = sweep.assign(y=sweep["y"] + xr.DataArray(np.arange(count), dims="place"))
        for plot in (figures.plot_yield, figures.plot_distribution):
            (legend,) = plot(many, "y").legends
            assert legend.get_title().get_text() == title


def test_a_legend_stays_inside_of_its_figure(tmp_path):
    axes = {"crossbar.wire_column": [1000, 2000, 3000], "drive.amplitude": [0.1, 0.3]}
    found = sc.sweep(ohmic(), axes, samples=6, vary={"Ron": {"normal": 0.1}}, store=tmp_path, **QUIET)
    figure = figures.plot_yield(found, "peak", column=0)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0.0 < box.x0 < box.x1 < figure.bbox.x1


@pytest.mark.parametrize(
    ("values", "label", "ticks"),
    [
        (1.234567e-3 + 1e-9 * np.arange(8.0), "y \N{MINUS SIGN} 1.23457 mA (nA)", {"\N{MINUS SIGN}2", "0", "2"}),
        (1e-3 * 10.0 ** np.arange(8.0), "y", {"100 A"}),
        (np.full(8, 1e-3), "y (mA)", {"1", "1.02"}),
        (2e-3 + 5e-19 * np.arange(8.0), "y (mA)", {"2"}),
        (1e-3 * np.linspace(32, 48, 8), "y (mA)", {"32.5", "35", "45"}),
    ],
    ids=["close", "decades", "equal", "rounding", "range"],
)
def test_ticks_of_a_distribution_tell_its_values(values, label, ticks):
    sweep = made_up(lambda a: values, {"a": {"normal": 0.1}}, 8, "random")
    sweep["y"].attrs["units"] = "A"
    figure = figures.plot_distribution(sweep, "y")
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        shown = [text.get_text() for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]
        assert axes.get_xlabel().replace("\N{NO-BREAK SPACE}", " ") == label
        assert len(set(shown)) == len(shown) >= 3
        assert low < values.min() <= values.max() < high
    assert ticks <= {text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in figure.axes[0].get_xticklabels()}
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 8
    assert all(float(text.get_text()).is_integer() for text in figure.axes[0].get_yticklabels())


def test_samples_that_are_no_draws_have_no_yield():
    found = made_up(lambda *factors: sum(factors), {"a": {"normal": 0.1}, "b": {"normal": 0.1}}, 8, "saltelli")
    with pytest.raises(InputError, match="the samples of saltelli are no independent draws"):
        yield_within(found, "y", lower=0.0)
    assert [name.partition("_")[2] for name in plot_sweep(found)] == ["correlations", "sobol"]


def test_bars_of_distributions_that_are_far_apart_are_narrow():
    random = np.random.default_rng(1)
    edges = drawing.edges_of_bars([random.normal(size=500), random.normal(50, 3, size=500)])
    assert edges[1] - edges[0] < 1.0
    assert len(drawing.edges_of_bars([np.array([1.0]), np.array([2.0])])) == 11
    assert len(drawing.edges_of_bars([random.normal(size=500), random.normal(1e6, size=500)])) == 101


def test_bars_and_limits_of_decades_are_even_on_a_logarithmic_axis():
    values = 10.0 ** np.linspace(0.01, 5, 200)
    for found in (drawing.edges_of_bars([values]), drawing.limits_around(values)):
        steps = np.diff(np.log10(found))
        np.testing.assert_allclose(steps, steps.mean(), rtol=1e-6)
        assert found[0] <= values[0] < values[-1] <= found[-1]


def test_places_without_an_order_have_no_line_between_them(tmp_path):
    corners = {"slow": {"drive.amplitude": 0.1}, "fast": {"drive.amplitude": 0.2}}
    found = sc.sweep(ohmic(), corners=corners, store=tmp_path, **QUIET)
    (axes,) = figures.plot_bands(found, "peak", "corner", column=0).axes
    assert [line.get_linestyle() for line in axes.lines] == ["None"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["slow", "fast"]


def test_bands():
    sweep = made_up(lambda a: a, {"a": {"normal": 0.1}}, 999, "latin-hypercube")
    found = bands(sweep, "y")
    assert float(found["mean"]) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(found["quantile"], stats.norm.ppf(found["level"], 1.0, 0.1), atol=1e-3)
    with pytest.raises(InputError, match="no dimension"):
        bands(sweep, "y", column=1)


@pytest.mark.slow
def test_column_currents_have_the_distribution_of_a_sum_of_normal_conductances(tmp_path):
    """Ohmic cells that are all on conduct as their drawn conductances: of one row, the current is normal."""
    states = np.ones((1, 1))

    def conductance(seed):
        one = ohmic(1, 1, crossbar={"state": states.tolist()})
        drawn = sc.vary(one, {"Ron": sc.normal(0.05)}, seed=seed)
        ohms = 1e8 / drawn.device.arrays()["Ron"]
        return one.with_sections(device={"model": "resistor", "parameters": {"Ron": ohms, "Roff": 1e6}})

    found = sc.sweep(conductance, samples=300, store=tmp_path, **QUIET)
    current = found["peak"].values.ravel()
    assert stats.kstest(current, "norm", (0.4e-4, 0.05 * 0.4e-4)).pvalue > 0.01
    assert stats.kstest(current, "norm", (0.4e-4 * 1.05, 0.05 * 0.4e-4)).pvalue < 0.01


def test_errors_of_selecting(tmp_path):
    found = sc.sweep(ohmic(), {"drive.offset": [0.0, 0.1]}, store=tmp_path, **QUIET)
    with pytest.raises(InputError, match="no samples"):
        bands(found, "peak")
    with pytest.raises(InputError, match="must be one of peak"):
        bands(found, "speak")
    with pytest.raises(InputError, match="one-at-a-time"):
        tornado(found, "peak")
    with pytest.raises(InputError, match=r"no measure has a dimension 'col'; there are drive\.offset, column"):
        plot_sweep(found, col=0)
    with pytest.raises(TestbenchError):
        sc.Testbench.from_dict({})
