"""Notebooks: run them, bring them into one form, and check their hygiene.

``python -m tools.notebooks run | normalise | check [PATHS]``; without paths, all of
``book/``.
"""

from tools.notebooks.files import find_notebooks, has_tag, read, source_hash, write
from tools.notebooks.hygiene import Finding, check_notebook
from tools.notebooks.normalise import normalise
from tools.notebooks.run import run_notebook

__all__ = [
    "Finding",
    "check_notebook",
    "find_notebooks",
    "has_tag",
    "normalise",
    "read",
    "run_notebook",
    "source_hash",
    "write",
]
