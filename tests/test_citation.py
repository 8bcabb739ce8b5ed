"""The BibTeX of a testbench."""

import re
from pathlib import Path

import pytest
from command import spicecim

from spicecim.citation import _IDENTIFIER, _entries, citation
from spicecim.devices import MODELS, load_presets
from spicecim.testbench import Testbench
from spicecim.version import __version__

ROOT = Path(__file__).parent.parent


def bench(device, **crossbar):
    return Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": [[0.5]], **crossbar},
            "drive": {"kind": "sine", "amplitude": 0.1, "frequency": 100},
        }
    )


def keys(text):
    return re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)


def test_every_publication_of_the_library_has_an_entry_of_its_own():
    entries = " ".join(_entries().values())
    sources = [model.source for model in (MODELS[name] for name in MODELS)]
    sources += [preset.source for name in MODELS for preset in load_presets(name).values()]
    named = {(doi or arxiv).rstrip(".)") for source in sources for doi, arxiv in _IDENTIFIER.findall(source)}
    assert len(named) > 15
    assert [each for each in sorted(named) if f"{{{each}}}" not in entries] == []


def test_the_citation_file_is_of_this_version():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_entries_have_braces_in_pairs_and_keys_of_their_own():
    text = (ROOT / "spicecim" / "references.bib").read_text(encoding="utf-8")
    assert len(_entries()) == text.count("@") == len(set(keys(text)))
    for entry in _entries().values():
        assert entry.count("{") == entry.count("}")
        assert "title = {" in entry or "doi = {" in entry


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_preset_is_cited(name):
    for preset in load_presets(name):
        found = keys(citation(bench({"model": name, "preset": preset})))
        assert {"spicecim", "ngspice", "pyspice"} < set(found)
        assert len(found) == len(set(found))


def test_the_model_its_preset_and_the_methods_that_run_it_are_cited():
    text = citation(bench({"model": "yakopcic", "preset": "jo"}))
    assert keys(text) == ["yakopcic2013", "jo2010", "spicecim", "ngspice", "pyspice", "openvaf", "trefethen2019"]
    wired = citation(bench({"model": "stanford_pku", "backend": "behavioral"}, wire_row=1))
    assert keys(wired) == ["jiang2016", "nanohub2014", "spicecim", "ngspice", "pyspice", "hairer1996"]
    stored = citation(bench({"model": "yakopcic"}, wire_row=1, row_capacitance=1e-15))
    assert keys(stored)[-1] == "hairer1996"
    gated = bench({"model": "yakopcic"}).with_sections(
        cell={"kind": "1t1r"}, word_lines={"drive": {"kind": "sine", "amplitude": 1, "frequency": 100}}
    )
    assert keys(citation(gated))[1:4] == ["enz1995", "zhao2006", "stine2007"]
    assert f"version {__version__}" in text


def test_a_source_without_an_entry_stands_with_its_identifier(monkeypatch):
    monkeypatch.setattr(MODELS["team"], "source", "Nobody, Nowhere (2030), doi:10.9999/nowhere.1.")
    assert "@misc{109999nowhere1, doi = {10.9999/nowhere.1}}" in citation(bench({"model": "team"}))


def test_the_command_prints_what_python_returns(tmp_path):
    run = spicecim("citation", "examples/bench.yaml", cwd=ROOT)
    assert run.returncode == 0
    assert run.stdout.strip() == citation(Testbench.from_yaml(ROOT / "examples" / "bench.yaml"))
    run = spicecim("citation", "nothing.yaml", cwd=tmp_path)
    assert run.returncode == 2
    assert "nothing.yaml" in run.stderr
