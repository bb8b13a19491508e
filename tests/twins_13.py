"""Comparisons of what chapter 13 builds by hand with the package."""

from collections.abc import Callable

import torch

import maml_tutorial
from maml_tutorial import GaussianPolicy, Navigation, acting, init_params
from maml_tutorial.params import stacked


def compare_advantages(advantages: Callable) -> None:
    policy, world = GaussianPolicy((8,)), Navigation(horizon=40, arrived=0.05)
    act = acting(policy, stacked(init_params(policy, seed=0), 2))
    goals = torch.tensor([[0.02, 0.0], [0.4, 0.4]])
    walks = world.play(act, goals, 30, torch.Generator().manual_seed(0))
    assert not walks.alive.all()
    for gamma in (0.99, 0.5):
        torch.testing.assert_close(
            advantages(walks, gamma), maml_tutorial.advantages(walks, gamma=gamma)
        )


def compare_reinforce(reinforce: Callable) -> None:
    output, y = tuple(torch.randn(2, 9, 2)), torch.randn(9, 3)
    torch.testing.assert_close(reinforce(output, y), maml_tutorial.reinforce(output, y))


def compare_play_tasks(play_tasks: Callable) -> None:
    world, policy = Navigation(), GaussianPolicy((32, 32))
    theta = init_params(policy, seed=0)
    goals = world.goals(2, torch.Generator().manual_seed(1))
    ours = play_tasks(theta, goals, torch.Generator().manual_seed(2))
    options = {"inner_lr": 0.1, "generator": torch.Generator().manual_seed(2)}
    theirs = maml_tutorial.play_tasks(world, policy, theta, goals, **options)
    torch.testing.assert_close(ours, theirs)
    assert ours.y_query.shape == (2, 20 * world.horizon, 3)


# (notebook's name, definition's name) -> comparison with the package's
TWINS_13: dict[tuple[str, str], Callable[..., None]] = {
    ("13_learning_to_act", "advantages"): compare_advantages,
    ("13_learning_to_act", "reinforce"): compare_reinforce,
    ("13_learning_to_act", "play_tasks"): compare_play_tasks,
}
