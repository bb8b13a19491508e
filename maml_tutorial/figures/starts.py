"""Figures of one start that adapts: a network on a wave, and one parameter by hand."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from maml_tutorial.figures.page import LiveFigure, pack, page, rounded
from maml_tutorial.models import Params
from maml_tutorial.plots import COLOURS, LEARNERS, Drawing

_DASHES = {"-": "", "--": " mf-dashed", ":": " mf-dotted", "-.": " mf-dash-dotted"}


def look_of(learner: str) -> str:
    """A learner's colour and dashes, as classes of the style sheet."""
    if learner not in LEARNERS:
        raise ValueError(f"unknown learner {learner!r}: plots.LEARNERS has {', '.join(LEARNERS)}")
    look = LEARNERS[learner]
    colour = next(name for name, value in COLOURS.items() if value == look["color"])
    return f"mf-{colour}{_DASHES[look['linestyle']]}"


def _in_order(params: Params) -> list[Tensor]:
    """Parameters layer by layer, weight before bias: a file of weights has an order of its own."""
    return [params[k] for k in sorted(params, key=lambda k: (int(k.split(".")[0]), "bias" in k))]


def _networks(learners: Mapping[str, Params]) -> dict[str, Any]:
    """The learners' layers, looks and packed weights, as the scripts unpack them."""
    layers = {name: _in_order(params) for name, params in learners.items()}
    shapes = {name: [tuple(p.shape) for p in params] for name, params in layers.items()}
    weights = next(iter(shapes.values()))[::2]
    sizes = [weights[0][1], *(shape[0] for shape in weights)]
    if any(shape != next(iter(shapes.values())) for shape in shapes.values()):
        raise ValueError(f"the networks must have one shape, got {shapes}")
    if sizes[0] != 1 or sizes[-1] != 1:
        raise ValueError(f"the network must take and give one number, got layers of {sizes}")
    return {
        "sizes": sizes,
        "learners": [
            {
                "name": name,
                "look": look_of(name),
                "weights": pack(torch.cat([p.flatten() for p in params])),
            }
            for name, params in layers.items()
        ],
    }


def drag_points(
    learners: Mapping[str, Params], *, x: Tensor, y: Tensor, inner_lr: float, still: Drawing
) -> LiveFigure:
    """Let the reader drag support points, and watch each start adapt to them in 0, 1 or 10 steps.

    Gradient descent runs in the page itself, as `adapt` does it. Beside the learners' curves
    stands the sine wave that fits the points best; their errors are measured against it.

    Args:
        learners: as for `sine_adapt`.
        x: where the support points are when the figure opens, each between −5 and 5.
        y: how high they are, each between −6 and 6.
        inner_lr: α.
        still: shown where no script runs.

    Raises:
        ValueError: if a point lies outside the plot, `x` and `y` are not as many, or a learner
            is none that `sine_adapt` would take.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial.plots import show
        >>> from maml_tutorial import MLP, init_params
        >>> still = show(plt.figure(), alt="A wave.")
        >>> x = torch.tensor([-3.0, 0.0, 2.0])
        >>> figure = drag_points(
        ...     {"MAML": init_params(MLP(), seed=0)}, x=x, y=x.sin(), inner_lr=0.01, still=still
        ... )
        >>> figure.html[:54]
        '<div class="maml-figure" data-figure="drag_points" dat'
    """
    x, y = x.flatten(), y.flatten()
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must be as many points, got {len(x)} and {len(y)}")
    if not ((x.abs() <= 5).all() and (y.abs() <= 6).all()):
        raise ValueError(f"x must lie in −5 … 5 and y in −6 … 6, got {x.tolist()}, {y.tolist()}")
    points = {"x": rounded(x), "y": rounded(y)}
    data = {"innerLr": inner_lr, **points, **_networks(learners)}
    label = "Interactive: two starts adapt to points that you drag"
    return page("drag_points", data, label=label, still=still)


def sine_adapt(learners: Mapping[str, Params], *, inner_lr: float, still: Drawing) -> LiveFigure:
    """Let the reader choose a wave and its points, and watch each start adapt to them.

    Gradient descent runs in the page itself, as `adapt` does it.

    Args:
        learners: `{name: parameters}` of an `MLP` with one input and one output; names of
            `plots.LEARNERS`.
        inner_lr: α when the figure opens; one of 0.001, 0.003, 0.01, 0.02, 0.05, 0.1.
        still: shown where no script runs.

    Raises:
        ValueError: if a name or α is another, or the networks differ or are no such `MLP`.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial.plots import show
        >>> from maml_tutorial import MLP, init_params
        >>> fig, axis = plt.subplots()
        >>> figure = sine_adapt(
        ...     {"MAML": init_params(MLP(), seed=0)}, inner_lr=0.01, still=show(fig, alt="A wave.")
        ... )
        >>> figure.html[:53]
        '<div class="maml-figure" data-figure="sine_adapt" dat'
    """
    rates = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1)
    if inner_lr not in rates:
        raise ValueError(f"inner_lr must be one of {rates}, got {inner_lr!r}")
    data = {"innerLr": inner_lr, **_networks(learners)}
    label = "Interactive: three starts adapt to a wave of your choice"
    return page("sine_adapt", data, label=label, still=still)


def meta_gradient(
    *,
    theta: float,
    inner_lr: float,
    support: tuple[float, float],
    query: tuple[float, float],
    still: Drawing,
) -> LiveFigure:
    """Let the reader move all numbers of f(x) = θx with one support and one query point.

    Args:
        theta: θ when the figure opens, −1 … 2.
        inner_lr: α when it opens, 0 … 1.
        support: the support point (x, y).
        query: the query point (x, y).
        still: shown where no script runs.

    Raises:
        ValueError: if θ or α lies outside what the figure can show.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial.plots import show
        >>> fig, _ = plt.subplots()
        >>> still = show(fig, alt="Two lines.")
        >>> meta_gradient(theta=0, inner_lr=0.1, support=(1, 2), query=(2, 2), still=still).alt
        'Two lines.'
    """
    for name, value, low, high in (("theta", theta, -1, 2), ("inner_lr", inner_lr, 0, 1)):
        if not low <= value <= high:
            raise ValueError(f"{name} must lie between {low} and {high}, got {value!r}")
    data = {"theta": theta, "alpha": inner_lr, "support": support, "query": query}
    label = "Interactive: exact and first-order gradient of one parameter"
    return page("meta_gradient", data, label=label, still=still)
