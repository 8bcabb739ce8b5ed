"""`vary`: a testbench with parameters drawn for every cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.cell_choice import CompactTransistor, OneTransistor
from spicecim.devices.stopping import stopping_parameters
from spicecim.errors import InputError, QuantityError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.problems import did_you_mean
from spicecim.quantities import UNITS, input_quantity, shown
from spicecim.testbench import Crossbar, Testbench
from spicecim.variation.correlation import check_covariance, correlation_matrix, generator, standard_normal
from spicecim.variation.distributions import distribution, share

_TRANSISTOR = "transistor_"
"""What the names of a transistor's parameters begin with here."""


def vary(
    testbench: Testbench,
    parameters: Any,
    *,
    seed: int,
    correlation: Any = None,
    gradients: Mapping[str, Any] | None = None,
    stuck: Mapping[str, Any] | None = None,
) -> Testbench:
    """Return a testbench with parameters of its device, and of its transistors, drawn for every cell.

    Parameters
    ----------
    testbench
        What is to vary; parameters that are arrays already vary about these.
    parameters
        A distribution per parameter, such as ``{"Vp": lognormal(0.1), "a1": normal("5 %")}``, or as plain values,
        ``{"Vp": {"lognormal": 0.1}}``. Those of a selector begin with ``selector_``, those of the transistors of
        `cell` with ``transistor_``, such as ``transistor_VT0``; of a PDK's transistor, those that the testbench
        gives can be drawn. Or a joint distribution with ``names``, ``mean``, ``covariance`` and
        ``transforms`` that take the numbers back to values: `spicecim.JointDistribution`, as of a `Population`.
    seed
        Whole number: the same gives the same cells to the last bit, in whatever order the parameters are. What is
        drawn for one parameter does not depend on the others, unless they are correlated.
    correlation
        Correlation matrix of the normal numbers behind the distributions, in the order of `parameters`; or pairs,
        ``{("Vp", "Vn"): 0.8}``.
    gradients
        Systematic change over the array per parameter: from the first row to the last, and from the first column to
        the last, relative to the value, such as ``{"Vp": (0.02, -0.01)}``. The middle of the array stays.
    stuck
        ``{"off": 0.01, "on": "0.5 %"}``: shares of the cells that stay at x = 0 (high resistance) and x = 1. Their
        state is set, and parameters stop its motion: those that `by` names, ``{"on": 0.01, "by": {"speed": 0}}``, or
        of a library model those that are found to do so.

    Returns
    -------
    Testbench
        With arrays (row, column) as parameters, which are saved with a run.

    Raises
    ------
    InputError
        If a parameter, a distribution, the correlation or a share is none.
    TestbenchError
        If a cell's value is outside the parameter's bounds, with the cell: a distribution may be cut off (``within``).
    UnsupportedError
        If nothing is known to hold the state of stuck cells.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.5] * 4] * 3},
    ...     drive={"kind": "sine", "amplitude": 0.4, "frequency": 100},
    ... )
    >>> varied = sc.vary(bench, {"Vp": sc.lognormal(0.1), "a1": sc.normal("5 %")}, seed=1)
    >>> varied.device.arrays()["Vp"].shape
    (3, 4)
    """
    return vary_cells(testbench, parameters, "parameters", seed, correlation, gradients, stuck)


