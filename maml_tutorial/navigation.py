"""A world to act in: a point in the plane looks for a goal that nobody shows it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maml_tutorial.tasks import require_at_least

# positions (n_tasks, n_episodes, 2) → mean and log standard deviation of the actions there
Act = Callable[[Tensor], tuple[Tensor, Tensor]]


class Episodes(NamedTuple):
    """What was seen, done and paid on some walks in each of some tasks, step by step.

    Attributes:
        states: positions before each step, `(n_tasks, n_episodes, horizon, 2)`.
        actions: what was done there, in units of the longest move, `(…, horizon, 2)`; they are as
            drawn: the world cuts off what is longer than 1.
        rewards: what each step was paid, `(…, horizon)`; 0 once the walk is over.
        alive: 1 for each step that was taken, 0 once the walk is over, `(…, horizon)`.
    """

    states: Tensor
    actions: Tensor
    rewards: Tensor
    alive: Tensor

    def returns(self) -> Tensor:
        """Return the sum of each walk's rewards, not discounted: `(n_tasks, n_episodes)`.

        Example:
            >>> walks = Episodes(*(torch.ones(1, 2, 5, 2),) * 2, *(torch.ones(1, 2, 5),) * 2)
            >>> walks.returns()
            tensor([[5., 5.]])
        """
        return self.rewards.sum(dim=-1)


class Navigation:
    r"""A point that starts at the origin and is paid minus its distance from a hidden goal.

    $$s_0 = 0, \quad s_{t+1} = s_t + 0.1 \cdot \mathrm{clip}(a_t, -1, 1), \quad
      r_t = -\lVert s_{t+1} - g \rVert$$

    A task is a goal. A walk is over after `horizon` steps, or when both coordinates are nearer to
    the goal than `arrived`.

    Args:
        horizon: most steps of a walk.
        longest_move: how far one step leads at most, along each axis.
        arrived: half the side of the square around the goal where a walk ends.

    Raises:
        ValueError: if `horizon` is below 1, or a length is not positive and finite.

    Example:
        Two tasks, three walks each, by who does not look and always goes a tenth of a move right:

        >>> world = Navigation(horizon=5)
        >>> goals = world.goals(2, torch.Generator().manual_seed(0))
        >>> def act(states):
        ...     return torch.tensor([0.1, 0.0]).expand_as(states), torch.full_like(states, -9)
        >>> walks = world.play(act, goals, 3, torch.Generator().manual_seed(1))
        >>> walks.states.shape, walks.rewards.shape
        (torch.Size([2, 3, 5, 2]), torch.Size([2, 3, 5]))
        >>> round(walks.states[0, 0, -1, 0].item(), 2)
        0.04

    Reference:
        Finn, Abbeel & Levine 2017, section 5.3, as its code plays it
        (github.com/cbfinn/maml_rl): the reward is minus the distance, where the paper's text says
        minus its square, and a walk ends in a square, where the text says within a distance.
    """

    def __init__(
        self, horizon: int = 100, *, longest_move: float = 0.1, arrived: float = 0.01
    ) -> None:
        require_at_least(1, horizon=horizon)
        for name, length in {"longest_move": longest_move, "arrived": arrived}.items():
            if not (math.isfinite(length) and length > 0):
                raise ValueError(f"{name} must be a positive, finite length, got {length!r}")
        self.horizon, self.longest_move, self.arrived = horizon, longest_move, arrived

    def goals(self, n_tasks: int, generator: torch.Generator) -> Tensor:
        """Draw a goal for each task, anywhere in the square of side 1 around the origin.

        Returns:
            Shape `(n_tasks, 2)`, float32, in −0.5 … 0.5, on the device of the generator.

        Raises:
            ValueError: if `n_tasks` is below 1.
        """
        require_at_least(1, n_tasks=n_tasks)
        return torch.rand(n_tasks, 2, generator=generator, device=generator.device) - 0.5

    def step(self, position: Tensor, action: Tensor, goal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move once. It can be differentiated, by whoever knows the world.

        Args:
            position: where the point is, `(..., 2)`.
            action: the move it wants, in units of the longest move, `(..., 2)`; each coordinate is
                cut off at ±1.
            goal: `(..., 2)`.

        Returns:
            The new position `(..., 2)`, the reward `(...)`, and whether it has arrived `(...)`.

        Example:
            >>> world, zero = Navigation(), torch.zeros(2)
            >>> position, reward, over = world.step(zero, torch.tensor([5.0, 0]), zero + 0.1)
            >>> position, round(reward.item(), 3), over.item()
            (tensor([0.1000, 0.0000]), -0.1, False)
        """
        position = position + self.longest_move * action.clamp(-1, 1)
        gap = position - goal
        return position, -gap.norm(dim=-1), gap.abs().amax(dim=-1) < self.arrived

    @torch.no_grad()
    def play(
        self, act: Act, goals: Tensor, n_episodes: int, generator: torch.Generator
    ) -> Episodes:
        """Walk `n_episodes` times in each task. Nothing here can be differentiated.

        Args:
            act: positions `(n_tasks, n_episodes, 2)` → mean and logarithm of the standard
                deviation of the actions there, in units of the longest move, of the same shape.
                The goals are not shown to it.
            goals: one a task, `(n_tasks, 2)`.
            n_episodes: walks in each task.
            generator: draws the actions.

        Returns:
            The walks, of the dtype of `goals`.

        Raises:
            ValueError: if the goals are not `(n_tasks, 2)`, `n_episodes` is below 1, or `act`
                gives another shape than that of the positions, or what is not a number.
        """
        if goals.ndim != 2 or goals.shape[1] != 2 or not len(goals):
            raise ValueError(
                f"goals must have the shape (n_tasks, 2), got {tuple(goals.shape)}: one goal alone "
                "is goal[None]"
            )
        require_at_least(1, n_episodes=n_episodes)
        states = goals.new_zeros(len(goals), n_episodes, 2)
        alive = states.new_ones(states.shape[:2])
        seen = []
        for _ in range(self.horizon):
            mean, log_std = act(states)
            if not mean.shape == log_std.shape == states.shape:
                raise ValueError(
                    f"act must give a mean and a log_std for each position, {tuple(states.shape)}, "
                    f"got {tuple(mean.shape)} and {tuple(log_std.shape)}"
                )
            noise = torch.randn(
                states.shape, dtype=goals.dtype, device=goals.device, generator=generator
            )
            actions = mean + log_std.exp() * noise
            after, rewards, over = self.step(states, actions, goals[:, None])
            seen.append((states, actions, rewards * alive, alive))
            states, alive = after, alive * ~over
        played = Episodes(*(torch.stack(part, dim=2) for part in zip(*seen, strict=True)))
        if not played.actions.isfinite().all():
            raise ValueError(
                "an action is not a finite number: the parameters of the policy have diverged. "
                "Try a smaller inner_lr or meta_lr"
            )
        return played


def official_goals() -> Tensor:
    """Return the 40 goals of the paper's test.

    Returns:
        Shape `(40, 2)`, float32.

    Example:
        >>> official_goals().shape, round(official_goals().norm(dim=1).mean().item(), 3)
        (torch.Size([40, 2]), 0.401)

    Reference:
        github.com/cbfinn/maml_rl, `test_maml_point.py`.
    """
    drawn = np.random.RandomState(1).uniform(-0.5, 0.5, (40, 2))
    return torch.tensor(drawn, dtype=torch.float32)
