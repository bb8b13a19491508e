"""Implicit MAML: where the inner loop ends, not how it got there."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.autograd import grad

from maml_tutorial.adapt import Rates, adapt, rates_of
from maml_tutorial.contracts import require_tasks
from maml_tutorial.learners import Learner, slopes
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import LossFn, Params
from maml_tutorial.params import stacked
from maml_tutorial.tasks import Task

Tensors = list[Tensor]


def imaml(
    loss_fn: LossFn,
    *,
    inner_lr: Rates,
    inner_steps: int,
    pull: float,
    cg_steps: int = 5,
    vectorised: bool = True,
) -> Learner:
    r"""Implicit MAML: a spring holds φ to θ, and its rest position is differentiated.

    $$\Bigl(I + \tfrac{1}{\lambda} H_i\Bigr)\, v_i = \nabla_\varphi\, \mathcal{L}(\varphi_i;\, Q_i),
      \qquad g = \tfrac{1}{n} \sum_i v_i$$

    H is the Hessian of the support loss at φ; only products with it are taken, by conjugate
    gradients. The memory does not grow with `inner_steps`. The gradient is exact where the inner
    loop has come to rest and `cg_steps` suffice, and wrong before. Directions in which
    `I + H/λ` is not convex are passed over.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        inner_lr: α.
        inner_steps: steps of the inner loop, on the support loss and the spring.
        pull: λ, the strength of the spring.
        cg_steps: steps of the conjugate gradients.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Raises:
        ValueError: if `pull` is not positive.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> loss_fn, params, tasks = hand_sized()
        >>> learner = imaml(loss_fn, inner_lr=0.1, inner_steps=100, pull=8.0)
        >>> loss, (gradient,) = learner.gradient(params, tasks)
        >>> round(gradient.item(), 2)
        -3.84

    Reference:
        Rajeswaran, Finn, Kakade & Levine 2019, equation (6) and algorithm 2.
    """
    if not pull > 0:
        raise ValueError(f"pull must be positive, got {pull!r}: without a spring nothing rests")
    losses = over_tasks(loss_fn, vectorised=vectorised)
    learn = partial(
        adapt, losses, inner_lr=inner_lr, inner_steps=inner_steps, first_order=True, pull=pull
    )

    def gradient(params: Params, tasks: Task) -> tuple[Tensor, Tensors]:
        start, moving = stacked(params, require_tasks(tasks)), list(rates_of(inner_lr, params))
        end = learn(start, tasks.x_support, tasks.y_support)
        phi = {n: p.detach().requires_grad_(params[n].requires_grad) for n, p in end.items()}
        query = losses(phi, tasks.x_query, tasks.y_query)
        support = losses(phi, tasks.x_support, tasks.y_support)
        bent = curvature(support.sum() / pull, phi, moving)

        def times(v: Tensors) -> Tensors:  # (I + H/λ) v, for every task at once
            turned = bent(v)
            return [u + turned[name] for name, u in zip(moving, v, strict=True)]

        found = dict(zip(phi, slopes(query.sum(), phi), strict=True))
        v = conjugate_gradients(times, [found[name] for name in moving], cg_steps)
        if len(moving) < len(found):  # what does not move still shifts where the rest comes to rest
            found = {name: found[name] - shift for name, shift in bent(v).items()}
        found |= dict(zip(moving, v, strict=True))
        return query.mean().detach(), [g.mean(dim=0) for g in found.values()]

    return Learner(learn, gradient)


def curvature(loss: Tensor, phi: Params, along: list[str]) -> Callable[[Tensors], Params]:
    """Return `v → H v`, by name, for a `v` that has one tensor for each name in `along`.

    Example:
        >>> phi = {"theta": torch.tensor([1.0, 2.0], requires_grad=True)}
        >>> curvature(phi["theta"].pow(3).sum(), phi, ["theta"])([torch.tensor([1.0, 0.0])])
        {'theta': tensor([6., 0.])}
    """
    steep = grad(loss, [phi[name] for name in along], create_graph=True, materialize_grads=True)

    def product(v: Tensors) -> Params:
        slope = torch.stack([(s * u).sum() for s, u in zip(steep, v, strict=True)]).sum()
        return dict(zip(phi, slopes(slope, phi, retain_graph=True), strict=True))

    return product


def conjugate_gradients(times: Callable[[Tensors], Tensors], b: Tensors, steps: int) -> Tensors:
    """Solve `times(v) = b` for a stack of tasks; each tensor has a leading axis of `n_tasks`.

    Where `times` is not positive along a direction, no step is taken along it.

    Example:
        >>> (v,) = conjugate_gradients(lambda v: [2 * v[0]], [torch.tensor([[4.0], [6.0]])], 1)
        >>> v.tolist()
        [[2.0], [3.0]]
    """

    def dot(a: Tensors, b: Tensors) -> Tensor:
        products = [(p * q).reshape(len(p), -1).sum(dim=1) for p, q in zip(a, b, strict=True)]
        return torch.stack(products).sum(dim=0)

    def plus(a: Tensors, step: Tensor, b: Tensors) -> Tensors:
        return [p + step.view(-1, *[1] * (p.ndim - 1)) * q for p, q in zip(a, b, strict=True)]

    v, rest, way = [torch.zeros_like(p) for p in b], list(b), list(b)
    for _ in range(steps):
        image = times(way)
        curved, before = dot(way, image), dot(rest, rest)
        step = torch.where(curved > 0, before / curved, 0.0)
        v, rest = plus(v, step, way), plus(rest, -step, image)
        way = plus(rest, dot(rest, rest) / before.clamp_min(1e-20), way)
    return v
