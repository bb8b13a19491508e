"""Reptile: no query set, no second derivative; the way to φ is the gradient."""

from functools import partial

import torch
from torch.utils._pytree import tree_leaves, tree_map

from maml_tutorial.adapt import Rates
from maml_tutorial.contracts import require_tasks
from maml_tutorial.learners import Learner
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import stacked
from maml_tutorial.relatives.descent import fomaml
from maml_tutorial.tasks import Data, Task, joined, require_at_least, sliced


def reptile(
    loss_fn: LossFn,
    *,
    inner_lr: Rates,
    inner_steps: int,
    batches: int = 1,
    vectorised: bool = True,
) -> Learner:
    r"""Reptile: walk on all points of a task, and draw θ a little towards where that led.

    $$g = \tfrac{1}{n} \sum_i (\theta - \varphi_i), \qquad
      \varphi_i = \mathrm{adapt}(\theta;\, S_i \cup Q_i)$$

    With `optimizer=partial(torch.optim.SGD, lr=ε)` the outer step is the paper's. Its code draws
    mini-batches for the inner steps and takes Adam there; here every step sees all points, or
    with `batches` one part of them after the other.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: α.
        inner_steps: steps of the inner loop; with one alone this is joint training.
        batches: into how many mini-batches the points of a task are dealt, like cards, in
            meta-training; the inner steps take them in turn.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Returns:
        A `Learner`. Its loss is that of φ on the points it has walked on.

    Raises:
        ValueError: if `batches` is below 1, or a task has fewer points than that.

    Example:
        One step of 0.1 on both points of the hand-sized example leads from 0 to 0.6; one on the
        support point and then one on the query point lead to 0.88:

        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> learner = reptile(loss_fn, inner_lr=0.1, inner_steps=1)
        >>> loss, (gradient,) = learner.gradient(params, tasks)
        >>> round(gradient.item(), 2)
        -0.6
        >>> learner = reptile(loss_fn, inner_lr=0.1, inner_steps=2, batches=2)
        >>> round(learner.gradient(params, tasks)[1][0].item(), 2)
        -0.88

    Reference:
        Nichol, Achiam & Schulman 2018, algorithm 2.
    """
    require_at_least(1, batches=batches)
    learn = fomaml(loss_fn, inner_lr=inner_lr, inner_steps=inner_steps, vectorised=vectorised).learn
    losses = over_tasks(loss_fn, vectorised=vectorised)

    def gradient(params: Params, tasks: Task) -> tuple[torch.Tensor, list[torch.Tensor]]:
        start = stacked(params, require_tasks(tasks))
        x: Data = joined(tasks.x_support, tasks.x_query, axis=1)
        y: Data = joined(tasks.y_support, tasks.y_query, axis=1)
        phi = start
        if batches == 1:
            phi = learn(start, x, y)
        else:
            for i in range(inner_steps):
                part = partial(every, first=i % batches, of=batches)
                phi = learn(phi, part(x), part(y), inner_steps=1)
        with torch.no_grad():
            loss = losses(phi, x, y).mean()
            return loss, [(p - phi[name]).mean(dim=0) for name, p in start.items()]

    return Learner(learn, gradient)


def every(data: Data, first: int, of: int) -> Data:
    """Return every `of`-th point of each task, from `first` on.

    Raises:
        ValueError: if there is no such point.

    Example:
        >>> every(torch.arange(10).view(2, 5), first=1, of=2)
        tensor([[1, 3],
                [6, 8]])
    """
    if isinstance(data, list):
        whole = [every(tree_map(lambda t: t[None], one), first, of) for one in data]
        return [sliced(one, 0) for one in whole]
    n_points = tree_leaves(data)[0].shape[1]
    if n_points < of:
        raise ValueError(f"a task of {n_points} points cannot be dealt into {of} batches")
    return tree_map(lambda t: t[:, first::of], data)
