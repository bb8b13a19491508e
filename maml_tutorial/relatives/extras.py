"""Learners that bring meta-parameters of their own: rates, or a context."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from maml_tutorial.adapt import adapt
from maml_tutorial.learners import Learner, gradient_of
from maml_tutorial.maml import after, over_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import trainable
from maml_tutorial.tasks import Data

RATE = "rate."


def meta_sgd(
    loss_fn: LossFn, *, inner_lr: float, inner_steps: int = 1, vectorised: bool = True
) -> Learner:
    r"""Meta-SGD: one rate for each weight, learnt with the start by the exact meta-gradient.

    $$\phi = \theta - \alpha \odot \nabla_\theta\, \mathcal{L}(\theta;\, S)$$

    The rates are meta-parameters, named `rate.<name>`. They may become negative.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: where all rates start.
        inner_steps: steps of the inner loop; the paper takes one.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Example:
        At θ = 0 the gradients along θ and along its rate:

        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> learner = meta_sgd(loss_fn, inner_lr=0.1)
        >>> loss, gradients = learner.gradient(learner.start(params), tasks)
        >>> [round(g.item(), 2) for g in gradients]
        [-3.84, -19.2]

    Reference:
        Li, Zhou, Chen & Li 2017, equation (1); there the rates start at random.
    """
    losses = over_tasks(loss_fn, vectorised=vectorised)

    def start(params: Params) -> Params:
        network = {name: p for name, p in params.items() if not name.startswith(RATE)}
        fresh = {
            RATE + name: torch.full_like(p, inner_lr).requires_grad_()
            for name, p in trainable(network).items()
        }
        return network | fresh | {name: p for name, p in params.items() if name in fresh}

    def learn(
        params: Params, x: Data, y: Data, *, inner_steps: int = inner_steps, first_order: bool
    ) -> Params:
        network = {name: p for name, p in params.items() if not name.startswith(RATE)}
        rates: dict[str, float | Tensor] = {
            name: params[RATE + name] for name in network if RATE + name in params
        }
        if not rates:
            raise ValueError("there are no rates: begin with learner.start(params)")
        return adapt(
            losses,
            network,
            x,
            y,
            inner_lr=rates,
            inner_steps=inner_steps,
            first_order=first_order,
        )

    exact = partial(learn, first_order=False)
    return Learner(partial(learn, first_order=True), gradient_of(after(exact, losses)), start)


def cavia(
    loss_fn: LossFn,
    *,
    context: Sequence[str],
    inner_lr: float,
    inner_steps: int = 1,
    vectorised: bool = True,
) -> Learner:
    """CAVIA: only a context moves in the inner loop, in every task from zero.

    The meta-gradient (exact) moves all the rest; the context itself stays zero.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        context: names of the parameters that are the context: further inputs to a layer.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Example:
        f(x) = θx + c: the context takes the step, θ gets the gradient.

        >>> from maml_tutorial.learners import hand_sized
        >>> _, params, tasks = hand_sized()
        >>> def loss_fn(params, x, y):
        ...     return (params["theta"] * x + params["c"] - y).square().mean()
        >>> learner = cavia(loss_fn, context=["c"], inner_lr=0.1)
        >>> loss, gradients = learner.gradient(
        ...     params | {"c": torch.zeros((), requires_grad=True)}, tasks)
        >>> [round(g.item(), 2) for g in gradients]
        [-5.76, 0.0]

    Reference:
        Zintgraf, Shiarli, Kurin, Hofmann & Whiteson 2019, algorithm 1.
    """
    losses = over_tasks(loss_fn, vectorised=vectorised)
    descend = partial(adapt, losses, inner_lr=dict.fromkeys(context, inner_lr))

    def learn(
        params: Params, x: Data, y: Data, *, inner_steps: int = inner_steps, first_order: bool
    ) -> Params:
        zeros = {name: torch.zeros_like(params[name]).requires_grad_() for name in context}
        return descend(params | zeros, x, y, inner_steps=inner_steps, first_order=first_order)

    exact = partial(learn, first_order=False)
    return Learner(partial(learn, first_order=True), gradient_of(after(exact, losses)))
