"""Resistances of small crossbars: each alone, all together, and any."""

import numpy as np
from hypothesis import strategies as st

PARASITICS = ("wire_row", "wire_column", "source_resistance", "sense_resistance")
TOGETHER = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 50.0, "sense_resistance": 7.0}


@st.composite
def wirings(draw):
    """Resistances, some of them zero, a shape, and random numbers."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    ohms = st.one_of(st.just(0.0), st.floats(0.01, 1e4))
    resistances = {name: draw(ohms) for name in PARASITICS}
    return resistances, shape, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
