"""Measurements on waveforms whose answers are known in closed form."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from spicecim import measure
from spicecim.engines import simulate
from spicecim.errors import MeasurementError, WaveformError
from spicecim.measure.windows import in_window
from spicecim.testbench import Testbench
from spicecim.waveforms import make_waveforms

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

    def test_harmonics_are_the_fourier_coefficients(self):
        run = synthetic([1.5 + sine(100, 2.0) + sine(300, 0.5, 0.3)])
        found = measure.harmonics(run, 100.0, count=4)[:, 0].values
        expected = [1.5, -2j, 0, 0.5 * np.exp(1j * (0.3 - np.pi / 2)), 0]
        np.testing.assert_allclose(found, expected, atol=1e-12)

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
        assert measure.compare(synthetic([sine(100, 1e-12)]), silent).worst == np.inf

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
