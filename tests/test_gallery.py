"""Every script of the gallery: one figure with labeled axes, no warning, and numbers that are known from elsewhere."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

import spicecim as sc
from spicecim.devices.transistor import Transistor, transistor_values

FOLDER = Path(__file__).parents[1] / "examples" / "gallery"
QUICK = {"pinched_loops", "sneak_paths", "forms_isaac"}
"""Those that run in every test run."""


def yakopcic_pulse(volts: float, width: float, edge: float) -> float:
    """Change of x of Oblea's device, below its window, by one pulse with linear edges."""
    device: Any = sc.make_device("yakopcic", "oblea")
    threshold = float(np.exp(device.Vp))
    ramp = (np.exp(volts) - threshold - threshold * (volts - device.Vp)) / volts
    return float(device.Ap * ((np.exp(volts) - threshold) * width + 2 * edge * ramp))


def pinched_loops(numbers: dict[str, Any]) -> None:
    assert numbers["pinch_offset"] < 1e-12
    # at 150 mV no threshold is passed: no area; above the peak the area falls with the frequency
    assert numbers["lobe_area_by_amplitude"][0] < 1e-12
    assert numbers["lobe_area"][2] < numbers["lobe_area"][1]


def lobe_area(numbers: dict[str, Any]) -> None:
    # a small change of the resistance goes with the flux, 1/f; what is left of the bend at 20 Hz is below 6 %
    np.testing.assert_allclose(numbers["slope"], -1.0, atol=0.06)
    assert (np.diff(numbers["peak_frequency"]) > 0).all()


def boundary_lock(numbers: dict[str, Any]) -> None:
    # docs/accuracy.md has the same comparison: +0.003 % and -47.7 %
    assert abs(numbers["spicecim"]) < 1e-3
    assert numbers["x_error"] < 1e-3
    assert numbers["subcircuit"] < -0.4


def models_side_by_side(numbers: dict[str, Any]) -> None:
    assert set(numbers) == set(sc.MODELS) - {"resistor"}
    assert max(numbers.values()) < 1e-3


def retention(numbers: dict[str, Any]) -> None:
    assert numbers["largest_error"] < 1e-8
    assert (np.diff(numbers["seconds_to_1_over_e"]) < 0).all()


def potentiation(numbers: dict[str, Any]) -> None:
    np.testing.assert_allclose(np.diff(numbers["x"][:15]), yakopcic_pulse(0.3, 20e-6, 2e-6), rtol=1e-4)
    assert numbers["growing"] < 0.5 * numbers["alike"]


def endurance(numbers: dict[str, Any]) -> None:
    # at rest SET and RESET move x alike; in the beginning SET moves it more
    assert numbers["last_set"] == pytest.approx(numbers["last_reset"], rel=1e-6)
    assert numbers["first_set"] > 2 * numbers["first_reset"]


def switching_time(numbers: dict[str, Any]) -> None:
    np.testing.assert_allclose(numbers["vteam"], 0.0, atol=1e-9)
    np.testing.assert_allclose(numbers["yakopcic"], 0.0, atol=1e-4)
    # the speed grows with sinh of the voltage: by more than a decade per 100 mV here
    assert (numbers["stanford_pku"][:-1] > 10 * numbers["stanford_pku"][1:]).all()


def read_noise(numbers: dict[str, Any]) -> None:
    # 20,000 samples: a standard error of half a percent
    assert numbers["measured"] == pytest.approx(numbers["nyquist"], rel=0.02)
    np.testing.assert_allclose(numbers["levels"], [100e-9, 105e-9], rtol=1e-3)
    # two thirds on average; some eight cycles only
    assert 0.4 < numbers["upper_share"] < 0.9


def fit(numbers: dict[str, Any]) -> None:
    for low, true, high in numbers.values():
        # twice a 95 % interval misses the truth in 1 of 10,000
        assert abs(true - (low + high) / 2) < high - low < 0.1 * true


def posterior(numbers: dict[str, Any]) -> None:
    # samples that hang together make the share uncertain by some percent
    assert 0.9 < numbers["within"] < 0.99
    assert numbers["correlation"] == pytest.approx(numbers["linearized"], abs=0.1)


def cured_module(numbers: dict[str, Any]) -> None:
    assert numbers["order"] == pytest.approx(1.0, abs=0.05)
    assert numbers["engines"] < 1e-4
    assert numbers["cured"] < 1e-3


def engines(numbers: dict[str, Any]) -> None:
    # docs/accuracy.md has 7e-5 for the default 200 points
    assert 0 < numbers["max_error"] < 1e-4


def energy_balance(numbers: dict[str, Any]) -> None:
    assert abs(numbers["error"]) < 1e-9
    assert 0 < numbers["share_of_wires"] < 1


def in_phase_currents(numbers: dict[str, Any]) -> None:
    # a1 b x of the sinh; its curvature adds (b v)^2 / 8, 5e-6
    np.testing.assert_allclose(numbers["conductance"], numbers["expected"], rtol=1e-4)


