"""The measure of a waveform's error: pointwise, and at edges the distance of the curves as drawn."""

import numpy as np
import pytest

from spicecim.accuracy import current_errors, curve_errors, edge_instants
from spicecim.drives import PulseDrive, SampledDrive, SineDrive

CYCLE = 2.0
CLOCK = np.unique(
    np.concatenate([np.linspace(0, 1, 1001), *(middle + np.linspace(-1e-3, 1e-3, 401) for middle in (0.3, 0.3004))])
)
"""Instants in cycles that resolve an edge at 0.3 and one that is late by 4e-4."""
SMOOTH = np.sin(2 * np.pi * CLOCK)


def switched(at):
    return (at < CLOCK).astype(float)


def error(found, right):
    (one,) = curve_errors(CYCLE * CLOCK, found[:, None], right[:, None], CYCLE)
    return one


def test_away_from_edges_it_is_the_largest_difference():
    assert error(SMOOTH + 1e-3 * SMOOTH**2, SMOOTH) == pytest.approx(1e-3, rel=1e-5)


def test_an_edge_that_is_late_has_its_shift_as_error():
    assert error(switched(0.3004), switched(0.3)) == pytest.approx(4e-4, abs=1e-5)
    assert error(switched(0.3), switched(0.3004)) == pytest.approx(4e-4, abs=1e-5)


def test_an_edge_does_not_hide_a_difference_elsewhere():
    assert error(switched(0.3004) + 2e-3 * np.sin(9 * CLOCK), switched(0.3)) == pytest.approx(2e-3, rel=0.01)


def test_an_edge_or_spike_that_is_missing_has_its_height_as_error():
    assert error(switched(2.0), switched(0.3)) == 1.0
    spike = 0.4 * (switched(0.3) - switched(0.3004))
    assert error(SMOOTH, SMOOTH + spike) > 0.3
    assert error(SMOOTH + spike, SMOOTH) > 0.3


def test_an_edge_that_is_late_by_more_than_belongs_to_it_is_off_by_its_height():
    assert error(switched(0.35), switched(0.3)) == 1.0


def test_many_late_edges_count_by_what_they_do_to_the_mean():
    stairs = sum(switched(at) for at in np.linspace(0.3, 0.3009, 10)) / 10
    late = sum(switched(at) for at in np.linspace(0.3004, 0.3013, 10)) / 10
    assert error(late, stairs) >= 3.9e-4


def test_steps_of_rounding_are_no_edges():
    close = np.sort(np.concatenate([CLOCK, CLOCK + 1e-13]))
    noise = 1e-9 * (np.arange(len(close)) % 2)
    right = np.sin(2 * np.pi * close)
    (found,) = curve_errors(close, (1.001 * right + noise)[:, None], right[:, None], 1.0)
    assert found == pytest.approx(1e-3, rel=1e-4)


def test_currents_count_relative_to_their_own_peak():
    right = np.stack([SMOOTH, 1e-3 * SMOOTH, 0 * SMOOTH], axis=1)
    found = right + np.stack([0 * SMOOTH, 1e-5 * SMOOTH, np.full(len(CLOCK), 3e-22)], axis=1)
    errors = current_errors(CLOCK, found, right, 1.0)
    np.testing.assert_allclose(errors, [0.0, 1e-2, 3e-13], rtol=1e-3)


def test_a_column_without_current_has_no_error_by_rounding():
    nothing = np.zeros((5, 1))
    assert current_errors(np.arange(5.0), nothing + 3e-22, nothing, 1.0)[0] < 1e-6


def test_instants_are_added_to_coarse_edges_alone():
    time = np.linspace(0, 2, 201)
    curves = np.stack([np.sin(np.pi * time), (time > 0.605).astype(float)], axis=1)
    added = edge_instants(time, curves, 2.0, 1e-3, 1000)
    assert added.min() > 0.6
    assert added.max() < 0.61
    assert np.diff(np.union1d(time, added)).min() <= 0.25e-3 * 2.0
    finer = np.union1d(time, added)
    assert edge_instants(finer, (finer > 0.605)[:, None].astype(float), 2.0, 1e-3, 1000).size == 0
    assert edge_instants(time, curves[:, :1], 2.0, 1e-3, 1000).size == 0
    assert len(edge_instants(time, curves, 2.0, 1e-6, 1000)) <= 1000


def test_the_cycle_of_a_drive():
    assert SineDrive(amplitude=1.0, frequency=[10.0, 1e3]).cycle() == pytest.approx(1e-3)
    pulse = {"high": 1.0, "rise": 1e-6, "fall": 1e-6, "period": 1e-3}
    # a short pulse is no longer than it lasts, nor a short pause
    assert PulseDrive(**pulse, width=[1e-5, 2e-4]).cycle() == pytest.approx(2.2e-5)
    assert PulseDrive(**pulse, width=9e-4).cycle() == pytest.approx(2 * 9.9e-5)
    samples = SampledDrive(time=[0, 0.1, 0.2, 0.5, 0.6, 1], voltages=[[0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]])
    assert samples.cycle() == pytest.approx(0.6)
    assert SampledDrive(time=[0, 1], voltages=[[1, 1]]).cycle() == 1.0
