"""Write-verify of arrays with wires, under every scheme, in both engines."""

import re

import numpy as np
import pytest

import spicecim as sc
from spicecim.errors import InputError, ProgrammingWarning

WIRES = {"wire_row": 2.0, "wire_column": [2.0, 5.0, 2.0], "source_resistance": 10.0, "sense_resistance": 5.0}


def bench_of(shape, amplitude=0.3, model="yakopcic", **crossbar):
    return sc.Testbench(
        device={"model": model},
        crossbar={"state": np.full(shape, 0.3), **crossbar},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": 100},
        analysis={"points_per_period": 16},
    )


TARGET = np.array([[0.35, 0.5, 0.25], [0.45, 0.3, 0.4]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "engine", "crossbar"),
    [
        ("v/2", "reference", WIRES),
        ("v/3", "ngspice", WIRES),
        ("floating", "reference", {}),
        ("floating", "ngspice", {"wire_row": 2.0}),
    ],
)
def test_cells_behind_wires_and_among_floating_lines_reach_their_targets(scheme, engine, crossbar):
    """A conductance is what a read finds, wires included: it is that of the operating point at the states reached."""
    bench = bench_of((2, 3), **crossbar)
    volts = 0.06
    ranges = [sc.operations.conductance(bench, x, volts) for x in (0.0, 1.0)]
    # what wires take is no error of a cell: targets are those that reads can find
    reads = []
    for row in range(2):
        state = bench.with_sections(crossbar={**dict(bench.crossbar), "state": TARGET})
        v_row = np.where(np.arange(2) == row, volts, 0.0)
        reads.append(sc.operating_point(state, v_row).i_column.values / volts)
    target = np.array(reads)
    done = sc.program(bench, target, tolerance=0.02, scheme=scheme, engine=engine, read_voltage=volts)
    assert done.converged.all()
    reached = bench.with_sections(crossbar={**dict(bench.crossbar), "state": done.x.values})
    again = np.array(
        [
            sc.operating_point(reached, np.where(np.arange(2) == row, volts, 0.0)).i_column.values / volts
            for row in range(2)
        ]
    )
    np.testing.assert_allclose(again, done.result, rtol=2e-3)
    assert np.abs((again - target) / (ranges[1] - ranges[0])).max() < 0.021
    assert np.abs(done.x - TARGET).max() < 0.05


def test_half_of_a_voltage_above_twice_the_threshold_undoes_what_was_written_and_says_so():
    target = np.tile([0.7, 0.2], (2, 1))
    with pytest.warns(ProgrammingWarning) as caught:
        done = sc.program(bench_of((2, 2), 0.4), target, quantity="x", tolerance=0.005, most_pulses=3, passes=1)
    text = str(next(each.message for each in caught if each.category is ProgrammingWarning))
    assert "writing a cell undoes others" in text
    assert "half-selected cells see up to 0.2 V" in text
    largest = float(re.search(r"changed by up to ([\d.e+-]+),", text).group(1))
    assert largest == pytest.approx(float(abs(done.disturb).max()), rel=0.05)
    row, column, amount, count = re.search(
        r"that of cell \((\d), (\d)\), and by more than ([\d.]+) in (\d) of 4 cells", text
    ).groups()
    assert abs(done.disturb).values.argmax() == 2 * int(row) + int(column)
    assert float(amount) == 0.005
    assert int((abs(done.disturb) > 0.005).sum()) == int(count) > 0
    assert "instead of" in text


@pytest.mark.slow
@pytest.mark.parametrize("amplitude", [0.4, 0.6])
def test_pulses_that_undo_each_other_end(amplitude):
    """All rows are gone through as often as was asked, and cells that others undid are not counted as done."""
    target = np.where(np.indices((3, 3)).sum(axis=0) % 2, 0.7, 0.2)
    with pytest.warns(ProgrammingWarning, match="writing a cell undoes others"):
        done = sc.program(bench_of((3, 3), amplitude), target, quantity="x", most_pulses=8, passes=2)
    assert int(done.pulses.max()) <= 2 * 8
    assert not done.converged.all()
    np.testing.assert_array_equal(done.converged, abs(done.x - target) < 0.01)


