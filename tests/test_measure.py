"""Measurements on waveforms whose answers are known in closed form."""

import contextlib
import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from spicecim import measure
from spicecim.engines import simulate
from spicecim.errors import AccuracyWarning, MeasurementError, WaveformError
from spicecim.measure.windows import in_window
from spicecim.summary import summarize
from spicecim.testbench import Testbench
from spicecim.waveforms import make_waveforms, testbench_of

TIME = np.linspace(0, 0.01, 4001)


def synthetic(columns, amplitude=(1.0, 2.0), frequency=(100.0, 300.0)):
    """A dataset of two rows with the column currents given, as a run would have it."""
    columns = np.stack(columns, axis=1)
    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": np.full((2, columns.shape[1]), 0.5)},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency},
        analysis={"duration": TIME[-1]},
    )
    v_row = bench.drive.voltage(TIME)
    variables = {"v_row": v_row, "i_row": 1e-3 * v_row, "i_column": columns}
    return make_waveforms(bench, TIME, variables, {"engine": "none"})


def sine(frequency, amplitude=1.0, phase=0.0):
    return amplitude * np.sin(2 * np.pi * frequency * TIME + phase)


class TestCurrents:
    """Means, charge, demodulation and harmonics."""

    def test_mean_rectified_mean_and_charge(self):
        run = synthetic([2.0 + sine(100), sine(100, 3.0)])
        np.testing.assert_allclose(measure.mean_current(run), [2.0, 0.0], atol=1e-12)
        np.testing.assert_allclose(measure.rectified_mean_current(run), [2.0, 6 / np.pi], rtol=1e-6)
        np.testing.assert_allclose(measure.charge(run), [0.02, 0.0], atol=1e-12)
        assert measure.charge(run).attrs["units"] == "C"

    def test_a_window_limits_the_average_even_between_instants(self):
        run = synthetic([TIME, TIME**0])
        start, stop = 0.00123456, 0.0045678
        np.testing.assert_allclose(measure.mean_current(run, (start, stop)), [(start + stop) / 2, 1.0], rtol=1e-12)
        np.testing.assert_allclose(measure.charge(run, (start, stop))[1], stop - start, rtol=1e-12)

    @pytest.mark.parametrize("window", [(0.005, 0.005), (-1, 0.005), (0.005, 0.02), (0.006, 0.005)])
    def test_windows_beyond_the_waveform_are_refused(self, window):
        with pytest.raises(MeasurementError, match="window"):
            measure.mean_current(synthetic([sine(100)]), window)

    def test_demodulation_separates_the_rows_tones(self):
        run = synthetic([sine(100, 0.7) + sine(300, 0.2), sine(100, 0.5, np.pi / 2) + 4.0])
        np.testing.assert_allclose(measure.in_phase_current(run), [[0.7, 0.0], [0.2, 0.0]], atol=1e-12)

    def test_demodulation_of_some_rows(self):
        run = synthetic([sine(100, 0.7) + sine(300, 0.2)])
        np.testing.assert_allclose(measure.in_phase_current(run.isel(row=[1])), [[0.2]], atol=1e-12)

    def test_demodulation_needs_whole_cycles(self):
        with pytest.raises(MeasurementError, match="whole cycles of 100 Hz"):
            measure.in_phase_current(synthetic([sine(100)]), (0, 0.005))

    def test_demodulation_needs_a_sine(self):
        bench = Testbench(
            device={"model": "yakopcic"},
            crossbar={"state": [[0.5]]},
            drive={"kind": "samples", "time": [0, 1], "voltages": [[0, 0.1]]},
        )
        with pytest.raises(MeasurementError, match="sine drive"):
            measure.in_phase_current(simulate(bench, "reference"))

    def test_a_tone_that_rows_share_counts_once(self):
        """Two rows of 100 Hz drive a column of 20 uA: its current in phase is 20 uA, not 40."""
        shared = synthetic([sine(100, 20e-6)], frequency=(100.0, 100.0))
        np.testing.assert_allclose(measure.in_phase_current(shared), [[20e-6], [20e-6]], rtol=1e-9)
        tones = measure.tone_current(shared)
        np.testing.assert_allclose(tones, [[20e-6]], rtol=1e-9)
        assert tones["frequency"].values.tolist() == [100.0]
        apart = measure.tone_current(synthetic([sine(100, 0.7) + sine(300, 0.2)]))
        np.testing.assert_allclose(apart, [[0.7], [0.2]], atol=1e-12)

    def test_a_tone_in_several_phases_has_no_phase(self):
        bench = Testbench(
            device={"model": "yakopcic"},
            crossbar={"state": [[0.5], [0.5]]},
            drive={"kind": "sine", "amplitude": 0.1, "frequency": 100, "phase": [0, 1]},
        )
        with pytest.raises(MeasurementError, match="100 Hz in several phases"):
            measure.tone_current(simulate(bench, "reference"))

    def test_the_summary_holds_the_columns_own_current_in_phase(self):
        """Two 10 kohm cells at 0.1 V: 20 uA in each way of measuring."""
        bench = Testbench(
            device={"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 10e3}},
            crossbar={"state": [[0.0], [0.0]]},
            drive={"kind": "sine", "amplitude": 0.1, "frequency": 100},
        )
        run = simulate(bench, "reference")
        columns = summarize({"reference": run})["columns"]["reference"]
        assert columns["in_phase_current_a"] == pytest.approx([20e-6], rel=1e-9)

    def test_instants_too_far_apart_have_no_tones(self):
        coarse = synthetic([sine(100)]).isel(time=slice(None, None, 400))  # 4 in a period of 100 Hz, 1.3 of 300 Hz
        with pytest.raises(MeasurementError, match=r"0\.001 s apart, too far to measure 300 Hz: it needs 4"):
            measure.in_phase_current(coarse)
        with pytest.raises(MeasurementError, match="too far to measure 500 Hz"):
            measure.harmonics(coarse, 100.0, count=5)

    def test_a_rectified_mean_knows_where_the_current_crosses_zero(self):
        """A triangle wave given by its corners alone: the mean magnitude is half its peak."""
        bench = Testbench(
            device={"model": "yakopcic"},
            crossbar={"state": [[0.5]]},
            drive={"kind": "samples", "time": [0, 1, 3, 4], "voltages": [[0, 1, -1, 0]]},
        )
        time, v = np.array([0.0, 1.0, 3.0, 4.0]), np.array([[0.0], [1.0], [-1.0], [0.0]])
        run = make_waveforms(bench, time, {"v_row": v, "i_row": 2 * v, "i_column": 2 * v}, {})
        assert float(measure.rectified_mean_current(run)[0]) == pytest.approx(1.0, rel=1e-12)

    def test_how_well_the_instants_resolve_a_mean_is_said(self):
        """A current that jumps between two of 100 instants: its mean is known to half a step."""
        time = np.linspace(0, 0.01, 101)
        bench = testbench_of(synthetic([sine(100)]))
        v = bench.drive.voltage(time)
        for accuracy, jump in itertools.product((1e-3, 0.1), (0.00501, 0.00499)):
            analysis = bench.analysis.model_copy(update={"accuracy": accuracy})
            i = np.where(time > jump, 1.0, 0.0)[:, None]
            run = make_waveforms(
                bench.model_copy(update={"analysis": analysis}), time, {"v_row": v, "i_row": v, "i_column": i}, {}
            )
            warned = pytest.warns(AccuracyWarning, match="mean column current to .* only, and 0.001 is asked for")
            with warned if accuracy < 0.01 else contextlib.nullcontext():
                mean = measure.mean_current(run)
            assert abs(float(mean[0]) - (0.01 - jump) / 0.01) < mean.attrs["grid_error"] < 0.011
        fine = measure.mean_current(synthetic([1.5 + sine(100)]))
        assert fine.attrs["grid_error"] < 1e-12

    def test_harmonics_are_the_fourier_coefficients(self):
        run = synthetic([1.5 + sine(100, 2.0) + sine(300, 0.5, 0.3)])
        found = measure.harmonics(run, 100.0, count=4)[:, 0].values
        expected = [1.5, -2j, 0, 0.5 * np.exp(1j * (0.3 - np.pi / 2)), 0]
        np.testing.assert_allclose(found, expected, atol=1e-12)

    @settings(deadline=None)
    @given(shift=st.floats(-1, 1), scale=st.floats(-1e3, 1e3))
    def test_averages_are_linear(self, shift, scale):
        one = measure.mean_current(synthetic([sine(100, phase=0.7)]), (0.001, 0.0063))
        both = measure.mean_current(synthetic([scale * sine(100, phase=0.7) + shift]), (0.001, 0.0063))
        assert float(both[0]) == pytest.approx(scale * float(one[0]) + shift, abs=1e-9)


class TestPower:
    """Power and energy."""

    def test_average_and_worst_case_of_a_sine(self):
        power = xr.DataArray(1 + sine(100), dims="time", coords={"time": TIME}, attrs={"long_name": "power"})
        assert float(measure.average_power(power)) == pytest.approx(1.0)
        assert float(measure.worst_case_power(power)) == pytest.approx(2.0, rel=1e-6)
        # the largest mean over a window around the crest: 1 + sin(pi f L) / (pi f L)
        for length in (1e-3, 5e-3, 1e-2):
            expected = 1 + np.sinc(100 * length)
            assert float(measure.worst_case_power(power, length)) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("engine", ["ngspice", "reference"])
    @pytest.mark.parametrize("rise", [1e-3, 5e-3])
    def test_power_on_the_edges_of_a_pulse(self, engine, rise):
        """A triangular pulse of 1 V on a conductance G takes G 2 rise / 3."""
        bench = Testbench(
            device={"model": "resistor", "preset": "ideal"},
            crossbar={"state": [[0.5]]},
            drive={
                "kind": "pulse", "high": 1.0, "rise": rise, "fall": rise, "width": 0.0, "period": 1.0, "delay": 0.1
            },
            analysis={"probe": "cells"},
        )  # fmt: skip
        run = simulate(bench, engine)
        conductance = 1e-6 + 0.5 * (1e-4 - 1e-6)
        energy = conductance * 2 * rise / 3
        power = measure.row_power(run).sum("row")
        average = measure.average_power(power)
        assert float(average) == pytest.approx(energy, rel=1e-6)
        assert average.attrs["grid_error"] < 1e-6
        assert float(measure.average_power(measure.column_power(run))[0]) == pytest.approx(energy, rel=1e-6)
        assert float(measure.delivered_energy(run)[0]) == pytest.approx(energy, rel=1e-6)
        # the rising edge up to half its height: 1/8 of the cube
        assert float(measure.average_power(power, (0.1, 0.1 + rise / 2))) == pytest.approx(conductance / 12, rel=1e-6)
        # the largest window as long as an edge lies around the peak: 2 (1 - 1/8) / 3 of it
        assert float(measure.worst_case_power(power, rise)) == pytest.approx(conductance * 7 / 12, rel=1e-6)
        assert float(measure.worst_case_power(power)) == pytest.approx(conductance, rel=1e-6)
        assert summarize({engine: run})["average_power_w"] == pytest.approx(energy, rel=1e-6)
        assert measure.energy_balance(run).error < 1e-9

    def test_the_average_power_of_a_sine_is_exact_on_few_instants(self):
        bench = Testbench(
            device={"model": "resistor", "preset": "ideal"},
            crossbar={"state": [[1.0]]},
            drive={"kind": "sine", "amplitude": 2.0, "frequency": 50},
            analysis={"points_per_period": 40},
        )
        average = measure.average_power(measure.row_power(simulate(bench, "reference")))
        assert float(average[0]) == pytest.approx(2e-4, rel=1e-12)

    def test_how_well_the_instants_resolve_a_power_is_said(self):
        time = np.linspace(0, 1, 101)
        for jump in (0.501, 0.499):
            power = xr.DataArray(np.where(time > jump, 1.0, 0.0), dims="time", coords={"time": time})
            with pytest.warns(AccuracyWarning, match="average power to .* only, and 0.001 is asked for"):
                average = measure.average_power(power)
            assert abs(float(average) - (1 - jump)) < average.attrs["grid_error"] < 0.011
            assert measure.average_power(power, accuracy=0.1).identical(average)

    def test_a_window_longer_than_the_run_is_refused(self):
        power = xr.DataArray(sine(100), dims="time", coords={"time": TIME})
        with pytest.raises(MeasurementError, match="length"):
            measure.worst_case_power(power, 0.02)

    def test_row_cell_and_column_power_add_up(self, make_bench):
        run = simulate(make_bench(analysis={"probe": "cells"}), "reference")
        total = measure.row_power(run).sum("row")
        np.testing.assert_allclose(measure.cell_power(run).sum(["row", "column"]), total, rtol=1e-12)
        np.testing.assert_allclose(measure.column_power(run).sum("column"), total, rtol=1e-12)
        assert measure.cell_power(run).attrs["units"] == "W"

    def test_cells_are_needed(self, make_bench):
        with pytest.raises(WaveformError, match="cells"):
            measure.cell_power(simulate(make_bench(), "reference"))

    @pytest.mark.ngspice
    @pytest.mark.parametrize(
        "wires",
        [
            {"wire_row": 20.0},
            {"wire_column": 20.0},
            {"source_resistance": 50.0},
            {"sense_resistance": 50.0},
            {"wire_row": 3.0, "wire_column": 2.0, "source_resistance": 50.0, "sense_resistance": 30.0},
        ],
    )
    def test_all_energy_is_accounted_for_in_resistive_wires(self, make_bench, wires):
        bench = make_bench(
            crossbar={"state": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], **wires}, analysis={"probe": "cells"}
        )
        balance = measure.energy_balance(simulate(bench, "ngspice"))
        assert balance.error < 1e-9
        assert balance.wires + balance.source + balance.sense > 0.001 * balance.delivered

    @pytest.mark.ngspice
    def test_stored_energy_is_accounted_for_up_to_the_time_grid(self, make_bench):
        """Half a cycle leaves the wires charged; the error falls with the square of the step."""
        errors = []
        for points in (500, 1000):
            bench = make_bench(
                crossbar={"state": np.full((3, 2), 0.2), "wire_row": 50.0, "wire_capacitance": 1e-7},
                drive={"kind": "sine", "amplitude": 0.4, "frequency": 100, "phase": 0.3},
                analysis={"periods": 1.2, "points_per_period": points, "probe": "cells"},
            )
            balance = measure.energy_balance(simulate(bench, "ngspice"))
            assert abs(balance.stored) > 1e-4 * balance.delivered
            errors.append(balance.error)
        assert errors[1] < 1e-6
        assert errors[1] < 0.4 * errors[0]

    def test_a_part_of_the_crossbar_has_no_balance(self, make_bench):
        run = simulate(make_bench(analysis={"probe": "cells"}), "reference")
        with pytest.raises(MeasurementError, match="all rows and columns"):
            measure.energy_balance(run.isel(column=[1]))

    def test_a_missing_part_shows(self, make_bench):
        run = simulate(make_bench(analysis={"probe": "cells"}), "reference")
        broken = run.assign(i_cell=run["i_cell"] * 0.99)
        assert measure.energy_balance(broken).error == pytest.approx(0.01, rel=1e-6)


