"""Reptile: no query set, no second derivative; the way to φ is the gradient."""

import torch

from maml_tutorial.adapt import Rates
from maml_tutorial.contracts import require_tasks
from maml_tutorial.learners import Learner
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import stacked
from maml_tutorial.relatives.descent import fomaml
from maml_tutorial.tasks import Data, Task, joined


def reptile(
    loss_fn: LossFn, *, inner_lr: Rates, inner_steps: int, vectorised: bool = True
) -> Learner:
    r"""Reptile: walk on all points of a task, and draw θ a little towards where that led.

    $$g = \tfrac{1}{n} \sum_i (\theta - \varphi_i), \qquad
      \varphi_i = \mathrm{adapt}(\theta;\, S_i \cup Q_i)$$

    With `optimizer=partial(torch.optim.SGD, lr=ε)` the outer step is the paper's. Its code draws
    mini-batches for the inner steps and takes Adam there; here every step sees all points.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: α.
        inner_steps: steps of the inner loop; with one alone this is joint training.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Returns:
        A `Learner`. Its loss is that of φ on the points it has walked on.

    Example:
        One step of 0.1 on both points of the hand-sized example leads from 0 to 0.6:

        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> learner = reptile(loss_fn, inner_lr=0.1, inner_steps=1)
        >>> loss, (gradient,) = learner.gradient(params, tasks)
        >>> round(gradient.item(), 2)
        -0.6

    Reference:
        Nichol, Achiam & Schulman 2018, algorithm 2.
    """
    learn = fomaml(loss_fn, inner_lr=inner_lr, inner_steps=inner_steps, vectorised=vectorised).learn
    losses = over_tasks(loss_fn, vectorised=vectorised)

    def gradient(params: Params, tasks: Task) -> tuple[torch.Tensor, list[torch.Tensor]]:
        start = stacked(params, require_tasks(tasks))
        x: Data = joined(tasks.x_support, tasks.x_query, axis=1)
        y: Data = joined(tasks.y_support, tasks.y_query, axis=1)
        phi = learn(start, x, y)
        with torch.no_grad():
            loss = losses(phi, x, y).mean()
            return loss, [(p - phi[name]).mean(dim=0) for name, p in start.items()]

    return Learner(learn, gradient)
