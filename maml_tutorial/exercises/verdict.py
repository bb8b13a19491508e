"""What a check answers, as an object, as text and as a line in a notebook."""

import html
import re
from dataclasses import dataclass
from typing import Literal

Status = Literal["not attempted", "correct", "hint"]

_CODE_OR_STRESS = re.compile(r"`([^`]+)`|(?<![*\w])\*([^*\s](?:[^*\n]*[^*\s])?)\*(?![*\w])")
# The sign says it without colour; the text has the page's own colour, in light and in dark.
_LOOKS: dict[Status, tuple[str, str]] = {
    "not attempted": ("○", "#808080"),
    "correct": ("✓", "#009e73"),
    "hint": ("→", "#e69f00"),
}


@dataclass(frozen=True)
class Verdict:
    """The verdict on one answer.

    Args:
        exercise: The exercise's id, such as ``"3.2"``.
        title: The exercise's title.
        status: ``"not attempted"``, ``"correct"`` or ``"hint"``.
        hint: What to look at next; empty unless ``status`` is ``"hint"``.
        kind: What was answered: an exercise, or a bug hunt.

    Example:
        >>> Verdict("3.2", "Chance level", "hint", "How often is a guess right?")
        → Exercise 3.2 · Chance level: How often is a guess right?
    """

    exercise: str
    title: str
    status: Status
    hint: str = ""
    kind: str = "Exercise"

    def __repr__(self) -> str:
        sign, _ = _LOOKS[self.status]
        said = _CODE_OR_STRESS.sub(lambda m: m[2] or m[0], self.hint or self.status)
        return f"{sign} {self.kind} {self.exercise} · {self.title}: {said}"

    def _repr_html_(self) -> str:
        """The line that a notebook shows; screen readers are told that it is a status."""
        sign, colour = _LOOKS[self.status]
        said = _CODE_OR_STRESS.sub(
            lambda m: f"<em>{m[2]}</em>" if m[2] else f"<code>{m[1]}</code>",
            html.escape(self.hint or self.status),
        )
        return (
            f'<div class="verdict" role="status" '
            f'style="border-left:4px solid {colour};padding:.3em .8em;color:inherit">'
            f'<span aria-hidden="true">{sign} </span><strong>{self.kind} {self.exercise} · '
            f"{html.escape(self.title)}</strong>: {said}</div>"
        )
