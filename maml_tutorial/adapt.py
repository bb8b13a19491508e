"""The inner loop: a few gradient steps on a support set."""

import math
from difflib import get_close_matches
from numbers import Real

import torch
from torch import Tensor

from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import trainable
from maml_tutorial.tasks import Data, require_at_least

Rate = float | Tensor
Rates = Rate | dict[str, Rate]


def adapt(
    loss_fn: LossFn,
    params: Params,
    x: Data,
    y: Data,
    *,
    inner_lr: Rates,
    inner_steps: int = 1,
    first_order: bool = False,
    pull: float = 0.0,
) -> Params:
    r"""Take `inner_steps` of gradient descent and return new parameters; the old ones stay.

    $$\varphi_0 = \theta, \qquad
      \varphi_{k+1} = \varphi_k - \alpha\, \nabla_\varphi \mathcal{L}(\varphi_k; x, y)$$

    The result is a differentiable function of `params`. A gradient taken through it is exact, or,
    with `first_order=True`, takes each inner gradient for a constant.

    The *sum* of what `loss_fn` returns is differentiated: tasks do not touch each other, so with
    one loss a task, every task gets its own gradient from one call.

    Args:
        loss_fn: `(params, x, y)` → a scalar, or one loss a task, shape `(n_tasks,)`, when the
            parameters have a leading task axis (`over_tasks` turns the first into this).
        params: `{name: tensor}`; those that do not require a gradient are frozen and stay.
        x: support inputs, `([n_tasks,] n_support, *input_shape)`.
        y: support targets, `([n_tasks,] n_support, ...)`.
        inner_lr: α, the size of a step: one number for all parameters, or one (number or tensor)
            a name. A name without a rate does not move.
        inner_steps: how many steps; 0 returns `params` as they are.
        first_order: leave out the second derivatives when a gradient is taken through the result.
        pull: λ of a spring to the start, `λ/2 · ‖φ − θ‖²`, that is added to the loss.

    Returns:
        The adapted parameters φ, with the names and shapes of `params`.

    Raises:
        ValueError: if `inner_steps` is negative, a rate is no positive, finite number, a rate has
            a name that no parameter has, or that of a frozen one, or if all parameters are frozen.
        TypeError: if a rate is neither a number nor a tensor.

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
        Finn, Abbeel & Levine 2017, equation (1) and algorithm 1, line 6. The spring: Rajeswaran
        et al. 2019, equation (3).
    """
    require_at_least(0, inner_steps=inner_steps)
    rates = rates_of(inner_lr, params)
    start = params
    for _ in range(inner_steps):
        moving = {name: params[name] for name in rates}
        loss = loss_fn(params, x, y).sum()
        slopes = torch.autograd.grad(
            loss,
            list(moving.values()),
            create_graph=not first_order,
            allow_unused=True,
            materialize_grads=True,  # what plays no part in the loss has a slope of zero
        )
        moved = {}
        for (name, p), g in zip(moving.items(), slopes, strict=True):
            if pull:
                g = g + pull * (p - start[name])
            moved[name] = p - rates[name] * g
        params = params | moved
    return params


def rates_of(inner_lr: Rates, params: Params) -> dict[str, Rate]:
    """Return the rate of each parameter that moves.

    Raises:
        ValueError: see `adapt`.
        TypeError: see `adapt`.

    Example:
        >>> params = {"body": torch.zeros(2), "head": torch.zeros(2, requires_grad=True)}
        >>> rates_of(0.1, params)
        {'head': 0.1}
    """
    if not isinstance(inner_lr, dict):
        if isinstance(inner_lr, Tensor) and inner_lr.numel() != 1:
            raise ValueError(
                f"inner_lr as one tensor must have one element, got {tuple(inner_lr.shape)}: give "
                "a rate for each name, {name: tensor}"
            )
        if not isinstance(inner_lr, Tensor) and not (_is_number(inner_lr) and inner_lr > 0):
            raise ValueError(f"inner_lr must be a positive, finite number, got {inner_lr!r}")
        return dict.fromkeys(trainable(params), inner_lr)
    if not inner_lr:
        raise ValueError("inner_lr has a rate for no parameter: nothing would move")
    for name, rate in inner_lr.items():
        _require_rate(name, rate, params)
    return inner_lr


def _is_number(rate: object) -> bool:
    return isinstance(rate, Real) and not isinstance(rate, bool) and math.isfinite(rate)


def _require_rate(name: str, rate: object, params: Params) -> None:
    if name not in params:
        near = get_close_matches(name, params, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"inner_lr has a rate for {name!r}, but no parameter has that name: {hint}There are "
            f"{', '.join(params)}"
        )
    if not params[name].requires_grad:
        raise ValueError(f"inner_lr has a rate for {name!r}, which is frozen: it cannot move")
    if isinstance(rate, Tensor):
        shape = params[name].shape
        try:
            fits = torch.broadcast_shapes(rate.shape, shape) == shape
        except RuntimeError:
            fits = False
        if not fits:
            raise ValueError(
                f"the rate of {name!r} has the shape {tuple(rate.shape)}, its parameter "
                f"{tuple(shape)}: give one number, or one for each weight"
            )
    elif isinstance(rate, bool) or not isinstance(rate, Real):
        raise TypeError(f"the rate of {name!r} must be a number or a tensor, got {rate!r}")
    elif not math.isfinite(rate):
        raise ValueError(f"the rate of {name!r} must be finite, got {rate!r}")
