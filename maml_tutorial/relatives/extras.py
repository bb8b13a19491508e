"""Learners that bring meta-parameters of their own: rates, or a context."""

from collections.abc import Sequence

import torch

from maml_tutorial.adapt import Rates, rates_of
from maml_tutorial.learners import Learner
from maml_tutorial.models import LossFn, Params
from maml_tutorial.relatives.descent import descending
from maml_tutorial.tasks import Data

RATE = "rate."


def meta_sgd(
    loss_fn: LossFn, *, inner_lr: Rates, inner_steps: int = 1, vectorised: bool = True
) -> Learner:
    r"""Meta-SGD: one rate for each weight, learnt with the start by the exact meta-gradient.

    $$\varphi = \theta - \alpha \odot \nabla_\theta\, \mathcal{L}(\theta;\, S)$$

    The rates are meta-parameters, named `rate.<name>`. They may become negative.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: where the rates start: one number, or one a name; see `adapt`.
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

    def start(params: Params) -> Params:
        network, rates = parted(params)
        first = rates_of(inner_lr, network)
        fresh = {n: (torch.zeros_like(network[n]) + rate).detach() for n, rate in first.items()}
        return network | {RATE + n: rates.get(n, p.requires_grad_()) for n, p in fresh.items()}

    def begin(params: Params, x: Data, y: Data) -> tuple[Params, Rates]:
        network, rates = parted(params)
        if not rates:
            raise ValueError("there are no rates: begin with learner.start(params)")
        return network, {**rates}

    return descending(loss_fn, begin, inner_steps=inner_steps, vectorised=vectorised, start=start)


def parted(params: Params) -> tuple[Params, Params]:
    """Return the parameters of the network, and their rates.

    Example:
        >>> parted({"theta": torch.zeros(1), "rate.theta": torch.ones(1)})
        ({'theta': tensor([0.])}, {'theta': tensor([1.])})
    """
    network = {name: p for name, p in params.items() if not name.startswith(RATE)}
    return network, {name: params[RATE + name] for name in network if RATE + name in params}


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

    def begin(params: Params, x: Data, y: Data) -> tuple[Params, Rates]:
        zeros = {name: torch.zeros_like(params[name]).requires_grad_() for name in context}
        return params | zeros, dict.fromkeys(context, inner_lr)

    return descending(loss_fn, begin, inner_steps=inner_steps, vectorised=vectorised)
