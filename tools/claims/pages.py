"""Read a page of the book into sections: their prose, and the numbers found beside it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.claims.words import literals
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ("maml_tutorial/data/**/*.json", "benchmarks/*.json")
# These speak of the whole page, as does what stands before the first heading.
WHOLE_PAGE = re.compile(r"take away|quiz|exercise|further reading|summary|still missing", re.I)
CITED = re.compile(r"arxiv\.org|doi\.org|\{cite|et al\.|openreview|github\.com|the paper\b")
LINKED = re.compile(r"\]\(([\w./]+\.ipynb)")
DRAWN = re.compile(
    r"(?s:<(script|style|svg|iframe)\b.*?</\1>)|<(?!img)[^>]*>|(?:src|srcdoc|style)=\"[^\"]*\""
)


@dataclass(eq=False)
class Section:
    """A part of a page under one heading: its prose, and the numbers beside it, by their kind."""

    title: str
    prose: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    numbers: dict[str, set[float]] = field(default_factory=dict)

    def add(self, kind: str, text: str) -> None:
        """Note that there is such a text here, and its numbers."""
        self.numbers.setdefault(kind, set()).update(literals(text))

    @property
    def speaks_of_the_page(self) -> bool:
        """Whether its sentences are about the page as a whole."""
        return not self.title or bool(WHOLE_PAGE.search(self.title))


@cache
def sections(path: Path) -> list[Section]:
    """Return a page's sections, from a notebook or a Markdown file."""
    found = [Section("")]

    def prose(text: str) -> None:
        for part in re.split(r"^(?=###? )", text, flags=re.MULTILINE):
            if part.startswith("##"):
                found.append(Section(part.splitlines()[0].lstrip("# ")))
            found[-1].prose.append(part)
            if CITED.search(part):
                found[-1].add("paper", "")

    if path.suffix != ".ipynb":
        prose(path.read_text("utf-8"))
        return found
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose(cell.source)
        elif cell.cell_type == "code":
            hidden = "remove-cell" in cell.metadata.get("tags", [])
            kind = "assertion" if hidden and "assert" in cell.source else "code"
            found[-1].add(kind, cell.source)
            found[-1].code.append(cell.source)
            for words in outputs(cell):
                found[-1].add("output", words)
    return found


def outputs(cell) -> Iterator[str]:
    """Yield what a cell printed, and the words of its pictures."""
    for output in cell.outputs:
        data = output.get("data", {})
        for words in (output.get("text"), data.get("text/plain"), data.get("text/html")):
            if words:
                yield DRAWN.sub(" ", words)


def linked(passage: str, page: Path) -> Iterator[tuple[str, list[Section]]]:
    """Yield the notebooks that a passage points to: their names and sections."""
    for address in LINKED.findall(passage):
        path = (page.parent / address).resolve()
        if path.is_file() and path != page:
            yield path.stem, sections(path)


@cache
def records() -> dict[str, list[float]]:
    """The numbers of each recorded run: its settings and scores, and what a benchmark measured."""
    found: dict[str, list[float]] = {}

    def visit(node: object, numbers: list[float]) -> None:
        if isinstance(node, dict | list):
            for child in node.values() if isinstance(node, dict) else node:
                visit(child, numbers)
        elif isinstance(node, int | float):
            numbers.append(abs(float(node)))

    for file in sorted(file for pattern in RECORDS for file in ROOT.glob(pattern)):
        whole = json.loads(file.read_text("utf-8"))
        kept = [whole[key] for key in ("config", "scores", "steps_done") if key in whole]
        visit(kept or whole, found.setdefault(file.stem, []))
    return found