def vary_cells(
    testbench: Testbench, parameters: Any, field: str, seed: int, correlation: Any = None,
    gradients: Mapping[str, Any] | None = None, stuck: Mapping[str, Any] | None = None,
) -> Testbench:  # fmt: skip
    """Do what `vary` does, with the name that errors give to `parameters`."""
    if not isinstance(testbench, Testbench):
        raise InputError(f"testbench: must be a Testbench; it is {shown(testbench)}")
    shape, of_device = testbench.shape, _numbers(testbench.device.values(), testbench.shape)
    known = {**_of_transistor(testbench), **of_device}
    if hasattr(parameters, "covariance"):
        if correlation is not None:
            raise InputError("correlation: a joint distribution has its own")
        drawn = _joint(parameters, field, known, shape, seed)
    else:
        drawn = _each(parameters, field, known, shape, seed, correlation)
    for name, (down, across) in _slopes(gradients or {}, known).items():
        tilt = 1.0 + down * _ramp(shape[0])[:, None] + across * _ramp(shape[1])
        drawn[name] = drawn.get(name, known[name]) * tilt
    crossbar = testbench.crossbar
    if stuck:
        state, cells, held = _stuck(testbench, stuck, known, seed)
        changed = {name: getattr(crossbar, name) for name in Crossbar.model_fields} | {"state": state}
        crossbar = Crossbar(**changed)
        for name, value in held.items():
            drawn[name] = np.where(cells, value, drawn.get(name, known[name]))
    own = {name: value for name, value in drawn.items() if name in of_device}
    gated = {name.removeprefix(_TRANSISTOR): value for name, value in drawn.items() if name not in of_device}
    sections: dict[str, Any] = {"device": _with_parameters(testbench.device, own), "crossbar": crossbar}
    if gated and isinstance(testbench.cell, OneTransistor):
        transistor = _with_parameters(testbench.cell.transistor, gated)
        sections["cell"] = {**dict(testbench.cell), "transistor": transistor}
    return testbench.with_sections(**sections)


def _with_parameters(section: Any, drawn: Mapping[str, FloatArray]) -> dict[str, Any]:
    """The fields of a section `device` or `transistor`, with parameters drawn."""
    fields = {name: getattr(section, name) for name in type(section).model_fields}
    own = fields["parameters"]
    if not own and fields.get("preset", "") is None:
        own = section.values()  # the first preset's, which parameters alone would leave out
    chosen = {**fields, "parameters": {**own, **drawn}}
    return {name: value for name, value in chosen.items() if value is not None}


def _numbers(values: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, FloatArray]:
    """Parameters that are numbers, of all cells (row, column)."""
    return {
        name: np.broadcast_to(np.asarray(value, dtype=float), shape)
        for name, value in values.items()
        if not isinstance(value, str)
    }


def _of_transistor(testbench: Testbench) -> dict[str, FloatArray]:
    """Parameters of the transistors of all cells (row, column), by the names that `vary` gives them; often none."""
    if not isinstance(testbench.cell, OneTransistor):
        return {}
    transistor, hidden = testbench.cell.transistor, set[str]()
    if isinstance(transistor, CompactTransistor):
        values = transistor.values()
        # the temperature of the analysis takes the place of the parameter
        hidden = set() if testbench.analysis.temperature is None else {"T"}
    else:
        values = transistor.parameters
    numbers = _numbers(values, testbench.shape)
    return {f"{_TRANSISTOR}{name}": value for name, value in numbers.items() if name not in hidden}


def _check_name(field: str, name: Any, known: Mapping[str, FloatArray]) -> None:
    if name not in known:
        hint = did_you_mean(str(name), known)
        raise InputError(
            f"{field}.{name}: the device has no value of {shown(name)}; known are {', '.join(known)}{hint}"
        )


def _each(
    parameters: Any, field: str, known: Mapping[str, FloatArray], shape: tuple[int, int], seed: int, correlation: Any
) -> dict[str, FloatArray]:
    """Draw parameters of which each has its distribution."""
    if not isinstance(parameters, Mapping):
        raise InputError(f"{field}: must be distributions by name; it is {shown(parameters)}")
    chosen = {}
    for name, value in parameters.items():
        _check_name(field, name, known)
        try:
            chosen[name] = distribution(value)
        except InputError as error:
            raise InputError(f"{field}.{name}: {error}") from None
    if not chosen:
        generator(seed)
        return {}
    matrix = None if correlation is None else correlation_matrix(correlation, list(chosen))
    numbers = standard_normal(chosen, shape, seed, matrix)
    return {name: known[name] * each.factor(numbers[name]) for name, each in chosen.items()}


