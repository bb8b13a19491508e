"""Learners whose inner loop is plain gradient descent; they differ in what moves, and in who asks.

`inner_lr` may be one number or one (number or tensor) a name; a name without a rate does not move.
"""

from collections.abc import Callable, Sequence
from functools import partial

from maml_tutorial.adapt import Rates, adapt
from maml_tutorial.learners import Learner, as_they_are, gradient_of
from maml_tutorial.maml import after, over_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.tasks import Data

Begin = Callable[[Params, Data, Data], tuple[Params, Rates]]


def descending(
    loss_fn: LossFn,
    begin: Begin,
    *,
    inner_steps: int,
    first_order: bool = False,
    vectorised: bool = True,
    start: Callable[[Params], Params] = as_they_are,
) -> Learner:
    """Return a learner that goes down the support loss; its meta-gradient goes back all the way.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        begin: `(params, x, y)` → where the steps begin, and their rates, for a stack of tasks.
        inner_steps: steps of the inner loop.
        first_order: leave out the second derivatives of the meta-gradient.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.
        start: see `Learner`.

    Example:
        MAML begins at θ:

        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> learner = descending(loss_fn, lambda params, x, y: (params, 0.1), inner_steps=1)
        >>> round(learner.gradient(params, tasks)[1][0].item(), 2)
        -3.84
    """
    losses = over_tasks(loss_fn, vectorised=vectorised)

    def way(
        params: Params, x: Data, y: Data, *, inner_steps: int = inner_steps, first_order: bool
    ) -> Params:
        phi, rates = begin(params, x, y)
        descend = partial(adapt, losses, inner_lr=rates, inner_steps=inner_steps)
        return descend(phi, x, y, first_order=first_order)

    learn = partial(way, first_order=True)  # the same steps, and nothing kept of the way
    objective = after(partial(way, first_order=first_order), losses)
    return Learner(learn, gradient_of(objective), start)


def maml(
    loss_fn: LossFn,
    *,
    inner_lr: Rates,
    inner_steps: int = 1,
    first_order: bool = False,
    vectorised: bool = True,
) -> Learner:
    r"""MAML: the gradient of the query loss after gradient descent on the support set.

    $$\nabla_\theta\, \mathcal{L}\bigl(\mathrm{adapt}(\theta;\, S);\, Q\bigr)$$

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: α; see `adapt`.
        inner_steps: steps of the inner loop, in meta-training and, unless told otherwise, after.
        first_order: leave out the second derivatives of the meta-gradient.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Returns:
        A `Learner`. Its meta-gradient is exact, or first order with `first_order=True`.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> loss, (gradient,) = maml(loss_fn, inner_lr=0.1).gradient(params, tasks)
        >>> round(gradient.item(), 2)
        -3.84

    Reference:
        Finn, Abbeel & Levine 2017, algorithm 1.
    """
    return descending(
        loss_fn,
        lambda params, x, y: (params, inner_lr),
        inner_steps=inner_steps,
        first_order=first_order,
        vectorised=vectorised,
    )


def fomaml(
    loss_fn: LossFn, *, inner_lr: Rates, inner_steps: int = 1, vectorised: bool = True
) -> Learner:
    """First-order MAML: the query loss's gradient at φ, taken for the one at θ.

    Args:
        loss_fn: as in `maml`.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        vectorised: see `over_tasks`.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> loss, (gradient,) = fomaml(loss_fn, inner_lr=0.1).gradient(params, tasks)
        >>> round(gradient.item(), 2)
        -4.8

    Reference:
        Finn, Abbeel & Levine 2017, section 5.2, "first-order approximation".
    """
    return maml(
        loss_fn,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=True,
        vectorised=vectorised,
    )


def anil(
    loss_fn: LossFn,
    *,
    head: Sequence[str],
    inner_lr: float,
    inner_steps: int = 1,
    vectorised: bool = True,
) -> Learner:
    """Almost no inner loop: only the head moves in it; the meta-gradient (exact) moves all.

    Args:
        loss_fn: as in `maml`.
        head: names of the parameters that move, such as `["4.weight", "4.bias"]`.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        vectorised: see `over_tasks`.

    Example:
        >>> from maml_tutorial import MLP, SinusoidTasks, init_params, make_loss
        >>> from maml_tutorial.params import stacked
        >>> import torch
        >>> from torch.nn.functional import mse_loss
        >>> net, tasks = MLP(), SinusoidTasks()(3, torch.Generator().manual_seed(0))
        >>> params = init_params(net, seed=0)
        >>> learner = anil(make_loss(net, mse_loss), head=["4.weight", "4.bias"], inner_lr=0.01)
        >>> phi = learner.learn(stacked(params, 3), tasks.x_support, tasks.y_support)
        >>> [name for name in params if (phi[name] != params[name]).any()]
        ['4.weight', '4.bias']

    Reference:
        Raghu, Raghu, Bengio & Vinyals 2020, section 4.
    """
    return maml(
        loss_fn,
        inner_lr=dict.fromkeys(head, inner_lr),
        inner_steps=inner_steps,
        vectorised=vectorised,
    )


def boil(
    loss_fn: LossFn,
    *,
    body: Sequence[str],
    inner_lr: float,
    inner_steps: int = 1,
    vectorised: bool = True,
) -> Learner:
    """Body only in the inner loop: the head stays; the meta-gradient (exact) moves all.

    Args:
        loss_fn: as in `maml`.
        body: names of the parameters that move.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        vectorised: see `over_tasks`.

    Example:
        >>> from maml_tutorial import MLP, SinusoidTasks, init_params, make_loss
        >>> from maml_tutorial.params import stacked
        >>> import torch
        >>> from torch.nn.functional import mse_loss
        >>> net, tasks = MLP(), SinusoidTasks()(3, torch.Generator().manual_seed(0))
        >>> params = init_params(net, seed=0)
        >>> learner = boil(make_loss(net, mse_loss), body=list(params)[:-2], inner_lr=0.01)
        >>> phi = learner.learn(stacked(params, 3), tasks.x_support, tasks.y_support)
        >>> [name for name in params if (phi[name] == params[name]).all()]
        ['4.weight', '4.bias']

    Reference:
        Oh, Yoo, Kim & Yun 2021, section 3.
    """
    return maml(
        loss_fn,
        inner_lr=dict.fromkeys(body, inner_lr),
        inner_steps=inner_steps,
        vectorised=vectorised,
    )


def joint(
    loss_fn: LossFn, *, inner_lr: Rates = 0.01, inner_steps: int = 1, vectorised: bool = True
) -> Learner:
    """Pre-training on all tasks together, fine-tuned afterwards: the rival, not a relative.

    Its gradient is that of the query loss at θ itself: meta-training sees no support set.

    Args:
        loss_fn: as in `maml`.
        inner_lr: α of the fine-tuning; meta-training takes no inner step and needs none.
        inner_steps: its steps, unless told otherwise; meta-training takes none.
        vectorised: see `over_tasks`.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> loss, (gradient,) = joint(loss_fn, inner_lr=0.1).gradient(params, tasks)
        >>> gradient.item()
        -8.0

    Reference:
        The "pretrained" baseline of Finn, Abbeel & Levine 2017, section 5.1.
    """
    steps = maml(loss_fn, inner_lr=inner_lr, inner_steps=inner_steps, vectorised=vectorised)
    losses = over_tasks(loss_fn, vectorised=vectorised)

    def stay(params: Params, x: Data, y: Data, *, inner_steps: int = 0) -> Params:
        return params

    return Learner(steps.learn, gradient_of(after(stay, losses)))