class TestLoops:
    """Lobes, pinch and conductances."""

    def test_a_resistor_has_no_lobes(self):
        v = sine(100)
        areas = measure.lobe_areas(v, 1e-3 * v)
        assert abs(areas.positive) < 1e-15 > abs(areas.negative)
        assert measure.pinch_offset(v, 1e-3 * v) < 1e-12
        assert measure.effective_conductance(TIME, v, 1e-3 * v) == pytest.approx(1e-3)
        assert measure.in_phase_conductance(TIME, v, 1e-3 * v) == pytest.approx(1e-3)

    def test_lobes_of_a_figure_of_eight(self):
        """A current sin(2 t) over v = sin(t): two lobes of the area 4/3, run through oppositely."""
        v, i = sine(100), -sine(200)
        areas = measure.lobe_areas(v, i)
        assert areas.positive == pytest.approx(4 / 3, rel=1e-5)
        assert areas.negative == pytest.approx(-4 / 3, rel=1e-5)
        reverse = measure.lobe_areas(v[::-1], i[::-1])
        assert reverse.positive == pytest.approx(-4 / 3, rel=1e-5)

    def test_an_ellipse_is_not_pinched(self):
        """A capacitance beside the device: the current at zero voltage is its whole peak."""
        v, i = sine(100), sine(100, 1.0, np.pi / 2)
        assert measure.pinch_offset(v, i) == pytest.approx(1.0, rel=1e-3)
        assert measure.pinch_offset(v, v + 1e-3 * i) == pytest.approx(1e-3, rel=1e-2)

    def test_a_pinch_is_found_between_points_whatever_the_kink(self):
        t = np.linspace(0, 1, 397)
        v = np.sin(2 * np.pi * t + 1e-3)
        assert measure.pinch_offset(v, np.where(v > 0, 5.0, 1.0) * v) < 1e-12

    def test_peak_and_slope(self):
        frequency = np.geomspace(1, 1e4, 9)
        area = -1 / (1 / frequency + frequency / 100)
        assert measure.peak_frequency(frequency, area) == pytest.approx(10.0)
        assert measure.log_log_slope(frequency, 1 / frequency) == pytest.approx(-1.0)
        assert np.isnan(measure.log_log_slope([1.0, 2.0], [1.0, 2.0]))

    @pytest.mark.parametrize(("v", "i"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2]), ([[1, 2, 3]], [[1, 2, 3]])])
    def test_what_is_no_loop_is_refused(self, v, i):
        with pytest.raises(MeasurementError, match="loop"):
            measure.lobe_areas(v, i)

    def test_a_voltage_without_a_crossing_has_no_pinch(self):
        with pytest.raises(MeasurementError, match="crosses zero"):
            measure.pinch_offset([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])


