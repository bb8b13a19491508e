"""Bug hunts: ``hunt(3, line=…, item=…)`` says whether the line and the item are found."""

from types import EllipsisType
from typing import NamedTuple

from maml_tutorial.exercises.log import note
from maml_tutorial.exercises.verdict import Status, Verdict

ITEMS = ("hand", "loop", "bits", "one task", "six", "length", "curvature", "numbering")


class Hunt(NamedTuple):
    """A program with one bug: where it is, what shows it, and what to say where it is not found.

    Attributes:
        title: the hunt's title in the chapter.
        last: the number of its last line.
        lines: the lines that are right answers.
        item: the item of the checklist that shows the bug.
        where: the hint for another line.
        what: the hint for another item.
    """

    title: str
    last: int
    lines: tuple[int, ...]
    item: str
    where: str
    what: str


HUNTS = {
    3: Hunt(
        "A little too long", 10, (5, 6), "hand",
        "Follow `.grad` from line to line: who writes into it, and who empties it?",
        "It returns a meta-gradient, and for one task you know that by heart.",
    ),
    4: Hunt(
        "Close enough?", 7, (5,), "numbering",
        "Say in words what each line asks. One of them asks about a letter what it should ask "
        "about an image.",
        "Its tasks and its weights are sound. What may be changed in a task without changing "
        "how hard it is?",
    ),
    5: Hunt(
        "Passed with one task", 8, (1, 2, 3), "loop",
        "Where does task 1 start? And where does task 2?",
        "With one task it is right. So show it more than one.",
    ),
    6: Hunt(
        "Easy waves", 7, (2,), "six",
        "Compare each range with the one that the text promises.",
        "This program only deals tasks. Which item knows what a score must be before any "
        "adaptation?",
    ),
    7: Hunt(
        "The seed that was set", 7, (4,), "bits",
        "Look at each random number: who draws it?",
        "What it deals is right each time. What is not, if you ask twice?",
    ),
    8: Hunt(
        "A step of 0.4", 9, (5,), "length",
        "How long is the inner step if the support set has five images instead of one?",
        "One point cannot show it, and a sum over tasks neither. What grows where an inner step "
        "is too long?",
    ),
    9: Hunt(
        "Busy, and still", 8, (2,), "one task",
        "Ask of each tensor on its way round the loop: is it the one that is used next?",
        "Its gradients are right. Does it also learn from them?",
    ),
    10: Hunt(
        "The more points, the worse", 8, (4,), "curvature",
        "What changes in this program when a task has twenty points instead of five?",
        "Nothing is trained here; steps are taken, and they run away. What decides how long a "
        "step may be?",
    ),
}  # fmt: skip


def hunt(number: int, *, line: int | EllipsisType = ..., item: str | EllipsisType = ...) -> Verdict:
    """Say whether the bug of a hunt is found: its line, and the item of the checklist it shows in.

    Args:
        number: of the hunt, 3 to 10; the first two are worked in the chapter.
        line: the number behind the line's `#`.
        item: one of the eight words of the checklist.

    Returns:
        A verdict that says not attempted, correct, or a hint.

    Raises:
        ValueError: There is no such hunt.

    Example:
        >>> hunt(3, line=1, item="bits").status
        'hint'
    """
    if number not in HUNTS:
        raise ValueError(f"no hunt {number!r}; there are: {', '.join(map(str, HUNTS))}")
    sought = HUNTS[number]
    if line is ... and item is ...:
        return Verdict(str(number), sought.title, "not attempted", kind="Hunt")
    hint = _hint(sought, line, item)
    status: Status = "hint" if hint else "correct"
    return note(Verdict(str(number), sought.title, status, hint, kind="Hunt"))


def _hint(sought: Hunt, line: int | EllipsisType, item: str | EllipsisType) -> str:
    if line is not ...:
        if type(line) is not int or not 1 <= line <= sought.last:
            return f"The lines have the numbers 1 to {sought.last}, behind the `#`."
        if line not in sought.lines:
            return f"Not line {line}. {sought.where}"
    if item is ...:
        return "The line is right. Which item of the checklist shows it?"
    if item not in ITEMS:
        return f"There is no item {item!r}. The eight are: {', '.join(ITEMS)}."
    if item != sought.item:
        return f"Not {item!r}. {sought.what}"
    return "The item is right. Which line is it?" if line is ... else ""
