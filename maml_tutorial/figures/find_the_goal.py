"""A goal that the reader hides, and policies that find it by policy-gradient steps in the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from maml_tutorial.figures.page import LiveFigure, pack, page
from maml_tutorial.figures.starts import look_of
from maml_tutorial.models import Params
from maml_tutorial.navigation import Episodes, Navigation
from maml_tutorial.plots import LEARNERS, Drawing, show, style
from maml_tutorial.policy_gradient import GaussianPolicy, play_and_adapt

GAMMA, N_WALKS = 0.99, 20
_NEAR, _EDGE = (0.12, -0.16), 0.7


def find_the_goal(
    learners: Mapping[str, Params],
    *,
    inner_lr: Mapping[str, Sequence[float]],
    goal: tuple[float, float] = (0.3, 0.24),
    still: Drawing | None = None,
) -> LiveFigure:
    """Let the reader hide a goal, and watch policies walk, adapt and walk again.

    Walks and updates are those of `play_and_adapt`, twenty walks each, in the page itself.

    Args:
        learners: `{name: parameters}` of a `GaussianPolicy` each; names of `plots.LEARNERS`.
        inner_lr: α of each update, for each learner; as many updates for all.
        goal: where the goal is when the figure opens, each coordinate in −0.7 … 0.7.
        still: shown where no script runs; by default a drawing of walks to this goal and a nearer.

    Raises:
        ValueError: if a name is another, a learner lacks its rates or is no such policy, the
            numbers of updates differ, or the goal lies outside the plot.

    Example:
        >>> from maml_tutorial import init_params
        >>> start = init_params(GaussianPolicy((8,)), seed=0)
        >>> figure = find_the_goal({"MAML": start}, inner_lr={"MAML": (0.1, 0.05)})
        >>> figure.html[:56]
        '<div class="maml-figure" data-figure="find_the_goal" dat'
    """
    if not all(abs(v) <= _EDGE for v in goal):
        raise ValueError(f"goal must lie within {-_EDGE} … {_EDGE} on each axis, got {goal}")
    if set(inner_lr) != set(learners) or len({len(rates) for rates in inner_lr.values()}) != 1:
        raise ValueError(
            f"inner_lr must have the rates of as many updates for each of {[*learners]}, "
            f"got {dict(inner_lr)}"
        )
    world = Navigation()
    data = {
        "world": {
            "horizon": world.horizon,
            "longestMove": world.longest_move,
            "arrived": world.arrived,
            "gamma": GAMMA,
        },
        "goal": goal,
        "nWalks": N_WALKS,
        "nUpdates": len(next(iter(inner_lr.values()))),
        "learners": [
            {"name": name, "look": look_of(name), "innerLr": inner_lr[name], **_packed(params)}
            for name, params in learners.items()
        ],
    }
    label = "Interactive: two policies look for a goal that you hide"
    return page("find_the_goal", data, label=label, still=still or _drawn(learners, inner_lr, goal))


def _layers(params: Params) -> list[Tensor]:
    """The mean's weights and biases, layer by layer: a file has an order of its own."""
    names = sorted(
        (name for name in params if name != "log_std"),
        key=lambda name: (int(name.split(".")[1]), "bias" in name),
    )
    return [params[name] for name in names]


def _sizes(params: Params) -> list[int]:
    weights = _layers(params)[::2]
    return [weights[0].shape[1], *(w.shape[0] for w in weights)]


def _packed(params: Params) -> dict[str, Any]:
    if "log_std" not in params or (sizes := _sizes(params))[0] != 2 or sizes[-1] != 2:
        shapes = {name: tuple(p.shape) for name, p in params.items()}
        raise ValueError(f"each learner must be a GaussianPolicy of the plane, got {shapes}")
    numbers = torch.cat([p.flatten() for p in (*_layers(params), params["log_std"])])
    return {"sizes": sizes, "weights": pack(numbers)}


def _drawn(
    learners: Mapping[str, Params],
    inner_lr: Mapping[str, Sequence[float]],
    goal: tuple[float, float],
) -> Drawing:
    """The still: before, after one and after two updates, three walks to each of two goals."""
    goals = torch.tensor([goal, _NEAR])
    said: list[list[str]] = [[], [], []]
    n_rows = min(3, 1 + len(next(iter(inner_lr.values()))))
    with style():
        plt.rcParams["font.size"] = 12
        fig, axes = plt.subplots(
            n_rows, len(learners), figsize=(2.4 * len(learners), 2.5 * n_rows),
            sharex=True, sharey=True, squeeze=False,
        )  # fmt: skip
        ink = plt.rcParams["text.color"]
        for column, (name, params) in enumerate(learners.items()):
            walks = play_and_adapt(
                Navigation(),
                GaussianPolicy(_sizes(params)[1:-1]),
                params,
                goals,
                inner_lr=inner_lr[name],
                n_episodes=N_WALKS,
                generator=torch.Generator().manual_seed(5),
            )
            for row, (axis, played) in enumerate(zip(axes[:, column], walks, strict=False)):
                for states, alive in zip(
                    played.states[:, :3].flatten(0, 1),
                    played.alive[:, :3].flatten(0, 1),
                    strict=True,
                ):
                    path = states[: int(alive.sum())]
                    axis.plot(*path.T, lw=0.8, color=LEARNERS[name]["color"])
                axis.plot(*goals.T, "*", ms=13, color=ink)
                said[row].append(f"{name} at {_words(_out(played, goals))}")
                axis.set(
                    title=f"{name}, {row} update{'' if row == 1 else 's'}",
                    xlim=(-0.75, 0.75), ylim=(-0.75, 0.75), aspect="equal",
                    xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5),
                )  # fmt: skip
    alt = (
        f"Walks to two goals, stars, {_words(goals.norm(dim=1))} away from the origin. How far out "
        "they end on average, in the directions of the goals: "
    )
    when = ("before an update", "after one", "after two")
    ends = (f"{time}, {', '.join(row)}" for time, row in zip(when, said[:n_rows], strict=False))
    return show(fig, alt=alt + "; ".join(ends) + ".")


def _out(played: Episodes, goals: Tensor) -> Tensor:
    """How far in its goal's direction each task's walks end, on average."""
    last = played.alive.sum(dim=-1).long()[..., None, None].expand(-1, -1, 1, 2) - 1
    ends = played.states.gather(2, last).squeeze(2).mean(dim=1)
    return (ends * goals).sum(dim=1) / goals.norm(dim=1).clamp(min=1e-6)


def _words(numbers: Tensor) -> str:
    return " and ".join(f"{v:.2f}".replace("-", "−") for v in numbers.tolist())