class TestComparison:
    """Two runs, column by column."""

    def test_errors_are_relative_to_each_column_s_peak(self):
        first = synthetic([sine(100, 1.01e-6), sine(100, 2.0)])
        second = synthetic([sine(100, 1e-6), sine(100, 2.0)])
        result = measure.compare(first, second, tolerance=1e-2)
        np.testing.assert_allclose(result.max_error, [0.01, 0.0], rtol=1e-6)
        np.testing.assert_allclose(result.rms_error, [0.01 / np.sqrt(2), 0.0], rtol=1e-4)
        np.testing.assert_allclose(result.peak, [1e-6, 2.0], rtol=1e-6)
        assert not measure.compare(first, second, tolerance=9.9e-3).passed
        assert measure.compare(first, second, tolerance=1.01e-2).passed
        assert result.worst == pytest.approx(0.01)

    def test_a_silent_column_must_be_silent_in_both(self):
        silent = synthetic([0 * TIME])
        assert measure.compare(silent, silent).worst == 0.0
        assert not measure.compare(synthetic([sine(100, 1e-12)]), silent).passed

    def test_what_rounding_leaves_in_a_column_is_no_difference(self):
        busy, silent = sine(100, 1e-5), 0 * TIME
        one, other = synthetic([busy, sine(100, 3e-22)]), synthetic([busy, silent])
        assert measure.compare(one, other).passed
        assert measure.compare(synthetic([sine(100, 3e-22)]), synthetic([silent])).passed
        assert not measure.compare(synthetic([busy, sine(100, 1e-12)]), other).passed

    def test_other_instants_or_columns_are_refused(self):
        run = synthetic([sine(100)])
        with pytest.raises(WaveformError, match=r"time=spice\.time\.values"):
            measure.compare(run, run.isel(time=slice(0, -1)))
        with pytest.raises(WaveformError, match="other columns"):
            measure.compare(run, synthetic([sine(100), sine(200)]))


def test_a_whole_window_is_the_waveform_itself():
    run = synthetic([sine(100)])
    assert in_window(run["i_column"], None).identical(run["i_column"])
    np.testing.assert_allclose(in_window(run["i_column"], (0.0, 0.01)), run["i_column"], atol=1e-15)
