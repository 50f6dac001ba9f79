"""The documentation: Sphinx, with pages in Markdown (MyST) and the theme Furo.

Sphinx rather than MkDocs Material: MkDocs Material has been in maintenance since November 2025, while Sphinx, MyST and
Furo are in active development. Sphinx also checks every link and every heading (`-n -W`), reads the docstrings, and
takes generated pages from an extension. Nothing here needs a network: Furo brings its own style, scripts and icons.

    make docs        build/docs/index.html; a warning is an error
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from snsim import __version__

project = "snsim"
author = "The snsim developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "snsim_pages"]
exclude_patterns = ["_ext", "_examples", "**/_pictures/*.md"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["ref.python"]  # snsim.SnError is snsim.errors.SnError too
nitpick_ignore_regex = [
    ("py:.*", ".*")
]  # the types in docstrings are words, such as "array"; all other links must hold

autodoc_typehints = "none"  # the docstrings state the types, in words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = False
default_role = "code"  # `x` in a docstring is code

html_theme = "furo"
html_title = f"snsim {version}"
html_static_path = ["_static"]
html_css_files = ["snsim.css"]
html_js_files = ["snsim.js"]
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
html_show_sourcelink = False  # the project has no public address yet
pygments_style = "a11y-high-contrast-light"  # of accessible-pygments, which comes with Furo
pygments_dark_style = "a11y-high-contrast-dark"
