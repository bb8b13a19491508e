"""Exercises of chapter 4."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise
from maml_tutorial.tasks import SinusoidTasks, Task

Point = tuple[Tensor, Tensor]


@exercise("4.1", "The loss after a step")
def _(loss_after_step: Callable[[float, float, Task, float], float]) -> str | None:
    """MAML's objective for a·sin(x − b) with one step."""
    generator = torch.Generator().manual_seed(1)
    parts = SinusoidTasks(k_shot=5, k_query=7)(8, generator)
    tasks = Task(*(part.squeeze(-1).double() for part in parts))
    a, b, lr = 2.5, 1.4, 0.1
    got = float(torch.as_tensor(loss_after_step(a, b, tasks, lr)).detach())
    if math.isclose(got, _after_step(a, b, tasks, lr), rel_tol=1e-4):
        return None
    support, query = (tasks.x_support, tasks.y_support), (tasks.x_query, tasks.y_query)
    start = torch.tensor([a, b], dtype=torch.float64).expand(8, 2)
    own, common = _slope(start, *support), _slope(start, *support).mean(dim=0)
    hints = {
        "That is the loss before the step.": _loss(start, *query).mean(),
        "Judged on the points that were learned from: which half is for the judgement?": _loss(
            start - lr * own, *support
        ).mean(),
        "The step was taken on the points that are for the judgement.": _loss(
            start - lr * _slope(start, *query), *query
        ).mean(),
        "This is a step up the slope, not down.": _loss(start + lr * own, *query).mean(),
        "All tasks went to one common place: let each follow its own gradient.": _loss(
            start - lr * common, *query
        ).mean(),
        "Each task moved too little: was the gradient that of the mean over the tasks?": _loss(
            start - lr * own / 8, *query
        ).mean(),
        "Each task must begin at the same (a, b): yours begins where the task before it ended.": (
            _one_after_the_other(a, b, tasks, lr)
        ),
        "A task's gradient holds those of the tasks before it: were they added up in `.grad`?": (
            _loss(start - lr * own.cumsum(dim=0), *query).mean()
        ),
        "Take the mean over the tasks, not their sum.": _loss(start - lr * own, *query).sum(),
    }
    for hint, wrong in hints.items():
        if math.isclose(got, wrong.item(), rel_tol=1e-4):
            return hint
    return "Step on the support half, mean squared error on the query half, mean over tasks?"


