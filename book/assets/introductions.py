"""Which chapter introduces which public name of the package, read from the notebooks."""

import ast
import functools
import importlib
import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "maml_tutorial"


@functools.cache
def chapters_of(book: Path) -> dict[str, str]:
    """Return `{public name: chapter}`, such as `{"adapt": "05_the_inner_loop"}`.

    A chapter introduces a name if it is the first to import it, to build its own version of it or
    to write it as code in the text. A type that none does so comes with the function returning it.
    """
    first: dict[str, str] = {}
    for path in sorted(book.glob("[0-9]*.ipynb")):
        for name in names_in(json.loads(path.read_text("utf-8"))["cells"]):
            first.setdefault(name, path.stem)
    package = importlib.import_module(PACKAGE)
    found = {name: first[name] for name in package.__all__ if name in first}
    for name in package.__all__:
        returned = typing.get_type_hints(getattr(package, name)).get("return")
        kind = getattr(returned, "__name__", "")
        if name in found and kind in package.__all__ and found.get(kind, "~") > found[name]:
            found[kind] = found[name]
    return found


def names_in(cells: list[dict]) -> Iterator[str]:
    """Give what the cells that a reader sees take from the package, rebuild, or name.

    Example:
        >>> code = {"cell_type": "code", "metadata": {}, "source": "from maml_tutorial import MLP"}
        >>> text = {"cell_type": "markdown", "metadata": {}, "source": "`adapt` and `score(x)`"}
        >>> list(names_in([code, text]))
        ['MLP', 'adapt', 'score']
    """
    for cell in cells:
        source = "".join(cell["source"])
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "markdown":
            yield from re.findall(r"`(?:maml_tutorial\.)?(\w+)(?:\(.*?\))?`", source)
        elif cell["cell_type"] == "code" and "remove-cell" not in tags:
            yield from names_in_code(source, twin="twin" in tags)


def names_in_code(source: str, *, twin: bool) -> Iterator[str]:
    """Give what one cell imports from the package or, if it holds a twin, defines."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:  # the set-up cell, whose block is empty without its magic
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == PACKAGE:
            yield node.attr
        elif twin and isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
