"""The operating point of a crossbar: row voltages to the currents of all cells, their states held."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim import limits
from spicecim.cell_currents import excess_warning
from spicecim.deadline import run_within
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.outside import exceeds
from spicecim.reference.guards import check_time, watched
from spicecim.reference.static import AnyCrossbar, ExplicitCrossbar
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import VARIABLES, outputs_by_name

_LARGEST = 1e6
"""Largest voltage (V), as of a drive."""
_INSTANTS = 100_000
"""Instants at which a drive is looked at together, to bound the memory."""


def operating_point(
    testbench: Testbench,
    v_row: ArrayLike | None = None,
    v_column: ArrayLike | None = None,
    *,
    v_word: ArrayLike | None = None,
    cells: bool = True,
    time_limit: float | str | None = limits.DEFAULT_TIME_LIMIT,
) -> xr.Dataset:
    """Solve a crossbar at rest: its states are held, and no capacitance draws a current.

    The drive and the analysis of the testbench do not matter, but for the voltages where none are given. Nothing is
    approximated: what is solved are Kirchhoff's laws with the resistances of wires, drivers and sense nodes, and the
    equations of the cells.

    Parameters
    ----------
    testbench
        Device, states and resistances.
    v_row
        Voltages of the row drivers (row,) or, of several inputs, (input, row), volt; those of rows that float or are
        grounded are not looked at, and of rows that end in an amplifier they are its reference. By default those of the
        drive at the instant of `Testbench.time_grid` at which the sum of the squares of all lines is largest; those at
        other instants are ``testbench.drive.voltage(instants)``. Beside `v_column` they may be left out where the
        testbench has no `drive`: they are 0 V. Inputs share factorizations: those of ohmic cells a single one.
    v_column
        Voltages of the columns' sense nodes, (column,) or (input, column), volt, beside those of rows; virtual ground
        if left out. Those of columns that float or are grounded are not looked at.
    v_word
        Voltages of the word lines (word line,), volt, or one for all, where cells have gates, the same for all inputs;
        grounded ones stay at 0 V. By default the largest that each has over the run.
    cells
        Whether the voltages and currents of all cells are kept, which take 16 bytes per cell and input.
    time_limit
        Seconds after which a `TimeLimitError` is raised, an hour if left out; None for no limit.

    Returns
    -------
    xarray.Dataset
        ``v_row`` and ``i_row`` (row), ``i_column`` (column), ``v_cell`` and ``i_cell`` (row, column) in volt and
        ampere, the outputs ``v_row_sense`` (row) and ``v_sense`` (column) of amplifiers where there are any, signs as
        in `spicecim.waveforms.VARIABLES`; with several inputs with a first dimension ``input``. Attributes:
        ``residual``, the largest current by which a cell misses what it conducts at the voltage that the wires leave
        it, relative to the largest of a cell; ``factorizations``; ``iterations``, the number of corrections of the
        input that took most; the testbench as JSON.

    Raises
    ------
    InputError
        If the voltages are no such numbers, if there are too many, or if a current is beyond a float.
    UnsupportedError
        If the device is a SPICE subcircuit.
    VerilogAError, ModelError
        If the device is a Verilog-A module that cannot be used as it stands.
    ConvergenceError
        If there is no solution that Newton's method would find, or resistances are too far apart.
    TimeLimitError
        If it takes longer than the time limit.

    Warns
    -----
    CurrentWarning
        If a cell carries more current than published cells take, as in `spicecim.simulate`.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "miao"},
    ...     crossbar={"state": np.full((64, 32), 0.01), "wire_row": 1, "wire_column": 1},
    ...     drive={"kind": "sine", "amplitude": 0.5, "frequency": 1e3},
    ... )
    >>> found = sc.operating_point(bench, np.full((2, 64), [[0.1], [0.2]]))
    >>> found.i_cell.dims
    ('input', 'row', 'column')
    >>> found.residual < 1e-9
    True
    """
    if reason := testbench.only_ngspice():
        raise UnsupportedError(f"{reason}; an operating point is that of the reference engine")
    device, lines = testbench.build_cells(_gates(testbench, v_word)), testbench.lines()
    inputs = _inputs(testbench, v_row, v_column, cells)
    single, inputs = inputs.ndim == 1, np.atleast_2d(inputs)
    rows, columns = testbench.shape
    count = len(inputs)
    sizes: dict[str, tuple[int, ...]] = {"v_row": (rows,), "i_row": (rows,), "i_column": (columns,)}
    if inputs.shape[1] > rows:
        sizes["v_column"] = (columns,)
    if cells:
        sizes |= {"v_cell": (rows, columns), "i_cell": (rows, columns)}
    found = {name: np.empty((count, *size)) for name, size in sizes.items()}
    outputs = np.zeros((count, sum(testbench.shape) if len(lines.sensed) else 0))
    residual = largest = 0.0
    with run_within(time_limit), watched(None, count, "inputs"), np.errstate(all="ignore"):
        simple = device.explicit and not lines.free.any()
        resting = (ExplicitCrossbar if simple else AnyCrossbar)(device, testbench)
        for first in range(0, count, resting.together):
            check_time(first, count, "inputs")
            some = slice(first, first + resting.together)
            at_rest = resting.solve(inputs[some], first)
            ends = {"v_row": at_rest.lines[:, :rows], "v_column": at_rest.lines[:, rows:]}
            outputs[some] = at_rest.outputs
            for name, values in found.items():
                values[some] = ends[name] if name in ends else getattr(at_rest, name)
            residual = max(residual, at_rest.residual)
            largest = max(largest, float(np.abs(at_rest.i_cell).max()))
    found |= outputs_by_name(lines, testbench.shape, outputs)
    if warning := excess_warning(largest, testbench.device):
        warnings.warn(warning, stacklevel=2)
    attributes: dict[str, str | float] = {
        "engine": "reference",
        "spicecim_version": __version__,
        "residual": residual,
        "factorizations": resting.factorizations,
        "iterations": resting.iterations,
        **testbench.device.provenance(),
        "testbench": testbench.model_dump_json(exclude_none=True),
    }
    return _labelled({name: values[0] if single else values for name, values in found.items()}, attributes)


def _gates(testbench: Testbench, v_word: ArrayLike | None) -> FloatArray | None:
    """Voltages of the word lines (word line,); None where there are none."""
    if testbench.cell is None or testbench.word_lines is None:
        if v_word is not None:
            raise InputError("v_word: the cells have no gates (see the section cell of a testbench)")
        return None
    if v_word is None:
        return testbench.largest_gates()
    lines = testbench.cell.word_lines(testbench.shape)
    volts = _checked("v_word", np.full(lines, v_word) if np.ndim(v_word) == 0 else v_word, lines)
    if volts.ndim > 1:
        raise InputError(
            f"v_word: must be voltages (word line,) of {lines} word lines, the same for all inputs; it has the shape "
            f"{volts.shape}"
        )
    volts[list(testbench.word_lines.grounded)] = 0.0
    return volts


def _inputs(
    testbench: Testbench, v_row: ArrayLike | None, v_column: ArrayLike | None, cells: bool
) -> FloatArray:  # fmt: skip
    """Voltages (line,) or (input, line) of all drivers; of the rows' alone where all columns are at virtual ground."""
    rows, columns = testbench.shape
    others = None if v_column is None else _checked("v_column", v_column, columns)
    if v_row is None:
        if others is None:
            return _peak(testbench)
        if testbench.drive is not None:
            raise InputError("v_column: needs v_row, too, as the testbench drives its rows")
        v_row = np.zeros((*others.shape[:-1], rows))
    given = _checked("v_row", v_row, rows)
    if others is not None:
        if others.ndim != given.ndim or len(np.atleast_2d(others)) != len(np.atleast_2d(given)):
            raise InputError(
                f"v_column: must be of as many inputs as v_row; the shapes are {others.shape}, {given.shape}"
            )
        given = np.concatenate([given, others], axis=-1)
    elif not testbench.lines().plain:
        given = np.concatenate([given, np.zeros((*given.shape[:-1], columns))], axis=-1)
    for section, volts in ((testbench.rows, given[..., :rows]), (testbench.columns, given[..., rows:])):
        if section is not None and volts.size:
            volts[..., list(section.grounded)] = 0.0
    kept = 8 * len(np.atleast_2d(given)) * (rows + given.shape[-1] + columns + cells * 2 * rows * columns)
    if kept > limits.DATASET_BYTES:
        cure = "; without cells (cells=False) an input takes less" if cells else ""
        raise InputError(f"v_row: what is found {exceeds('DATASET_BYTES', 'bytes')}{cure}")
    return given