def settling(numbers: dict[str, Any]) -> None:
    # nodal equations of the column at rest: a row behind its segment and its cell, column segments to the sense node
    rows, segment, cell = 64, 5.0, 1 / (0.5 * (1e-4 + 1e-6))
    row = 1 / (cell + segment)
    matrix = np.diag(np.full(rows, row + 1 / segment) + np.r_[0.0, np.full(rows - 1, 1 / segment)])
    matrix -= np.diag(np.full(rows - 1, 1 / segment), 1) + np.diag(np.full(rows - 1, 1 / segment), -1)
    for driven, current in numbers["final"].items():
        nodes = np.linalg.solve(matrix, np.where(np.arange(rows) == driven, 0.1 * row, 0.0))
        assert current == pytest.approx(nodes[-1] / segment, rel=1e-4)
    times = numbers["settled"]
    assert times[0] > times[31] > times[63]


def accuracy(numbers: dict[str, Any]) -> None:
    assert (numbers["true_over_asked"] < 1).all()
    assert (numbers["stated_over_true"] > 0.5).all()


def speed(numbers: dict[str, Any]) -> None:
    # times are the machine's; the currents of both engines are not
    assert max(numbers["errors"]) < 1e-3


def ir_drop(numbers: dict[str, Any]) -> None:
    given, taken = numbers["currents"]
    assert given == pytest.approx(taken, rel=1e-9)
    assert numbers["worst_cell"] == (0, 63)
    np.testing.assert_allclose(numbers["v_cell"], _nodal_voltages(64, 1e-4, 0.5, 0.2), rtol=1e-8)


def _nodal_voltages(size: int, cell: float, segment: float, volts: float) -> np.ndarray:
    """Voltage of every cell by the nodal equations of a crossbar, from conductances of cells and segments (S)."""
    matrix, known = lil_matrix((2 * size**2, 2 * size**2)), np.zeros(2 * size**2)

    def connect(one: int, other: int | None, conductance: float, potential: float = 0.0) -> None:
        matrix[one, one] += conductance
        if other is None:
            known[one] += conductance * potential
            return
        matrix[other, other] += conductance
        matrix[one, other] -= conductance
        matrix[other, one] -= conductance

    for row in range(size):
        for column in range(size):
            upper = row * size + column
            lower = size**2 + upper
            connect(upper, lower, cell)
            connect(upper, upper - 1 if column else None, segment, volts)
            connect(lower, lower + size if row < size - 1 else None, segment)
    nodes = spsolve(matrix.tocsr(), known).reshape(2, size, size)
    return np.asarray(nodes[0] - nodes[1])


def sneak_paths(numbers: dict[str, Any]) -> None:
    assert numbers["largest_error"] < 1e-9


def half_select_disturb(numbers: dict[str, Any]) -> None:
    disturb = numbers["disturb"]
    # lines are selected once each: a cell is on the line of none, one or two selected cells
    once = yakopcic_pulse(0.2, 100e-6, 10e-6)
    np.testing.assert_allclose(np.unique(disturb["v/2"].round(7)), [0.0, once, 2 * once], rtol=1e-4, atol=1e-12)
    assert not disturb["v/3"].any()


def half_select_drives(numbers: dict[str, Any]) -> None:
    assert numbers["neither"] == 0
    # 1 ohm per segment takes some of the voltage: less than an ideal pulse does
    ideal = yakopcic_pulse(0.2, 0.2e-3, 10e-6)
    assert 0.9 * ideal < numbers["same row"] < ideal
    assert numbers["selected"] > 5 * numbers["same row"]


def write_verify(numbers: dict[str, Any]) -> None:
    assert numbers["converged"]
    assert numbers["largest_error"] <= 0.01
    # half of 300 mV is at the lower threshold, which is not passed
    assert numbers["largest_disturb"] == 0


def monte_carlo_yield(numbers: dict[str, Any]) -> None:
    for scatter, spread in numbers["spread"].items():
        # log-normal cells, 32 to a column; 1600 columns give a standard error of 1.8 %
        assert spread == pytest.approx(np.sqrt(np.expm1(scatter**2) / 32), rel=0.06)
    shares = list(numbers["yield"].values())
    assert shares == sorted(shares, reverse=True)


def wire_resistance(numbers: dict[str, Any]) -> None:
    np.testing.assert_allclose(numbers["slope"], 1.0, atol=0.01)
    np.testing.assert_allclose(numbers["by_size"], 4.0, rtol=0.05)


def selector(numbers: dict[str, Any]) -> None:
    def current(volts: float, resistance: float) -> float:
        return float(brentq(lambda i: i * resistance + 35e-3 * np.arcsinh(i / 1e-12) - volts, 0, 1, xtol=1e-22))

    for state, resistance in ((1.0, 10e3), (0.0, 1e6)):
        assert numbers["resistor", state] == pytest.approx(2.0)
        ratio = current(0.8, resistance) / current(0.4, resistance)
        assert numbers["resistor_with_exponential", state] == pytest.approx(ratio, rel=1e-6)


