"""Figures that the reader can move: in the book's page, in Colab and in Jupyter, without a kernel.

Each function takes numbers that a notebook has computed, and a still, and returns what a cell
shows: one piece of HTML with a small script of its own. No network, no framework.
"""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from maml_tutorial.figures.page import LiveFigure, pack, pack_images, pack_short, page
from maml_tutorial.figures.traits import traits
from maml_tutorial.models import Params
from maml_tutorial.plots import COLOURS, LEARNERS, Drawing, show
from maml_tutorial.tasks import ImageClasses, Task

DEEP = ("#0B3C5D", "#4F9BC8", "#DCEBF4")  # a loss surface: dark is low
_DASHES = {"-": "", "--": " mf-dashed", ":": " mf-dotted", "-.": " mf-dash-dotted"}


def _look(learner: str) -> str:
    """A learner's colour and dashes, as classes of the style sheet."""
    if learner not in LEARNERS:
        raise ValueError(f"unknown learner {learner!r}: plots.LEARNERS has {', '.join(LEARNERS)}")
    look = LEARNERS[learner]
    colour = next(name for name, value in COLOURS.items() if value == look["color"])
    return f"mf-{colour}{_DASHES[look['linestyle']]}"


def band_levels(values: Tensor, n: int = 9) -> Tensor:
    """Where the bands of a loss surface begin: close together where it is low.

    Args:
        values: losses on a grid, any shape.
        n: bands; the last holds all above the 93rd percentile.

    Example:
        >>> band_levels(torch.linspace(0, 1, 101), n=4)
        tensor([0.0000, 0.1033, 0.4133, 0.9300])
    """
    low, top = values.min(), values.flatten().quantile(0.93)
    return low + torch.linspace(0, 1, n).square() * (top - low)


def _rounded(values: Tensor | Sequence[float]) -> list[float]:
    return [round(float(v), 5) for v in values]


def _in_order(params: Params) -> list[Tensor]:
    """Parameters layer by layer, weight before bias: a file of weights has an order of its own."""
    return [params[k] for k in sorted(params, key=lambda k: (int(k.split(".")[0]), "bias" in k))]


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
    layers = {name: _in_order(params) for name, params in learners.items()}
    shapes = {name: [tuple(p.shape) for p in params] for name, params in layers.items()}
    weights = next(iter(shapes.values()))[::2]
    sizes = [weights[0][1], *(shape[0] for shape in weights)]
    if any(shape != next(iter(shapes.values())) for shape in shapes.values()):
        raise ValueError(f"the networks must have one shape, got {shapes}")
    if sizes[0] != 1 or sizes[-1] != 1:
        raise ValueError(f"the network must take and give one number, got layers of {sizes}")
    data = {
        "innerLr": inner_lr,
        "sizes": sizes,
        "learners": [
            {
                "name": name,
                "look": _look(name),
                "weights": pack(torch.cat([p.flatten() for p in params])),
            }
            for name, params in layers.items()
        ],
    }
    label = "Interactive: three starts adapt to a wave of your choice"
    return page("sine_adapt", data, label=label, still=still)


def drag_theta(
    waves: Mapping[str, tuple[float, float]],
    surfaces: Tensor,
    *,
    a_axis: Tensor,
    b_axis: Tensor,
    x_support: Tensor,
    x_query: Tensor,
    inner_lr: float,
    starts: Mapping[str, Tensor],
    still: Drawing,
) -> LiveFigure:
    """Let the reader drag one start (a, b) on the loss surfaces of several waves a·sin(x − b).

    Args:
        waves: `{name: (height, shift)}`, one panel each.
        surfaces: losses on the grid, `(n_waves, len(a_axis), len(b_axis))`.
        a_axis: heights of the grid, from 0.
        b_axis: shifts of the grid, from 0.
        x_support: where the support points are, `(n_support,)`.
        x_query: where the query points are, `(n_query,)`.
        inner_lr: the step size α.
        starts: `{words on a button: (a, b)}`; the figure opens at the first.
        still: shown where no script runs.

    Raises:
        ValueError: if `surfaces` does not fit the waves and the grid.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> axis, (fig, _) = torch.linspace(0, 3, 4), plt.subplots()
        >>> figure = drag_theta(
        ...     {"first wave": (3.0, 0.5)}, torch.rand(1, 4, 4), a_axis=axis, b_axis=axis,
        ...     x_support=axis, x_query=axis, inner_lr=0.1, starts={"low": torch.ones(2)},
        ...     still=show(fig, alt="A map."),
        ... )
        >>> figure.alt
        'A map.'
    """
    wanted = (len(waves), len(a_axis), len(b_axis))
    if surfaces.shape != wanted:
        raise ValueError(f"surfaces must have the shape {wanted}, got {tuple(surfaces.shape)}")
    data = {
        "waves": [
            {
                "name": name,
                "wave": _rounded(wave),
                "map": pack_short(surface),
                "levels": _rounded(band_levels(surface)),
            }
            for (name, wave), surface in zip(waves.items(), surfaces, strict=True)
        ],
        "shape": wanted[1:],
        "aMax": a_axis[-1].item(),
        "bMax": b_axis[-1].item(),
        "xSupport": _rounded(x_support),
        "xQuery": _rounded(x_query),
        "innerLr": inner_lr,
        "starts": [{"name": name, "theta": _rounded(at)} for name, at in starts.items()],
        "colours": DEEP,
    }
    label = "Interactive: one start, two waves, one step"
    return page("drag_theta", data, label=label, still=still)


