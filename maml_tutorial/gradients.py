"""Faster ways of taking the *same* meta-gradient: each wraps one, and they compose."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from maml_tutorial.learners import MetaGradient
from maml_tutorial.models import Params
from maml_tutorial.tasks import Task, count, require_at_least

Engine = Callable[[MetaGradient], MetaGradient]


def chunked(size: int) -> Engine:
    """Differentiate `size` tasks together, and add up: less memory, and on some networks less time.

    The memory of a meta-gradient grows with the tasks that are differentiated together. On a CPU
    large convolutions are also faster in small chunks; on a GPU it is the other way round.
    `chunked(1)` goes task by task.

    Args:
        size: tasks in a chunk.

    Raises:
        ValueError: if `size` is below 1.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> from maml_tutorial.relatives import maml
        >>> loss_fn, params, tasks = hand_sized()
        >>> gradient = chunked(1)(maml(loss_fn, inner_lr=0.1).gradient)
        >>> round(gradient(params, tasks)[1][0].item(), 2)
        -3.84
    """
    require_at_least(1, size=size)

    def engine(gradient: MetaGradient) -> MetaGradient:
        def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
            n_tasks = count(tasks.x_support)
            sums: list[Tensor] = []
            for first in range(0, n_tasks, size):
                part = tasks.part(first, min(first + size, n_tasks))
                share = count(part.x_support) / n_tasks
                loss, gradients = gradient(params, part)
                shares = [share * t for t in (loss, *gradients)]
                sums = [a + b for a, b in zip(sums, shares, strict=True)] if sums else shares
            return sums[0], sums[1:]

        return run

    return engine


def compiled(gradient: MetaGradient) -> MetaGradient:
    """Record all that PyTorch does, second derivatives and all, and let it make one program of it.

    The first call takes from seconds to minutes, and so does the first with other shapes. Only
    what is vectorised over tasks can be recorded.

    Args:
        gradient: such as that of `maml`, exact or first order.

    Example:
        `meta_train(learner, …, engine=compiled)`, or in chunks of four, which all have one shape:

        >>> def in_chunks(gradient):
        ...     return chunked(4)(compiled(gradient))
    """
    programs: dict[Any, Any] = {}

    def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        # A frozen parameter is a constant: told apart in the key, as its gradient is zero.
        names, values = list(params), list(params.values())
        leaves, form = tree_flatten(tuple(tasks))
        kinds = tuple((name, p.requires_grad) for name, p in params.items())
        key = kinds, str(form), tuple(leaf.shape for leaf in leaves)
        if key not in programs:

            def flat(values: list[Tensor], leaves: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
                parts = tree_unflatten(leaves, form)
                return gradient(dict(zip(names, values, strict=True)), Task(*parts))

            # What is recorded is the backward passes' own operations: nothing is left to
            # differentiate, and `torch.compile` need not know how.
            programs[key] = torch.compile(make_fx(flat)(values, leaves))
        with torch.no_grad():
            return programs[key](values, leaves)

    return run
