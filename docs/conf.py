"""How Sphinx builds the documentation; a warning is an error."""

from __future__ import annotations

project = "nodedns"
author = "the nodedns authors"
project_copyright = "the nodedns authors, Apache-2.0"

exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "nodedns"