def _loss(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    a, b = theta[:, :1], theta[:, 1:]
    return (a * torch.sin(x - b) - y).square().mean(dim=-1)


def _slope(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    theta = theta.detach().clone().requires_grad_()
    return torch.autograd.grad(_loss(theta, x, y).sum(), theta)[0]


def _after_step(a: float, b: float, tasks: Task, lr: float) -> float:
    start = torch.tensor([a, b], dtype=torch.float64).expand(len(tasks.x_support), 2)
    moved = start - lr * _slope(start, tasks.x_support, tasks.y_support)
    return _loss(moved, tasks.x_query, tasks.y_query).mean().item()


def _one_after_the_other(a: float, b: float, tasks: Task, lr: float) -> Tensor:
    """The mistake of this book: the start is carried from task to task."""
    theta, losses = torch.tensor([[a, b]], dtype=torch.float64), []
    for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
        theta = theta - lr * _slope(theta, x_s, y_s)
        losses.append(_loss(theta, x_q, y_q))
    return torch.cat(losses).mean()


@exercise("4.2", "The best answer given in advance")
def _(best_in_advance: Callable[[Tensor], tuple[Tensor, float]]) -> str | None:
    """The mean curve, and its mean squared error."""
    curves = torch.randn(40, 9, generator=torch.Generator().manual_seed(0)).double().exp()
    answer = best_in_advance(curves)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two things: the curve, and its error."
    curve, error = torch.as_tensor(answer[0]).double(), float(answer[1])
    if curve.shape != (9,):
        return f"The curve has the shape {tuple(curve.shape)}; there are nine places, so `(9,)`."
    best = curves.mean(dim=0)
    if torch.allclose(curve, curves.median(dim=0).values):
        return "That curve has the lowest absolute error. The question is about the squared one."
    if not torch.allclose(curve, best):
        return (
            "Another curve has a lower error: take one place, and ask which single value is best."
        )
    right = (curves - best).square().mean().item()
    if math.isclose(error, right, rel_tol=1e-4):
        return None
    if math.isclose(error, math.sqrt(right), rel_tol=1e-4):
        return "The curve is right. Its error is the mean square, without a root."
    if math.isclose(error, curves.square().mean().item(), rel_tol=1e-4):
        return "The curve is right, but this is the error of always saying zero."
    if math.isclose(error, (curves - best).square().sum(dim=1).mean().item(), rel_tol=1e-4):
        return "The curve is right. Average over the places, too."
    return "The curve is right, its error is not: mean squared, over curves and places."


@exercise("4.3", "A gain and its interval")
def _(gain: Callable[[Tensor, Tensor], tuple[float, float]]) -> str | None:
    """Mean paired difference and half its 95 % interval."""
    generator = torch.Generator().manual_seed(0)
    before = 3 + 2 * torch.randn(400, generator=generator).double()
    after = before - 0.3 + 0.5 * torch.randn(400, generator=generator).double()
    answer = gain(before, after)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two things: the mean gain, and half its interval."
    mean, half = float(answer[0]), float(answer[1])
    difference = before - after
    right, spread = difference.mean().item(), difference.std().item()
    if math.isclose(mean, -right, rel_tol=1e-4):
        return "A gain is positive when the error falls; yours has the other sign."
    if not math.isclose(mean, right, rel_tol=1e-4):
        return "The mean gain is off: what is one task's gain?"
    known = {
        "Tasks are paired: take each task's own difference first, then its spread.": 1.96
        * math.sqrt((before.var() + after.var()).item() / 400),
        "That is a standard deviation over tasks: it does not shrink with more of them.": spread,
        "Nearly: 95 % takes a factor before the standard error. Chapter 3 has it.": spread / 20,
        "The standard deviation is divided by the root of the number of tasks.": 1.96 * spread,
        "This is the whole interval; half of it is asked for.": 2 * 1.96 * spread / 20,
    }
    for hint, wrong in known.items():
        if math.isclose(half, wrong, rel_tol=0.005):
            return hint
    if not math.isclose(half, 1.96 * spread / 20, rel_tol=0.005):
        return "The mean is right. The interval is 1.96 standard errors of the differences."
    return None


@exercise("4.4", "The best start, without a map")
def _(best_start: Callable[[Tensor, Tensor, float, int], float]) -> str | None:
    """A weighted mean of the targets, with weights that depend on m."""
    c = torch.tensor([0.5, 2.0, 4.0, 1.0], dtype=torch.float64)
    t = torch.tensor([-1.0, 3.0, 0.5, 2.0], dtype=torch.float64)
    got = {m: float(best_start(c, t, 0.1, m)) for m in (0, 1, 5)}

    def centre(weights: Tensor) -> float:
        return ((weights * t).sum() / weights.sum()).item()

    def same(weights: Callable[[int], Tensor]) -> bool:
        return all(math.isclose(got[m], centre(weights(m)), rel_tol=1e-6) for m in got)

    shrink = 1 - 0.1 * c
    if same(lambda m: c * shrink ** (2 * m)):
        return None
    if same(lambda m: torch.ones_like(c)):
        return "A steep parabola counts for more than a shallow one, even without a step."
    if same(lambda m: c):
        return "That is the best start for m = 0: what do the steps change?"
    if same(lambda m: c * shrink**m):
        return "The distance shrinks as you say. The loss is its square."
    if same(lambda m: shrink ** (2 * m)):
        return "The curvature stands in the loss as well, not only in the step."
    if same(lambda m: c * shrink ** min(2, 2 * m)):
        return "Right for one step. What do five do?"
    if math.isclose(got[0], (c * t).mean().item(), rel_tol=1e-6):
        return "The weights have to add up to one: divide by their sum."
    if not math.isclose(got[0], centre(c), rel_tol=1e-6):
        return "Begin with m = 0: set the derivative of the mean loss to zero and solve for θ."
    return "Right for m = 0. After m steps task i's loss is a parabola again: how steep is it?"
