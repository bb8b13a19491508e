"""Rules about code cells."""

import ast
from collections.abc import Iterator
from functools import cache

from tools.notebooks.files import ROOT, has_tag
from tools.notebooks.page import Breach, Page, name_of, tree
from tools.setup_cell import setup_cell

COLUMNS = 78  # that fit a page without scrolling
SPEAKS = {"print", "show", "check", "display"}  # a cell that ends in one of these has an output


@cache
def expected_setup_cell() -> str:
    """The set-up cell with this repository's address."""
    from tools.repository import address, pinned  # here, because that module imports this package

    return setup_cell(address(), pinned())


@cache
def public_names() -> frozenset[str]:
    """Names that `maml_tutorial` re-exports, read without importing torch."""
    module = ast.parse((ROOT / "maml_tutorial/__init__.py").read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom))
    return frozenset(alias.asname or alias.name for node in imports for alias in node.names)


def setup_cell_first(page: Page) -> Iterator[Breach]:
    """The first code cell is the standard set-up cell, and no other is."""
    expected = expected_setup_cell()
    if not page.code or page.code[0].source != expected:
        cell = name_of(page.code[0]) if page.code else "notebook"
        yield cell, "not the standard set-up cell", "copy it from tools/setup_cell.py"
    for cell in page.code[1:]:
        if "%pip" in cell.source or "!pip" in cell.source:
            yield name_of(cell), "installs something", "only the set-up cell installs"


def all_executed(page: Page) -> Iterator[Breach]:
    """Every code cell was run, in order."""
    for count, cell in enumerate(page.code, start=1):
        if cell.execution_count != count:
            what = f"execution count {cell.execution_count}, not {count}"
            yield name_of(cell), what, "run `make notebooks`"
    for cell in page.notebook.cells:
        if cell.cell_type == "code" and not cell.source.strip():
            yield name_of(cell), "empty code cell", "delete it"


def no_missing_output(page: Page) -> Iterator[Breach]:
    """A cell that ends in print, show, display or check shows something."""
    for cell in page.code:
        last = (tree(cell).body or [None])[-1]
        speaks = (
            isinstance(last, ast.Expr)
            and isinstance(last.value, ast.Call)
            and isinstance(last.value.func, ast.Name)
            and last.value.func.id in SPEAKS
        )
        if speaks and not cell.outputs:
            yield name_of(cell), "its output is missing", "run `make notebooks`"


def no_untested_twin(page: Page) -> Iterator[Breach]:
    """A definition with a public name of the package stands in a cell with the tag `twin`.

    `tests/test_twins.py` compares every definition of such a cell with the package's.
    """
    for cell in page.code:
        if has_tag(cell, "twin"):
            continue
        for node in ast.walk(tree(cell)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in public_names():
                what = f"defines {node.name!r}, a name of maml_tutorial"
                remedy = "tag the cell `twin` and compare both in tests/test_twins.py, or rename"
                yield name_of(cell), what, remedy


def code_fits_the_page(page: Page) -> Iterator[Breach]:
    """No line of code that a reader can see, folded or not, is cut at the page's edge.

    The set-up cell is left out: its length is the address's.
    """
    for cell in page.code[1:]:
        if has_tag(cell, "remove-cell") or has_tag(cell, "remove-input"):
            continue
        long = [line for line in cell.source.splitlines() if len(line) > COLUMNS]
        if long:
            what = f"{len(long)} lines above {COLUMNS} characters: {long[0].strip()[:40]!r}"
            yield name_of(cell), what, "lay the line out over two"
