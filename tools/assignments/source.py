"""A set as it is written: Markdown with fences, which becomes a master notebook for Otter Assign.

Each set is one file, `course/assignments/NAME.md`. `## q1 · Title (4 points)` begins a question,
and fences say what a block of code is:

    ```python             given to the student as it is
    ```python solution    Otter's marks in it (`# SOLUTION`, `# BEGIN SOLUTION`) say what is cut out
    ```python visible     a check that the student has, worth nothing
    ```python hidden 2 What it asks, in a few words.
    ```rubric             how an answer in words is marked, by hand

`<<name>>` stands for a value that differs from student to student; `variants.py` makes them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from course.assignments.variants import VARIANTS
from tools.repository import address
from tools.setup_cell import setup_cell

FOLDER = Path(__file__).resolve().parents[2] / "course/assignments"
SETS = tuple(VARIANTS)
OTTER = "otter-grader==7.0.0"
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(r"^## (q\d) · (.+) \((\d+) points(, by hand)?\)$", re.MULTILINE)
_PLACE = re.compile(r"<<(\w+)>>")

INSTALL_OTTER = f"""
if importlib.util.find_spec("otter") is None:
    %pip install --quiet {OTTER}"""


class Question(NamedTuple):
    """A question's number, title and points; `hand` where a person marks it."""

    name: str
    title: str
    points: int
    hand: bool


class Part(NamedTuple):
    """A piece of a set: its kind (`text` or the word of its fence), what is beside it, the rest."""

    kind: str
    word: str
    body: str


def read(name: str) -> str:
    """Return the text of a set."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def filled(text: str, values: Mapping[str, object]) -> str:
    """Put a student's values in.

    Example:
        >>> filled("α = <<alpha>>", {"alpha": 0.1})
        'α = 0.1'
    """
    return _PLACE.sub(lambda place: str(values[place[1]]), text)


def questions(text: str) -> list[Question]:
    """Return the questions of a set.

    Example:
        >>> questions("## q1 · By hand (6 points)")
        [Question(name='q1', title='By hand', points=6, hand=False)]
    """
    return [Question(m[1], m[2], int(m[3]), bool(m[4])) for m in _QUESTION.finditer(text)]


def parts(text: str) -> list[Part]:
    """Split a text into its pieces, in order.

    Example:
        >>> [part.kind for part in parts(read("ps1_sampler"))][:3]
        ['text', 'python', 'text']
    """
    found, at = [], 0
    for fence in _FENCE.finditer(text):
        if before := text[at : fence.start()].strip():
            found.append(Part("text", "", before))
        kind, _, word = fence[2].strip().partition(" ")
        found.append(Part(kind or fence[1], word, fence[3].rstrip("\n")))
        at = fence.end()
    if rest := text[at:].strip():
        found.append(Part("text", "", rest))
    return found


def master(name: str, number: int) -> NotebookNode:
    """Return the notebook that `otter assign` makes both versions of, for one student number."""
    text = filled(read(name), VARIANTS[name](number))
    head, *blocks = re.split(r"(?=^## q\d · )", text, flags=re.MULTILINE)
    config = (
        "# ASSIGNMENT CONFIG\ngenerate: false\nexport_cell: false\ncheck_all_cell: false\n"
        "tests:\n  files: true\n  ok_format: false"
    )
    opening = parts(head)
    cells = [new_raw_cell(config), new_markdown_cell(opening[0].body)]
    cells.append(new_code_cell(setup_cell(address()) + INSTALL_OTTER))
    cells += [_plain(part) for part in opening[1:]]
    for block in blocks:
        cells += _question(block)
    for cell, number_ in zip(cells, range(len(cells)), strict=True):
        cell["id"] = f"cell-{number_}"  # the same source, the same notebook
    notebook = new_notebook(cells=cells)
    notebook["metadata"]["kernelspec"] = {
        "name": "python3", "language": "python", "display_name": "Python 3"
    }  # fmt: skip
    nbformat.validate(notebook)
    return notebook


def _plain(part: Part) -> NotebookNode:
    return new_markdown_cell(part.body) if part.kind == "text" else new_code_cell(part.body)


def _question(block: str) -> list[NotebookNode]:
    (question,) = questions(block)
    config = f"# BEGIN QUESTION\nname: {question.name}\nmanual: {str(question.hand).lower()}"
    config += f"\npoints: {question.points}" if question.hand else ""
    cells, tests = [new_raw_cell(config)], []
    for part in parts(block):
        if part.kind in ("solution", "rubric"):
            written = new_code_cell if part.kind == "solution" else new_markdown_cell
            cells.append(new_raw_cell("# BEGIN SOLUTION"))
            cells += [written(part.body), new_raw_cell("# END SOLUTION")]
        elif part.kind in ("visible", "hidden"):
            points, _, says = part.word.partition(" ")
            points = points or "0"
            words = f'""" # BEGIN TEST CONFIG\npoints: {points}\nhidden: {part.kind == "hidden"}\n'
            words += f"failure_message: {says!r}\n" if says else ""
            tests.append(new_code_cell(f'{words}""" # END TEST CONFIG\n{part.body}'))
        else:
            cells.append(_plain(part))
    if tests:
        cells += [new_raw_cell("# BEGIN TESTS"), *tests, new_raw_cell("# END TESTS")]
    return [*cells, new_raw_cell("# END QUESTION")]