def m_steps_landscape(
    landscapes: Tensor, *, a_axis: Tensor, b_axis: Tensor, still: Drawing
) -> LiveFigure:
    """Let the reader slide the number of steps m over the landscapes of the loss after m steps.

    Args:
        landscapes: mean query loss after 0, 1, … steps from every start of the grid,
            `(n_steps + 1, len(a_axis), len(b_axis))`.
        a_axis: heights of the grid, from 0.
        b_axis: shifts of the grid, from 0.
        still: shown where no script runs.

    Raises:
        ValueError: if `landscapes` does not fit the grid.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> axis, (fig, _) = torch.linspace(0, 3, 4), plt.subplots()
        >>> figure = m_steps_landscape(
        ...     torch.rand(2, 4, 4), a_axis=axis, b_axis=axis, still=show(fig, alt="A map.")
        ... )
        >>> '"fromSquare"' in figure.html
        True
    """
    wanted = (len(landscapes), len(a_axis), len(b_axis))
    if landscapes.shape != wanted:
        raise ValueError(f"landscapes must have the shape {wanted}, got {tuple(landscapes.shape)}")
    square = landscapes[0].argmin()
    frames = []
    for values in landscapes:
        row, column = divmod(values.argmin().item(), len(b_axis))
        frames.append(
            {
                "map": pack_short(values),
                "levels": _rounded(band_levels(values)),
                "best": _rounded((a_axis[row], b_axis[column])),
                "lowest": round(values.min().item(), 5),
                "fromSquare": round(values.flatten()[square].item(), 5),
            }
        )
    data = {
        "frames": frames,
        "shape": wanted[1:],
        "aMax": a_axis[-1].item(),
        "bMax": b_axis[-1].item(),
        "colours": DEEP,
    }
    label = "Interactive: the landscape of the loss after m steps"
    return page("m_steps_landscape", data, label=label, still=still)


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


def letter_adapt(
    tasks: Task, answers: Mapping[str, Tensor], *, n_way: int, still: Drawing
) -> LiveFigure:
    """Let the reader step through adaptation to real tasks, and see each answer.

    Args:
        tasks: 1-shot tasks with one query image a class, stacked:
            `x_support` is `(n_tasks, n_way, 1, height, width)`.
        answers: `{learner: probabilities after 0, 1, … steps}`, each
            `(n_tasks, n_steps + 1, n_way query images, n_way classes)`.
        n_way: classes a task.
        still: shown where no script runs.

    Raises:
        ValueError: if the tasks have another number of images, or the answers do not fit.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial import EpisodeSampler
        >>> sampler = EpisodeSampler(torch.rand(6, 3, 1, 28, 28), n_way=2, k_shot=1, k_query=1)
        >>> tasks, (fig, _) = sampler(3, torch.Generator().manual_seed(0)), plt.subplots()
        >>> figure = letter_adapt(
        ...     tasks, {"MAML": torch.full((3, 6, 2, 2), 0.5)}, n_way=2,
        ...     still=show(fig, alt="Bars."),
        ... )
        >>> '"nSteps":5' in figure.html
        True
    """
    n_tasks = len(tasks.y_support)
    if tasks.y_support.shape[1] != n_way or tasks.y_query.shape[1] != n_way:
        found = tasks.y_support.shape[1], tasks.y_query.shape[1]
        raise ValueError(f"each task needs {n_way} support and query images, got {found}")
    shapes = {name: tuple(p.shape) for name, p in answers.items()}
    n_steps = next(iter(shapes.values()))[1] - 1
    if any(shape != (n_tasks, n_steps + 1, n_way, n_way) for shape in shapes.values()):
        raise ValueError(f"answers must be (n_tasks, steps + 1, {n_way}, {n_way}), got {shapes}")
    cards, learners = [], {name: [] for name in answers}
    for i in range(n_tasks):
        order = tasks.y_query[i].argsort()
        cards += [tasks.x_support[i][tasks.y_support[i].argsort()], tasks.x_query[i][order]]
        for name, probabilities in answers.items():
            learners[name].append(probabilities[i][:, order])
    images = torch.cat(cards)
    data = {
        "images": pack_images(images, columns=2 * n_way),
        "traits": [traits(image) for image in images],
        "nTasks": n_tasks,
        "nSteps": n_steps,
        "nWay": n_way,
        "learners": [{"name": k, "answers": pack(torch.stack(v))} for k, v in learners.items()],
        "rightColour": "orange",
    }
    label = "Interactive: a network adapts to a task of letters"
    return page("letter_adapt", data, label=label, still=still)


