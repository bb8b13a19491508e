"""The register of exercises, and `check`, which asks one of them about an answer."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from maml_tutorial.exercises.answers import NotAttemptedError, PartlyAttemptedError, prepare
from maml_tutorial.exercises.log import note
from maml_tutorial.exercises.verdict import Verdict

Checker = Callable[..., str | None]
PACKAGE = str(Path(__file__).resolve().parents[1])  # frames in here are ours, not the reader's
SITE = "site-packages"


class Exercise(NamedTuple):
    """An exercise: its title, and a function that returns a hint, or None for a correct answer."""

    title: str
    checker: Checker


EXERCISES: dict[str, Exercise] = {}


def exercise(exercise_id: str, title: str) -> Callable[[Checker], Checker]:
    """Register the decorated function as the checker of an exercise.

    Args:
        exercise_id: Chapter and number, such as ``"3.2"``.
        title: The title in the chapter's heading ``### Exercise 3.2 · title``.

    Returns:
        A decorator for ``checker(answer) -> str | None``: a hint, or None where the answer is
        correct. A hint points the way and never holds the solution. A checker need not guard
        itself: what an answer raises becomes a hint.

    Raises:
        ValueError: The id is taken.
    """

    def register(checker: Checker) -> Checker:
        if exercise_id in EXERCISES:
            raise ValueError(f"exercise {exercise_id!r} is there twice; give one another id")
        EXERCISES[exercise_id] = Exercise(title, checker)
        return checker

    return register


def check(exercise_id: str, answer: object) -> Verdict:
    """Say whether ``answer`` solves an exercise.

    Args:
        exercise_id: Chapter and number, such as ``"3.2"``.
        answer: What the exercise asks for: a value, a function, or several in a tuple. ``...``,
            a function with an empty body or one that returns ``...`` is not attempted yet.

    Returns:
        A verdict that says not attempted, correct, or a hint; a mistake in the answer is a hint.

    Raises:
        ValueError: There is no such exercise; the message names those there are.

    Example:
        >>> check("3.1", ...).status
        'not attempted'
    """
    if exercise_id not in EXERCISES:
        known = ", ".join(sorted(EXERCISES, key=_by_number)) or "none yet"
        raise ValueError(f"no exercise {exercise_id!r}; there are: {known}")
    title, checker = EXERCISES[exercise_id]
    try:
        hint = checker(prepare(answer))
    except NotAttemptedError:
        return Verdict(exercise_id, title, "not attempted")
    except PartlyAttemptedError:
        hint = "One part is done, another is still `...`."
    except (Exception, SystemExit) as error:
        hint = _explain(error)
    return note(Verdict(exercise_id, title, "hint" if hint else "correct", hint or ""))


def _explain(error: BaseException) -> str:
    """Name the exception, and the reader's own line where one raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(PACKAGE) and SITE not in f.filename]
    where = f" (line {own[-1].lineno} of `{own[-1].name}`)" if own else ""
    said = f": {error}" if str(error) else ""
    more = " Does it lack a `return`?" if "NoneType" in said else ""
    return f"Your answer raised {type(error).__name__}{said}{where}.{more}"


def _by_number(exercise_id: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in exercise_id.split(".")]
