"""Exercises of chapter 7."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.adapt import adapt
from maml_tutorial.exercises.registry import exercise
from maml_tutorial.models import Params
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import Task


@exercise("7.1", "How easy is the task?")
def _(zero_mse: Callable[[float, float], float]) -> str | None:
    """The mean squared error of always saying zero, for amplitudes uniform on an interval."""
    low, high = 0.1, 5.0
    right, got = _zero_mse(low, high), float(zero_mse(low, high))
    if math.isclose(got, 2 * right, rel_tol=1e-3):
        return "That is the mean of A² alone. What does the sine, squared, average to?"
    if math.isclose(got, ((low + high) / 2) ** 2 / 2, rel_tol=1e-3):
        return "The mean of a square is not the square of the mean: high waves count for more."
    if not all(
        math.isclose(float(zero_mse(*ends)), _zero_mse(*ends), rel_tol=1e-3)
        for ends in ((low, high), (0.1, 0.5), (1.0, 2.0))
    ):
        return "Average A² over the interval (an integral), then the squared sine over its phase."
    return None


def _zero_mse(low: float, high: float) -> float:
    return (low**2 + low * high + high**2) / 6


@exercise("7.2", "The outer step")
def _(outer_step: Callable[..., Params]) -> str | None:
    """One plain gradient step of the outer loop, with the exact gradient."""
    inner_lr, meta_lr = 0.1, 0.01
    tasks = _lines_through_zero()
    theta = {"theta": torch.tensor(0.5, dtype=torch.float64, requires_grad=True)}

    def after(gradient: Tensor, start: Tensor | float = 0.5) -> Tensor:
        return start - meta_lr * gradient

    def meta_gradient(first_order: bool, on: Task = tasks, steps: int = 1) -> Tensor:
        learner = maml(_line_loss, inner_lr=inner_lr, inner_steps=steps, first_order=first_order)
        return learner.gradient(theta, on)[1][0]

    result = outer_step(_line_loss, theta, tasks, inner_lr=inner_lr, meta_lr=meta_lr)
    if not isinstance(result, dict) or set(result) != {"theta"}:
        return "Return the new parameters as a dictionary with the names of the old ones."
    got = torch.as_tensor(result["theta"]).detach().double()
    exact, first = meta_gradient(False), meta_gradient(True)
    if _same(theta["theta"], 0.5) and _same(got, 0.5):
        return "Nothing has moved: θ is as before."
    if not _same(theta["theta"], 0.5):
        return "You overwrote the parameters you were given: return new ones instead."
    n = len(tasks.x_support)
    on_support = Task(*tasks[:2], *tasks[:2])
    unadapted = meta_gradient(False, steps=0)
    hints = {
        "This is a step up the slope, not down.": after(-exact),
        "This is the first-order step: is the graph of the inner step kept?": after(first),
        "The outer loss is the mean over the tasks, not their sum.": after(n * exact),
        "Nothing has adapted: that is the query loss at θ itself.": after(unadapted),
        "That is the support loss at θ: no task has adapted, and the wrong half judges.": after(
            meta_gradient(False, on_support, steps=0)
        ),
        "Adapted, and then judged on the points adapted to: which half is for judging?": after(
            meta_gradient(False, on_support)
        ),
        "You took one task of the meta-batch: the others have a say too.": after(
            meta_gradient(False, Task(*(part[:1] for part in tasks)))
        ),
        "Two inner steps? One was asked for.": after(meta_gradient(False, steps=2)),
        "The step has the size of the inner one: which rate is the outer loop's?": 0.5
        - inner_lr * exact,
    }
    for task in zip(*tasks, strict=True):
        phi = adapt(_line_loss, theta, task[0], task[1], inner_lr=inner_lr)["theta"].detach()
        if min(abs(got - after(g, phi)) for g in (exact, first, exact * n)) < 1e-9:
            return "You moved a task's adapted parameters φ. Whose gradient step is the outer one?"
    for hint, wrong in hints.items():
        if _same(got, wrong):
            return hint
    if not _same(got, after(exact)):
        return (
            "Not the exact step. Three things make it: φ from each support set, the mean loss on "
            "the query sets there, and its gradient with respect to θ. Which one differs?"
        )
    return None


def _line_loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
    return ((params["theta"] * x - y) ** 2).mean()


def _lines_through_zero() -> Task:
    columns = ([1.0, 2.0], [2.0, -1.0], [2.0, 1.5], [2.0, 0.5])
    return Task(*(torch.tensor(c, dtype=torch.float64)[:, None, None] for c in columns))


def _same(a: Tensor | float, b: Tensor | float) -> bool:
    return bool(torch.isclose(torch.as_tensor(a).double(), torch.as_tensor(b).double(), rtol=1e-7))


@exercise("7.3", "Exact, or first order in disguise?")
def _(answer: tuple[Callable[[Callable[[Tensor], Tensor], Tensor], object], int]) -> str | None:
    """A test that tells exact from first order for any function, and the guilty line."""
    is_exact, line = answer
    verdicts = {}
    for name, curvature in (("strong", 1.0), ("weak", 0.05)):
        for first_order in (False, True):
            theta = torch.tensor([0.4, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
            f = _query_loss(curvature, first_order)
            verdicts[name, first_order] = is_exact(f, theta)
    strange = [v for v in verdicts.values() if str(v) not in _YES_OR_NO]
    if strange:
        return f"Answer with `True` or `False`; one answer was {strange[0]!r:.40}."
    yes = {case: bool(verdict) for case, verdict in verdicts.items()}
    if not (yes["strong", False] and yes["weak", False]):
        return "It calls an exact gradient first order. Are the differences central, in float64?"
    if yes["strong", True]:
        return "It calls a first-order gradient exact, even one that is 10 % off."
    if yes["weak", True]:
        return "It misses a first-order gradient that is about 1 % off: be stricter."
    if line != 5:
        return "The test is right. Which line keeps the inner gradient's value but not its history?"
    return None


_YES_OR_NO = ("True", "False", "tensor(True)", "tensor(False)")


def _query_loss(curvature: float, first_order: bool) -> Callable[[Tensor], Tensor]:
    """A query loss after one inner step; the exact gradient is 10 or 1 % smaller in each part."""

    def f(theta: Tensor) -> Tensor:
        def inner(params: Params, x: Tensor, y: Tensor) -> Tensor:
            return 0.5 * curvature * (params["theta"] - y).square().sum() + 0 * x.sum()

        y = torch.arange(3.0, dtype=torch.float64)
        phi = adapt(inner, {"theta": theta}, y, y, inner_lr=0.1, first_order=first_order)
        return (phi["theta"] - 2 * y).pow(2).sum()

    return f


@exercise("7.4", "Choose α")
def _(choose_inner_lr: Callable[..., float]) -> str | None:
    """The candidate whose one inner step gives the lowest query loss, over all tasks."""
    theta = {"theta": torch.tensor(0.0, dtype=torch.float64, requires_grad=True)}
    # Support points overstate the slope, 3 for 2 and 2 for 1: a full fit is too far.
    x, ones = torch.ones(2, 1, 1, dtype=torch.float64), [[[3.0]], [[2.0]]]
    y = torch.tensor(ones, dtype=torch.float64)
    # The query point at 0 costs nothing, until θ overflows: then inf · 0 is not a number.
    zero = torch.zeros_like(x)
    tasks = Task(x, y, torch.cat([x, zero], dim=1), torch.cat([y - 1, zero], dim=1))
    candidates = [0.01, 0.3, 0.1, 0.5, 1.0]
    got = choose_inner_lr(_line_loss, theta, tasks, candidates)
    if got not in candidates:
        return f"Return one of the candidates; you returned {got!r:.40}."
    if got == 0.5:
        return "The support loss is always pleased with a full fit. Which half judges?"
    if got in (0.01, 1.0):
        return "That is the worst of them or nearly so: is it the lowest loss you take?"
    if got != 0.3:
        return "That is not the lowest mean query loss after one step from θ on each support set."
    if choose_inner_lr(_line_loss, theta, tasks, [1e308, 0.1, 0.3]) != 0.3:
        return "One candidate diverges; its loss is nan, and `min` keeps it: leave it out."
    return None


@exercise("7.5", "A family of your own")
def _(sample_lines: Callable[[int, torch.Generator], Task]) -> str | None:
    """A sampler of straight lines with the interface of `SinusoidTasks`."""

    def draw(seed: int, n_tasks: int = 200) -> Task:
        return sample_lines(n_tasks, torch.Generator().manual_seed(seed))

    tasks = draw(0)
    if not isinstance(tasks, Task):
        return "Return a `Task`: x_support, y_support, x_query, y_query, in this order."
    shapes = [tuple(t.shape) for t in tasks]
    if shapes != [(200, 5, 1), (200, 5, 1), (200, 10, 1), (200, 10, 1)]:
        return f"The shapes for 200 tasks are {shapes}; see what `SinusoidTasks` returns."
    torch.manual_seed(0)
    first = draw(1)
    torch.manual_seed(1)
    if not all(torch.equal(a, b) for a, b in zip(first, draw(1), strict=True)):
        return "The same generator gave other tasks: pass `generator=generator` to every draw."
    if torch.equal(tasks.x_support, first.x_support):
        return "Two generators gave the same tasks: is the seed yours, not the caller's?"
    slope, offset, error = _fit_lines(tasks)
    if error > 1e-3:
        return "The points of a task do not lie on one line, support and query together."
    if slope.std() < 1e-3 or offset.std() < 1e-3:
        return "All tasks share a slope or an offset: draw one of each for every task."
    x = torch.cat([tasks.x_support, tasks.x_query], dim=1)
    if x.min() < -5 or x.max() > 5 or x.min() > -4.5 or x.max() < 4.5:
        return f"x should fill [−5, 5]; it goes from {x.min():.1f} to {x.max():.1f}."
    for name, values in (("slopes", slope), ("offsets", offset)):
        if values.abs().max() > 3.01 or values.min() > -2.7 or values.max() < 2.7:
            ends = f"{values.min():.1f} to {values.max():.1f}"
            return f"The {name} should fill [−3, 3]; yours go from {ends}."
    return None


def _fit_lines(tasks: Task) -> tuple[Tensor, Tensor, float]:
    """Least-squares slope and offset of each task's points, and the largest misfit."""
    x = torch.cat([tasks.x_support, tasks.x_query], dim=1).double()
    y = torch.cat([tasks.y_support, tasks.y_query], dim=1).double()
    design = torch.cat([x, torch.ones_like(x)], dim=2)
    fit = torch.linalg.lstsq(design, y).solution
    return fit[:, 0, 0], fit[:, 1, 0], (design @ fit - y).abs().max().item()