def _checked(name: str, voltages: ArrayLike, lines: int) -> FloatArray:
    noun = "word line" if name == "v_word" else name.removeprefix("v_")
    try:
        given = np.asarray(voltages)
    except ValueError:  # lists of different lengths
        given = np.empty(0, dtype=object)
    if np.ma.is_masked(voltages) or given.dtype.kind not in "iuf":
        raise InputError(f"{name}: must be numbers (volt), none of them masked")
    if given.ndim not in (1, 2) or given.shape[-1] != lines or not given.size:
        raise InputError(
            f"{name}: must be voltages ({noun},) or (input, {noun}) of {lines} {noun}s; it has the shape {given.shape}"
        )
    volts = given.astype(float)
    if not (np.abs(volts) <= _LARGEST).all():
        raise InputError(f"{name}: must be finite and of at most {_LARGEST:g} V in magnitude")
    return volts


def _peak(testbench: Testbench) -> FloatArray:
    """Voltages (line,) of the drive at the instant of the time grid at which the sum of their squares is largest."""
    instants, drive = testbench.time_grid(), testbench.lines().drive
    found, most = np.empty(0), -1.0
    for first in range(0, len(instants), _INSTANTS):
        voltages = drive.voltage(instants[first : first + _INSTANTS])
        squares = (voltages**2).sum(axis=1)
        if squares.max() > most:
            found, most = voltages[squares.argmax()], float(squares.max())
    return found


def _labelled(variables: dict[str, FloatArray], attributes: dict[str, str | float]) -> xr.Dataset:
    inputs = variables["v_row"].ndim - 1
    labels = {name: ("input",) * inputs + VARIABLES[name][0][1:] for name in variables}
    dataset = xr.Dataset(
        {
            name: (labels[name], values, {"units": VARIABLES[name][1], "long_name": VARIABLES[name][2]})
            for name, values in variables.items()
        },
        attrs=attributes,
    )
    return dataset.assign_coords(
        {name: (name, np.arange(size), {"long_name": name}) for name, size in dataset.sizes.items()}
    )
