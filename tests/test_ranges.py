"""Bounds of the parts of expressions, and what keeps an inner voltage within reach of Newton's method."""

import numpy as np
import pytest

from spicecim.devices import make_device
from spicecim.devices.behavioral import behavioral_sources
from spicecim.devices.equations import equations_of
from spicecim.devices.expressions import Program, derivative, ordered, symbol, unified
from spicecim.devices.ranges import ranges_of


@pytest.mark.parametrize(
    ("expression", "bounds"),
    [
        (lambda v: v * v + 2.0, (2.0, np.inf)),
        (lambda v: 3.0 / (1.0 + np.abs(v)), (0.0, 3.0)),
        (lambda v: np.where(v > 0.0, 5.0, -np.tanh(v)), (-1.0, 5.0)),
        (lambda v: np.sqrt(np.clip(v, 4.0, 9.0)) - 1.0, (1.0, 2.0)),
        (lambda v: np.cosh(np.clip(v, -1.0, 2.0)), (1.0, np.cosh(2.0))),
        (lambda v: np.log1p(np.maximum(v, 0.0)), (0.0, np.inf)),
        (lambda v: 1.0 / v, (-np.inf, np.inf)),
    ],
)
def test_the_bounds_of_an_expression(expression, bounds):
    traced = expression(symbol("v"))
    assert ranges_of([traced])[id(traced)] == pytest.approx(bounds)


@pytest.mark.parametrize("model", ["jart_vcm", "memdiode", "team", "stanford_pku", "well_posed_gap"])
def test_no_part_of_a_model_leaves_its_bounds(model, rng):
    device = make_device(model)
    equations = equations_of(device)
    parts = ordered(unified(equations.outputs[:3]))
    v, x, share = rng.uniform(-2, 2, 500), rng.uniform(0, 1, 500), rng.uniform(0, 1, 500)
    found = Program(parts, ["v", "s", "u"])(v, device.state_from_x(x), share * v)
    for part, values, (low, high) in zip(parts, found, ranges_of(parts).values(), strict=True):
        assert np.all((values >= low - 1e-12 * abs(low)) & (values <= high + 1e-12 * abs(high))), part.operation


@pytest.mark.parametrize("model", ["jart_vcm", "memdiode"])
def test_newtons_method_comes_from_rest_to_the_inner_voltage(model):
    """So do ngspice and compiled code, which have no bounds to hold it."""
    device = make_device(model)
    v, s = np.meshgrid(np.linspace(-2.5, 2.5, 50), device.state_from_x(np.linspace(0.0, 1.0, 41)))
    u = np.zeros_like(v)
    equations = equations_of(device)
    balance = Program([equations.outputs.balance, derivative(equations.outputs.balance, "u")], ["v", "s", "u"])
    for _ in range(100):  # as many as ngspice makes
        missed, slope = balance(v, s, u)
        u = u - missed / slope
    np.testing.assert_allclose(u, equations.inner(v, s), rtol=1e-9)


def test_the_source_of_an_inner_voltage_carries_no_rounding():
    """It would have to settle to digits that it has not: 1e-12 of something that is zero at the solution."""
    text = "".join(behavioral_sources(make_device("memdiode")))
    assert "Rinner u 0 1Binner 0 u I = v(u) - (" in text


@pytest.mark.parametrize("v", [1e-9, -1e-9, 1e-4, -0.3, 1.2])
def test_an_inner_voltage_has_all_its_digits(v):
    device = make_device("memdiode")
    x, i = 0.3, float(device.current(v, 0.3))
    u = v - i * (device.rsmax * x + device.rsmin * (1 - x))
    assert float(device.current(v, x, u)) == pytest.approx(i, rel=1e-12)
