"""A chapter's code runs as its reader copies it: no visible cell needs a hidden one's names."""

import ast
import builtins
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.notebooks import has_tag, read

CHAPTERS = sorted((Path(__file__).parents[1] / "book").glob("[0-9][0-9]_*.ipynb"))


def names_of(source: str) -> tuple[set[str], set[str]]:
    """(names that a cell defines anywhere in it, names that it reads)."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    nodes = list(ast.walk(ast.parse("\n".join(lines))))
    read_names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    defined = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    defined |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        if isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
    return defined, read_names


def missing(visible: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(cell, name) for each name that is read before a visible cell has defined it."""
    known, found = set(dir(builtins)), []
    for cell, source in visible:
        defined, read_names = names_of(source)
        known |= defined
        found += [(cell, name) for name in sorted(read_names - known)]
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_visible_cell_needs_a_hidden_one(path: Path) -> None:
    cells = [c for c in read(path).cells if c.cell_type == "code" and not has_tag(c, "remove-cell")]
    assert missing((c.id, c.source) for c in cells) == []


def test_a_name_from_a_hidden_cell_is_seen() -> None:
    draws = ("draw", "def height(x):\n    return x + average_exact\nprint(height(1))")
    assert missing([draws]) == [("draw", "average_exact")]
    assert missing([("average", "average_exact = 3"), draws]) == []
