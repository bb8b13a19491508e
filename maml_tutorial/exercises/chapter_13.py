"""Exercises of chapter 13."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6 * max(1.0, abs(b))


@exercise("13.1", "A walk with open eyes")
def _(straight_return: Callable[[float, int], float]) -> str | None:
    """The return of a walk straight to a goal on the x axis, a tenth a step, then staying there."""
    for distance, horizon in ((0.35, 100), (0.5, 100), (0.9, 5)):
        answer = float(straight_return(distance, horizon))
        gaps = [max(0.0, distance - 0.1 * t) for t in range(1, horizon + 1)]
        if _near(answer, -sum(gaps)):
            continue
        if _near(answer, sum(gaps)):
            return "The amount is right, the sign is not: every step is paid *minus* the distance."
        if _near(answer, -sum(gaps) - distance):
            return "You paid for the origin as well: a step is paid for where it *leads*."
        if _near(answer, -distance * horizon):
            return "That is the return of who stands still."
        if _near(answer, -sum(abs(distance - 0.1 * t) for t in range(1, horizon + 1))):
            return "Your walk runs on through the goal and out at the other side."
        if _near(answer, -sum(g * g for g in gaps)):
            return "Those are squared distances: the text's reward, and not the code's."
        if not _near(answer, -sum(gaps)):
            return (
                "After step t the point is 0.1 · t away from the origin, but never beyond the goal."
            )
    return None


def _sums(rewards: list[float], counts: Callable[[int, int], float]) -> list[float]:
    """Sum over all steps k, each counted as `counts(t, k)` says at time t."""
    n = len(rewards)
    return [sum(counts(t, k) * r for k, r in enumerate(rewards)) for t in range(n)]


@exercise("13.2", "What is still to come")
def _(to_go: Callable[[Sequence[float], float], Sequence[float]]) -> str | None:
    """Discounted returns to go of one walk."""
    g = 0.5
    rewards = [-1.0, -2.0, -4.0]
    hints = {
        "That is what has been paid so far. A step can only change what comes after it.": _sums(
            rewards, lambda t, k: (k <= t) * g ** (t - k)
        ),
        "Nothing is discounted: where is gamma?": _sums(rewards, lambda t, k: float(k >= t)),
        "The reward of the step itself is missing: it is paid for where it leads.": _sums(
            rewards, lambda t, k: (k > t) * g ** (k - t)
        ),
        "You count the discount from the walk's first step. It starts anew at every t.": _sums(
            rewards, lambda t, k: (k >= t) * g**k
        ),
        "Every step has the same number: the whole walk's. Leave out what is past.": _sums(
            rewards, lambda t, k: g**k
        ),
    }
    answer = to_go(rewards, g)
    if not hasattr(answer, "__len__") or len(answer) != len(rewards):
        return "Return one number for each step."
    got = [float(a) for a in answer]
    for hint, wrong in hints.items():
        if all(map(_near, got, wrong)):
            return hint
    if not all(map(_near, got, _sums(rewards, lambda t, k: (k >= t) * g ** (k - t)))):
        return "Go from the end to the start: this step's reward, plus gamma times the next sum."
    return None


@exercise("13.3", "The gradient of what was paid")
def _(policy_gradient: Callable[..., Tensor | float]) -> str | None:
    """An estimate for the mean of a normal policy, with the mean reward as baseline."""
    generator = torch.Generator().manual_seed(0)
    mean, std = 0.3, 0.5
    actions = mean + std * torch.randn(20, generator=generator, dtype=torch.float64)
    rewards = -((actions - 1) ** 2)
    answer = policy_gradient(mean, std, actions, rewards)
    if isinstance(answer, Tensor) and answer.numel() != 1:
        return "Return one number: the mean over the actions."
    got = float(answer)
    push = (actions - mean) / std**2
    better = rewards - rewards.mean()
    hints = {
        "You have the gradient of the loss. Asked is the direction in which the pay grows.": (
            -(push * better).mean()
        ),
        "The baseline is missing: right on average, and much noisier.": (push * rewards).mean(),
        "A sum, where the mean was asked for.": (push * better).sum(),
        "The derivative of −(a − θ)² / 2σ² has σ², not σ, below it.": (push * std * better).mean(),
        "The derivative of the square brings a 2, and the 2 below takes it away.": (
            2 * (push * better).mean()
        ),
    }
    for hint, wrong in hints.items():
        if _near(got, wrong.item()):
            return hint
    if not _near(got, (push * better).mean().item()):
        return "For each action: d log π / dθ, times its reward minus the mean reward."
    return None


@exercise("13.4", "One length for all")
def _(best_length: Callable[[Tensor], float]) -> str | None:
    """Who must walk the same length whatever the goal's distance: which one?"""
    distances = torch.tensor([0.1, 0.15, 0.2, 0.45, 0.9], dtype=torch.float64)
    got = float(best_length(distances))
    if _near(got, distances.mean().item()):
        return (
            "The mean is best for squared distances. Here a little more length costs as much as "
            "it costs for each goal that is passed, and saves as much for each that is not."
        )
    if _near(got, distances.max().item()) or _near(got, distances.min().item()):
        return "Then all goals but one lie on one side. How many should lie on each?"
    if _near(got, (0.1 + 0.9) / 2):
        return "Half-way between the nearest and the farthest: but where are the others?"
    if not _near(got, 0.2):
        return "Where does the mean of |distance − length| stop falling as the length grows?"
    more = torch.tensor([0.3, 0.7, 0.5], dtype=torch.float64)
    if not _near(float(best_length(more)), 0.5):
        return "That is right for the first set of goals, and not for another, which is not sorted."
    return None


@exercise("13.5", "Steps that nobody took")
def _(mean_over_steps: Callable[[Tensor, Tensor], Tensor | float]) -> str | None:
    """A mean over the steps that were taken, of walks that end at different times."""
    values = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], dtype=torch.float64)
    alive = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]], dtype=torch.float64)
    answer = mean_over_steps(values, alive)
    if isinstance(answer, Tensor) and answer.numel() != 1:
        return "Return one number for all walks together."
    got, taken = float(answer), (values * alive).sum()
    each = (values * alive).sum(dim=1) / alive.sum(dim=1)
    hints = {
        "Steps that were not taken count as well: where is `alive`?": values.mean(),
        "What was not taken adds nothing, but still counts in what you divide by.": taken / 8,
        "A mean of means: a step of a short walk now weighs more than one of a long walk.": (
            each.mean()
        ),
        "You divide by the number of walks, and not by that of the steps.": taken / 2,
        "That is their sum.": taken,
    }
    for hint, wrong in hints.items():
        if _near(got, wrong.item()):
            return hint
    if not _near(got, (taken / alive.sum()).item()):
        return "Add up the values of the steps that were taken; divide by how many these are."
    return None
