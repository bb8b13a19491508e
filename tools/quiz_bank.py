"""The chapters' quizzes as a question bank: Moodle's XML, which learning systems import.

    python -m tools.quiz_bank _build/quiz/maml_quiz.xml

The chapters are the only source. In a cell `## Quiz` a question is a bold line that begins with its
number; each answer is a `<details>`, whose summary is the answer and whose text is the feedback.
The feedback of the right answer, and of no other, begins with "Yes" or "Right".
"""

import base64
import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

import click
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tools.notebooks.files import find_notebooks, read
from tools.repository import ROOT, site

QUIZ = re.compile(r"^## Quiz$\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"<details><summary>(.*?)</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
RIGHT = re.compile(r"(Yes|Right)\b")
MARKDOWN = re.compile(r"[*`$]|\]\(")  # a summary is HTML: these would stand there as they are


class Answer(NamedTuple):
    """One choice, in HTML, and what whoever takes it is told, in Markdown."""

    text: str
    feedback: str

    @property
    def right(self) -> bool:
        """Whether its feedback says so."""
        return bool(RIGHT.match(self.feedback))


class Question(NamedTuple):
    """A question of a chapter's quiz, in Markdown."""

    page: Path
    title: str
    number: int
    text: str
    answers: list[Answer]


def questions(page: Path) -> list[Question]:
    """Return the questions of a chapter's quiz, in their order.

    Raises:
        ValueError: where a question is not numbered in turn, has fewer than two answers or not
            exactly one right one, or where the cell holds what is neither question nor answer;
            names page and question.
    """
    cells = [cell.source for cell in read(page).cells if cell.cell_type == "markdown"]
    title = next(
        re.findall(r"^# (.*)$", cell, re.MULTILINE)[0] for cell in cells if cell[:2] == "# "
    )
    found: list[Question] = []
    for quiz in (match[1] for cell in cells for match in QUIZ.finditer(cell)):
        for number, part in enumerate(
            re.split(r"^(?=\*\*\d+\. )", quiz, flags=re.MULTILINE)[1:], 1
        ):
            where = f"{page.name}, quiz, question {number}"
            asked, *rest = ANSWER.split(part)
            head = re.match(r"\*\*(\d+)\. (.*?)\*\*(.*)", asked, re.DOTALL)
            if not head or int(head[1]) != number:
                raise ValueError(f"{where}: begin it with **{number}. and end the line with **")
            answers = [Answer(*pair) for pair in zip(rest[::3], rest[1::3], strict=True)]
            if left := "".join(rest[2::3]).strip():
                raise ValueError(f"{where}: {left[:40]!r} is no answer; give it a <details>")
            if len(answers) < 2:
                raise ValueError(f"{where}: it has {len(answers)} answers, and two are needed")
            if (right := sum(answer.right for answer in answers)) != 1:
                raise ValueError(
                    f"{where}: {right} of its answers are right; the feedback of exactly one "
                    'begins with "Yes" or "Right"'
                )
            for answer in answers:
                if MARKDOWN.search(answer.text):
                    raise ValueError(f"{where}: write HTML, not Markdown, in {answer.text!r}")
            found.append(Question(page, title, number, (head[2] + head[3]).strip(), answers))
    return found


class Text(NamedTuple):
    """HTML as Moodle takes it, and the pictures it shows, by name."""

    html: str
    files: dict[str, bytes]


def converted(markdown: str, page: Path, site: str) -> Text:
    r"""Turn a page's Markdown into HTML that needs nothing of the page.

    A formula becomes TeX in `\(` and `\)`, which Moodle sets; a picture goes along; a link to
    another page of the book leads to the published one.

    Raises:
        FileNotFoundError: where a picture is missing; names it.
    """
    files: dict[str, bytes] = {}
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)
    # The plugin's rules take a function each in place of a renderer's method.
    reader.add_render_rule(
        "math_inline", lambda _, tokens, i, *__: rf"\({escape(tokens[i].content)}\)"
    )
    reader.add_render_rule(
        "math_block", lambda _, tokens, i, *__: rf"\[{escape(tokens[i].content)}\]"
    )
    tokens = reader.parse(markdown)
    for token in [part for block in tokens for part in (block, *(block.children or []))]:
        if token.type == "image" and "://" not in (source := str(token.attrs["src"])):
            files[Path(source).name] = (page.parent / source).read_bytes()
            token.attrs["src"] = f"@@PLUGINFILE@@/{Path(source).name}"
        if token.type == "link_open" and "://" not in (target := str(token.attrs["href"])):
            file, _, anchor = target.partition("#")
            path = f"book/{file or page.name}"
            page_of = re.sub(r"\.(ipynb|md)$", ".html", path)
            token.attrs["href"] = f"{site}/{page_of}" + (f"#{anchor}" if anchor else "")
    return Text(reader.renderer.render(tokens, reader.options, {}).strip(), files)


