"""The outer loop's loss: how well the parameters do *after* they have been adapted."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from maml_tutorial.adapt import Rates, adapt
from maml_tutorial.contracts import require_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import stacked
from maml_tutorial.tasks import Data, Task, count, sliced


class Learn(Protocol):
    """How a learner adapts to the support sets of several tasks at once."""

    def __call__(self, params: Params, x: Data, y: Data, /, *, inner_steps: int = ...) -> Params:
        """Return φ.

        `params`, `x`, `y` and φ have a leading axis of `n_tasks` (or are lists, one entry a task).
        """
        ...


def over_tasks(function: Callable[..., Any], *, vectorised: bool = True) -> Callable[..., Any]:
    """Turn a function of one task, such as a loss, into one of a stack of tasks.

    Only the forward pass is vectorised over the tasks; differentiation stands outside. The other
    way round, PyTorch gives silently wrong second derivatives through batch norm and layer norm
    (github.com/pytorch/functorch/issues/534).

    Args:
        function: `(params, *data)` → a tensor (or a tuple or dict of tensors) for *one* task.
        vectorised: let `torch.func.vmap` work on all tasks at once. `False` is a plain loop over
            the tasks: for recurrent layers, dropout, spectral norm, layers that write buffers,
            and tasks of unequal size, given as lists.

    Returns:
        The function of stacked parameters and data; what it returns is stacked, too, or a list
        where the loop gives tensors of unequal shape.

    Raises:
        ValueError: when called with what cannot be vectorised; the error says what PyTorch said.

    Example:
        >>> losses = over_tasks(lambda params, x: (params["a"] * x).sum())
        >>> losses({"a": torch.tensor([1.0, 2.0])}, torch.ones(2, 3))
        tensor([3., 6.])
    """
    one_by_one = partial(_one_by_one, function)
    if not vectorised:
        return one_by_one
    at_once = vmap(function)

    def run(params: Params, *data: Data) -> Any:
        if any(isinstance(part, list) for part in data):
            raise ValueError(
                "tasks given as lists, one entry a task, cannot be vectorised: pass "
                "vectorised=False, or stack them where they are of equal size"
            )
        try:
            return at_once(params, *data)
        except Exception as error:
            one_by_one(params, *data)  # where that fails, too, its error is the plainer one
            raise ValueError(
                "this network or loss cannot be vectorised over tasks: pass vectorised=False, a "
                f"loop over the tasks. PyTorch said: {str(error).strip().splitlines()[0]}"
            ) from error

    return run


def _one_by_one(function: Callable[..., Any], params: Params, *data: Data) -> Any:
    # One unbind a parameter: its gradient is then put together once, and not once a task.
    n_tasks = count(data[0]) if data else len(next(iter(params.values())))
    rows = zip(*(p.unbind() for p in params.values()), strict=True) if params else [()] * n_tasks
    thetas = [dict(zip(params, row, strict=True)) for row in rows]
    results = [
        function(theta, *(sliced(part, i) for part in data)) for i, theta in enumerate(thetas)
    ]
    if isinstance(results[0], Tensor) and len({r.shape for r in results}) > 1:
        return results
    return tree_map(lambda *parts: torch.stack(parts), *results)


def after(learn: Learn, losses: Callable[..., Tensor]) -> Callable[[Params, Task], Tensor]:
    """Return the outer loss of a learner: the query loss once it has learnt, mean over tasks.

    Args:
        learn: adapts stacked parameters to the support sets.
        losses: `(params, x, y)` → one loss a task, as `over_tasks` makes it.

    Example:
        One that learns nothing is left with the query loss of θ itself:

        >>> losses = over_tasks(lambda params, x, y: (params["theta"] * x - y).square().mean())
        >>> tasks = Task(*(torch.tensor([[v]]) for v in (1.0, 2.0, 2.0, 2.0)))
        >>> after(lambda params, x, y: params, losses)({"theta": torch.tensor(0.0)}, tasks)
        tensor(4.)
    """

    def objective(params: Params, tasks: Task) -> Tensor:
        n_tasks = require_tasks(tasks)
        phi = learn(stacked(params, n_tasks), tasks.x_support, tasks.y_support)
        return losses(phi, tasks.x_query, tasks.y_query).mean()

    return objective


def maml_loss(
    loss_fn: LossFn,
    params: Params,
    tasks: Task,
    *,
    inner_lr: Rates,
    inner_steps: int = 1,
    first_order: bool = False,
    vectorised: bool = True,
) -> Tensor:
    r"""The MAML objective: the query loss after adapting to each support set, averaged over tasks.

    $$\frac{1}{n} \sum_{i=1}^{n} \mathcal{L}\bigl(\varphi_i(\theta);\, Q_i\bigr), \qquad
      \varphi_i(\theta) = \mathrm{adapt}(\theta;\, S_i)$$

    `backward()` on it gives the exact meta-gradient, or the first-order one with
    `first_order=True`. With `inner_steps=0` it is the loss of joint training on the query sets.

    Args:
        loss_fn: `(params, x, y)` → scalar, for *one* task.
        params: θ, `{name: tensor}`; those that do not require a gradient are frozen.
        tasks: a meta-batch; its four parts have a leading axis of `n_tasks`.
        inner_lr: α: one number, or one (number or tensor) a name; see `adapt`.
        inner_steps: steps of the inner loop.
        first_order: leave out the second derivatives.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Returns:
        A scalar.

    Raises:
        ValueError: if the four parts do not agree on `n_tasks`, or as `adapt` and `over_tasks` do.

    Example:
        f(x) = θx, one support point (1, 2), one query point (2, 2), θ = 0, α = 0.1.

        >>> def loss_fn(params, x, y):
        ...     return ((params["theta"] * x - y) ** 2).mean()
        >>> tasks = Task(*(torch.tensor([[v]]) for v in (1.0, 2.0, 2.0, 2.0)))
        >>> for first_order in (False, True):
        ...     theta = torch.tensor(0.0, requires_grad=True)
        ...     loss = maml_loss(loss_fn, {"theta": theta}, tasks, inner_lr=0.1,
        ...                      first_order=first_order)
        ...     loss.backward()
        ...     print(round(theta.grad.item(), 2))
        -3.84
        -4.8

    Reference:
        Finn, Abbeel & Levine 2017, section 2.2 and algorithm 2.
    """
    losses = over_tasks(loss_fn, vectorised=vectorised)
    learn = partial(
        adapt, losses, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order
    )
    return after(learn, losses)(params, tasks)
