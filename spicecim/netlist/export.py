"""A model of the library as a file for other programs: a Verilog-A module, or a SPICE subcircuit."""

from __future__ import annotations

from typing import Any

from spicecim.devices.library import default_values, get_model, get_preset, load_presets, make_device
from spicecim.devices.printing import wrapped
from spicecim.devices.verilog_a import verilog_a
from spicecim.errors import InputError
from spicecim.netlist.cell_device import crossbar_device
from spicecim.netlist.environment import netlist_environment
from spicecim.netlist.models import behavioral_context
from spicecim.quantities import format_quantity
from spicecim.testbench import Testbench
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
        return verilog_a(model, make_device(name, preset).model_dump() if preset else values, _options(name, preset))
    device = make_device(name, preset)
    low, high = (float(s) for s in device.state_from_x([0.0, 1.0]))
    context = {
        **behavioral_context([device]),
        "version": __version__,
        "source": model.source,
        "preset": preset or next(iter(load_presets(name))),
        "states": (low, high),
        "further_starts": [
            f"{name}, which starts at {start:g} {state.unit}".rstrip()
            for (name, state), start in zip(device.states.items(), device.further_values(), strict=True)
        ],
        "options": [line for note in _options(name, preset) for line in wrapped(note)],
    }
    return netlist_environment().get_template("exported_subcircuit.cir.j2").render(context)


def _options(name: str, preset: str | None) -> list[str]:
    """Say which options of ngspice the model needs: those that a netlist has which drives the preset as it says."""
    lines = [
        "With ngspice's default options the state may pass its stops, and currents are wrong near switching."
        " The command spicecim netlist writes the options that suit a testbench."
    ]
    chosen = preset or next(iter(load_presets(name)), None)
    if chosen is None:
        return lines
    shown = get_preset(name, chosen)
    try:
        testbench = Testbench(
            device={"model": name, "preset": chosen, "backend": "behavioral"},
            crossbar={"state": [[shown.x0]]},
            drive={"kind": "sine", "amplitude": shown.amplitude, "frequency": shown.frequency},
        )
        device = crossbar_device(testbench, native=False)
    except InputError:  # a drive of the preset that no run takes
        return lines
    reltol = device.steps.reltol
    options = {"reltol": reltol, **device.tolerances.options(), "trtol": device.steps.trtol}
    times = (device.steps.print_step, testbench.duration, 0.0, testbench.largest_step)
    drive = f"{format_quantity(shown.amplitude, 'V')} and {format_quantity(shown.frequency, 'Hz')}"
    return [
        f"{lines[0]} Those of the preset {chosen} under a sine of {drive}:",
        f".options {' '.join(f'{option}={value:.2g}' for option, value in options.items())}",
        f".tran {' '.join(f'{value:.2g}' for value in times)}",
    ]
