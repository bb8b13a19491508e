"""Typical wrong answers to the exercises of chapter 7: (exercise, answer, a word of its hint)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial import SinusoidTasks, Task, adapt, maml_loss


def outer_step(
    *,
    sign: float = -1.0,
    first_order: bool = False,
    total: bool = False,
    from_phi: bool = False,
    in_place: bool = False,
    support: bool = False,
    still: bool = False,
    one_task: bool = False,
    steps: int = 1,
    inner_rate: bool = False,
    scale: float = 1.0,
) -> Callable[..., object]:
    """The right step, or with one thing wrong."""

    def step(loss_fn, params, tasks, *, inner_lr, meta_lr):
        if still:
            return params
        if support:
            tasks = Task(tasks.x_support, tasks.y_support, tasks.x_support, tasks.y_support)
        if one_task:
            tasks = Task(*(part[:1] for part in tasks))
        inner = {"inner_lr": inner_lr, "inner_steps": steps, "first_order": first_order}
        loss = maml_loss(loss_fn, params, tasks, **inner)
        gradient = scale * torch.autograd.grad(loss, params["theta"])[0]
        meta_lr = inner_lr if inner_rate else meta_lr
        gradient = gradient * len(tasks.x_support) if total else gradient
        start = params["theta"]
        if from_phi:
            x, y = tasks.x_support[0], tasks.y_support[0]
            start = adapt(loss_fn, params, x, y, inner_lr=inner_lr)["theta"]
        if in_place:
            params["theta"].data += sign * meta_lr * gradient
            return params
        return {"theta": start + sign * meta_lr * gradient}

    return step


def is_exact(step: float, tolerance: float) -> Callable[..., bool]:
    """Central differences with a step and a tolerance of one's own."""

    def which(f: Callable[[Tensor], Tensor], theta: Tensor) -> bool:
        (claimed,) = torch.autograd.grad(f(theta), theta)
        shifts = step * torch.eye(len(theta), dtype=theta.dtype)
        values = [[f((theta + s).detach().requires_grad_()) for s in (d, -d)] for d in shifts]
        measured = torch.stack([(up - down).detach() / (2 * step) for up, down in values])
        return (claimed - measured).norm() / measured.norm() < tolerance

    return which


def choose(judge: Callable[..., float], pick: Callable[..., float] = min) -> Callable[..., float]:
    """Choose a candidate by a judgement of one's own."""
    return lambda loss_fn, params, tasks, candidates: pick(
        candidates, key=lambda a: judge(loss_fn, params, tasks, a)
    )


def after(loss_fn: Callable, params: dict, tasks: Task, inner_lr: float) -> float:
    return maml_loss(loss_fn, params, tasks, inner_lr=inner_lr).item()


def on_support(loss_fn: Callable, params: dict, tasks: Task, inner_lr: float) -> float:
    same = Task(tasks.x_support, tasks.y_support, tasks.x_support, tasks.y_support)
    return after(loss_fn, params, same, inner_lr)


def lines(
    *,
    swap: bool = False,
    flat: bool = False,
    two_lines: bool = False,
    x_to: float = 5.0,
    to: float = 3.0,
    global_random: bool = False,
    own_seed: bool = False,
    one_task: bool = False,
) -> Callable[[int, torch.Generator], object]:
    """The right sampler, or with one thing wrong."""

    def sample(n_tasks: int, generator: torch.Generator) -> object:
        g = None if global_random else generator
        g = torch.Generator().manual_seed(0) if own_seed else g
        rand = lambda *shape: 2 * torch.rand(*shape, generator=g) - 1  # noqa: E731
        n = 1 if flat else n_tasks
        slope, offset = to * rand(n, 1, 1), to * rand(n, 1, 1)
        x = x_to * rand(n_tasks, 15, 1)
        y = slope * x + offset
        if two_lines:
            y = torch.cat([y[:, :5], y[:, 5:] + rand(n_tasks, 1, 1)], dim=1)
        if one_task:
            return Task(x[0, :5], y[0, :5], x[0, 5:], y[0, 5:])
        parts = x[:, :5], y[:, :5], x[:, 5:], y[:, 5:]
        return parts if swap else Task(*parts)

    return sample


RIGHT_TEST = is_exact(1e-5, 1e-4)

WRONG_07: list[tuple[str, object, str]] = [
    ("7.1", lambda low, high: (low**2 + low * high + high**2) / 3, "sine, squared"),
    ("7.1", lambda low, high: ((low + high) / 2) ** 2 / 2, "mean of a square"),
    ("7.1", lambda low, high: 0.0, "an integral"),
    ("7.1", lambda low, high: 4.2517, "an integral"),
    ("7.2", lambda *args, **options: torch.zeros(1), "dictionary"),
    ("7.2", outer_step(still=True), "Nothing has moved"),
    ("7.2", outer_step(in_place=True), "overwrote"),
    ("7.2", outer_step(sign=1.0), "up the slope"),
    ("7.2", outer_step(first_order=True), "first-order step"),
    ("7.2", outer_step(total=True), "not their sum"),
    ("7.2", outer_step(from_phi=True), "adapted parameters"),
    ("7.2", outer_step(support=True), "which half is for judging"),
    ("7.2", outer_step(support=True, steps=0), "the wrong half judges"),
    ("7.2", outer_step(steps=0), "query loss at θ itself"),
    ("7.2", outer_step(one_task=True), "have a say too"),
    ("7.2", outer_step(steps=2), "One was asked for"),
    ("7.2", outer_step(inner_rate=True), "outer loop's"),
    ("7.2", outer_step(scale=0.7), "Which one differs"),
    ("7.3", (lambda f, theta: "exact", 5), "Answer with"),
    ("7.3", (lambda f, theta: True, 5), "10 % off"),
    ("7.3", (is_exact(1e-5, 0.05), 5), "be stricter"),
    ("7.3", (is_exact(1e-12, 1e-9), 5), "Are the differences central"),
    ("7.3", (RIGHT_TEST, 4), "Which line"),
    ("7.4", choose(lambda *args: 0.0, pick=lambda *args, **options: 0.2), "one of the candidates"),
    ("7.4", choose(on_support), "full fit"),
    ("7.4", choose(after, pick=max), "worst of them"),
    ("7.4", choose(lambda loss_fn, params, tasks, a: abs(a - 0.1)), "lowest mean query loss"),
    ("7.4", choose(after), "diverges"),
    ("7.5", lines(swap=True), "Return a `Task`"),
    ("7.5", lines(one_task=True), "shapes"),
    ("7.5", lines(global_random=True), "same generator"),
    ("7.5", lines(own_seed=True), "Two generators"),
    ("7.5", SinusoidTasks(5, 10), "on one line"),
    ("7.5", lines(two_lines=True), "on one line"),
    ("7.5", lines(flat=True), "All tasks share"),
    ("7.5", lines(x_to=1.0), "x should fill"),
    ("7.5", lines(to=1.0), "slopes should fill"),
    ("7.5", lines(to=math.pi), "slopes should fill"),
]
