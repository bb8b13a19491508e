"""The meta-gradient as one function, which can be compiled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from maml_tutorial.maml import maml_loss
from maml_tutorial.models import LossFn, Params
from maml_tutorial.tasks import Task, require_at_least

MetaGradient = Callable[[Params, Task], tuple[Tensor, list[Tensor]]]


def meta_gradient(
    loss_fn: LossFn,
    *,
    inner_lr: float,
    inner_steps: int = 1,
    first_order: bool = False,
    chunk: int | None = None,
    compiled: bool = False,
) -> MetaGradient:
    """Return the function `(params, tasks) -> (maml_loss, its gradients)`.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: α.
        inner_steps: inner-loop steps.
        first_order: leave out the second derivatives.
        chunk: tasks that are differentiated together; by default all at once. Fewer take less
            memory, and on large convolutions less time; 1 is the loop over the tasks.
        compiled: record all that PyTorch does, second derivatives and all, and let
            `torch.compile` make one program of it. The first call then takes from seconds to
            minutes, and so does the first with other shapes.

    Returns:
        A function that gives the loss and one gradient a parameter, in the order of `params`:
        exact, or first order.

    Raises:
        ValueError: if `chunk` is below 1, or, when called, as `maml_loss` does.

    Example:
        The hand-sized problem of `maml_loss`:

        >>> def loss_fn(params, x, y):
        ...     return ((params["theta"] * x - y) ** 2).mean()
        >>> tasks = Task(*(torch.tensor([[v]]) for v in (1.0, 2.0, 2.0, 2.0)))
        >>> theta = torch.tensor(0.0, requires_grad=True)
        >>> loss, gradients = meta_gradient(loss_fn, inner_lr=0.1)({"theta": theta}, tasks)
        >>> round(gradients[0].item(), 2)
        -3.84
    """
    require_at_least(1, chunk=1 if chunk is None else chunk)

    def gradient(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        loss = maml_loss(
            loss_fn,
            params,
            tasks,
            inner_lr=inner_lr,
            inner_steps=inner_steps,
            first_order=first_order,
        )
        return loss.detach(), list(torch.autograd.grad(loss, list(params.values())))

    gradient = _compiled(gradient) if compiled else gradient
    return gradient if chunk is None else _in_chunks(gradient, chunk)


def _in_chunks(gradient: MetaGradient, size: int) -> MetaGradient:
    def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        loss, gradients = torch.tensor(0.0), [torch.zeros_like(p) for p in params.values()]
        for part in map(Task._make, zip(*(t.split(size) for t in tasks), strict=True)):
            share = len(part.x_support) / len(tasks.x_support)
            part_loss, part_gradients = gradient(params, part)
            loss = loss + share * part_loss
            gradients = [g + share * h for g, h in zip(gradients, part_gradients, strict=True)]
        return loss, gradients

    return run


def _compiled(gradient: MetaGradient) -> MetaGradient:
    programs: dict[tuple[torch.Size, ...], Any] = {}

    def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        names, values = list(params), list(params.values())
        shapes = tuple(part.shape for part in tasks)
        if shapes not in programs:

            def flat(values: list[Tensor], parts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
                return gradient(dict(zip(names, values, strict=True)), Task(*parts))

            # What is recorded is the backward passes' own operations: nothing is left to
            # differentiate, and `torch.compile` need not know how.
            recorded = make_fx(flat)(values, list(tasks))
            programs[shapes] = torch.compile(recorded)
        with torch.no_grad():
            return programs[shapes](values, list(tasks))

    return run
