"""The quizzes reach a learning system whole: read by a parser of Moodle's XML that is not ours."""

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html import unescape
from pathlib import Path

import nbformat
import pytest
from book_site import built_book
from bs4 import BeautifulSoup
from moodle_xml_parser.models import MultiChoiceQuestion
from moodle_xml_parser.parser import parse_bytes

from tools.quiz_bank import Question, bank, chapters, questions, whole_bank

SITE = "https://example.org/book-of-mine"
QUIZ = """## Quiz

Decide first, then open.

**1. Which gradient is $I - \\alpha H$ of, in `adapt`, [chapter 5](05_the_inner_loop.ipynb#steps)?**

![Two curves](curves.svg)

<details><summary>The exact one, at α &lt; 1</summary>

Yes. So is *that*:

$$\\theta - \\alpha \\nabla L(\\theta) < 0$$

</details>
<details><summary>The first order one</summary>

No. It takes $H$ for zero.

</details>

## Further reading

**2. This is no question.**
"""
PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>"


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a chapter with a quiz, and the picture beside it."""

    def write(quiz: str) -> Path:
        cells = [nbformat.v4.new_markdown_cell(text) for text in ("# 3 · Tasks", quiz)]
        target = tmp_path / "03_tasks.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), target)
        (tmp_path / "curves.svg").write_bytes(PICTURE)
        return target

    return write


def imported(asked: list[Question]) -> list[MultiChoiceQuestion]:
    """The questions, as the foreign parser reads them out of the bank."""
    return parse_bytes(bank(asked, SITE, "1.2.3"))["multichoice"]


def words(html: str) -> str:
    """What a reader sees, in single spaces; formulas are compared by themselves."""
    soup = BeautifulSoup(re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]", "", html), "html.parser")
    for formula in soup.find_all("math"):
        formula.decompose()
    return re.sub(r"\W+", " ", soup.get_text()).strip()


def test_the_bank_says_what_the_built_pages_say():
    """The pages are made by Sphinx, the bank is not: the same questions, answers and feedback."""
    shown = []
    for chapter in chapters():
        html = (built_book().html / "book" / f"{chapter.stem}.html").read_text()
        section = re.search(r'<section id="quiz.*?</section>', html, re.DOTALL)[0]
        quiz = BeautifulSoup(section, "html.parser")
        for node in quiz.find_all(["strong", "details"]):
            text = node.decode_contents()
            if node.name == "details":
                summary, _, feedback = text.partition("</summary>")
                shown[-1][1].append((words(summary), words(feedback)))
            elif re.match(r"\d+\. ", node.get_text()):
                shown.append((words(text).split(" ", 1)[1], []))
    read = [
        (words(q.text_pre_parse), [(words(o.answer), words(o.feedback)) for o in q.options])
        for q in parse_bytes(whole_bank())["multichoice"]
    ]
    assert len(read) > 50
    assert read == shown


def test_exactly_one_answer_of_each_question_brings_the_mark():
    for question in parse_bytes(whole_bank())["multichoice"]:
        marks = {option.feedback: option.score_fraction for option in question.options}
        assert sorted(marks.values())[-2:] == [0, 100], question.name
        right = next(feedback for feedback, mark in marks.items() if mark == 100)
        assert right.startswith(("<p>Yes", "<p>Right")), question.name
        assert question.single and question.shuffle_answers


def test_every_formula_of_the_quizzes_is_in_the_bank():
    formulas = [
        formula
        for page in chapters()
        for question in questions(page)
        for text in (question.text, *(answer.feedback for answer in question.answers))
        for formula in re.findall(r"\$(.+?)\$", text)
    ]
    data = unescape(whole_bank().decode())
    assert len(formulas) >= 2
    assert [f for f in formulas if rf"\({f}\)" not in data] == []


def test_a_formula_a_picture_a_link_and_code_survive(page):
    (question,) = imported(questions(page(QUIZ)))
    assert r"\(I - \alpha H\)" in question.text_pre_parse
    assert "<code>adapt</code>" in question.text_pre_parse
    assert f'href="{SITE}/book/05_the_inner_loop.html#steps"' in question.text_pre_parse
    assert 'src="@@PLUGINFILE@@/curves.svg"' in question.text_pre_parse
    assert 'alt="Two curves"' in question.text_pre_parse
    right, wrong = question.options
    assert right.answer == "<p>The exact one, at α < 1</p>"  # this parser undoes HTML's escapes
    assert r"\[\theta - \alpha \nabla L(\theta) < 0\]" in right.feedback
    assert "<em>that</em>" in right.feedback
    assert (right.score_fraction, wrong.score_fraction) == (100, 0)
    assert f"{SITE}/book/03_tasks.html" in question.general_feedback


def test_a_picture_lies_in_the_text_that_shows_it_byte_for_byte(page):
    root = ET.fromstring(bank(questions(page(QUIZ)), SITE, "1.2.3"))
    (file,) = root.findall(".//file")
    assert file in root.find("question/questiontext")
    assert file.attrib == {"name": "curves.svg", "path": "/", "encoding": "base64"}
    assert base64.b64decode(file.text) == PICTURE


def test_each_chapter_is_a_category_and_each_question_can_be_told_from_all_others():
    root = ET.fromstring(whole_bank())
    categories = [node.text for node in root.findall("question/category/text")]
    assert [category.rsplit("/", 1)[1][:2] for category in categories] == [
        page.stem[:2] for page in chapters()
    ]
    ids = [node.text for node in root.findall("question/idnumber")]
    assert len(set(ids)) == len(ids) == len(root.findall("question[@type='multichoice']"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("No. It takes", "Yes. It takes", "question 1: 2 of its answers are right"),
        ("Yes. So is", "So is", "question 1: 0 of its answers are right"),
        ("**1. Which", "**2. Which", r"question 1: begin it with \*\*1\. "),
        ("The first order one", "The *first* order one", "question 1: write HTML, not Markdown"),
        (
            "</details>\n\n## F",
            "</details>\n\nAnd now?\n\n## F",
            "question 1: 'And now.' is no answer",
        ),
        ("No. It takes $H$ for zero.\n\n</details>", "", "question 1: .* is no answer"),
    ],
)
def test_a_faulty_quiz_is_refused_with_page_and_question(page, old, new, words):
    assert old in QUIZ
    faulty = page(QUIZ.replace(old, new))
    with pytest.raises(ValueError, match=f"03_tasks.ipynb, quiz, {words}"):
        questions(faulty)


def test_one_answer_is_no_question(page):
    single = QUIZ.replace(QUIZ[QUIZ.index("<details><summary>The first") : QUIZ.index("## F")], "")
    with pytest.raises(ValueError, match="it has 1 answers, and two are needed"):
        questions(page(single))


def test_a_missing_picture_is_named(page):
    asked = questions(page(QUIZ.replace("curves.svg", "lost.svg")))
    with pytest.raises(FileNotFoundError, match="lost.svg"):
        bank(asked, SITE, "1.2.3")
