"""The paper's outer step for a policy: as far as the adapted policies may change, and no farther.

The meta-gradient is turned by the curvature of what the change of θ does to the *adapted* policies,
and its length is set by it (TRPO: Schulman et al. 2015; for MAML: Finn, Abbeel & Levine 2017,
section 5.3). Adam stays within no such bound.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial import (
    GaussianPolicy,
    Task,
    adapt,
    make_loss,
    make_predict,
    maml_loss,
    over_tasks,
    reinforce,
)
from maml_tutorial.models import Params
from maml_tutorial.params import stacked

FARTHEST, ROUNDS, DAMPING, SHORTER, TRIES = 0.01, 10, 1e-5, 0.8, 15  # as in the official code
EVERY = 10  # the curvature is taken from every tenth step of a walk
Output = tuple[Tensor, Tensor]


def divergence(old: Output, new: Output) -> Tensor:
    """Kullback-Leibler divergence of normal distributions, summed over axes, mean over states."""
    (mean, log_std), (moved, log_moved) = old, new
    spread = (2 * (log_std - log_moved)).exp() + ((mean - moved) / log_moved.exp()).square()
    return (log_moved - log_std + (spread - 1) / 2).sum(dim=-1).mean()


def log_density(output: Output, actions: Tensor) -> Tensor:
    """Log π(a|s) of each action."""
    mean, log_std = output
    z = (actions - mean) / log_std.exp()
    return -(z.square() / 2 + log_std + math.log(2 * math.pi) / 2).sum(dim=-1)


def adapted(policy: GaussianPolicy, params: Params, tasks: Task, inner_lr: float) -> Output:
    """What the adapted policies would do in the states of the query walks."""
    losses = over_tasks(make_loss(policy, reinforce))
    start = stacked(params, len(tasks.x_support))
    phi = adapt(losses, start, tasks.x_support, tasks.y_support, inner_lr=inner_lr)
    mean, log_std = over_tasks(make_predict(policy))(phi, tasks.x_query)
    return mean, log_std


def known(policy: GaussianPolicy, params: Params, tasks: Task, inner_lr: float) -> Output:
    """As `adapted`, as data: nothing can be differentiated."""
    losses = over_tasks(make_loss(policy, reinforce))
    start, support = stacked(params, len(tasks.x_support)), (tasks.x_support, tasks.y_support)
    phi = adapt(losses, start, *support, inner_lr=inner_lr, first_order=True)
    with torch.no_grad():
        mean, log_std = over_tasks(make_predict(policy))(phi, tasks.x_query)
    return mean, log_std


def moved(theta: Params, direction: Tensor) -> Params:
    """Return θ and a step, as new parameters."""
    parts = direction.split([p.numel() for p in theta.values()])
    return {
        name: (p.detach() + part.view_as(p)).requires_grad_()
        for (name, p), part in zip(theta.items(), parts, strict=True)
    }


def slope(loss: Tensor, params: Params) -> Tensor:
    """Return the gradient as one vector."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(params.values()))])


def solved(product: Callable[[Tensor], Tensor], b: Tensor, rounds: int) -> Tensor:
    """Solve H x = b by conjugate gradients, for an H of which only products are known."""
    x, left = torch.zeros_like(b), b.clone()
    direction, size = left, left @ left
    for _ in range(rounds):
        turned = product(direction)
        length = size / (direction @ turned)
        x, left = x + length * direction, left - length * turned
        new = left @ left
        if new < 1e-10 * (b @ b):
            break
        direction, size = left + new / size * direction, new
    return x


def trust_region_step(
    policy: GaussianPolicy, theta: Params, tasks: Task, inner_lr: float
) -> tuple[Params, float]:
    """Return θ after one step, and how far the adapted policies went; θ itself if none helps."""
    thin = Task(*(part[:, ::EVERY] for part in tasks))
    before = known(policy, theta, thin, inner_lr)

    def product(v: Tensor) -> Tensor:
        # At θ the divergence is 0 and flat, so its slope a little farther on is its curvature.
        little = 1e-2 / v.norm()
        there = moved(theta, little * v)
        change = divergence(before, adapted(policy, there, thin, inner_lr))
        return slope(change, there) / little + DAMPING * v

    loss = maml_loss(make_loss(policy, reinforce), theta, tasks, inner_lr=inner_lr)
    down = -slope(loss, theta)
    direction = solved(product, down, ROUNDS)
    step = direction * (2 * FARTHEST / (direction @ product(direction))).sqrt()

    actions, weights = tasks.y_query[..., :-1], tasks.y_query[..., -1]
    old = known(policy, theta, tasks, inner_lr)
    for k in range(TRIES):
        there = moved(theta, SHORTER**k * step)
        new = known(policy, there, tasks, inner_lr)
        ratio = (log_density(new, actions) - log_density(old, actions)).exp()
        gain = ((ratio - 1) * weights).mean().item()
        far = divergence(old, new).item()
        if gain > 0 and far <= FARTHEST:
            return there, far
    return theta, 0.0