def one_shot_game(
    letters: ImageClasses,
    opening: tuple[Tensor, Tensor, Sequence[int]],
    *,
    drawings: int = 3,
    still: Drawing,
) -> LiveFigure:
    """Let the reader play: which card shows the same letter? The score stays in the browser.

    Args:
        letters: the classes to deal from, images `(n_classes, n_examples, 1, height, width)`.
        opening: the first rounds with five cards: the cards `(n, 5, 1, height, width)`, the
            letters asked for `(n, 1, height, width)`, and the right answers.
        drawings: how many drawings of each letter are in the box.
        still: shown where no script runs.

    Raises:
        ValueError: if a letter has fewer drawings than asked for, or fewer than two are.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> letters = ImageClasses(torch.rand(20, 2, 1, 28, 28), ("?",) * 20, ("Script",) * 20)
        >>> cards, (fig, _) = letters.images[None, :5, 0], plt.subplots()
        >>> figure = one_shot_game(
        ...     letters, (cards, letters.images[:1, 1], [0]), drawings=2,
        ...     still=show(fig, alt="Cards."),
        ... )
        >>> '"answer":0' in figure.html
        True
    """
    if not 2 <= drawings <= letters.images.shape[1]:
        most = letters.images.shape[1]
        raise ValueError(f"drawings must lie between 2 and {most}, got {drawings!r}")
    cards, asked, answers = opening
    box = letters.images[:, :drawings].flatten(0, 1).float()
    first = torch.cat([cards.flatten(0, 1), asked]).float()
    box, first = (images / 255 if images.max() > 1 else images for images in (box, first))
    images = torch.cat([box, first])
    n, ways = len(box), cards.shape[1]
    scripts = [script for script in letters.groups for _ in range(drawings)]
    words = [traits(image) for image in images]
    data = {
        "images": pack_images(images),
        "traits": [f"{s}, {w}" for s, w in zip(scripts, words, strict=False)] + words[n:],
        "classes": [[drawings * c + d for d in range(drawings)] for c in range(len(letters.names))],
        "opening": [
            {
                "cards": [n + ways * i + k for k in range(ways)],
                "query": n + cards.shape[0] * ways + i,
                "answer": answer,
            }
            for i, answer in enumerate(answers)
        ],
    }
    label = "Interactive: the one-shot game"
    return page("one_shot_game", data, label=label, still=still)


def your_score(
    figure: Figure,
    axis: Axes,
    *,
    x: float | None = None,
    y: float | None = None,
    ways: int = 5,
    game: str | None = "01_learning_to_learn.html#your-turn",
    alt: str,
) -> LiveFigure:
    """Close `figure` and show it with the reader's own score from the game of chapter 1.

    Args:
        figure: drawn within `style()`.
        axis: the axis whose x or y counts accuracy in per cent, on a linear scale.
        x: where the score stands, where y is the accuracy.
        y: where the score stands, where x is the accuracy.
        ways: cards a round.
        game: address of the game in the book.
        alt: what the figure shows without the reader's score.

    Raises:
        ValueError: if not exactly one of `x` and `y` is given.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> fig, axis = plt.subplots()
        >>> _ = axis.set(ylim=(0, 100))
        >>> your_score(fig, axis, x=0.5, alt="An empty plot.").alt
        'An empty plot.'
    """
    if (x is None) == (y is None):
        raise ValueError(f"give x or y, and not both, got x={x!r} and y={y!r}")
    figure.canvas.draw()  # settles the layout, as saving does
    places = []
    for percent in (0, 100):
        where = (x, percent) if y is None else (percent, y)
        across, up = axis.transData.transform(where) * 72 / figure.dpi  # an SVG counts in points
        places.append(_rounded((across, figure.get_figheight() * 72 - up)))
    data = {"zero": places[0], "hundred": places[1], "ways": ways, "game": game}
    still = show(figure, alt=alt)
    return page("your_score", data, label="A plot with your own score", still=still)
