"""Exercises of chapter 10."""

import math
from collections.abc import Callable

from maml_tutorial.exercises.hunts import ITEMS
from maml_tutorial.exercises.registry import exercise


def _close(a: object, b: float) -> bool:
    return math.isclose(float(a), b, rel_tol=1e-4, abs_tol=1e-6)  # type: ignore[arg-type]


@exercise("10.1", "The hand, with more steps")
def _(meta_gradients: Callable[[int], tuple[float, float]]) -> str | None:
    """Exact and first-order meta-gradient of the hand-sized example after n inner steps."""
    answer = meta_gradients(1)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two numbers: the exact gradient, then the first-order one."
    exact, first = answer
    if _close(exact, -4.8) and _close(first, -3.84):
        return "Both are there, in the other order: the exact one first."
    if not (_close(exact, -3.84) and _close(first, -4.8)):
        return "Begin with one step: -3.84 exact, -4.8 first order."
    exact, first = meta_gradients(3)
    phi = 2 * (1 - 0.8**3)
    right = 4 * (2 * phi - 2)
    if _close(first, -4.8):
        return "The second step starts where the first one ended, at φ, not at θ."
    if not _close(first, right):
        return "First order: the slope of the query loss at the last φ, and nothing else."
    if _close(exact, 0.8 * right):
        return "Each step has its own factor: a formula for one step does not serve for three."
    if _close(exact, right * 0.4):
        return "The factors of the steps are multiplied, not added up."
    return None if _close(exact, right * 0.8**3) else "Exact: one factor for every step."


@exercise("10.2", "How fast it runs away")
def _(growth: Callable[[float, float, int], float]) -> str | None:
    """How many times farther from the bottom of a parabola n steps of gradient descent lead."""
    at_edge = float(growth(20.0, 0.1, 5))
    if _close(at_edge, -1):
        return "A distance is asked for: without its sign."
    if _close(growth(5.0, 0.1, 3), 0.5):
        return "That is one step; the next begins where it ended."
    if _close(growth(5.0, 0.1, 3), 1.5**3):
        return "Downhill: the step is *taken off* the distance."
    if _close(growth(5.0, 0.1, 3), math.exp(-1.5)):
        return "That is the limit of very short steps. Here each step is a whole one."
    for curvature, inner_lr, n in ((20.0, 0.1, 5), (5.0, 0.1, 3), (30.0, 0.1, 4), (10.0, 0.1, 2)):
        if not _close(growth(curvature, inner_lr, n), abs(1 - inner_lr * curvature) ** n):
            return "At distance d the slope is curvature · d. What is left of d after one step?"
    return None


LOGS = {
    "A": "one task",
    "B": "loop",
    "C": "six",
    "D": "hand",
    "E": "length",
}
LOOK_AT = {
    "A": "A: its gradients are right to the last digit. What does it do with them?",
    "B": "B: right with one task, wrong with ten.",
    "C": "C: gradients and steps are sound; look at the four accuracies.",
    "D": "D: the first reading of its log is not what it should be.",
    "E": "E: the last column is three times its limit.",
}


@exercise("10.3", "Five log books")
def _(first_red: dict[str, str]) -> str | None:
    """The first item of the checklist that fails, for five trainings."""
    if not isinstance(first_red, dict) or set(first_red) != set(LOGS):
        return "Give a dictionary with the five trainings, A to E."
    unknown = [word for word in first_red.values() if word not in ITEMS]
    if unknown:
        return f"There is no item {unknown[0]!r}. The eight are: {', '.join(ITEMS)}."
    for training, item in LOGS.items():
        if first_red[training] != item:
            return LOOK_AT[training]
    return None


@exercise("10.4", "What each step counts")
def _(step_weights: Callable[[int, int, int], list[float]]) -> str | None:
    """The weights of the multi-step loss: alike at first, nearly all on the last step later."""
    first = [float(w) for w in step_weights(0, 5, 10)]
    if len(first) != 5:
        return "One weight for each of the five inner steps."
    if not _close(sum(first), 1):
        return "The weights add up to 1, at every epoch."
    if not all(_close(w, 0.2) for w in first):
        return "At epoch 0 all steps count alike."
    middle = [float(w) for w in step_weights(5, 5, 10)]
    if not _close(sum(middle), 1):
        return "The weights add up to 1, at every epoch: what the others lose, the last one gains."
    if all(_close(w, 0.2) for w in middle):
        return "After half the epochs, the other steps count half of what they did."
    if _close(middle[0], 0.5) or not all(_close(w, 0.1) for w in middle[:4]):
        return "The others fall in a straight line: half of 1/n after half the epochs."
    late = [float(w) for w in step_weights(25, 5, 10)]
    if any(w < 0 for w in late):
        return "Below its smallest value no weight falls, however late it is."
    if _close(late[0], 0):
        return "The others never quite vanish: 0.03/n is left."
    if not _close(sum(late), 1):
        return "The weights add up to 1, late in the training as well."
    return None if all(_close(w, 0.006) for w in late[:4]) else "Late in the training: 0.03/n each."
