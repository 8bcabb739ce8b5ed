"""Write docs/models.md from the classes of the device models and their presets: `make models`."""

from pathlib import Path

from spicecim.devices import MODELS, load_presets
from spicecim.quantities import format_quantity

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
HEAD = """\
# Device models

Written by `make models` from the classes in `spicecim/devices/models` and the presets in `models/*.yaml`: change those,
not this page. `spicecim models NAME` shows a model with the values of its presets. `spicecim model export NAME` writes
it as a Verilog-A module (as `models/NAME.va`), or with `--format subcircuit` as a subcircuit of ngspice. A model of
your own is written [in the same way](extending.md#a-device).
"""


def models_page() -> str:
    """Return the page: of each model what it is, its parameters and its presets."""
    lines = [HEAD]
    for name in (name for name, origin in MODELS.describe()["members"].items() if origin == "spicecim"):
        model = MODELS[name]
        lines += [f"## `{name}`", "", f"{model.title}. {_cell(model.source)}", ""]
        lines += ["| parameter | unit | meaning |", "| --- | --- | --- |"]
        units = model.units()
        lines += [
            f"| `{field}` | {units[field]} | {_cell(info.description)} |" for field, info in model.model_fields.items()
        ]
        if model.states:
            lines += ["", "| state | unit | meaning | starts at |", "| --- | --- | --- | --- |"]
            lines += [
                f"| `{state}` | {each.unit} | {_cell(each.meaning)} | {each.start} |"
                for state, each in model.states.items()
            ]
        lines += ["", "| preset | x0 | drive | what it is | source |", "| --- | --- | --- | --- | --- |"]
        for preset, values in load_presets(name).items():
            drive = f"{format_quantity(values.amplitude, 'V')}, {format_quantity(values.frequency, 'Hz')}"
            texts = (_cell(values.description), _cell(values.source))
            lines.append(f"| `{preset}` | {values.x0:g} | {drive} | {' | '.join(texts)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str | None) -> str:
    return " ".join(str(text).split()).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(models_page(), encoding="utf-8")
