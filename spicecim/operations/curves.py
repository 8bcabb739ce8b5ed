"""What pulses do to one device: potentiation and depression, and endurance over cycles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from spicecim.device_choice import AnyDevice, DeviceSection
from spicecim.drives import SampledDrive
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.fields import FloatArray, Section
from spicecim.operations.cycles import cycle_to_cycle_of
from spicecim.operations.kept import reached_kept
from spicecim.operations.operation import at_end
from spicecim.operations.pulses import Pulses, check_count, check_pulses
from spicecim.operations.window import conductance, polarity
from spicecim.quantities import input_quantity
from spicecim.testbench import Testbench

_EDGE = 0.1
"""Rise and fall of a pulse, relative to the shorter of the two widths."""

_TOGETHER = 1000
"""Pulses of one run, so that an error or an interrupt in the next one leaves what they did.

Between two runs the cell is at rest, and hands on its states.
"""

MOST_PULSES = 1_000_000

DeviceChoice: TypeAlias = DeviceSection | dict[str, Any]


class _Choice(Section):
    device: AnyDevice


def _responses(
    device: DeviceChoice,
    pulses: Sequence[tuple[float, float]],
    read: float,
    x0: float,
    engine: str,
    cycle_to_cycle: Any,
    seed: int | None,
    labeled: Callable[[FloatArray, FloatArray], xr.Dataset],
    least: int = 1,
) -> xr.Dataset:
    """Give pulses of (voltage, width) to a cell, and label what they did; it needs so many pulses at least.

    It is given x and the conductance at a read voltage (S), before the first pulse and after each.
    """
    voltage, width = (np.array(values, dtype=float) for values in zip(*pulses, strict=True))
    edge = _EDGE * float(width.min())
    steps = np.stack([np.full(len(width), edge), width, np.full(len(width), edge), np.full(len(width), edge)], axis=1)
    cell = single = _bench(device, x0, float(np.abs(voltage).max()))
    sign = polarity(single, float(np.abs(voltage).max()))
    levels = np.zeros((len(width), 4))
    levels[:, :2] = sign * voltage[:, None]
    cycles = cycle_to_cycle_of(cycle_to_cycle, seed, single)
    together = _TOGETHER if cycles is None else 1
    done = [(x0, float(conductance(single, x0, read)[0, 0]))]

    def reached() -> xr.Dataset:
        return labeled(*np.array(done).T)

    def how_far() -> str:
        return f"after {len(done) - 1} of {len(width)} pulses" if len(done) > least else ""

    with reached_kept(reached, how_far):
        for first in range(0, len(width), together):
            piece = slice(first, first + together)
            time = np.concatenate([[0.0], np.cumsum(steps[piece])])
            found_as = cell if cycles is None else cycles.drawn(cell, first)
            run = _run(found_as, time, np.concatenate([[0.0], levels[piece].ravel()]), time[4::4], engine)
            cell = at_end(cell, run)
            x = np.clip(np.interp(time[4::4], run["time"].values, run["x"].values[:, 0, 0]), 0.0, 1.0)
            done += [(state, float(conductance(single, state, read)[0, 0])) for state in x]
    return reached()


def _read_volts(given: float | str) -> float:
    volts = input_quantity("read_voltage", given, "V")
    if not volts:
        raise InputError("read_voltage: must be other than 0 V")
    return volts


def _run(cell: Testbench, time: FloatArray, voltages: FloatArray, instants: FloatArray, engine: str) -> xr.Dataset:
    """Run one cell under voltages (V) at times (s); the reference engine gives the instants (s) asked for alone."""
    bench = cell.with_sections(
        drive=SampledDrive(time=time, voltages=voltages[None, :]),
        analysis={"duration": float(time[-1]), "probe": "cells", "points_per_period": max(8, len(time) - 1)},
    )
    return simulate(bench, engine, time=instants) if engine == "reference" else simulate(bench, engine)


def _bench(device: DeviceChoice, x0: float, voltage: float) -> Testbench:
    """One cell."""
    return Testbench(
        device=_Choice(device=device).device,
        crossbar={"state": [[x0]]},
        drive={"kind": "sine", "amplitude": voltage, "frequency": 1.0},
    )


def potentiation(
    device: DeviceChoice,
    *,
    set_pulses: Pulses,
    reset_pulses: Pulses,
    pulses: int = 50,
    read_voltage: float | str,
    x0: float = 0.0,
    cycle_to_cycle: Any = None,
    seed: int | None = None,
    engine: str = "reference",
) -> xr.Dataset:
    """Potentiation and depression of one device: SET pulses, all alike or each a level stronger, then RESET pulses.

    Parameters
    ----------
    device
        A section `device` of a testbench.
    set_pulses, reset_pulses
        The pulses. With more than one level, pulse n has level n (the last one from there on).
    pulses
        How many of each.
    read_voltage
        Voltage (V) at which the conductance is that of the state, without a read that may disturb it.
    x0
        State at the start.
    cycle_to_cycle
        Parameters that are drawn anew about their values for every pulse, such as
        ``{"Vp": lognormal(0.05)}``, as `spicecim.vary` takes them. What one pulse hands on to the next is x.
    seed
        Whole number that goes with it: the same gives the same pulses in both engines.
    engine
        The name of an engine.

    Returns
    -------
    xarray.Dataset
        ``conductance`` (S) and ``x`` over ``pulse``, from 0, the start; ``kind`` is what each pulse was.

    Raises
    ------
    InputError
        If an argument is not valid.
    ProgrammingError
        If a run fails after others were done: the error is its cause, and its attribute ``result`` is what was reached
        before, with an attribute ``unfinished`` that says how far it came. An interrupt (`KeyboardInterrupt`) and any
        other exception have such a ``result``, too. A run has one pulse with `cycle_to_cycle`, else up to 1000 pulses.
    UnsupportedError
        If the device is a SPICE subcircuit, whose equations are not known.

    Examples
    --------
    >>> import spicecim as sc
    >>> pulse = sc.operations.Pulses(voltage=0.3, width="20us")
    >>> curve = sc.potentiation(
    ...     {"model": "yakopcic"}, set_pulses=pulse, reset_pulses=pulse, pulses=20, read_voltage=0.1
    ... )
    >>> float(curve.conductance[20] / curve.conductance[10]) > 1 > float(curve.conductance[40] / curve.conductance[20])
    True
    """
    check_count("pulses", pulses, MOST_PULSES // 2)
    for name, each in (("set_pulses", set_pulses), ("reset_pulses", reset_pulses)):
        check_pulses(name, each)
    volts = _read_volts(read_voltage)
    train = []
    for given, direction in ((set_pulses, 1.0), (reset_pulses, -1.0)):
        level = np.minimum(np.arange(pulses), given.levels - 1)
        train += list(zip(direction * given.voltages(level), given.widths(level), strict=True))
    kinds = ["start"] + ["set"] * pulses + ["reset"] * pulses

    def labeled(x: FloatArray, found: FloatArray) -> xr.Dataset:
        return xr.Dataset(
            {
                "conductance": ("pulse", found, {"units": "S", "long_name": "conductance after the pulse"}),
                "x": ("pulse", x, {"units": "1", "long_name": "state after the pulse"}),
            },
            coords={"pulse": np.arange(len(x)), "kind": ("pulse", kinds[: len(x)])},
            attrs={"engine": engine, "read_voltage": volts},
        )

    return _responses(device, train, volts, x0, engine, cycle_to_cycle, seed, labeled)


def endurance(
    device: DeviceChoice,
    *,
    set_pulse: Pulses,
    reset_pulse: Pulses,
    cycles: int = 100,
    read_voltage: float | str,
    x0: float = 0.0,
    cycle_to_cycle: Any = None,
    seed: int | None = None,
    engine: str = "reference",
) -> xr.Dataset:
    """Low and high resistance states of one device over cycles of one SET and one RESET pulse of level 0 each.

    The models of the library do not wear out: what changes over the cycles is what the pulses leave behind, a drift
    towards the cycle that repeats itself, and what `cycle_to_cycle` draws.

    Parameters
    ----------
    device
        A section `device` of a testbench.
    set_pulse, reset_pulse
        The pulses.
    cycles
        How many.
    read_voltage
        Voltage (V) at which the resistance is that of the state.
    x0
        State at the start.
    cycle_to_cycle
        Parameters that are drawn anew about their values for every pulse, such as
        ``{"Vp": lognormal(0.05)}``, as `spicecim.vary` takes them. What one pulse hands on to the next is x.
    seed
        Whole number that goes with it: the same gives the same pulses in both engines.
    engine
        The name of an engine.

    Returns
    -------
    xarray.Dataset
        Over ``cycle``: resistances ``low`` after SET and ``high`` after RESET (ohm), and ``x_low``, ``x_high``.

    Raises
    ------
    InputError
        If an argument is not valid.
    ProgrammingError
        If a run fails after others were done: the error is its cause, and its attribute ``result`` is what was reached
        before, with an attribute ``unfinished`` that says how far it came. An interrupt (`KeyboardInterrupt`) and any
        other exception have such a ``result``, too. A run has one pulse with `cycle_to_cycle`, else up to 1000 pulses.
    UnsupportedError
        If the device is a SPICE subcircuit, whose equations are not known.

    Examples
    --------
    >>> import spicecim as sc
    >>> pulse = sc.operations.Pulses(voltage=0.3, width="100us")
    >>> run = sc.endurance({"model": "yakopcic"}, set_pulse=pulse, reset_pulse=pulse, cycles=20, read_voltage=0.1)
    >>> bool((run.high > run.low).all())
    True
    """
    check_count("cycles", cycles, MOST_PULSES // 2)
    for name, each in (("set_pulse", set_pulse), ("reset_pulse", reset_pulse)):
        check_pulses(name, each)
    volts = _read_volts(read_voltage)
    cycle = [
        (float(set_pulse.voltages([0])[0]), float(set_pulse.widths([0])[0])),
        (-float(reset_pulse.voltages([0])[0]), float(reset_pulse.widths([0])[0])),
    ]

    def labeled(x: FloatArray, found: FloatArray) -> xr.Dataset:
        whole = (len(x) - 1) // 2
        with np.errstate(divide="ignore"):
            ohm = 1.0 / found
        low, high = slice(1, 2 * whole, 2), slice(2, 2 * whole + 1, 2)
        return xr.Dataset(
            {
                "low": ("cycle", ohm[low], {"units": "ohm", "long_name": "resistance after SET"}),
                "high": ("cycle", ohm[high], {"units": "ohm", "long_name": "resistance after RESET"}),
                "x_low": ("cycle", x[low], {"units": "1", "long_name": "state after SET"}),
                "x_high": ("cycle", x[high], {"units": "1", "long_name": "state after RESET"}),
            },
            coords={"cycle": np.arange(1, whole + 1)},
            attrs={"engine": engine, "read_voltage": volts},
        )

    return _responses(device, cycle * cycles, volts, x0, engine, cycle_to_cycle, seed, labeled, least=2)
