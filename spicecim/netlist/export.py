"""A model of the library as a file for other programs: a Verilog-A module, or a SPICE subcircuit."""

from __future__ import annotations

from typing import Any

from spicecim.devices.library import default_values, get_model, make_device
from spicecim.devices.verilog_a import verilog_a
from spicecim.errors import InputError
from spicecim.netlist.environment import netlist_environment, plain_text
from spicecim.netlist.models import behavioral_context
from spicecim.version import __version__

FORMATS = ("verilog-a", "subcircuit")


def export_model(name: str, preset: str | None = None, format: str = "verilog-a") -> str:
    """Write a model as a Verilog-A module or as a subcircuit of ngspice.

    Parameters
    ----------
    name
        Name of the model.
    preset
        Parameter set: of a module its defaults, of a subcircuit its numbers; the model's first if left out.
    format
        ``"verilog-a"`` or ``"subcircuit"``.

    Raises
    ------
    ModelError
        If the model or the preset is unknown, or an equation has no translation.
    InputError
        If the format is unknown.

    Examples
    --------
    >>> print(export_model("resistor", format="subcircuit").splitlines()[-1])
    .ends
    """
    if format not in FORMATS:
        raise InputError(f"format: unknown format {format!r}; known are {', '.join(FORMATS)}")
    model = get_model(name)
    if format == "verilog-a":
        values: dict[str, Any] = default_values(model)
        return verilog_a(model, make_device(name, preset).model_dump() if preset else values)
    device = make_device(name, preset)
    low, high = (float(s) for s in device.state_from_x([0.0, 1.0]))
    context = {
        **behavioral_context(device),
        "version": __version__,
        "source": plain_text(model.source),
        "preset": plain_text(preset or "default preset"),
        "states": (low, high),
    }
    return netlist_environment().get_template("exported_subcircuit.cir.j2").render(context)
