"""What pulses do to one device: potentiation and depression, and endurance over cycles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from spicecim.device_choice import AnyDevice, DeviceSection
from spicecim.drives import SampledDrive
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.fields import FloatArray, Section
from spicecim.operations.cycles import cycle_to_cycle_of
from spicecim.operations.operation import at_end
from spicecim.operations.pulses import Pulses, check_count, check_pulses
from spicecim.operations.window import conductance, polarity
from spicecim.quantities import input_quantity
from spicecim.testbench import Testbench

_EDGE = 0.1
"""Rise and fall of a pulse, relative to the shorter of the two widths."""

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
) -> tuple[FloatArray, FloatArray]:
    """X and the conductance at a read voltage (S) before the first pulse and after each of (voltage, width)."""
    voltage, width = (np.array(values, dtype=float) for values in zip(*pulses, strict=True))
    edge = _EDGE * float(width.min())
    steps = np.stack([np.full(len(width), edge), width, np.full(len(width), edge), np.full(len(width), edge)], axis=1)
    time = np.concatenate([[0.0], np.cumsum(steps)])
    single = _bench(device, x0, float(np.abs(voltage).max()))
    sign = polarity(single, float(np.abs(voltage).max()))
    levels = np.zeros((len(width), 4))
    levels[:, :2] = sign * voltage[:, None]
    cycles = cycle_to_cycle_of(cycle_to_cycle, seed, single)
    if cycles is None:
        run = _run(single, time, np.concatenate([[0.0], levels.ravel()]), time[::4], engine)
        x = np.interp(time[::4], run["time"].values, run["x"].values[:, 0, 0])
    else:
        x, cell = np.full(len(width) + 1, x0), single
        for number, (each, volts) in enumerate(zip(steps, levels, strict=True)):
            own = np.concatenate([[0.0], np.cumsum(each)])
            run = _run(cycles.drawn(cell, number), own, np.concatenate([[0.0], volts]), own[-1:], engine)
            cell = at_end(cell, run)
            x[number + 1] = cell.crossbar.state[0, 0]
    x = np.clip(x, 0.0, 1.0)
    return x, np.array([conductance(single, state, read)[0, 0] for state in x])


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
    x, found = _responses(device, train, volts, x0, engine, cycle_to_cycle, seed)
    kinds = ["start"] + ["set"] * pulses + ["reset"] * pulses
    return xr.Dataset(
        {
            "conductance": ("pulse", found, {"units": "S", "long_name": "conductance after the pulse"}),
            "x": ("pulse", x, {"units": "1", "long_name": "state after the pulse"}),
        },
        coords={"pulse": np.arange(len(x)), "kind": ("pulse", kinds)},
        attrs={"engine": engine, "read_voltage": volts},
    )


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
    x, found = _responses(device, cycle * cycles, volts, x0, engine, cycle_to_cycle, seed)
    with np.errstate(divide="ignore"):
        ohm = 1.0 / found
    return xr.Dataset(
        {
            "low": ("cycle", ohm[1::2], {"units": "ohm", "long_name": "resistance after SET"}),
            "high": ("cycle", ohm[2::2], {"units": "ohm", "long_name": "resistance after RESET"}),
            "x_low": ("cycle", x[1::2], {"units": "1", "long_name": "state after SET"}),
            "x_high": ("cycle", x[2::2], {"units": "1", "long_name": "state after RESET"}),
        },
        coords={"cycle": np.arange(1, cycles + 1)},
        attrs={"engine": engine, "read_voltage": volts},
    )
