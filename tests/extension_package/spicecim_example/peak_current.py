"""A measure: the largest magnitude of each column's current."""


def peak_current(waveforms):
    """Largest magnitude of each column's current (column,), ampere."""
    return abs(waveforms.i_column).max("time").assign_attrs(units="A", long_name="peak current")
