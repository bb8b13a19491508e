"""The inner loop: a few gradient steps on a support set."""

import torch
from torch import Tensor

from maml_tutorial.models import LossFn, Params
from maml_tutorial.tasks import require_at_least


def adapt(
    loss_fn: LossFn,
    params: Params,
    x: Tensor,
    y: Tensor,
    *,
    inner_lr: float,
    inner_steps: int = 1,
    first_order: bool = False,
) -> Params:
    r"""Take `inner_steps` of gradient descent and return new parameters; the old ones stay.

    $$\phi_0 = \theta, \qquad \phi_{k+1} = \phi_k - \alpha\, \nabla_\phi \mathcal{L}(\phi_k; x, y)$$

    The result is a differentiable function of `params`. A gradient taken through it is exact, or,
    with `first_order=True`, takes each inner gradient for a constant.

    The *sum* of what `loss_fn` returns is differentiated: tasks do not touch each other, so with
    one loss a task, every task gets its own gradient from one call.

    Args:
        loss_fn: `(params, x, y)` → a scalar, or one loss a task, shape `(n_tasks,)`, when the
            parameters have a leading task axis (`torch.func.vmap` turns the first into this).
        params: `{name: tensor}`, each requiring a gradient.
        x: support inputs, `([n_tasks,] n_support, *input_shape)`.
        y: support targets, `([n_tasks,] n_support, ...)`.
        inner_lr: α, the length of a step.
        inner_steps: how many steps; 0 returns `params` as they are.
        first_order: leave out the second derivatives when a gradient is taken through the result.

    Returns:
        The adapted parameters φ, with the names and shapes of `params`.

    Raises:
        ValueError: if `inner_steps` is negative or `inner_lr` is not a positive, finite number.

    Example:
        f(x) = θx with the support point (1, 2): the gradient at θ = 0 is −4, so one step of
        α = 0.1 leads to 0.4.

        >>> def loss_fn(params, x, y):
        ...     return ((params["theta"] * x - y) ** 2).mean()
        >>> params = {"theta": torch.tensor(0.0, requires_grad=True)}
        >>> x, y = torch.tensor([1.0]), torch.tensor([2.0])
        >>> round(adapt(loss_fn, params, x, y, inner_lr=0.1)["theta"].item(), 4)
        0.4

    Reference:
        Finn, Abbeel & Levine 2017, equation (1) and algorithm 1, line 6.
    """
    require_at_least(0, inner_steps=inner_steps)
    if not 0 < inner_lr < float("inf"):
        raise ValueError(f"inner_lr must be a positive, finite number, got {inner_lr!r}")
    for _ in range(inner_steps):
        loss = loss_fn(params, x, y).sum()
        gradients = torch.autograd.grad(loss, list(params.values()), create_graph=not first_order)
        params = {
            name: p - inner_lr * g for (name, p), g in zip(params.items(), gradients, strict=True)
        }
    return params