READ_OVER_SELECTOR = {"threshold": 0.5, "exponential": 0.7}


@pytest.mark.parametrize("selector", sorted(READ_OVER_SELECTOR))
def test_cells_with_selectors_are_read_above_their_thresholds(selector):
    bench = bench_of((1, 2), 1.0, f"yakopcic_with_{selector}")
    with pytest.raises(InputError, match=r"read_voltage: at 0.2 V cell \(0, 0\) conducts as its target does"):
        sc.program(bench, [[0.35, 0.3]], quantity="x", tolerance=0.02)
    done = sc.program(
        bench, [[0.33, 0.3]], quantity="x", tolerance=0.02, read_voltage=READ_OVER_SELECTOR[selector]
    )  # fmt: skip
    assert done.converged.all()
    np.testing.assert_allclose(done.x, [[0.33, 0.3]], atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "ngspice"])
@pytest.mark.parametrize(
    ("selector", "volts", "crossbar"), [("threshold", 0.9, {}), ("exponential", 1.0, {"wire_row": 2.0})]
)
def test_cells_with_selectors_are_programmed(selector, volts, crossbar, engine):
    bench = bench_of((2, 2), volts, f"yakopcic_with_{selector}", **crossbar).with_analysis(accuracy=0.05)
    target = TARGET[:, :2]
    done = sc.program(
        bench, target, quantity="x", tolerance=0.02, read_voltage=READ_OVER_SELECTOR[selector], engine=engine
    )
    assert done.converged.all()
    np.testing.assert_allclose(done.x, target, atol=0.03)
    # half of the voltage leaves the memristor less than its own threshold
    assert float(abs(done.disturb).max()) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "ngspice"])
@pytest.mark.parametrize("gates", ["rows", "columns"])
def test_cells_with_transistors_are_programmed_behind_wires(gates, engine):
    bench = sc.Testbench.from_dict(
        {
            "device": {"model": "yakopcic"},
            "crossbar": {"state": np.full((2, 2), 0.3).tolist(), "wire_row": 2.0, "wire_column": 2.0},
            "drive": {"kind": "sine", "amplitude": 0.5, "frequency": 100},
            "analysis": {"points_per_period": 16, "accuracy": 0.05},
            "cell": {
                "kind": "1t1r",
                "gates": gates,
                "transistor": {"preset": "generic_130nm", "parameters": {"W": "10um"}},
            },
            "word_lines": {"drive": {"kind": "sine", "amplitude": 1.5, "frequency": 100}},
        }
    )
    target = np.array([[0.35, 0.3], [0.25, 0.4]])
    done = sc.program(bench, target, quantity="x", tolerance=0.03, passes=2, engine=engine)
    assert done.converged.all()
    np.testing.assert_allclose(done.x, target, atol=0.05)
    assert float(abs(done.disturb).max()) < 1e-9


@pytest.mark.slow
def test_transistors_that_do_not_close_undo_what_was_written_and_are_named():
    """With a threshold below 0 V, word lines at 0 V leave cells open: every row sees the pulses of all others."""
    bench = sc.Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {"state": [[0.3, 0.3], [0.3, 0.3]]},
            "drive": {"kind": "sine", "amplitude": 0.36, "frequency": 100},
            "analysis": {"points_per_period": 16},
            "cell": {
                "kind": "1t1r",
                "transistor": {"preset": "generic_130nm", "parameters": {"W": "50um", "VT0": -0.5}},
            },
            "word_lines": {"drive": {"kind": "sine", "amplitude": 1.2, "frequency": 100}},
        }
    )
    with pytest.warns(ProgrammingWarning, match="transistors that are off pass"):
        done = sc.program(bench, [[0.6, 0.3], [0.3, 0.6]], quantity="x", passes=1, most_pulses=4)
    assert float(abs(done.disturb).max()) > 0.01
