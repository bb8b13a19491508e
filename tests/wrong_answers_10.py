"""Typical wrong answers to the exercises of chapter 10: (exercise, answer, a word of its hint)."""

import math

from maml_tutorial.exercises.chapter_10 import LOGS


def slope(n):
    """The slope of the query loss after n steps."""
    return 4 * (2 * 2 * (1 - 0.8**n) - 2)


def logs(**wrong: str) -> dict[str, str]:
    return LOGS | wrong


def falling(epoch, n, epochs, least=0.03):
    each = max(least, 1 - epoch / epochs) / n
    return [each] * (n - 1) + [1 - each * (n - 1)]


WRONG_10: list[tuple[str, object, str]] = [
    ("10.1", lambda n: 0.8**n * slope(n), "two numbers"),
    ("10.1", lambda n: (slope(n), 0.8**n * slope(n)), "other order"),
    ("10.1", lambda n: (-8.0, -8.0), "Begin with one step"),
    ("10.1", lambda n: (0.8**n * slope(1), slope(1)), "ended, at φ"),
    ("10.1", lambda n: (0.8**n * slope(n), slope(1) / n), "nothing else"),
    ("10.1", lambda n: (0.8 * slope(n), slope(n)), "own factor"),
    ("10.1", lambda n: ((1 - 0.2 * n) * slope(n), slope(n)), "multiplied"),
    ("10.1", lambda n: (0.8 ** (2 * n - 1) * slope(n), slope(n)), "every step"),
    ("10.2", lambda c, a, n: (1 - a * c) ** n, "without its sign"),
    ("10.2", lambda c, a, n: abs(1 - a * c), "begins where it ended"),
    ("10.2", lambda c, a, n: (1 + a * c) ** n, "taken off"),
    ("10.2", lambda c, a, n: math.exp(-a * c * n), "very short steps"),
    ("10.2", lambda c, a, n: 2 / a, "What is left"),
    ("10.3", {"A": "hand"}, "five trainings"),
    ("10.3", logs(A="a bug"), "no item 'a bug'"),
    ("10.3", logs(A="hand"), "A: its"),
    ("10.3", logs(B="hand"), "B: right"),
    ("10.3", logs(C="length"), "C: gradients"),
    ("10.3", logs(D="loop"), "D: the first"),
    ("10.3", logs(E="six"), "E: the last"),
    ("10.4", lambda epoch, n, epochs: [1.0], "One weight"),
    ("10.4", lambda epoch, n, epochs: [1.0] * n, "add up to 1, at every epoch."),
    ("10.4", lambda epoch, n, epochs: [0.0] * (n - 1) + [1.0], "count alike"),
    (
        "10.4",
        lambda epoch, n, epochs: [max(0.03, 1 - epoch / epochs) / n] * n,
        "the last one gains",
    ),
    ("10.4", lambda epoch, n, epochs: [1 / n] * n, "half of what they did"),
    (
        "10.4",
        lambda epoch, n, epochs: falling(epoch**2, n, epochs**2),
        "straight line",
    ),
    ("10.4", lambda epoch, n, epochs: falling(epoch, n, epochs, -9.0), "no weight falls"),
    ("10.4", lambda epoch, n, epochs: falling(epoch, n, epochs, 0.0), "never quite vanish"),
    (
        "10.4",
        lambda epoch, n, epochs: [0.03 / n] * n if epoch > epochs else falling(epoch, n, epochs),
        "late in the training as well",
    ),
    ("10.4", lambda epoch, n, epochs: falling(epoch, n, epochs, 0.15), "0.03/n each"),
]
