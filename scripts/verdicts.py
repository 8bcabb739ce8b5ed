"""Write the tables of measured numbers in docs/*.md from stored runs of the validations: `make verdicts`.

``python scripts/verdicts.py`` writes the tables anew; ``python scripts/verdicts.py NAME=FOLDER ...`` first stores what
the runs in these folders measured, as ``docs/verdicts/NAME.json``. Claims and criteria are those of ``claims.yaml``, so
that verdicts follow a criterion that was changed; numbers are those of the stored run.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from spicecim.quantities import format_quantity
from spicecim.validation.claims import JudgedClaim, Measured, judge, stated_claims
from spicecim.validation.page import number_text

DOCS = Path(__file__).parent.parent / "docs"
STORED = DOCS / "verdicts"

Claims = dict[str, JudgedClaim]
Table = Callable[[Claims], list[str]]


def store(name: str, folder: Path) -> None:
    """Keep what a run measured, and how it was run."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    left_out = ("artifacts", "verdicts")
    stored = {
        "command": f"spicecim validate {name} -o DIR" + (" --quick" if summary["quick"] else ""),
        "settings": {key: value for key, value in summary.items() if key not in left_out},
        "claims": {claim["id"]: {key: claim[key] for key in ("measured", "details")} for claim in claims},
    }
    STORED.mkdir(exist_ok=True)
    text = json.dumps(_rounded(stored), indent=1, ensure_ascii=False)
    (STORED / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def judged(name: str) -> Claims:
    """Return the claims of a validation, judged by what its stored run measured."""
    stated = stated_claims(Path(str(resources.files(f"spicecim.validation.{name.replace('-', '_')}"))) / "claims.yaml")
    stored = stored_run(name)["claims"]
    if list(stored) != list(stated):
        raise KeyError(f"docs/verdicts/{name}.json is of other claims than claims.yaml: store a new run")
    return {
        claim: judge(stated[claim], _numbers(found["measured"]), _numbers(found["details"]))
        for claim, found in stored.items()
    }


def stored_run(name: str) -> dict:
    """Return what is stored of a run: command, settings, and measured numbers by claim."""
    return json.loads((STORED / f"{name}.json").read_text(encoding="utf-8"))


def made_by(name: str) -> list[str]:
    """Return the lines that say which run the numbers are of."""
    run = stored_run(name)
    settings = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in run["settings"].items() if key != "quick")
    return [f"Measured by `{run['command']}`", f"({settings}):"]


def verdicts(claims: Claims) -> list[str]:
    """Return a row per claim; where each number has a published one of its own, that stands behind it in brackets."""
    lines = ["| claim | published or asked | measured | verdict |", "| --- | --- | --- | --- |"]
    for claim in claims.values():
        alike = len(set(claim.published.values())) == 1
        published = number_text(next(iter(claim.published.values()))) if alike else "in brackets"
        beside = {} if alike else claim.published
        if alike and len(claim.measured) > _LISTED:
            measured = _spread(claim.measured)
        else:
            measured = _listed(claim.measured, beside)
        lines.append(f"| {_cell(claim.claim)} | {published} | {measured} | {claim.verdict} |")
    return lines


def power_ratios(claims: Claims) -> list[str]:
    """Return what the ratio of powers is made of, a row per device."""
    claim = claims["power-16"]
    devices = list(dict.fromkeys(what.rsplit(", ", 1)[0] for what in claim.measured))
    share = "mean conductance of the levels over that of low resistance"
    lines = [
        "| device | mean conductance of the levels over Gon, OFF / both | 4 over it | measured, OFF / both |"
        " camera image, OFF / both |",
        "| --- | --- | --- | --- | --- |",
    ]
    for device in devices:
        both = [f"{device}, {weights}" for weights in ("OFF", "both")]
        means = [claim.details[f"{one}: {share}"] for one in both]
        columns = [
            [f"{mean:.3f}" for mean in means],
            [f"{4 / mean:.1f}" for mean in means],
            [f"{claim.measured[one]:.1f}" for one in both],
            [f"{claim.details[f'{one}: camera image']:.1f}" for one in both],
        ]
        lines.append(f"| {device} | " + " | ".join(" / ".join(column) for column in columns) + " |")
    return lines


def headline(claims: Claims) -> list[str]:
    """Return FORMS over pruned ISAAC by rows, with and without skipping."""
    rows = ("4 rows", "8 rows", "16 rows")
    lines = ["| over pruned ISAAC, same converters | " + " | ".join(rows) + " |", "| --- | --- | --- | --- |"]
    for claim, per in (("headline-area", "per area"), ("headline-power", "per watt")):
        for skipping in ("without skipping", "with skipping"):
            found = [claims[claim].measured[f"{one}, {skipping}"] for one in rows]
            ranges = " | ".join(f"{low:.2f} to {high:.2f}" for low, high in found)
            lines.append(f"| {per}, {skipping} | {ranges} |")
    return lines


def energies(claims: Claims) -> list[str]:
    """Return the energy of a convolution, a row per design."""
    what = ": energy of a convolution (J)"
    found = {name.removesuffix(what): value for name, value in claims["energy-per-convolution"].details.items()
             if name.endswith(what)}  # fmt: skip
    lines = ["| design | energy per 3 x 3 convolution |", "| --- | --- |"]
    for name, value in found.items():
        ends = value if isinstance(value, tuple) else (value,)
        lines.append(f"| {name} | {' to '.join(format_quantity(end, 'J') for end in ends)} |")
    return lines


