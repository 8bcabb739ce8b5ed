"""One operation on an array: a read, a SET, a RESET or a FORM pulse on selected cells, as a testbench."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from spicecim.cell_choice import WordLines
from spicecim.drives import SampledDrive
from spicecim.errors import InputError
from spicecim.fields import FloatArray, Quantities, Quantity, Section
from spicecim.lines import Columns, LineNumbers, Rows, numbers_given
from spicecim.operations.gated import gated_levels
from spicecim.operations.schemes import LineLevels, Scheme, line_levels, selected_cells
from spicecim.operations.window import polarity
from spicecim.problems import FieldError
from spicecim.testbench import Crossbar, PositiveSeconds, Testbench
from spicecim.waveforms import state_variable

_EDGE = 0.1
"""Rise and fall where they are left out, relative to the shortest width."""

Kind = Literal["read", "set", "reset", "form"]

Voltages = Annotated[FloatArray, Quantities("V", (0, 1), 0.0, 1e6, exclusive=True)]
Volts = Annotated[float, Quantity("V", -1e6, 1e6)]
Widths = Annotated[FloatArray, Quantities("s", (0, 1), 1e-18, 1e18)]


def _lines_of_cells(cells: Any) -> dict[str, Any]:
    """Rows and columns of a selection: (row, column), a row, or a mask (row, column)."""
    if isinstance(cells, int | np.integer) and not isinstance(cells, bool):
        return {"rows": [int(cells)]}
    array = np.asarray(cells)
    if array.dtype == bool and array.ndim == 2:
        rows, columns = np.flatnonzero(array.any(axis=1)), np.flatnonzero(array.any(axis=0))
        if not len(rows) or not array[np.ix_(rows, columns)].all():
            raise FieldError(
                "cells", "must select one cell or more, and every crossing of the rows and columns that it selects"
            )
        return {"rows": rows.tolist(), "columns": columns.tolist()}
    if array.shape == (2,) and array.dtype.kind in "iu":
        return {"rows": [int(array[0])], "columns": [int(array[1])]}
    raise FieldError("cells", f"must be a row, (row, column), or a mask (row, column) of truth values; it is {cells!r}")


class Operation(Section):
    """A pulse on selected cells: a read, SET, RESET or FORM.

    `voltage` is a magnitude. A SET and a FORM have the polarity with which the device's x grows, a RESET the other one,
    a read is positive from row to column.

    Raises
    ------
    TestbenchError
        If a field is not valid.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic"},
    ...     crossbar={"state": [[0.5, 0.4, 0.3], [0.2, 0.3, 0.1]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> write = sc.Operation(kind="set", cells=(1, 2), voltage="300mV", width="50us", scheme="v/3")
    >>> run = sc.simulate(write.testbench(bench), engine="reference")
    >>> run.v_cell.sel(time=20e-6, method="nearest").round(3).values
    array([[-0.1, -0.1,  0.1],
           [ 0.1,  0.1,  0.3]])
    """

    kind: Kind = Field(description="what it does")
    rows: LineNumbers = Field(description="numbers of the selected rows")
    columns: LineNumbers | None = Field(default=None, description="numbers of the selected columns; all if left out")
    voltage: Voltages = Field(description="magnitude across the selected cells (V), or one per selected column")
    width: Widths = Field(description="time at the voltage (s), or one per selected column")
    rise: PositiveSeconds | None = Field(default=None, description="time of the rise and of each fall (s)")
    scheme: Scheme | None = Field(default=None, description="what unselected lines are at")
    gate: Volts | None = Field(
        default=None, description="voltage of the selected word lines (V); the largest of word_lines.drive if left out"
    )

    _mask: tuple[int, ...] | None = PrivateAttr(None)
    """Shape of the mask that the cells were selected by; None where they were not."""

    @model_validator(mode="wrap")
    @classmethod
    def _take_cells(cls, values: Any, handler: ModelWrapValidatorHandler[Operation]) -> Operation:
        if not isinstance(values, dict):
            return handler(values)
        if "cells" not in values:
            _check_order(values)
            return handler(values)
        if "rows" in values or "columns" in values:
            raise FieldError("cells", "give cells, or rows and columns, not both")
        cells = values["cells"]
        made = handler({name: value for name, value in values.items() if name != "cells"} | _lines_of_cells(cells))
        made._mask = np.shape(cells) if np.ndim(cells) == 2 else None
        return made

    @model_validator(mode="after")
    def _fill_in(self) -> Operation:
        if not self.rows or self.columns == ():
            raise FieldError("rows" if not self.rows else "columns", "must select one at least")
        for name in ("voltage", "width"):
            values = getattr(self, name)
            if values.ndim and self.columns is not None and len(values) != len(self.columns):
                raise FieldError(name, f"has {len(values)} values for {len(self.columns)} selected columns")
        if self.rise is None:
            object.__setattr__(self, "rise", _EDGE * float(self.width.min()))
        return self

    def selected(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Which cells (row, column) of a crossbar it is for."""
        return selected_cells(shape, self.rows, self._columns(shape))

    @property
    def plateau(self) -> float:
        """Instant (s) at which the longest pulse begins to fall: when a read is read."""
        return float(self.rise or 0.0) + float(self.width.max())

    def testbench(self, bench: Testbench, state: ArrayLike | None = None) -> Testbench:
        """Return the testbench of the operation on an array.

        Parameters
        ----------
        bench
            The array: its device, crossbar and analysis are kept; its drive and duration are not.
        state
            States x (row, column) that the cells are in; those of `bench` if left out.

        Raises
        ------
        InputError
            If a line is not there.
        """
        shape = bench.shape
        columns = self._columns(shape)
        voltage, width = (np.broadcast_to(values, len(columns)) for values in (self.voltage, self.width))
        gate = self._gate(bench)
        sign = 1.0 if self.kind == "read" else polarity(bench, float(voltage.max()), gate)
        signed = voltage * (-sign if self.kind == "reset" else sign)
        scheme = self._scheme(bench)
        rise = float(self.rise or 0.0)
        ends = rise + width
        time = np.unique(np.concatenate([[0.0, rise], ends, ends + rise]))
        shape_of_all = np.interp(time, [0.0, rise, ends.max(), ends.max() + rise], [0.0, 1.0, 1.0, 0.0])
        # when its own pulse is over, a column is as an unselected one until all are over
        own = np.stack([np.interp(time, [0.0, rise, end, end + rise], [0.0, 1.0, 1.0, 0.0]) for end in ends])
        sections: dict[str, Any]
        if bench.cell is not None and gate is not None:
            at = gated_levels(bench.cell, shape, (self.rows, columns), signed, gate, shape_of_all, own)
            sections = {
                "drive": SampledDrive(time=time, voltages=at.rows),
                "rows": None,
                "columns": Columns(drive=SampledDrive(time=time, voltages=at.columns)),
                "word_lines": WordLines(drive=SampledDrive(time=time, voltages=at.word_lines)),
            }
        else:
            sections = self._sections(line_levels(scheme, signed), shape, columns, time, shape_of_all, own)
        changes: dict[str, Any] = {} if state is None else {"state": state}
        kept = bench.analysis.model_dump(exclude_none=True, exclude={"duration", "periods", "probe"})
        return bench.with_sections(
            crossbar=Crossbar(**{**dict(bench.crossbar), **changes}),
            analysis={**kept, "duration": float(time[-1]), "probe": "cells"},
            **sections,
        )

    def _scheme(self, bench: Testbench) -> Scheme:
        """What unselected lines are at; raises InputError if that is not for the array's cells."""
        if bench.cell is None:
            if self.scheme == "word_lines":
                raise InputError("scheme: is word_lines, and the cells have no transistors")
            return self.scheme or ("grounded" if self.kind == "read" else "v/2")
        if self.scheme not in (None, "word_lines"):
            raise InputError(f"scheme: must be word_lines where cells have transistors; it is {self.scheme}")
        return "word_lines"

    def _gate(self, bench: Testbench) -> float | None:
        """Voltage (V) of the selected word lines; None where there are none."""
        if bench.word_lines is None:
            if self.gate is not None:
                raise InputError("gate: the cells have no transistors")
            return None
        largest = bench.largest_gates()
        return self.gate if self.gate is not None or largest is None else float(largest.max())

    def _sections(
        self, levels: LineLevels, shape: tuple[int, int], columns: tuple[int, ...], time: FloatArray,
        shape_of_all: FloatArray, own: FloatArray,
    ) -> dict[str, Any]:  # fmt: skip
        """The drives of cells without transistors, by the shapes of all pulses (0 to 1) and of each column's."""
        rows = np.full(shape[0], levels.other_rows)
        rows[list(self.rows)] = levels.selected_row
        driven = np.outer(np.full(shape[1], levels.other_columns), shape_of_all)
        for column, level, pulse in zip(columns, levels.selected_columns, own, strict=True):
            driven[column] = level * pulse + levels.other_columns * (shape_of_all - pulse)
        floats = [
            sorted(set(range(count)) - {*chosen}) for count, chosen in zip(shape, (self.rows, columns), strict=True)
        ]
        return {
            "drive": SampledDrive(time=time, voltages=np.outer(rows, shape_of_all)),
            "rows": Rows(floating=floats[0]) if levels.floating and floats[0] else None,
            "columns": Columns(
                drive=SampledDrive(time=time, voltages=driven), floating=floats[1] if levels.floating else ()
            ),
        }

    def _columns(self, shape: tuple[int, int]) -> tuple[int, ...]:
        if self._mask not in (None, shape):
            raise InputError(f"cells: is a mask of shape {self._mask}; the array's is {shape}")
        columns = tuple(range(shape[1])) if self.columns is None else self.columns
        for name, lines, count in (("rows", self.rows, shape[0]), ("columns", columns, shape[1])):
            if lines[-1] >= count:
                raise InputError(f"{name}: names {name[:-1]} {lines[-1]}; there are {name} 0 to {count - 1}")
        for name in ("voltage", "width"):
            if getattr(self, name).size not in (1, len(columns)):
                raise InputError(f"{name}: has {getattr(self, name).size} values for {len(columns)} columns")
        return columns


def _check_order(values: dict[str, Any]) -> None:
    """Raise `FieldError` if values per column come with columns in another order: numbers of lines are sorted."""
    try:
        columns = numbers_given(values.get("columns"))
        each = [name for name in ("voltage", "width") if np.ndim(values.get(name, 0.0)) > 0]
    except ValueError:
        return  # the field that has no such values says so
    if each and columns != sorted(columns):
        raise FieldError("columns", f"must increase where {each[0]} has one value per column; it is {columns}")


def at_end(bench: Testbench, waveforms: Any) -> Testbench:
    """Return an array whose cells are in the states that they have at the end of a run: what the next one starts from.

    Parameters
    ----------
    bench
        The array.
    waveforms
        A run of it with ``probe: cells``, an `xarray.Dataset`.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.2, 0.5]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> after = sc.operations.at_end(bench, run)
    >>> bool((after.crossbar.state == run.x.values[-1]).all())
    True
    """
    last = waveforms.isel(time=-1)
    further = {
        name: last[state_variable(name)].transpose("row", "column").values
        for name in bench.device.further_units()
        if state_variable(name) in last
    }
    crossbar = Crossbar(
        **{**dict(bench.crossbar), "state": last["x"].transpose("row", "column").values, "states": further}
    )
    return bench.model_copy(update={"crossbar": crossbar})
