"""The page of a folder of results."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from spicecim.errors import MissingPackageError
from spicecim.files import write_text
from spicecim.json_text import json_text
from spicecim.report.contents import NAME, PAIRS, Contents, outcome, read_contents, tables_of
from spicecim.report.sweep import sweep_contents, values_figures
from spicecim.report.waveforms import CellPicker, cell_picker, currents_figure
from spicecim.sweeps.store import TABLE
from spicecim.validation.claims import JudgedClaim
from spicecim.validation.page import measured_text, number_text, published_text
from spicecim.version import __version__


def write_report(folder: str | Path) -> Path:
    """Write a folder of results as one page, ``report.html``, that opens from disk without a network.

    Parameters
    ----------
    folder
        What ``spicecim run``, ``validate``, ``fit``, ``program``, ``hysteresis``, ``measurement``, ``demo`` or
        ``sweep run`` wrote; the figures of a sweep are drawn into its folder ``figures``.

    Returns
    -------
    pathlib.Path
        The page. The folder's summary lists it from then on, so that the next results replace it.

    Raises
    ------
    ResultsError
        If the folder holds no results, or cannot be written.
    MissingPackageError
        If Bokeh, which draws waveforms, is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import spicecim as sc
    >>> from spicecim.runs import run_testbench
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic"},
    ...     crossbar={"state": [[1, 0]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> folder = tempfile.mkdtemp()
    >>> summary = run_testbench(bench, folder, engine="reference")
    >>> sc.write_report(folder).name
    'report.html'
    """
    folder = Path(folder)
    if (folder / TABLE).is_file():
        return write_text(folder / NAME, _rendered(sweep_contents(folder)))
    contents = read_contents(folder)
    page = write_text(folder / NAME, _rendered(contents))
    listed = contents.summary.get("artifacts", [])
    if NAME not in listed:
        write_text(folder / contents.summary_name, json_text({**contents.summary, "artifacts": [NAME, *listed]}) + "\n")
    return page


def _rendered(contents: Contents) -> str:
    scripts, figures, pickers = _figures(contents)
    claims = [JudgedClaim(**_with_pairs(claim)) for claim in contents.claims]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spicecim", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"published": published_text, "measured": measured_text, "number": number_text}
    return environment.get_template("report.html.j2").render(
        title=contents.folder.resolve().name,
        kind=_kind(contents),
        version=__version__,
        claims=claims,
        verdicts={word: sum(claim.verdict == word for claim in claims) for word in _VERDICTS},
        verdict_class=dict(zip(_VERDICTS, ("holds", "part", "not"), strict=True)),
        # claims show their verdicts themselves
        tables=tables_of({name: value for name, value in contents.summary.items() if not claims or name != "verdicts"}),
        pairs=PAIRS,
        more_tables=contents.tables,
        outcome=outcome(contents.summary),
        figures=figures,
        pickers=pickers,
        pictures=[
            (path.stem.replace("_", " "), _data_address(path), path.relative_to(contents.folder).as_posix())
            for path in contents.pictures
        ],
        texts=contents.texts,
        texts_title=_listed(list(dict.fromkeys(text.kind for text in contents.texts))),
        figures_title="Waveforms" if contents.sweep is None else "Values of the runs",
        files=[
            (path.relative_to(contents.folder).as_posix(), f"{path.stat().st_size / 1e3:.4g} kB")
            for path in contents.files
        ],
        scripts=scripts,
    )


def _kind(contents: Contents) -> str:
    if contents.sweep is not None:
        return "Sweep"
    if contents.claims:
        return "Claims"
    return _KINDS.get(contents.summary_name, "Results")


def _listed(kinds: list[str]) -> str:
    """Kinds of texts as a heading: "Netlist, log and testbench"."""
    *others, last = kinds or [""]
    return (f"{', '.join(others)} and {last}" if others else last).capitalize()


_KINDS = {"hysteresis.json": "Pinched loops", "fit.json": "Fit", "measurement.json": "Measurement"}
"""What a folder holds, by the name of its summary."""
_VERDICTS = ("holds", "holds in part", "does not hold")


def _with_pairs(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim read from JSON, in which a pair of numbers is a list."""
    return {name: _pairs(value) if isinstance(value, dict) else value for name, value in claim.items()}


def _pairs(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _figures(contents: Contents) -> tuple[Markup, dict[str, Markup], list[tuple[str, CellPicker, list[Markup]]]]:
    """Scripts, figures of column currents or of a sweep's measures, and the cells of each engine."""
    if not contents.waveforms and contents.sweep is None:
        return Markup(), {}, []
    try:
        from bokeh.embed import components
        from bokeh.resources import Resources
    except ImportError as error:
        raise MissingPackageError.of("report", f"this report needs Bokeh ({error})") from None
    pickers = [
        (engine, picker)
        for engine, run in contents.waveforms.items()
        if (picker := cell_picker(run, f"cells_{engine}")) is not None
    ][:1]
    drawings = (
        {"Column currents": currents_figure(contents.waveforms)}
        if contents.sweep is None
        else values_figures(contents.sweep)
    )
    models: list[Any] = [*drawings.values(), *(panel for _, picker in pickers for panel in picker.panels)]
    script, parts = components(tuple(models)) if models else ("", ())
    divided = iter(parts)
    figures = {title: Markup(next(divided)) for title in drawings}
    drawn = [(engine, picker, [Markup(next(divided)) for _ in picker.panels]) for engine, picker in pickers]
    resources = Resources(mode="inline", components=["bokeh"], minified=True)
    return Markup(resources.render_js() + script), figures, drawn


def _data_address(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
