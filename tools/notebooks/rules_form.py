"""Rules about a notebook's form: metadata, tags, ids, size, and outputs that fit the source."""

import re
from collections import Counter
from collections.abc import Iterator

from tools.notebooks.files import HASH, source_hash
from tools.notebooks.page import Breach, Page, name_of

TAGS = {
    "exercise",  # the stub of an exercise, ending in check("3.2", answer)
    "solution",  # its solution, in book/solutions/
    "twin",  # defines by hand what the package has too; a test compares both
    "nbval-check-output",  # its output is exact on every machine, and compared
    "remove-cell",  # asserts what the prose says; not on the page
    "hide-cell",
    "hide-input",
    "hide-output",
    "remove-input",
    "remove-output",
}
NOTEBOOK_BYTES = 1_500_000
VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
NORMALISE = "run `python -m tools.notebooks normalise`"


def notebook_metadata(page: Page) -> Iterator[Breach]:
    """The notebook's metadata hold the kernel and the source's hash alone."""
    for key in sorted(set(page.notebook.metadata) - {"kernelspec", HASH}):
        yield "notebook", f"metadata {key!r}", NORMALISE


def cell_metadata(page: Page) -> Iterator[Breach]:
    """A cell's metadata hold tags alone."""
    for cell in page.notebook.cells:
        for key in sorted(set(cell.metadata) - {"tags"}):
            yield name_of(cell), f"metadata {key!r}", NORMALISE


def known_tags(page: Page) -> Iterator[Breach]:
    """A tag that nobody knows does nothing: it is a typing error."""
    for cell in page.notebook.cells:
        for tag in sorted(set(cell.metadata.get("tags", [])) - TAGS):
            yield name_of(cell), f"tag {tag!r}", f"use one of {', '.join(sorted(TAGS))}"


def unique_ids(page: Page) -> Iterator[Breach]:
    """Every cell has its own id: diffs and findings name cells by it."""
    ids = [cell.get("id", "") for cell in page.notebook.cells]
    for cell_id, times in Counter(ids).items():
        if not VALID_ID.fullmatch(cell_id):
            yield "notebook", f"cell id {cell_id!r} missing or not valid", NORMALISE
        elif times > 1:
            yield f"cell {cell_id}", f"id stands {times} times", "give the copies ids of their own"


def notebook_size(page: Page) -> Iterator[Breach]:
    """A notebook opens quickly on a phone."""
    size = page.path.stat().st_size
    if size > NOTEBOOK_BYTES:
        what = f"{size / 1e6:.1f} MB, above {NOTEBOOK_BYTES / 1e6:.1f} MB"
        yield "notebook", what, "draw fewer points, or rasterise inside the figure"


def output_belongs_to_source(page: Page) -> Iterator[Breach]:
    """The committed outputs were made by the committed code."""
    if page.notebook.metadata.get(HASH) != source_hash(page.notebook):
        yield "notebook", "code changed since it was last run", "run `make notebooks`"
