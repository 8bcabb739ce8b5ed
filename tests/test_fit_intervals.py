"""Intervals by the likelihood where the cost is no parabola, against costs whose profile is known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

import spicecim as sc
from spicecim.fitting import fit as fitting
from spicecim.fitting.fit import build_problem
from spicecim.fitting.problems import Evaluated
from spicecim.fitting.profile import is_parabola, profiled_ends
from spicecim.fitting.search import descend, polish, settled
from spicecim.fitting.statistics import spread
from spicecim.fitting.unknowns import Unknown

LEVEL = 3.84
NOISE = {"relative": 0.02}
SMOOTH = np.linalg.qr(np.random.default_rng(1).standard_normal((60, 2)))[0] @ np.array([[10.0, 6.0], [0.0, 8.0]])
"""Derivatives of smooth residuals by two unknowns, (sample, unknown)."""
DEVIATION = np.sqrt(np.diag(np.linalg.inv(SMOOTH.T @ SMOOTH)))


class Known:
    """Residuals ``SMOOTH @ q`` and one of a sample on an edge, a function of the first unknown."""

    def __init__(self, edge=lambda q: (np.zeros_like(q), np.zeros_like(q))):
        self.edge = edge

    def evaluate(self, q, sweeps=None, slopes=True):
        value, slope = self.edge(q[:, 0])
        residual = np.column_stack([q @ SMOOTH.T, value])
        jacobian = np.zeros((*residual.shape, 2))
        jacobian[:, :-1], jacobian[:, -1, 0] = SMOOTH, slope
        none = np.zeros((len(q), 0, 0))
        return Evaluated(residual, jacobian, none, none, none, np.zeros(len(q), dtype=bool))


def steep(q):
    """A residual that is steep at the best fit, and bounded: it rises the cost by a quarter at most."""
    return 0.5 * np.tanh(q / 1e-3), 500.0 / np.cosh(np.clip(q / 1e-3, -300, 300)) ** 2


def wall(q):
    """A residual that is nothing at the best fit, and large from 0.05 on: the device would switch a sample earlier."""
    share = expit((q - 0.05) / 1e-3)
    return 50.0 * share, 5e4 * share * (1.0 - share)


def linearized(problem):
    jacobian = problem.evaluate(np.zeros((1, 2))).jacobian[0]
    return np.linalg.inv(jacobian.T @ jacobian)


def test_straight_residuals_have_a_parabola_and_the_linearized_ends():
    problem = Known()
    assert is_parabola(problem, np.zeros(2), linearized(problem), LEVEL)
    ends = profiled_ends(problem, np.zeros(2), np.arange(2), LEVEL)
    np.testing.assert_allclose(ends, np.sqrt(LEVEL) * np.outer([-1, 1], DEVIATION), rtol=1e-6)


def test_a_sample_on_an_edge_does_not_make_an_interval_narrow():
    problem = Known(steep)
    covariance = linearized(problem)
    assert np.sqrt(covariance[0, 0]) < 0.03 * DEVIATION[0]
    assert not is_parabola(problem, np.zeros(2), covariance, LEVEL)
    ends = profiled_ends(problem, np.zeros(2), np.arange(2), LEVEL)
    # the edge takes a quarter of the rise
    np.testing.assert_allclose(ends[:, 0], np.sqrt(LEVEL - 0.25) * DEVIATION[0] * np.array([-1, 1]), rtol=0.03)
    np.testing.assert_allclose(ends[:, 1], np.sqrt(LEVEL - 0.25) * DEVIATION[1] * np.array([-1, 1]), rtol=0.05)


def test_an_interval_ends_where_a_device_would_switch_at_another_sample():
    problem = Known(wall)
    assert not is_parabola(problem, np.zeros(2), linearized(problem), LEVEL)
    ends = profiled_ends(problem, np.zeros(2), np.arange(2), LEVEL)
    assert ends[0, 0] == pytest.approx(-np.sqrt(LEVEL) * DEVIATION[0], rel=1e-3)
    assert ends[1, 0] == pytest.approx(0.047, abs=0.002)


class Joined(Known):
    """As `Known`, but the second is a sum of two unknowns, and a last unknown changes nothing."""

    by_unknown = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])

    def evaluate(self, q, sweeps=None, slopes=True):
        found = super().evaluate(q @ self.by_unknown.T)
        return found._replace(jacobian=found.jacobian @ self.by_unknown)


def test_what_the_data_do_not_determine_moves_with_the_others_and_has_no_ends():
    problem = Joined()
    found = spread(problem.evaluate(np.zeros((1, 4))).jacobian[0])
    assert np.isinf(np.diag(found.covariance)).tolist() == [False, True, True, True]
    assert is_parabola(problem, np.zeros(4), found.covariance, LEVEL)
    ends = profiled_ends(problem, np.zeros(4), np.array([0]), LEVEL)
    # as wide as with one of the two in the sum known, not as with both
    np.testing.assert_allclose(ends[:, 0], np.sqrt(LEVEL) * DEVIATION[0] * np.array([-1, 1]), rtol=1e-6)
    assert np.isinf(ends[:, 1:]).all()


def test_an_interval_is_no_narrower_where_parameters_that_act_as_one_are_free():
    # with so small a b, sinh(b v) shows the products of a1 and of a2 with b alone
    measured = sc.synthetic_measurement("yakopcic", points=100, seed=1)
    free, small, widths = ["alphap", "Ap", "a1", "a2", "b"], {"a1": 8.5e3, "a2": 8.5e3, "b": 1e-6}, []
    for names, seen in ((free, 2), (free[:-1], 4)):
        first, fixed = ({k: v for k, v in small.items() if (k in names) is taken} for taken in (True, False))
        problem, *_ = build_problem(measured, "yakopcic", None, names, fixed, first, None, None, "mixed", NOISE)
        q = polish(problem, np.array([unknown.start() for unknown in problem.unknowns]))
        widths.append(np.ptp(profiled_ends(problem, q, np.arange(seen), LEVEL)[:, 0]))
    assert widths[0] > 0.98 * widths[1]


def test_what_has_an_end_on_one_side_alone_is_not_determined(monkeypatch):
    monkeypatch.setattr(fitting, "is_parabola", lambda *_: False)
    monkeypatch.setattr(fitting, "profiled_ends", lambda problem, q, *_: q + np.array([[-0.1, -0.1], [0.1, np.inf]]))
    measured = sc.synthetic_measurement("yakopcic", points=60, seed=1)
    found = sc.fit(measured, "yakopcic", free=["a1", "Ap"], starts=1)
    assert found.parameters["a1"].determined
    assert not found.parameters["Ap"].determined
    assert (found.parameters["Ap"].low > 1000.0, found.parameters["Ap"].high) == (True, np.inf)
    assert found.warnings == ["Ap: the data leave it open within a factor of 2 and more"]


def test_held_unknowns_keep_their_numbers_in_a_descent():
    q = np.array([[0.3, -0.2], [0.3, -0.2]])
    found = descend(Known(), q, held=np.array([[True, False], [False, False]]))
    assert found.q[0, 0] == 0.3
    # with the first held, the best second is that of a projection
    assert found.q[0, 1] == pytest.approx(
        -0.3 * (SMOOTH[:, 0] @ SMOOTH[:, 1]) / (SMOOTH[:, 1] @ SMOOTH[:, 1]), rel=1e-4
    )
    np.testing.assert_allclose(found.q[1], 0.0, atol=1e-4)


def test_what_the_data_do_not_determine_ends_at_its_first_value():
    problem = Joined()
    problem.unknowns = [Unknown(name, "", first) for name, first in (("a", 1.0), ("b", 1.0), ("c", -2.0), ("d", 4.0))]
    problem.data = SimpleNamespace(counts=np.ones(61, dtype=bool))
    first = [unknown.start() for unknown in problem.unknowns]
    found = settled(problem, np.array([0.0, 700.0, -700.0, 50.0]))
    # of the sum of two, the one farther from its first value goes back to it
    assert (found[1], found[3]) == (first[1], first[3])
    np.testing.assert_allclose([found[0], found[1] + found[2]], 0.0, atol=1e-6)
    determined = np.array([0.3, -0.2])
    problem = Known()
    problem.unknowns, problem.data = [Unknown("a", "", 1.0), Unknown("b", "", 1.0)], SimpleNamespace(counts=np.ones(61))
    np.testing.assert_array_equal(settled(problem, determined), determined)


class Switched(Joined):
    """As `Joined`, but a last unknown below 10 would show: a device that switches a sample earlier."""

    def evaluate(self, q, sweeps=None, slopes=True):
        found = super().evaluate(q)
        found.residual[:, -1] += np.where(q[:, 3] < 10.0, 9.0, 0.0)
        return found


def test_what_would_fit_worse_at_its_first_value_stays():
    problem = Switched()
    problem.unknowns = [Unknown(name, "", 1.0) for name in "abcd"]
    problem.data = SimpleNamespace(counts=np.ones(61, dtype=bool))
    found = settled(problem, np.array([0.1, 0.0, 0.0, 50.0]))
    assert found[3] == 50.0
    assert found[1] == problem.unknowns[1].start() or found[2] == problem.unknowns[2].start()
