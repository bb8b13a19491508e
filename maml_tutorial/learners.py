"""Learners: what the book compares, each in one slot for the outer loop and the evaluation."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from maml_tutorial.maml import Learn
from maml_tutorial.models import LossFn, Params
from maml_tutorial.tasks import Task

__all__ = ["Learn", "Learner", "MetaGradient", "gradient_of", "hand_sized", "slopes"]


class MetaGradient(Protocol):
    """All that the outer loop needs of a learner: where its meta-parameters should go."""

    def __call__(self, params: Params, tasks: Task, /) -> tuple[Tensor, list[Tensor]]:
        """Return a loss to watch, and one gradient a parameter, in the order of `params`.

        The gradient of a frozen parameter is zero.
        """
        ...


def as_they_are(params: Params) -> Params:
    """Return the parameters of the network: most learners' meta-parameters are just these.

    Example:
        >>> as_they_are({"theta": torch.zeros(2)})
        {'theta': tensor([0., 0.])}
    """
    return params


class Learner(NamedTuple):
    """A way to learn, and a way to learn how: MAML or one of its relatives.

    Attributes:
        learn: `(params, x, y, *, inner_steps) -> φ`, stacked over tasks: adapts to support sets.
            φ are parameters of the network, for `predict`. It is used where nothing is
            differentiated through it.
        gradient: `(params, tasks) -> (loss, gradients)`, for the outer loop.
        start: meta-parameters from a network's parameters: adds rates, drops a head. Given
            meta-parameters it must return them as they are.

    Example:
        A learner that never adapts, trained on support and query sets alike:

        >>> loss_fn, params, tasks = hand_sized()
        >>> def learn(params, x, y, *, inner_steps=0):
        ...     return params
        >>> def loss(params, tasks):
        ...     pairs = ((tasks.x_support, tasks.y_support), (tasks.x_query, tasks.y_query))
        ...     return sum(loss_fn(params, x, y) for x, y in pairs)
        >>> stubborn = Learner(learn, gradient_of(loss))
        >>> stubborn.gradient(params, tasks)
        (tensor(8.), [tensor(-12.)])
    """

    learn: Learn
    gradient: MetaGradient
    start: Callable[[Params], Params] = as_they_are


def gradient_of(objective: Callable[[Params, Task], Tensor]) -> MetaGradient:
    """Return the meta-gradient of a loss that can be differentiated.

    Example:
        >>> loss_fn, params, tasks = hand_sized()
        >>> gradient_of(lambda params, tasks: params["theta"].square())(params, tasks)
        (tensor(0.), [tensor(0.)])
    """

    def gradient(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        loss = objective(params, tasks)
        return loss.detach(), slopes(loss, params)

    return gradient


def slopes(loss: Tensor, params: Params, *, retain_graph: bool = False) -> list[Tensor]:
    """Return one gradient a parameter; zero for those that are frozen or play no part.

    Args:
        loss: a scalar.
        params: `{name: tensor}`.
        retain_graph: keep what is needed for another gradient of the same loss.

    Example:
        >>> params = {"a": torch.tensor(2.0, requires_grad=True), "b": torch.tensor(1.0)}
        >>> slopes(params["a"] * params["b"], params)
        [tensor(1.), tensor(0.)]
    """
    learning = {name: p for name, p in params.items() if p.requires_grad}
    found = torch.autograd.grad(
        loss, list(learning.values()), retain_graph=retain_graph, materialize_grads=True
    )
    of = dict(zip(learning, found, strict=True))
    return [of[name] if name in of else torch.zeros_like(p) for name, p in params.items()]


def hand_sized() -> tuple[LossFn, Params, Task]:
    """Return the example that can be checked by hand: a loss, parameters, and one task.

    f(x) = θx with one support point (1, 2), one query point (2, 2), squared errors, θ = 0.

    Example:
        >>> loss_fn, params, tasks = hand_sized()
        >>> loss_fn(params, tasks.x_query, tasks.y_query).item()
        4.0
    """

    def loss_fn(params: Params, x: Tensor, y: Tensor) -> Tensor:
        return (params["theta"] * x - y).square().mean()

    tasks = Task(*(torch.tensor([[value]]) for value in (1.0, 2.0, 2.0, 2.0)))
    return loss_fn, {"theta": torch.tensor(0.0, requires_grad=True)}, tasks
