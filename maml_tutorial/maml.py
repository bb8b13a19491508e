"""The outer loop's loss: how well the parameters do *after* they have been adapted."""

from torch import Tensor
from torch.func import vmap

from maml_tutorial.adapt import adapt
from maml_tutorial.models import LossFn, Params
from maml_tutorial.tasks import Task


def maml_loss(
    loss_fn: LossFn,
    params: Params,
    tasks: Task,
    *,
    inner_lr: float,
    inner_steps: int = 1,
    first_order: bool = False,
) -> Tensor:
    r"""The MAML objective: the query loss after adapting to each support set, averaged over tasks.

    $$\frac{1}{n} \sum_{i=1}^{n} \mathcal{L}\bigl(\phi_i(\theta);\, Q_i\bigr), \qquad
      \phi_i(\theta) = \mathrm{adapt}(\theta;\, S_i)$$

    `backward()` on it gives the exact meta-gradient, or the first-order one with
    `first_order=True`. With `inner_steps=0` it is the loss of joint training on the query sets.

    Only the forward pass is vectorised over the tasks; the differentiation stands outside
    `vmap`. The other way round, PyTorch gives silently wrong second derivatives through batch
    norm and layer norm (github.com/pytorch/functorch/issues/534).

    Args:
        loss_fn: `(params, x, y)` → scalar, for *one* task.
        params: θ, `{name: tensor}`, each requiring a gradient.
        tasks: a meta-batch; its four tensors have a leading axis of `n_tasks`.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        first_order: leave out the second derivatives.

    Returns:
        A scalar.

    Raises:
        ValueError: if the four tensors do not agree on `n_tasks`, or as `adapt` does.

    Example:
        f(x) = θx, one support point (1, 2), one query point (2, 2), θ = 0, α = 0.1.

        >>> import torch
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
    sizes = {name: value.shape[0] if value.ndim else 0 for name, value in tasks._asdict().items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(f"tasks must share a leading axis of n_tasks >= 1, got sizes {sizes}")
    n_tasks = sizes["x_support"]
    losses_fn = vmap(loss_fn)
    # Every task starts from the same θ: a view, so gradients flow back into one place.
    start = {name: p.expand(n_tasks, *p.shape) for name, p in params.items()}
    adapted = adapt(
        losses_fn,
        start,
        tasks.x_support,
        tasks.y_support,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=first_order,
    )
    return losses_fn(adapted, tasks.x_query, tasks.y_query).mean()
