"""Rules about prose: it reads well in the book, in Colab, in JupyterLab and on GitHub."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from tools.notebooks.page import Breach, Page, name_of

TITLE = re.compile(r"^# \S", re.MULTILINE)
DIRECTIVE = re.compile(r"^\s*(?:`{3,}\{|~{3,}\{|:{3,})", re.MULTILINE)
ROLE = re.compile(r"(?<![\w\\`])\{[A-Za-z][\w:.+-]*\}`")
TARGET = re.compile(r"^\([\w-]+\)=\s*$", re.MULTILINE)
LINK = re.compile(r"""\]\(\s*<?([^)\s>]+)|\b(?:href|src)\s*=\s*["']([^"']+)""")
IMAGE_WITHOUT_ALT = re.compile(
    r"""!\[\s*\]\(|<img\b(?![^>]*\balt\s*=\s*(?:"[^"]*\S[^"]*"|'[^']*\S[^']*'))[^>]*>"""
)
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//|#)", re.IGNORECASE)
# A folder of the author's machine, alone or after file://; not a part of a web address.
MACHINE_PATH = re.compile(
    r"(?:(?<![\w.:/~-])|file://)/(?:home|root|work|tmp|Users|private|mnt)/|\b[A-Z]:\\Users\\"
)


def one_title(page: Page) -> Iterator[Breach]:
    """The first cell is text and holds the notebook's only top heading."""
    titles = [(cell, len(TITLE.findall(text))) for cell, text in page.markdown]
    cells = page.notebook.cells
    if not cells or cells[0].cell_type != "markdown" or titles[0][1] != 1:
        where = name_of(cells[0]) if cells else "notebook"
        yield where, "no title", "start with a markdown cell with one `# ` heading"
    for cell, number in titles:
        if number and cell is not cells[0]:
            yield name_of(cell), "a second top heading", "start it with `## `"


def no_myst(page: Page) -> Iterator[Breach]:
    """No directives, roles or targets: only the book would understand them."""
    for cell in page.notebook.cells:
        if cell.cell_type == "markdown":
            for pattern, kind in ((DIRECTIVE, "directive"), (ROLE, "role"), (TARGET, "target")):
                if match := pattern.search(cell.source):
                    what = f"MyST {kind} {match.group().strip()!r}"
                    yield name_of(cell), what, "use plain markdown or <details>, <div>"


def links_exist(page: Page) -> Iterator[Breach]:
    """A link to a file of the repository leads somewhere."""
    for cell, text in page.markdown:
        for match in LINK.finditer(text):
            target = match.group(1) or match.group(2)
            if ELSEWHERE.match(target):
                continue
            file = unquote(target.partition("#")[0].partition("?")[0])
            if not (page.path.parent / file).exists():
                yield name_of(cell), f"link to {target!r}, which is not there", "mend the link"


def images_have_alt(page: Page) -> Iterator[Breach]:
    """An image in the prose says what it shows."""
    for cell, text in page.markdown:
        if match := IMAGE_WITHOUT_ALT.search(text):
            what = f"image without alt text: {match.group()[:40]!r}"
            yield name_of(cell), what, "say in words what the image shows"


def no_machine_paths(page: Page) -> Iterator[Breach]:
    """No path of the author's machine, in sources or outputs."""
    remedy = "use a path relative to the notebook's folder, or do not print it"
    for cell in page.notebook.cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), *output.get("traceback", [])]
            texts += [str(value) for value in output.get("data", {}).values()]
        for match in map(MACHINE_PATH.search, texts):
            if match:
                yield name_of(cell), f"path of one machine: {match.group()!r}", remedy
                break
