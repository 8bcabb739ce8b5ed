"""Texts to SI numbers and back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicecim.errors import QuantityError
from spicecim.quantities import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10k", "ohm", 1e4),
        ("0.45", "V", 0.45),
        ("450 mV", "V", 0.45),
        ("1meg", "ohm", 1e6),
        ("1.5MEG", "Hz", 1.5e6),
        ("2 megHz", "Hz", 2e6),
        ("1MHz", "Hz", 1e6),
        ("50us", "s", 50e-6),
        ("50 \N{MICRO SIGN}s", "s", 50e-6),
        ("3f", "F", 3e-15),
        ("2.5 kOhm", "ohm", 2500.0),
        ("10k\N{GREEK CAPITAL LETTER OMEGA}", "ohm", 1e4),
        ("-.5", "V", -0.5),
        ("1e3", "Hz", 1000.0),
        ("1 rad", "rad", 1.0),
        ("0.5rad", "rad", 0.5),
        ("3mrad", "rad", 3e-3),
        ("1e3k", "ohm", 1e6),
        ("10nm", "m", 1e-8),
        ("5m", "s", 5e-3),
        ("0 mm2", "mm2", 0.0),
        ("20.48 GB/s", "B/s", 20.48e9),
        (7, "V", 7.0),
        (np.float64(0.26), "V", 0.26),
        (np.int64(3), "", 3.0),
    ],
)
def test_reads_what_people_write(text, unit, value):
    assert parse_quantity(text, unit) == value
    assert type(parse_quantity(text, unit)) is float


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        [1],
        "",
        "abc",
        "0x10",
        "1D3",
        "10k;",
        "5\n.include x",
        "nan",
        "1e400",
        "0,45",
        "1,5k",
        "1:30",
        "1=5",
        "1_000",
        "100R",
        "5P",
        "1PF",
        "4E",
        "5 %",
    ],
)
def test_refuses_what_is_no_number(value):
    with pytest.raises(QuantityError):
        parse_quantity(value, "ohm")


def test_refuses_integers_beyond_a_float():
    with pytest.raises(QuantityError, match="too large"):
        parse_quantity(10**400)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_what_is_not_finite(value):
    with pytest.raises(QuantityError, match="not finite"):
        parse_quantity(value)


def test_refuses_another_unit():
    with pytest.raises(QuantityError, match="not a quantity in Hz"):
        parse_quantity("50us", "Hz")


def test_refuses_a_bare_capital_m_that_spice_reads_as_milli():
    with pytest.raises(QuantityError, match="mega in SI and milli in SPICE"):
        parse_quantity("10M", "ohm")


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_float_survives_its_own_text(value):
    assert parse_quantity(repr(value)) == value
    assert parse_quantity(value) == value


@given(st.floats(min_value=1e-14, max_value=1e12))
def test_formatted_quantities_read_back(value):
    text = format_quantity(value, "V", digits=6)
    assert text.endswith("V")
    if "M" not in text.removesuffix("V").split(" ")[-1]:
        assert parse_quantity(text, "V") == pytest.approx(value, rel=1e-5)


def test_formats_for_people():
    assert format_quantity(1.1e-3, "W") == "1.1 mW"
    assert format_quantity(0.0, "A") == "0 A"
    assert format_quantity(math.nan, "A") == "nan A"
