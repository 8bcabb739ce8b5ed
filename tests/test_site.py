"""The site: every public name has a page, and it is built without a warning."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import spicecim

ROOT = Path(__file__).parent.parent
PAGES = runpy.run_path(str(ROOT / "docs" / "reference_pages.py"))


def test_every_public_name_has_a_page():
    listed = [name for _, names in PAGES["SUBJECTS"].values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(spicecim.__all__) - {"__version__"}


def test_every_page_lists_things_that_are_there_once():
    names = [name for page in PAGES["pages"]().values() for name in page]
    assert len(names) == len(set(names)) > 80
    things = [id(PAGES["_found"](name)) for name in names]
    assert len(things) == len(set(things))
    assert not any(isinstance(PAGES["_found"](name), ModuleType) for name in names)


def entries(page):
    """What the navigation of a document leads to."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```{toctree}")[1:]]
    return {line.strip() for block in blocks for line in block.splitlines() if line.strip() and line[0] != ":"}


def test_every_document_is_two_clicks_from_the_start():
    written = {path.stem for path in (ROOT / "docs").glob("*.md")}
    one_click = entries("index")
    assert written - one_click - {page for found in one_click & written for page in entries(found)} == {"index"}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    """Links within the site and to files are checked by that. The scripts of the gallery have a test of their own."""
    build = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", ROOT / "docs", tmp_path / "site"],
        capture_output=True, text=True, timeout=280, env={**os.environ, "SPICECIM_GALLERY": "0"}, cwd=ROOT,
    )  # fmt: skip
    assert build.returncode == 0, build.stderr
    for page in ("index", "get-started", "how-to", "reference/testbenches", "whats-new"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
