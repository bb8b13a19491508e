"""Two tasks pull at one θ: where exact MAML and its relatives let it end."""

from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from maml_tutorial.figures.page import LiveFigure, page
from maml_tutorial.learners import Learner
from maml_tutorial.models import Params
from maml_tutorial.plots import COLOURS, Drawing, show, style
from maml_tutorial.relatives import fomaml, imaml, joint, maml, reptile
from maml_tutorial.tasks import Data, Task

TASKS = {"flat": (1.0, 1.0), "steep": (4.0, -1.0)}  # curvature h and lowest place c
_COLOURS = {
    "exact": "vermilion",
    "first order": "green",
    "implicit": "grey",
    "Reptile": "purple",
    "joint": "blue",
}


def who_pulls(
    *,
    theta: float = 0.3,
    inner_lr: float = 0.2,
    inner_steps: int = 1,
    still: Drawing | None = None,
) -> LiveFigure:
    """Let the reader choose whose gradient moves θ between a flat task and a steep one.

    The tasks are parabolas, ½h(φ − c)², the same for support and query points. Exact MAML, first
    order, Reptile, implicit MAML (a spring of λ = 1/α, at rest) and joint training run to their
    ends in the page itself, and the ends stay.

    Args:
        theta: θ when the figure opens, −1.6 … 1.6.
        inner_lr: α when it opens, 0.01 … 0.25; with 0.25 one step solves the steep task.
        inner_steps: k when it opens, 1 … 5.
        still: shown where no script runs; by default a drawing of the ends.

    Raises:
        ValueError: if θ, α or k lies outside what the figure can show.

    Example:
        >>> who_pulls().alt[-88:]
        'exact at 0.60, first order at 0.00, implicit at −0.28, Reptile at −0.60, joint at −0.60.'
    """
    limits = (theta, -1.6, 1.6), (inner_lr, 0.01, 0.25), (inner_steps, 1, 5)
    for name, (value, low, high) in zip(("theta", "inner_lr", "inner_steps"), limits, strict=True):
        if not low <= value <= high:
            raise ValueError(f"{name} must lie between {low} and {high}, got {value!r}")
    data = {
        "tasks": [{"name": name, "h": h, "c": c} for name, (h, c) in TASKS.items()],
        "theta": theta,
        "alpha": inner_lr,
        "k": inner_steps,
        "beta": 0.2,
    }
    label = "Interactive: two tasks pull at one start, and you choose who weighs the pulls"
    return page("who_pulls", data, label=label, still=still or drawn_ends(inner_lr, inner_steps))


def parabola(params: Params, x: Data, y: Tensor) -> Tensor:
    """The loss ½h(θ − c)² of a task whose one point has x = c and y = h."""
    return (y / 2 * (params["theta"] - x).square()).mean()


def ends(inner_lr: float, inner_steps: int) -> dict[str, float]:
    """Where repeated outer steps of each relative end.

    A gradient is a straight line in θ here, so that two places tell where it is zero.

    Example:
        >>> [round(end, 2) for end in ends(0.2, 1).values()]
        [0.6, 0.0, -0.28, -0.6, -0.6]
    """
    h, c = torch.tensor([*TASKS.values()], dtype=torch.float64).T[..., None]
    tasks, pull = Task(c, h, c, h), 1 / inner_lr
    inner: dict[str, Any] = {"inner_lr": inner_lr, "inner_steps": inner_steps}
    learners: tuple[Learner, ...] = (
        maml(parabola, **inner),
        fomaml(parabola, **inner),
        imaml(parabola, inner_lr=1 / (4 + pull), inner_steps=100, pull=pull),
        reptile(parabola, **inner),
        joint(parabola, **inner),
    )

    def end(learner: Learner) -> float:
        at = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.0, 1.0)]
        first, second = (learner.gradient({"theta": v}, tasks)[1][0].item() for v in at)
        return first / (first - second)

    return {name: end(learner) for name, learner in zip(_COLOURS, learners, strict=True)}


def drawn_ends(inner_lr: float, inner_steps: int) -> Drawing:
    """The still: both tasks, and below them the loss after adaptation with every end."""
    h, c = torch.tensor([*TASKS.values()]).T[..., None]

    def after(x: Tensor) -> Tensor:
        return (h / 2 * ((1 - inner_lr * h) ** inner_steps * (x - c)).square()).mean(dim=0)

    x, places = torch.linspace(-1.6, 1.6, 129), ends(inner_lr, inner_steps)
    steps = f"{inner_steps} step" + "s" * (inner_steps > 1)
    with style():
        plt.rcParams["font.size"] = 12
        fig, (top, middle, rows) = plt.subplots(
            3, 1, figsize=(4.8, 6.4), sharex=True, height_ratios=(3, 3, 2)
        )
        ink = plt.rcParams["text.color"]
        for name, loss, dash in zip(TASKS, h / 2 * (x - c).square(), ("-", "--"), strict=True):
            top.plot(x, loss, dash, color=ink, label=f"{name} task")
        top.set(title="loss of each task", ylim=(0, 5))
        top.legend()
        middle.plot(x, after(x), color=ink)
        middle.set(title=f"mean loss after {steps} of {inner_lr}", ylim=(0, None))
        for row, (name, end) in enumerate(places.items()):
            look: dict[str, Any] = {"color": COLOURS[_COLOURS[name]], "lw": 1.4}
            middle.plot([end, end], [0, after(torch.tensor(end)).item()], **look)
            rows.plot([end, end], [1, -row], **look)
            rows.plot(end, -row, "o", ms=8, zorder=3, **look)
            left = end > 0.7
            rows.annotate(
                name, (end, -row), xytext=(-9 if left else 9, 0), textcoords="offset points",
                ha="right" if left else "left", va="center",
            )  # fmt: skip
        rows.set(title="where θ ends", xlabel="θ", yticks=(), xticks=(-1, 0, 1))
        rows.set(ylim=(0.4 - len(places), 0.6))
    said = ", ".join(f"{name} at {end:.2f}".replace("-", "−") for name, end in places.items())
    alt = (
        f"Two parabolas: a flat task, lowest at 1, and a steep one, lowest at −1. Below, the mean "
        f"loss after {steps} of {inner_lr} for every θ, and where each relative ends: {said}."
    )
    return show(fig, alt=alt)