def _joint(
    joint: Any, field: str, known: Mapping[str, FloatArray], shape: tuple[int, int], seed: int
) -> dict[str, FloatArray]:  # fmt: skip
    """Draw parameters of a joint normal distribution of their transforms."""
    names, mean = list(joint.names), np.asarray(joint.mean, dtype=float)
    covariance = np.asarray(joint.covariance, dtype=float)
    for name in names:
        _check_name(field, name, known)
    check_covariance(covariance, len(names), "covariance")
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(spread > 0.0, spread, 1.0)
    matrix = covariance / np.outer(scale, scale)
    numbers = standard_normal(names, shape, seed, matrix)
    return {
        name: np.asarray(transform.value(center + width * numbers[name]), dtype=float)
        for name, transform, center, width in zip(names, joint.transforms, mean, scale, strict=True)
    }


def _slopes(gradients: Mapping[str, Any], known: Mapping[str, FloatArray]) -> dict[str, tuple[float, float]]:
    found = {}
    for name, value in gradients.items():
        _check_name("gradients", name, known)
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise InputError(
                f"gradients.{name}: must be two numbers, over the rows and over the columns; it is {shown(value)}"
            )
        found[name] = _share(f"gradients.{name}", value[0]), _share(f"gradients.{name}", value[1])
    return found


def _share(field: str, value: Any) -> float:
    try:
        return share(value)
    except QuantityError as error:
        raise InputError(f"{field}: {error}") from None


def _ramp(count: int) -> FloatArray:
    """From -1/2 at the first to 1/2 at the last of some places; 0 at a single one."""
    return np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)


def _stuck(
    testbench: Testbench, stuck: Mapping[str, Any], known: Mapping[str, FloatArray], seed: int
) -> tuple[FloatArray, NDArray[np.bool_], dict[str, float]]:
    """States with those of stuck cells, which cells these are (row, column), and the parameters that hold them."""
    if not isinstance(stuck, Mapping) or not set(stuck) <= {"off", "on", "by"} or not {"off", "on"} & set(stuck):
        raise InputError(f"stuck: must have shares of cells as off and on; it is {shown(stuck)}")
    shares = {end: _share(f"stuck.{end}", stuck.get(end, 0.0)) for end in ("off", "on")}
    if min(shares.values()) < 0.0 or sum(shares.values()) > 1.0:
        raise InputError(f"stuck: the shares must be at least 0 and at most 1 together; they are {shown(shares)}")
    cells = testbench.crossbar.state.size
    counts = {end: round(part * cells) for end, part in shares.items()}
    counts["on"] = min(counts["on"], cells - counts["off"])
    order = generator(seed, "stuck").permutation(cells)
    state = testbench.crossbar.state.ravel().copy()
    off, on = order[: counts["off"]], order[counts["off"] : counts["off"] + counts["on"]]
    state[off], state[on] = 0.0, 1.0
    chosen = np.zeros(cells, dtype=bool)
    chosen[off] = chosen[on] = True
    return state.reshape(testbench.shape), chosen.reshape(testbench.shape), _holding(testbench, stuck.get("by"), known)


def _holding(testbench: Testbench, given: Any, known: Mapping[str, FloatArray]) -> dict[str, float]:
    """Parameters that hold the state of a stuck cell."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"stuck.by: must be values by the names of parameters; it is {shown(given)}")
    if given:
        found = {}
        for name, value in given.items():
            _check_name("stuck.by", name, known)
            unit = testbench.device.unit_of(name)
            found[name] = input_quantity(f"stuck.by.{name}", value, unit if unit in UNITS else "")
        return found
    if not testbench.device.equations_known:
        raise UnsupportedError(
            "stuck: what stops the state of a subcircuit is not known; say so, such as by: {speed: 0}"
        )
    one = testbench.device.build().examples()[0]
    return stopping_parameters(one, testbench.lines().largest_voltage(), testbench.duration)
