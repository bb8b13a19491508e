"""Exercises of chapter 11."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise


@exercise("11.1", "A last layer made of means")
def _(head_of_means: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]) -> str | None:
    """Weight and bias of the linear layer that measures distances to prototypes."""
    z = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.5, -2.0, 4.0]])
    y = torch.tensor([2, 0, 1, 2])
    answer = head_of_means(z, y, 3)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two tensors: the weight and the bias."
    weight, bias = answer
    if weight.shape != (3, 3) or bias.shape != (3,):
        return "The weight has a row for each class, the bias a number for each class."
    means = torch.stack([z[y == k].mean(dim=0) for k in range(3)])
    sums = torch.stack([z[y == k].sum(dim=0) for k in range(3)])
    length = means.square().sum(dim=-1)
    if torch.allclose(weight, 2 * sums):
        return "A prototype is the mean of a class's support points, and you took their sum."
    if torch.allclose(weight, means) and torch.allclose(bias, -length):
        return "The square's middle term is 2 cᵀz: a factor is missing in the weight."
    if torch.allclose(weight, means) and torch.allclose(bias, -length / 2):
        return "Half of it: the classes come in the right order, the softmax is too flat."
    if not torch.allclose(weight, 2 * means):
        return "Row k of the weight is made of the mean of the points whose label is k."
    if torch.allclose(bias, length):
        return "The sign of the bias: a prototype far from zero must not be favoured for it."
    if torch.allclose(bias, -length.sqrt()):
        return "The bias has the squared length of the prototype, not its length."
    if not torch.allclose(bias, -length):
        return "The weight is right. Write out −‖z − c‖²: which term depends on c alone?"
    return None


@exercise("11.2", "The same tasks")
def _(paired: Callable[[Tensor, Tensor], tuple[float, float]]) -> str | None:
    """Mean difference of two networks on the same tasks, and half its 95 % interval."""
    generator = torch.Generator().manual_seed(1)
    common = torch.randn(50, generator=generator)
    noise = torch.randn(2, 50, generator=generator)
    a, b = 0.8 + 0.1 * common + 0.02 * noise[0], 0.83 + 0.1 * common + 0.02 * noise[1]
    answer = paired(a, b)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return "Return two numbers: the mean of b − a, and half the width of its interval."
    mean, half = (float(v) for v in answer)
    gaps = b - a
    right = 1.96 * (gaps.std() / math.sqrt(50)).item()
    apart = 1.96 * ((a.var() + b.var()) / 50).sqrt().item()
    if _near(mean, -gaps.mean().item()):
        return "The sign: how much better is b than a?"
    if not _near(mean, gaps.mean().item()):
        return "The first number is the mean over tasks of b − a."
    hints = {
        apart: "That treats the two as if they had met different tasks. Subtract first.",
        1.96 * gaps.std().item(): "That is how single tasks scatter. A mean of n scatters less.",
        right / 1.96: "That is one standard error; a 95 % interval is how many of them wide?",
        2 * right: "That is the whole width; half of it stands behind the ±.",
        1.96 * ((a.std() + b.std()) / math.sqrt(50)).item(): (
            "Standard deviations do not add up like that, and here you need only one: of b − a."
        ),
    }
    for wrong, hint in hints.items():
        if _near(half, wrong):
            return hint
    if not _near(half, right, 1.1 * 0.0102):  # with or without Bessel's correction
        return "Half the interval: 1.96 times the standard error of the differences."
    return None


def _near(a: float, b: float, tolerance: float = 1e-4) -> bool:
    return abs(a - b) <= tolerance * abs(b) + 1e-9


@exercise("11.3", "Choose without peeking")
def _(report: Callable[[Sequence[Mapping[str, Any]]], tuple[Any, float]]) -> str | None:
    """The settings that a search may choose, and the score that may be reported."""
    trials = [
        [("a", 0.81, 0.79), ("b", 0.86, 0.80), ("c", 0.84, 0.88), ("d", 0.79, 0.83)],
        [("e", 0.55, 0.70), ("f", 0.71, 0.64), ("g", 0.60, 0.52)],
    ]
    for trial in trials:
        runs = [{"settings": s, "validation": v, "test": t} for s, v, t in trial]
        answer = report(runs)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return "Return two things: the settings, and the score to report."
        settings, found = answer
        by = {s: (v, t) for s, v, t in trial}
        best = max(by, key=lambda s: by[s][0])
        if settings == max(by, key=lambda s: by[s][1]) and settings != best:
            return "You looked at the test scores to choose. The test is then no test any more."
        if settings == min(by, key=lambda s: by[s][0]):
            return "That is the worst on validation: these are accuracies, not errors."
        if settings != best:
            return "Choose the run that did best on the validation tasks."
        if found == by[best][0]:
            return "The validation score of the best of many is too good: it was chosen for it."
        if found == max(t for _, t in by.values()):
            return "That is the best test score of all. Report the one of the run you chose."
        if found != by[best][1]:
            return "Report the test score of the run that validation chose."
    return None


@exercise("11.4", "Three seeds")
def _(over_seeds: Callable[[Sequence[float]], tuple[float, float]]) -> str | None:
    """Mean over trainings and half its 95 % interval by Student's t."""
    factors = {3: 4.3027, 5: 2.7764}
    for means in ([92.1, 93.4, 92.6], [88.0, 86.5, 87.1, 88.8, 86.9]):
        answer = over_seeds(means)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return "Return two numbers: the mean, and half the width of the interval."
        mean, half = (float(v) for v in answer)
        n, middle = len(means), sum(means) / len(means)
        deviation = math.sqrt(sum((m - middle) ** 2 for m in means) / (n - 1))
        error = deviation / math.sqrt(n)
        if not _near(mean, middle):
            return "The first number is the mean over the seeds."
        hints = {
            1.96 * error: (
                "1.96 is for many. The scatter itself is known badly from so few seeds: take the "
                "factor of Student's t."
            ),
            factors[n] * deviation: "That is how single trainings scatter: divide by √n.",
            factors[n] * error * math.sqrt((n - 1) / n): (
                "The deviation from a mean that was made of the same numbers: divide by n − 1."
            ),
            (max(means) - min(means)) / 2: "That is half the range: it grows with more seeds.",
            factors[3] * error: "4.30 is for three seeds; with five it is 2.78.",
        }
        for wrong, hint in hints.items():
            if _near(half, wrong, 1e-3) and not _near(half, factors[n] * error, 2e-3):
                return hint
        if not _near(half, factors[n] * error, 2e-3):
            return "Half the interval: t · s / √n, with t = 4.30 for three and 2.78 for five."
    return None


BROKEN = {
    "A": ("protocol", "Who saw the other query images, and who did not?"),
    "B": ("time", "What does a step cost?"),
    "C": ("search", "How many learning rates did each get to try?"),
    "D": ("luck", "How far apart would two trainings of the *same* method be?"),
    "E": ("data", "How many images of a class does a one-shot learner have?"),
    "F": ("network", "How many networks answered?"),
    "G": ("training", "Were both trained on the same kind of task?"),
}


@exercise("11.5", "Which rule is broken?")
def _(answers: Mapping[str, str]) -> str | None:
    """The rule that each of seven reports breaks."""
    rules = sorted(rule for rule, _ in BROKEN.values())
    if not isinstance(answers, Mapping) or set(answers) != set(BROKEN):
        return "Answer for each of A to G."
    for report, (rule, question) in BROKEN.items():
        if answers[report] not in rules:
            return f"{report}: {answers[report]!r} is none of {', '.join(rules)}."
        if answers[report] != rule:
            return f"{report}: not {answers[report]}. {question}"
    return None
