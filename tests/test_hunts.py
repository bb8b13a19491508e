"""The bug hunts of chapter 10: hints for wrong answers, and programs that are as the hints say."""

import ast
import html
import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import mse_loss

from maml_tutorial import MLP, SinusoidTasks, make_loss, maml_loss
from maml_tutorial.exercises.hunts import HUNTS, ITEMS, hunt
from tools.notebooks import read

BOOK = Path(__file__).resolve().parents[1] / "book"
NAME = "10_when_it_does_not_learn.ipynb"
CELLS = {cell.id: cell for cell in read(BOOK / NAME).cells}
PAGE = {cell_id: cell.source for cell_id, cell in CELLS.items()}
SOLUTIONS = {cell.id: cell.source for cell in read(BOOK / "solutions" / NAME).cells}


@pytest.mark.parametrize("number", HUNTS)
def test_line_and_item_together_are_correct(number: int) -> None:
    sought = HUNTS[number]
    for line in sought.lines:
        assert hunt(number, line=line, item=sought.item).status == "correct"
    assert hunt(number).status == "not attempted"


@pytest.mark.parametrize("number", HUNTS)
def test_wrong_answers_get_their_hints(number: int) -> None:
    sought = HUNTS[number]
    lines = [n for n in range(1, sought.last + 1) if n not in sought.lines]
    items = [item for item in ITEMS if item != sought.item]
    wrong = {
        **{(line, sought.item): f"Not line {line}. {sought.where}" for line in lines},
        **{(sought.lines[0], item): f"Not '{item}'. {sought.what}" for item in items},
        (sought.last + 1, sought.item): "numbers 1 to",
        (0, sought.item): "numbers 1 to",
        ("5", sought.item): "numbers 1 to",
        (sought.lines[0], "the hand"): "There is no item 'the hand'",
        (sought.lines[0], ...): "The line is right",
        (..., sought.item): "The item is right",
    }
    for (line, item), words in wrong.items():
        verdict = hunt(number, line=line, item=item)
        assert verdict.status == "hint" and words in verdict.hint, verdict


def test_no_hint_names_the_answer() -> None:
    for sought in HUNTS.values():
        assert sought.where != sought.what
        for item in ITEMS:
            assert f"`{item}`" not in sought.what + sought.where


def test_an_unknown_hunt_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no hunt 2; there are: 3, 4, 5, 6, 7, 8, 9, 10"):
        hunt(2)


def test_a_verdict_on_a_hunt_says_that_it_is_one() -> None:
    said = hunt(3, line=1)
    assert repr(said).startswith("→ Hunt 3 · A little too long: Not line 1.")
    assert "<strong>Hunt 3 · " in said._repr_html_()


def numbered_lines(source: str) -> dict[int, str]:
    """The lines of a program that carry a number."""
    found = [re.fullmatch(r"(.*?)  # (\d+)", line) for line in source.splitlines()]
    return {int(m[2]): m[1] for m in found if m}


@pytest.mark.parametrize("number", HUNTS)
def test_the_page_has_the_program_the_question_and_the_title(number: int) -> None:
    sought = HUNTS[number]
    lines = numbered_lines(PAGE[f"hunt-{number}"])
    assert list(lines) == list(range(1, sought.last + 1))
    assert PAGE[f"hunt-{number}-text"].startswith(f"### Hunt {number} · {sought.title}\n")
    assert PAGE[f"hunt-{number}-ask"] == f"hunt({number}, line=..., item=...)"


@pytest.mark.parametrize("number", HUNTS)
def test_the_fix_on_the_page_changes_a_line_that_is_an_answer(number: int) -> None:
    sought, source = HUNTS[number], PAGE[f"hunt-{number}-answer"]
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    call = next(c for c in calls if getattr(c.func, "id", "") == "answer")
    assert [ast.literal_eval(arg) for arg in call.args[:2]] == [number, sought.item]
    old = ast.literal_eval(call.args[5])[0]
    program = PAGE[f"hunt-{number}"]
    assert program.count(old) == 1
    changed = program[: program.index(old)].count("\n")
    line = program.splitlines()[changed]
    assert int(line.rsplit("# ", 1)[1]) in sought.lines


@pytest.mark.parametrize("number", HUNTS)
def test_the_solution_is_right(number: int) -> None:
    call = ast.parse(SOLUTIONS[f"hunt-{number}"], mode="eval").body
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert hunt(ast.literal_eval(call.args[0]), **given).status == "correct"


def copied_tests() -> dict[str, object]:
    """What a reader has who copied the tests of the checklist into an empty file."""
    shown = CELLS["copy"].outputs[0]["data"]["text/html"]
    block = html.unescape(re.search(r"<pre[^>]*>(.*)</pre>", shown, re.DOTALL)[1])
    scope: dict[str, object] = {}
    exec(compile(block, "<tests>", "exec"), scope)  # noqa: S102
    return scope


def test_the_tests_to_copy_are_the_eight_and_need_torch_alone() -> None:
    scope = copied_tests()
    assert {item.replace(" ", "_") for item in ITEMS} <= set(scope)
    tasks = SinusoidTasks(k_shot=5)(4, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    asked = MLP(), mse_loss, tasks, 0.01

    def fill(model, loss, tasks, alpha, n_tasks=None):
        theta = dict(model.named_parameters())
        some = type(asked[2])(*(t[:n_tasks] for t in tasks))
        maml_loss(make_loss(model, loss), theta, some, inner_lr=alpha).backward()

    good = scope["by_module"](fill)
    first_alone = scope["by_module"](lambda *given: fill(*given, n_tasks=1))
    assert abs(scope["hand"](good) + 3.84) < 1e-5 and abs(scope["hand"](first_alone) + 3.84) < 1e-5
    assert scope["loop"](good, *asked) < 1e-10 < scope["loop"](first_alone, *asked)
    assert scope["length"](good, *asked) < 2


def test_the_curvature_to_copy_is_that_of_a_parabola() -> None:
    scope, theta = copied_tests(), torch.tensor([0.0, 3.0], requires_grad=True)
    bowl = 0.5 * (2.0 * theta[0] ** 2 + 7.0 * theta[1] ** 2)
    assert scope["curvature"](bowl, [theta]) == pytest.approx(7.0)


def test_the_small_tests_to_copy_read_what_they_should() -> None:
    scope = copied_tests()
    assert scope["one_task"]([4.0] * 10 + [1.0] * 10) == pytest.approx(0.25)
    runs = iter([[torch.zeros(2)], [torch.tensor([0.0, 0.5])]])
    assert scope["bits"](lambda: next(runs)) == 0.5
    y = torch.arange(5).expand(30, 5)
    change, noise = scope["numbering"](lambda t: (t[3] == y).float().mean(1), (y, y, y, y), 5)
    assert change < -noise < 0  # who answers by position is found out
    change, noise = scope["numbering"](lambda t: (t[3] == t[1]).float().mean(1), (y, y, y, y), 5)
    assert change == noise == 0
