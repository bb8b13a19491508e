"""Comparisons of what chapter 11 builds by hand with the package."""

from collections.abc import Callable

import torch
from torch import nn

from maml_tutorial import Task, init_params, make_predict, protonet

NET = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
HEAD = ("2.weight", "2.bias")


def a_task() -> Task:
    """Four support points of two classes of unequal size, and six query points."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 3, generator=generator, dtype=torch.float64)
    return Task(x[:4], torch.tensor([1, 0, 1, 1]), x[4:], torch.tensor([0, 1, 1, 0, 1, 0]))


def compare_prototypes(prototypes: Callable) -> None:
    task = a_task()
    learner = protonet(make_predict(NET[:-1]), head=HEAD, n_way=2)
    theta = learner.start(init_params(NET, seed=0))
    batch = [part[None] for part in (task.x_support, task.y_support)]
    phi = learner.learn({n: p[None] for n, p in theta.items()}, *batch)
    means = prototypes(make_predict(NET[:-1])(theta, task.x_support), task.y_support, 2)
    torch.testing.assert_close(2 * means, phi[HEAD[0]][0])
    torch.testing.assert_close(-means.square().sum(dim=-1), phi[HEAD[1]][0])


def compare_prototype_loss(prototype_loss: Callable) -> None:
    task = a_task()
    learner = protonet(make_predict(NET[:-1]), head=HEAD, n_way=2)
    theta = learner.start(init_params(NET, seed=0))
    loss, gradients = learner.gradient(theta, Task(*(part[None] for part in task)))
    own = prototype_loss(make_predict(NET[:-1]), theta, *task, n_way=2)
    torch.testing.assert_close(own.detach(), loss)
    torch.testing.assert_close(torch.autograd.grad(own, list(theta.values())), tuple(gradients))


# (notebook's name, definition's name) -> comparison with the package's
TWINS_11: dict[tuple[str, str], Callable[..., None]] = {
    ("11_fair_comparisons", "prototypes"): compare_prototypes,
    ("11_fair_comparisons", "prototype_loss"): compare_prototype_loss,
}
