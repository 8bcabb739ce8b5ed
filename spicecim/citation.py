"""What to cite for a testbench: the sources of its model and preset, and the methods that run it, as BibTeX."""

from __future__ import annotations

import functools
import re
from importlib import resources

from spicecim.testbench import Testbench
from spicecim.version import __version__

_IDENTIFIER = re.compile(r"doi:(10\.\d{4,}/[^\s,;]+)|arXiv:(\d{4}\.\d{4,5})")
"""A DOI or an arXiv number in the source of a model or a preset."""
_ENTRY = re.compile(r"^@(\w+)\{(\w+),.*\}$", re.MULTILINE)
_ALWAYS = ("spicecim", "ngspice", "pyspice")
_TABLES, _COLLOCATION = "trefethen2019", "hairer1996"


def citation(bench: Testbench) -> str:
    """Return the BibTeX entries of what a testbench uses.

    These are the publications that the sources of its model, preset and transistor name by a DOI or an arXiv number
    (as ``spicecim models NAME`` shows them), spicecim and the simulators, and how the reference engine follows cells:
    by tables of flow where a rate separates and nothing stores charge, by Radau collocation elsewhere. What a Verilog-A
    module or a subcircuit is from, its file alone knows.

    Parameters
    ----------
    bench
        The testbench; it is not run.

    Returns
    -------
    str
        Entries, one per line, with an empty line between them. A source without an entry of its own stands as ``@misc``
        with its identifier.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "vteam"},
    ...     crossbar={"state": [[0.5]]},
    ...     drive={"kind": "sine", "amplitude": 1, "frequency": 100},
    ... )
    >>> "10.1109/TCSII.2015.2433536" in sc.citation(bench)
    True
    """
    known = _entries()
    sources = " ".join([*bench.device.sources(), *([] if bench.cell is None else bench.cell.sources())])
    found = []
    for doi, arxiv in _IDENTIFIER.findall(sources):
        identifier = (doi or arxiv).rstrip(".)")
        keys = [key for key, entry in known.items() if f"{{{identifier}}}" in entry]
        field = f"doi = {{{identifier}}}" if doi else f"eprint = {{{identifier}}}, archiveprefix = {{arXiv}}"
        found.append(known[keys[0]] if keys else f"@misc{{{re.sub('[^A-Za-z0-9]', '', identifier)}, {field}}}")
    found += [known[key] for key in (*_ALWAYS, *_methods(bench))]
    return "\n\n".join(dict.fromkeys(found))


@functools.cache
def _entries() -> dict[str, str]:
    """The entries of the bibliography by their keys."""
    text = resources.files("spicecim").joinpath("references.bib").read_text(encoding="utf-8")
    text = text.replace("VERSION", __version__)
    return {found.group(2): found.group(0) for found in _ENTRY.finditer(text)}


def _methods(bench: Testbench) -> list[str]:
    compiled = bench.device.wanted_backend()[0] != "behavioral"
    storing = bench.crossbar.parasitics().storing or bench.lines().dynamic
    by_tables = bench.device.separable and bench.cell is None and not storing
    return [*(["openvaf"] if compiled else []), _TABLES if by_tables else _COLLOCATION]
