"""Comparisons of what chapter 14 builds by hand with the package."""

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial import (
    MLP,
    ConvNet,
    EpisodeSampler,
    SinusoidTasks,
    Task,
    init_params,
    load_glyphs,
    make_loss,
    maml,
)


def in_double(tasks: Task) -> Task:
    return tasks.map(lambda t: t.double() if t.is_floating_point() else t)


def compare_step_by_step(step_by_step: Callable) -> None:
    """The package's exact gradient, through the whole graph, is the same number."""
    letters = EpisodeSampler(load_glyphs("train").images, n_way=5, k_shot=1, k_query=2)
    for network, loss, sampler, rate in (
        (MLP(), mse_loss, SinusoidTasks(5, 10), 0.02),
        (ConvNet(5, hidden=8), cross_entropy, letters, 0.2),
    ):
        network.double()
        loss_fn, params = make_loss(network, loss), init_params(network, seed=0)
        tasks = in_double(sampler(1, torch.Generator().manual_seed(0)))
        task = Task(*(part[0] for part in tasks))
        before = {name: p.clone() for name, p in params.items()}
        for n in (0, 1, 2, 5):
            inner = {"inner_lr": rate, "inner_steps": n}
            _, expected = maml(loss_fn, **inner).gradient(params, tasks)
            found = step_by_step(loss_fn, params, task, **inner)
            torch.testing.assert_close(list(found), expected, rtol=1e-8, atol=1e-11)
        first_order = maml(loss_fn, **inner, first_order=True).gradient(params, tasks)[1]
        assert not all(map(torch.allclose, found, first_order))
        assert all(torch.equal(p, before[name]) for name, p in params.items())


# (notebook's name, definition's name) -> comparison with the package's
TWINS_14: dict[tuple[str, str], Callable[..., None]] = {
    ("14_scaling_up", "step_by_step"): compare_step_by_step,
}