def forms_isaac(numbers: dict[str, Any]) -> None:
    # the published totals of both
    isaac, forms = numbers.values()
    assert isaac["power"] == pytest.approx(65.8, rel=1e-3)
    assert isaac["area"] == pytest.approx(85.4, rel=1e-3)
    assert isaac["gops_per_watt"] == pytest.approx(627.5, rel=1e-3)
    assert forms["power"] == pytest.approx(66.36, rel=1e-3)
    assert forms["area"] == pytest.approx(89.15, rel=1e-3)


def input_cycles(numbers: dict[str, Any]) -> None:
    np.testing.assert_allclose(numbers["mean"], numbers["expected"], rtol=5e-3)


def adc_bits(numbers: dict[str, Any]) -> None:
    found, expected = numbers["lossless"], numbers["expected"]
    assert (found[4], found[8]) == (expected[4], expected[8]) == (4, 5)
    assert found[128] <= expected[128] == 9
    assert 0 < numbers["clipped_8_rows_4_bits"] < 0.01


def compliance(numbers: dict[str, Any]) -> None:
    # at the top of the ramp, while the state has not moved: memristor and transistor in series
    memristor: Any = sc.make_device("yakopcic", "oblea")
    transistor = Transistor(**transistor_values("generic_130nm", {"W": 1e-6}))
    for gate, current in zip(numbers["gates"][:2], numbers["peak_currents"], strict=False):

        def missed(u: float, gate: float = gate) -> float:
            return float(memristor.current(u, 0.1)) - float(transistor.current(0.8, gate, u))

        inner = brentq(missed, 0.0, 0.8, xtol=1e-14)
        assert current == pytest.approx(float(memristor.current(inner, 0.1)), rel=1e-6)
    assert (np.diff(numbers["after_set"]) >= 0).all()
    assert numbers["after_set"][-1] > 3 * numbers["after_set"][0]
    assert (np.subtract(numbers["after_reset"], numbers["after_set"]) < -0.005).all()


def polarization(numbers: dict[str, Any]) -> None:
    assert numbers["mixed_after"] == 0 < numbers["mixed_before"]
    moved = numbers["moved"]
    assert moved[4] == pytest.approx(numbers["by_hand"], rel=1e-12)
    assert moved[1] == 0
    # of two normal weights the smaller one goes where their signs differ: half of (1 - 2 / pi) / 2 of the squares
    assert moved[2] == pytest.approx(np.sqrt((0.5 - 1 / np.pi) / 2), rel=0.02)


def network_tile(numbers: dict[str, Any]) -> None:
    assert numbers["codes"] > 1000
    assert numbers["other_codes"] == 0
    assert numbers["largest_error"] < 1e-9
    assert len(numbers["sums"]) > 5
    assert numbers["accuracy"] > 0.7


def frequency_levels(numbers: dict[str, Any]) -> None:
    # where the state hardly moves the conductance is a1 b x0
    limit = 0.17 * 0.05 * 0.05
    assert limit < numbers["conductance"][-1] < 1.3 * limit
    assert numbers["conductance"].max() > 8 * limit


def frequency_weighted_image(numbers: dict[str, Any]) -> None:
    drift, threshold = numbers.values()
    # co-scaled drift multiplies exactly, docs/frequency-weighting.md has 194 dB; a threshold does not
    assert drift > 150
    assert 25 < threshold < 40


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    check.__name__: check
    for check in (
        pinched_loops, lobe_area, boundary_lock, models_side_by_side, retention, potentiation, endurance,
        switching_time, read_noise, fit, posterior, cured_module, engines, energy_balance, in_phase_currents, settling,
        accuracy, speed, ir_drop, sneak_paths, half_select_disturb, half_select_drives, write_verify,
        monte_carlo_yield, wire_resistance, selector, forms_isaac, input_cycles, adc_bits, frequency_levels,
        frequency_weighted_image, compliance, polarization, network_tile,
    )
}  # fmt: skip


def test_every_script_has_a_check() -> None:
    assert {path.stem.removeprefix("plot_") for path in FOLDER.glob("*/plot_*.py")} == set(CHECKS)


def test_every_group_has_a_header() -> None:
    folders = [FOLDER, *{path.parent for path in FOLDER.glob("*/plot_*.py")}]
    assert all((folder / "GALLERY_HEADER.rst").is_file() for folder in folders)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHECKS]
)
def test_script(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = FOLDER.glob(f"*/plot_{name}.py")
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    with mpl.rc_context():
        try:
            values = runpy.run_path(str(path), run_name="__main__")
            assert len(plt.get_fignums()) == 1
            figure = plt.gcf()
            figure.canvas.draw()
            check_labels(figure)
        finally:
            plt.close("all")
    assert not list(tmp_path.iterdir())
    CHECKS[name](values["numbers"])


def check_labels(figure: plt.Figure) -> None:
    """Check that axes have labels, or share those of a neighbor."""
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            assert axes.get_ylabel() or axes.get_xlabel()
            continue
        x_shared, y_shared = axes.get_shared_x_axes(), axes.get_shared_y_axes()
        assert any(each.get_xlabel() for each in x_shared.get_siblings(axes)), "an axis of x has no label"
        assert any(each.get_ylabel() for each in y_shared.get_siblings(axes)), "an axis of y has no label"
