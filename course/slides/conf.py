"""Slides by sphinx-revealjs: the decks beside this file, `make slides` builds them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

project = "Learning to Learn: MAML, step by step"
author = "the Learning to Learn authors"
language = "en"
extensions = ["myst_parser", "sphinx_revealjs", "tools.slides.extension"]
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
exclude_patterns = ["assets"]
html_math_renderer = "mathml"  # book/assets/mathml.py
html_copy_source = False

revealjs_html_theme = "revealjs-simple"
revealjs_style_theme = "slides.css"
revealjs_static_path = ["assets", "../../book/assets/static/fonts"]
revealjs_css_files = ["made.css"]
revealjs_js_files = ["theme.js"]
revealjs_script_files = ["slides.js"]
revealjs_script_plugins = [
    {"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"},
]
# JavaScript: what keys do depends on what has the focus.
revealjs_script_conf = "slidesConfig"
html_favicon = "../../book/assets/favicon.svg"