def stages(claims: Claims) -> list[str]:
    """Return what LeNet-5 loses with each stage, by the rows of a fragment, beside what is published."""
    claim, saved = claims["accuracy"], claims["crossbars-saved"]
    lines = [
        "| rows | pruned | polarized | quantized | all (published) | crossbars saved (published) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rows in claim.measured:
        steps = [
            claim.details["loss by pruning (points)"],
            claim.details[f"{rows}: loss from pruned to polarized (points)"],
            claim.details[f"{rows}: loss from polarized to quantized (points)"],
        ]
        both = [f"{number_text(one.measured[rows])} ({number_text(one.published[rows])})" for one in (claim, saved)]
        lines.append("| " + " | ".join([rows.removesuffix(" rows"), *map(number_text, steps), *both]) + " |")
    return lines


def faults(claims: Claims) -> list[str]:
    """Return product errors and losses of fine fragments and of whole columns."""
    numbers = claims["fine-fragments"].details
    cases = list(dict.fromkeys(what.split(", polarized")[0] for what in numbers if ", polarized" in what))
    networks = ("polarized", "polarized for whole columns")
    lines = [
        "| | " + " | ".join(f"{what}, {name}" for name in networks for what in ("error (%)", "loss (points)")) + " |",
        "| --- |" + " --- |" * 4,
    ]
    for case in cases:
        cells = []
        for network in networks:
            for quantity in ("product error", "loss of accuracy"):
                titles = [f"{case}, {network}, {rows}: {quantity}," for rows in ("8 rows", "whole column")]
                found = [next(value for what, value in numbers.items() if what.startswith(title)) for title in titles]
                cells.append("; ".join(map(number_text, found)))
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def input_cycles(claims: Claims) -> list[str]:
    """Return mean effective input cycles of 16 bits by network and format, of 4 rows and of whole columns."""
    fine, whole = claims["cycles-of-4-rows"], claims["cycles-of-128-rows"]
    networks = list(dict.fromkeys(what.split(", ")[0] for what in fine.measured))
    forms = list(dict.fromkeys(what.split(", ", 1)[1] for what in fine.measured))
    lines = ["| format of the inputs | " + " | ".join(networks) + " |", "| --- |" + " --- |" * len(networks)]
    for form in forms:
        pairs = [[one.measured[f"{network}, {form}"] for one in (fine, whole)] for network in networks]
        shown = " | ".join(f"{first:.1f}, {second:.1f}" for first, second in pairs)
        lines.append(f"| {form} | {shown} |")
    return lines


PAGES: dict[str, tuple[str, dict[str, Table]]] = {
    "accelerator": ("frequency-weighting", {"energies": energies}),
    "forms-architecture": ("forms-architecture", {"verdicts": verdicts, "headline": headline}),
    "frequency-weighting": ("frequency-weighting", {"verdicts": verdicts, "power": power_ratios}),
    "polarized-columns": (
        "polarized-columns",
        {"verdicts": verdicts, "stages": stages, "cycles": input_cycles, "faults": faults},
    ),
}
"""Of each page the validation that its numbers are of, and its tables by the name that their marks have."""

_LISTED = 3
"""Numbers that a cell lists with their names; of more that are judged alike it gives the least and the most."""


def page(name: str) -> str:
    """Return a page with its tables as they should be."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    validation, tables = PAGES[name]
    claims = judged(validation)
    for table, make in tables.items():
        rows = make(claims) if table != "verdicts" else [*made_by(validation), "", *make(claims)]
        mark = re.compile(rf"(<!-- table {table}:[^\n]*-->\n).*?(\n<!-- end of table -->)", re.DOTALL)
        lines = "\n".join(["", *rows, ""])
        text, found = mark.subn(lambda match, lines=lines: match[1] + lines + match[2], text)
        if found != 1:
            raise ValueError(f"docs/{name}.md: has {found} tables {table}")
    return text


def _listed(numbers: Measured, published: Measured) -> str:
    texts = [number_text(value) + (f" ({number_text(published[what])})" if what in published else "")
             for what, value in numbers.items()]  # fmt: skip
    if len(texts) == 1:
        return texts[0]
    return "<br>".join(f"{_cell(what)}: {text}" for what, text in zip(numbers, texts, strict=True))


def _spread(numbers: Measured) -> str:
    ends = [end for value in numbers.values() for end in (value if isinstance(value, tuple) else (value,))]
    return f"{number_text((min(ends), max(ends)))} ({len(numbers)} numbers)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _numbers(values: dict) -> Measured:
    return {what: _number(value) for what, value in values.items()}


def _number(value):
    if isinstance(value, list):
        return tuple(map(_number, value))
    return math.nan if value is None else float(value)


def _rounded(value):
    """Values to six digits, which is what another machine gives too."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main(runs: Sequence[str]) -> None:
    for run in runs:
        name, folder = run.split("=", 1)
        store(name, Path(folder))
    for name in PAGES:
        (DOCS / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
