"""Sphinx's settings: ``make docs`` builds the site into out/site.

The pages are the Markdown files of this folder, the reference comes from the docstrings of the public names, and the
gallery from the scripts in examples/gallery, which are run.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from reference_pages import write_reference_pages  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import spicecim  # noqa: E402

project = "spicecim"
author = "The spicecim developers"
copyright = "2026, the spicecim developers; GPL-3.0-or-later"
version = release = spicecim.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.githubpages",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # they are stored with what they gave, and the tests execute them
exclude_patterns = ["gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**/GALLERY_HEADER.rst", "gallery/**/README*"]
suppress_warnings = ["misc.highlighting_failure"]  # decks of SPICE begin with a title, which no lexer knows
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]

html_theme = "pydata_sphinx_theme"
html_title = "spicecim"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"get-started": []}  # it has no pages below it
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "plot_gallery": os.environ.get("SPICECIM_GALLERY", "1") == "1",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "nested_sections": False,
}

write_reference_pages(ROOT / "docs" / "reference")
shutil.copytree(
    ROOT / "notebooks", ROOT / "docs" / "notebooks", dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*")
)


def _to_copied_notebooks(app: Sphinx, document: str, source: list[str]) -> None:
    """Let links to the notebooks lead to their pages; in the repository they lead to the files."""
    source[0] = source[0].replace("](../notebooks/", "](notebooks/")


def setup(app: Sphinx) -> None:
    app.connect("source-read", _to_copied_notebooks)
