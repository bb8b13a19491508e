"""A notebook as the rules see it, and what a rule says about it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode

from tools.notebooks.files import code_cells

MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)


class Finding(NamedTuple):
    """One breach: where, which rule, what is wrong, and how to mend it."""

    path: Path
    rule: str
    cell: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.cell}: {self.what} [{self.rule}]: {self.remedy}"


# What a rule yields: the cell's id (or "notebook"), what is wrong, how to mend it.
Breach = tuple[str, str, str]


def name_of(cell: NotebookNode) -> str:
    """The cell's id, as a finding shows it."""
    return f"cell {cell.get('id', '(no id)')}"


def tree(cell: NotebookNode) -> ast.Module:
    """The code of ``cell`` as a syntax tree, with each IPython magic replaced by ``pass``.

    Raises:
        SyntaxError: The code is no Python.
    """
    return ast.parse(MAGIC.sub(r"\1pass", cell.source))


@dataclass(frozen=True)
class Page:
    """One notebook with its path."""

    path: Path
    notebook: NotebookNode

    @property
    def code(self) -> list[NotebookNode]:
        """Code cells that hold something to run."""
        return code_cells(self.notebook)

    @property
    def markdown(self) -> Iterator[tuple[NotebookNode, str]]:
        """Markdown cells, each with its text outside fenced code."""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                yield cell, FENCE.sub("", cell.source)

    @property
    def outputs(self) -> Iterator[tuple[NotebookNode, NotebookNode]]:
        """Every output with the cell it belongs to."""
        for cell in self.code:
            for output in cell.outputs:
                yield cell, output
