"""
How Sphinx builds the site: ``nox -s docs``.
"""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _generated import write_pages

project = "runstate"
author = "The runstate developers"
release = metadata.version("runstate")
copyright = "the runstate developers. Apache-2.0"  # noqa: A001  Sphinx's own name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# An annotation with the built-in ``type`` is looked for among fields of that name.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "runstate"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
html_theme_options = {"top_of_page_buttons": []}

# Links to headings are as GitHub makes them, and a link that leads nowhere is a warning.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

copybutton_prompt_text = r"\$ |> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_copy_empty_lines = False


def setup(app):
    """
    Write the pages that are made from the code before Sphinx looks for pages.
    """
    # Before Sphinx looks whether the folders that the configuration names are there.
    app.connect("config-inited", lambda app, _: write_pages(Path(app.srcdir)))
