"""Typical wrong answers to the exercises of chapter 4: (exercise, answer, a word of its hint)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial import Task


def _loss(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return (theta[:, :1] * torch.sin(x - theta[:, 1:]) - y).square().mean(dim=-1)


def after_step(
    *,
    steps: int = 1,
    sign: float = -1.0,
    judge: str = "query",
    learn: str = "support",
    common: bool = False,
    mean_first: bool = False,
    total: bool = False,
    forgets_start: bool = False,
) -> Callable[..., Tensor]:
    """The right objective, or with one thing wrong."""

    def mean_loss(a: float, b: float, tasks: Task, inner_lr: float) -> Tensor:
        halves = {"support": tasks[:2], "query": tasks[2:]}
        n = len(tasks.x_support)
        start = torch.tensor([a, b], dtype=torch.float64).repeat(n, 1).requires_grad_()
        losses = _loss(start, *halves[learn])
        to_differentiate = losses.mean() if mean_first else losses.sum()
        (gradient,) = torch.autograd.grad(to_differentiate, start)
        gradient = gradient.mean(dim=0) if common else gradient
        moved = 0 * start if forgets_start else start
        moved = moved + sign * steps * inner_lr * gradient
        losses = _loss(moved, *halves[judge])
        return losses.sum() if total else losses.mean()

    return mean_loss


def one_after_the_other(a: float, b: float, tasks: Task, inner_lr: float) -> float:
    """Begins each task where the task before it ended."""
    theta, losses = torch.tensor([[a, b]], dtype=torch.float64), []
    for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
        theta = theta.requires_grad_()
        (gradient,) = torch.autograd.grad(_loss(theta, x_s, y_s).sum(), theta)
        theta = (theta - inner_lr * gradient).detach()
        losses.append(_loss(theta, x_q, y_q).item())
    return sum(losses) / len(losses)


def never_zeroed(a: float, b: float, tasks: Task, inner_lr: float) -> float:
    """Begins each task at the start, and lets `.grad` add up."""
    start, losses = torch.tensor([[a, b]], dtype=torch.float64, requires_grad=True), []
    for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
        _loss(start, x_s, y_s).sum().backward()
        losses.append(_loss((start - inner_lr * start.grad).detach(), x_q, y_q).item())
    return sum(losses) / len(losses)


def in_advance(
    curve: Callable[[Tensor], Tensor], error: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A curve, and an error computed from the curves' deviations."""
    return lambda curves: (curve(curves), error(curves))


def average(curves: Tensor) -> Tensor:
    return curves.mean(dim=0)


def deviations(curves: Tensor) -> Tensor:
    return (curves - average(curves)).square()


def paired(scale: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The right mean gain, with a half width of one's own."""
    return lambda before, after: ((before - after).mean(), scale(before - after))


def unpaired(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    variance = (before.var() + after.var()) / len(before)
    return (before - after).mean(), 1.96 * variance.sqrt()


def start(weights: Callable[[Tensor, float, int], Tensor]) -> Callable[..., Tensor]:
    """A weighted mean of the targets, with weights of one's own."""

    def best(c: Tensor, t: Tensor, inner_lr: float, m: int) -> Tensor:
        w = weights(c, inner_lr, m)
        return (w * t).sum() / w.sum()

    return best


WRONG_04: list[tuple[str, object, str]] = [
    ("4.1", after_step(steps=0), "before the step"),
    ("4.1", after_step(judge="support"), "which half"),
    ("4.1", after_step(learn="query"), "for the judgement"),
    ("4.1", after_step(sign=1.0), "up the slope"),
    ("4.1", after_step(common=True), "one common place"),
    ("4.1", after_step(mean_first=True), "too little"),
    ("4.1", one_after_the_other, "the task before it ended"),
    ("4.1", never_zeroed, "added up in `.grad`"),
    ("4.1", after_step(total=True), "not their sum"),
    ("4.1", after_step(forgets_start=True), "mean over tasks?"),
    ("4.2", average, "two things"),
    ("4.2", in_advance(lambda curves: curves.mean(dim=1), lambda c: c.mean()), "nine places"),
    ("4.2", in_advance(lambda curves: 0 * curves[0], lambda c: c.square().mean()), "single value"),
    ("4.2", in_advance(lambda c: c.median(dim=0).values, lambda c: c.mean()), "absolute"),
    ("4.2", in_advance(average, lambda c: deviations(c).mean().sqrt()), "without a root"),
    ("4.2", in_advance(average, lambda c: c.square().mean()), "saying zero"),
    ("4.2", in_advance(average, lambda c: deviations(c).sum(dim=1).mean()), "places, too"),
    ("4.2", in_advance(average, lambda c: (c - average(c)).abs().mean()), "mean squared"),
    ("4.3", lambda before, after: (before - after).mean(), "two things"),
    ("4.3", lambda before, after: ((after - before).mean(), 0.0), "other sign"),
    ("4.3", lambda before, after: (1 - (after / before).mean(), 0.0), "one task's gain"),
    ("4.3", unpaired, "paired"),
    ("4.3", paired(lambda d: d.std()), "does not shrink"),
    ("4.3", paired(lambda d: d.std() / math.sqrt(len(d))), "factor"),
    ("4.3", paired(lambda d: 1.96 * d.std()), "root"),
    ("4.3", paired(lambda d: 2 * 1.96 * d.std() / math.sqrt(len(d))), "half of it"),
    ("4.3", paired(lambda d: 1.96 * d.std() / len(d)), "standard errors"),
    ("4.4", start(lambda c, lr, m: torch.ones_like(c)), "without a step"),
    ("4.4", start(lambda c, lr, m: c), "what do the steps change"),
    ("4.4", start(lambda c, lr, m: c * (1 - lr * c) ** m), "its square"),
    ("4.4", start(lambda c, lr, m: (1 - lr * c) ** (2 * m)), "curvature"),
    ("4.4", start(lambda c, lr, m: c * (1 - lr * c) ** min(2, 2 * m)), "five"),
    ("4.4", lambda c, t, lr, m: (c * (1 - lr * c) ** (2 * m) * t).mean(), "add up to one"),
    ("4.4", lambda c, t, lr, m: t[0], "set the derivative"),
    ("4.4", start(lambda c, lr, m: c * (1 + lr * c) ** (2 * m)), "how steep"),
]