def bank(asked: Iterable[Question], site: str, version: str) -> bytes:
    """Return the question bank in Moodle's XML: a category for each chapter.

    Args:
        asked: the questions, chapter after chapter.
        site: address of the published book; each question's general feedback leads to its chapter.
        version: of the course; every question is tagged with it.
    """
    quiz = ET.Element("quiz")
    of = None
    for question in asked:
        if question.page != of:
            of = question.page
            node = ET.SubElement(quiz, "question", type="category")
            path = f"$course$/top/Learning to Learn/{of.stem[:2]} {question.title}"
            ET.SubElement(ET.SubElement(node, "category"), "text").text = path
        quiz.append(_multichoice(question, site, version))
    ET.indent(quiz)
    return ET.tostring(quiz, encoding="utf-8", xml_declaration=True) + b"\n"


def _multichoice(question: Question, site: str, version: str) -> ET.Element:
    chapter = question.page.stem[:2]
    node = ET.Element("question", type="multichoice")
    name = f"{chapter}.{question.number} {re.sub(r'[*`$]', '', question.text)}"
    ET.SubElement(ET.SubElement(node, "name"), "text").text = name
    _put(node, "questiontext", converted(question.text, question.page, site))
    link = f"{site}/book/{question.page.stem}.html"
    told = f'<p>From chapter {int(chapter)}, <a href="{link}">{escape(question.title)}</a>.</p>'
    _put(node, "generalfeedback", Text(told, {}))
    settings = {
        "defaultgrade": "1",
        "penalty": "0.3333333",
        "hidden": "0",
        "idnumber": f"maml-{chapter}-{question.number}",
        "single": "true",
        "shuffleanswers": "true",
        "answernumbering": "abc",
    }
    for key, value in settings.items():
        ET.SubElement(node, key).text = value
    for answer in question.answers:
        choice = ET.SubElement(
            node, "answer", fraction="100" if answer.right else "0", format="html"
        )
        ET.SubElement(choice, "text").text = f"<p>{answer.text}</p>"
        _put(choice, "feedback", converted(answer.feedback, question.page, site))
    tags = ET.SubElement(node, "tags")
    for tag in (f"chapter {int(chapter)}", f"version {version}"):
        ET.SubElement(ET.SubElement(tags, "tag"), "text").text = tag
    return node


def _put(node: ET.Element, tag: str, text: Text) -> None:
    part = ET.SubElement(node, tag, format="html")
    ET.SubElement(part, "text").text = text.html
    for name, data in text.files.items():
        file = ET.SubElement(part, "file", name=name, path="/", encoding="base64")
        file.text = base64.b64encode(data).decode()


def chapters() -> list[Path]:
    """The chapters of the book, in their order."""
    return [page for page in find_notebooks([ROOT / "book"]) if page.parent == ROOT / "book"]


def whole_bank() -> bytes:
    """Return the bank of all chapters."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [question for page in chapters() for question in questions(page)]
    return bank(asked, site().rstrip("/"), project["version"])


@click.command(help=__doc__)
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
def main(target: Path) -> None:
    """Write the question bank."""
    data = whole_bank()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    n_questions = data.count(b'type="multichoice"')
    print(f"quiz: {n_questions} questions in {target}")


if __name__ == "__main__":
    main()
