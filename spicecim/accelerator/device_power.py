"""The crossbars' own power from the read energy of the very bits that they read, in place of a published one."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from spicecim.accelerator.design import Design
from spicecim.encodings.bit_sliced import ReadPulse
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.errors import InputError

_EDGE = 0.1
"""Rise and fall of a read pulse, each as a share of a cycle."""


class CrossbarPower(NamedTuple):
    """What the rows' drivers deliver to one crossbar while it is read."""

    power: float
    """Average power (W)."""
    energy: float
    """Energy of one read: one fragment, one bit (J)."""


def reading_scheme(design: Design, device: Any, voltage: float | str) -> BitSliced:
    """Return a design's encoding with a device for its cells, and a read pulse that takes one cycle.

    Raises
    ------
    InputError
        If the design has no crossbars or no cycle.
    TestbenchError
        If device or voltage are not valid.
    """
    scheme = design.crossbars
    cycle = design.times.cycle
    if cycle is None:
        raise InputError(f"{design.name} has no cycle, so that a read has no time")
    if not isinstance(scheme, BitSliced):
        raise InputError(f"{design.name} reads by sinusoids: see spicecim.accelerator.sinusoids")
    settings = {name: getattr(scheme, name) for name in ("weight_bits", "cell_bits", "fragment", "input_bits", "rows")}
    pulse = ReadPulse(voltage=voltage, width=(1 - 2 * _EDGE) * cycle.value, edge=_EDGE * cycle.value)
    return type(scheme)(**settings, columns=scheme.columns, device=device, pulse=pulse)


def crossbar_power(
    design: Design, device: Any, weights: ArrayLike, inputs: ArrayLike, voltage: float | str = 0.1
) -> CrossbarPower:
    """Measure the power of a crossbar of a design while it is read, in the reference engine.

    Parameters
    ----------
    design
        A design with a cycle.
    device
        Device of the cells, as in a testbench: ``{"model": "yakopcic", "preset": "oblea"}``.
    weights
        Integers (input line, output) that the design's encoding holds.
    inputs
        Integers (vector, input line).
    voltage
        Read voltage (V).

    Raises
    ------
    InputError
        If weights and inputs do not fit the encoding, or reading moves the states of the device.
    """
    scheme = reading_scheme(design, device, voltage)
    layer = scheme.program(weights)
    found = layer.read_energy(inputs)
    crossbars = len(layer.tiles)
    reads = found.time / scheme.pulse.period
    return CrossbarPower(found.energy / found.time / crossbars, found.energy / reads / crossbars)


def with_crossbar_power(design: Design, power: float, why: str) -> Design:
    """Return a design whose crossbars take a power that was measured.

    Parameters
    ----------
    design
        A design with a component of the kind ``crossbar``.
    power
        Power of one crossbar (W).
    why
        How it was measured.

    Raises
    ------
    InputError
        If the design has no such component.
    """
    name = design.unit_part("crossbar")
    if name is None:
        raise InputError(f"{design.name} has no component of the kind crossbar in a unit")
    total = power * design.parts.crossbars_per_unit.value
    return design.changed(components={"unit": {name: {"energy": None, "power": {"value": total, "derived": why}}}})
