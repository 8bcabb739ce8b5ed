"""What to cite for a testbench: the sources of its model and preset, and the methods that run it, as BibTeX."""

from __future__ import annotations

import functools
import re
from importlib import resources

import numpy as np

from spicecim.testbench import Testbench

_IDENTIFIER = re.compile(r"doi:(10\.\d{4,}/[^\s,;]+)|arXiv:(\d{4}\.\d{4,5})")
"""A DOI or an arXiv number in the source of a model or a preset."""
_ENTRY = re.compile(r"^@(\w+)\{(\w+),.*\}$", re.MULTILINE)
_ALWAYS = ("spicecim", "ngspice", "pyspice")
_TABLES, _COLLOCATION, _DISSECTION = "trefethen2019", "hairer1996", "george1973"


def citation(bench: Testbench) -> str:
    """Return the BibTeX entries of what a testbench uses.

    These are the publications that the sources of its model and preset name by a DOI or an arXiv number (as
    ``spicecim models NAME`` shows them), spicecim and the simulators, and the methods of the reference engine: tables
    of flow for rates that separate, Radau collocation for all else and for capacitances, nested dissection for wires.
    What a Verilog-A module or a subcircuit is from, its file alone knows.

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
    sources = " ".join(bench.device.sources())
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
    return {found.group(2): found.group(0) for found in _ENTRY.finditer(text)}


def _methods(bench: Testbench) -> list[str]:
    device, crossbar = bench.device, bench.crossbar
    compiled = device.wanted_backend()[0] != "behavioral"
    separable = device.separable and not np.any(crossbar.wire_capacitance)
    wired = np.any(crossbar.wire_row) or np.any(crossbar.wire_column)
    return [
        *(["openvaf"] if compiled else []),
        _TABLES if separable else _COLLOCATION,
        *([_DISSECTION] if wired else []),
    ]
