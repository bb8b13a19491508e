"""Exercises: the mechanism, and the exercises of every chapter with their solutions."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nbformat import NotebookNode
from wrong_answers_01 import WRONG_01
from wrong_answers_02 import WRONG_02
from wrong_answers_03 import WRONG_03
from wrong_answers_04 import WRONG_04
from wrong_answers_05 import WRONG_05
from wrong_answers_06 import WRONG_06
from wrong_answers_07 import WRONG_07
from wrong_answers_08 import WRONG_08
from wrong_answers_09 import WRONG_09
from wrong_answers_10 import WRONG_10
from wrong_answers_11 import WRONG_11
from wrong_answers_12 import WRONG_12
from wrong_answers_13 import WRONG_13
from wrong_answers_14 import WRONG_14
from wrong_answers_15 import WRONG_15

from maml_tutorial.exercises import Verdict, check, exercise, registry
from tools.notebooks import has_tag, read

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted((BOOK / "solutions").glob("*.ipynb"))
HEADING = re.compile(r"### Exercise (\d+\.\d+) · (.+)")

# Typical wrong answers: (exercise, answer, a word its hint holds). Each hint stands here once.
WRONG: list[tuple[str, object, str]] = [
    *WRONG_01,
    *WRONG_02,
    *WRONG_03,
    *WRONG_04,
    *WRONG_05,
    *WRONG_06,
    *WRONG_07,
    *WRONG_08,
    *WRONG_09,
    *WRONG_10,
    *WRONG_11,
    *WRONG_12,
    *WRONG_13,
    *WRONG_14,
    *WRONG_15,
]


# --- the mechanism, on one example exercise -------------------------------------------------


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Verdict]:
    """The example: exercise 99.1 asks for a function that squares; its check, ready to call."""
    monkeypatch.setattr(registry, "EXERCISES", {})

    @exercise("99.1", "Square <it>")
    def _(answer: Callable[[float], float]) -> str | None:
        if answer(3.0) == 6.0:
            return "That doubles; `x` times what?"
        return None if answer(3.0) == 9.0 else "Try it on 3 & compare."

    return lambda answer: check("99.1", answer)


def empty(x: float) -> float: ...


def empty_with_docstring(x: float) -> float:
    """Square."""


def returns_dots(x: float) -> float:
    return ...


def returns_dots_in_a_tuple(x: float) -> tuple[float, float]:
    return torch.ones(2), ...


def not_implemented(x: float) -> float:
    raise NotImplementedError


def gap_used_in_a_sum(x: float) -> float:
    gap = ...
    return gap + 1


def gap_used_as_a_tensor(x: float) -> float:
    gap = ...
    return gap.mean()


STUBS = [
    empty,
    empty_with_docstring,
    returns_dots,
    returns_dots_in_a_tuple,
    not_implemented,
    gap_used_in_a_sum,
    gap_used_as_a_tensor,
]


@pytest.mark.parametrize("stub", [..., (..., ...), {"a": ...}, [empty, ...], *STUBS])
def test_a_stub_is_not_attempted(square: Callable[[object], Verdict], stub: object) -> None:
    assert square(stub).status == "not attempted"
    assert square(stub).hint == ""


def test_a_right_answer_is_correct(square: Callable[[object], Verdict]) -> None:
    assert square(lambda x: x * x).status == "correct"


def test_a_wrong_answer_gets_its_hint(square: Callable[[object], Verdict]) -> None:
    verdict = square(lambda x: 2 * x)
    assert (verdict.status, verdict.hint) == ("hint", "That doubles; `x` times what?")


def test_an_exception_inside_the_answer_becomes_a_hint_that_names_it_and_its_line(
    square: Callable[[object], Verdict],
) -> None:
    def broken(x: float) -> float:
        return x / 0

    verdict = square(broken)
    assert verdict.status == "hint"
    line = broken.__code__.co_firstlineno + 1
    assert f"ZeroDivisionError: float division by zero (line {line} of `broken`)" in verdict.hint


def test_no_line_of_ours_is_named_as_the_readers(square: Callable[[object], Verdict]) -> None:
    registry.EXERCISES["99.1"] = registry.Exercise("Square", registry._by_number)
    verdict = square(3)
    assert "AttributeError" in verdict.hint and "(line" not in verdict.hint


def test_a_forgotten_return_is_named(square: Callable[[object], Verdict]) -> None:
    def forgets(x: float) -> None:
        y = [x]
        y.append(x)

    registry.EXERCISES["99.1"] = registry.Exercise("Square", lambda f: f(3.0) + 1)
    assert "lack a `return`" in square(forgets).hint


@pytest.mark.parametrize(
    "answer", [None, 3, "text", object(), torch.ones(3), float, exit, (1, 2), {}, lambda: 0, [...]]
)
def test_no_answer_makes_check_raise(square: Callable[[object], Verdict], answer: object) -> None:
    verdict = square(answer)
    assert verdict.status == "hint" and verdict.hint or answer == [...]


def test_an_interrupt_still_interrupts(square: Callable[[object], Verdict]) -> None:
    def interrupted(x: float) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        square(interrupted)


def test_one_part_done_and_another_not_is_said(square: Callable[[object], Verdict]) -> None:
    assert square((1.0, ...)).hint == "One part is done, another is still `...`."


def test_an_unknown_exercise_names_those_there_are(square: Callable[[object], Verdict]) -> None:
    with pytest.raises(ValueError, match=r"no exercise '1\.1'; there are: 99\.1"):
        check("1.1", 3)


def test_an_id_is_given_once(square: Callable[[object], Verdict]) -> None:
    with pytest.raises(ValueError, match="twice"):
        exercise("99.1", "Again")(lambda answer: None)


def test_the_line_in_a_notebook_is_a_status_with_escaped_text(
    square: Callable[[object], Verdict],
) -> None:
    page = square(lambda x: 2 * x)._repr_html_()
    assert 'role="status"' in page and "Square &lt;it&gt;" in page
    assert "<code>x</code>" in page and "color:inherit" in page
    assert "&amp; compare" in square(lambda x: 0.0)._repr_html_()


def test_a_stressed_word_is_stressed_on_the_page_and_plain_in_a_line_of_text() -> None:
    from maml_tutorial.exercises.verdict import Verdict

    verdict = Verdict("1.1", "Words", "hint", "Of *one* class, `a*b*c` times; 2 * 3 * 4 are 24.")
    assert "Of <em>one</em> class, <code>a*b*c</code> times; 2 * 3 * 4 are" in verdict._repr_html_()
    assert repr(verdict).endswith("Of one class, `a*b*c` times; 2 * 3 * 4 are 24.")


def test_each_status_has_its_own_sign_and_words(square: Callable[[object], Verdict]) -> None:
    said = [repr(square(answer)) for answer in (..., lambda x: x * x, lambda x: 2 * x)]
    assert said == [
        "○ Exercise 99.1 · Square <it>: not attempted",
        "✓ Exercise 99.1 · Square <it>: correct",
        "→ Exercise 99.1 · Square <it>: That doubles; `x` times what?",
    ]


# --- the chapters' exercises ----------------------------------------------------------------


def tagged(path: Path, tag: str) -> list[tuple[NotebookNode, NotebookNode]]:
    """The cells with ``tag``, each with the cell before it."""
    cells = read(path).cells
    pairs = zip(cells, cells[1:], strict=False)
    return [(before, cell) for before, cell in pairs if has_tag(cell, tag)]


def run_cell(source: str) -> Verdict:
    """Run a cell alone, in an empty namespace; the value of its last line."""
    *body, last = ast.parse(source).body
    assert isinstance(last, ast.Expr), "the cell must end in check(…)"
    scope: dict[str, object] = {"__name__": "cell"}
    exec(compile(ast.Module(body, []), "<cell>", "exec"), scope)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), scope)  # noqa: S307


def in_pairs(paths: list[Path], tag: str) -> list[object]:
    """(notebook, heading cell, code cell) as parameters, named by notebook and cell."""
    return [
        pytest.param(path, before, cell, id=f"{path.stem}-{cell.id}")
        for path in paths
        for before, cell in tagged(path, tag)
    ]


@pytest.mark.parametrize(("path", "heading", "cell"), in_pairs(CHAPTERS, "exercise"))
def test_a_chapters_stub_is_not_attempted(
    path: Path, heading: NotebookNode, cell: NotebookNode
) -> None:
    verdict = run_cell(cell.source)
    assert verdict.status == "not attempted", verdict
    assert_heading_fits(path, heading, verdict)


@pytest.mark.parametrize(("path", "heading", "cell"), in_pairs(SOLUTIONS, "solution"))
def test_a_solution_is_correct(path: Path, heading: NotebookNode, cell: NotebookNode) -> None:
    verdict = run_cell(cell.source)
    assert verdict.status == "correct", verdict
    assert_heading_fits(path, heading, verdict)


def assert_heading_fits(path: Path, heading: NotebookNode, verdict: Verdict) -> None:
    """The heading above the cell names the exercise that the cell checks, of this chapter."""
    assert heading.cell_type == "markdown", "a heading stands just above the cell"
    match = HEADING.match(heading.source)
    assert match, f"not `### Exercise {verdict.exercise} · title`: {heading.source[:60]!r}"
    assert match.groups() == (verdict.exercise, verdict.title)
    assert verdict.exercise.split(".")[0] == str(int(path.stem[:2])), "exercise of another chapter"


def ids(paths: list[Path], tag: str) -> list[tuple[str, str]]:
    """(notebook's name, exercise) for every cell with ``tag``, in order."""
    return [
        (path.stem, match.group(1))
        for path in paths
        for before, _ in tagged(path, tag)
        if (match := HEADING.match(before.source))
    ]


def test_chapters_checks_and_solutions_have_the_same_exercises_in_the_same_order() -> None:
    in_chapters = ids(CHAPTERS, "exercise")
    assert in_chapters == ids(SOLUTIONS, "solution")
    assert [number for _, number in in_chapters] == list(registry.EXERCISES)


def test_every_chapter_with_exercises_has_three_to_five() -> None:
    stems = [stem for stem, _ in ids(CHAPTERS, "exercise")]
    assert {stem: n for stem in stems if not 3 <= (n := stems.count(stem)) <= 5} == {}


@pytest.mark.parametrize(
    ("number", "answer", "word"), WRONG, ids=[f"{n}-{word}" for n, _, word in WRONG]
)
def test_a_typical_wrong_answer_gets_its_hint(number: str, answer: object, word: str) -> None:
    verdict = check(number, answer)
    assert verdict.status == "hint" and word in verdict.hint, verdict
    assert "raised" not in verdict.hint or "raised" in word, verdict


def test_every_exercise_has_a_wrong_answer_tried() -> None:
    assert set(registry.EXERCISES) - {number for number, _, _ in WRONG} == set()


def leaks(solution: str, texts: list[str]) -> list[str]:
    """Lines of ``solution`` that stand in one of ``texts``, spaces apart."""
    squeezed = ["".join(text.split()) for text in texts]
    lines = ["".join(line.partition("#")[0].split()) for line in solution.splitlines()]
    telling = [
        line.removeprefix("return")
        for line in lines
        if len(line) >= 12 and not line.startswith(("def", "import", "from", "check(", '"""'))
    ]
    return [line for line in telling if any(line in text for text in squeezed)]


def test_a_leak_is_seen() -> None:
    solution = "def f(x):\n    return x.mean(dim=0)\ncheck('99.1', f)"
    assert leaks(solution, ["Take `x.mean( dim=0 )`."]) == ["x.mean(dim=0)"]
    assert leaks(solution, ["Which axis is averaged?"]) == []


def test_no_hint_holds_a_line_of_a_solution() -> None:
    checks = (ROOT / "maml_tutorial/exercises").glob("chapter_*.py")
    nodes = [node for path in checks for node in ast.walk(ast.parse(path.read_text()))]
    hints = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    found = {
        f"{path.stem} {cell.id}": lines
        for path in SOLUTIONS
        for _, cell in tagged(path, "solution")
        if (lines := leaks(cell.source, hints))
    }
    assert found == {}
