"""Figures of cards: the reader plays a task, a network adapts to one."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from maml_tutorial.creatures import zoo
from maml_tutorial.episodes import as_floats
from maml_tutorial.figures.page import (
    LiveFigure,
    pack,
    pack_colours,
    pack_images,
    page,
    rounded,
)
from maml_tutorial.figures.traits import looks, traits
from maml_tutorial.plots import Drawing, show
from maml_tutorial.tasks import ImageClasses, Task


def letter_adapt(
    tasks: Task,
    answers: Mapping[str, Tensor],
    cards_right: Mapping[str, Tensor],
    *,
    n_way: int,
    still: Drawing,
) -> LiveFigure:
    """Let the reader step through adaptation to real tasks, and see each answer.

    Args:
        tasks: 1-shot tasks with one query image a class, stacked:
            `x_support` is `(n_tasks, n_way, 1, height, width)`.
        answers: `{learner: probabilities after 0, 1, … steps}`, each
            `(n_tasks, n_steps + 1, n_way query images, n_way classes)`.
        cards_right: `{learner: how many support images it has right}`, each
            `(n_tasks, n_steps + 1)`.
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
        ...     tasks, {"MAML": torch.full((3, 6, 2, 2), 0.5)}, {"MAML": torch.ones(3, 6)},
        ...     n_way=2, still=show(fig, alt="Bars."),
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
    known = {name: tuple(right.shape) for name, right in cards_right.items()}
    if known != dict.fromkeys(answers, (n_tasks, n_steps + 1)):
        wanted = (n_tasks, n_steps + 1)
        raise ValueError(f"cards_right must be {wanted} for each of {list(answers)}, got {known}")
    cards: list[Tensor] = []
    learners: dict[str, list[Tensor]] = {name: [] for name in answers}
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
        "learners": [
            {"name": k, "answers": pack(torch.stack(v)), "cards": cards_right[k].int().tolist()}
            for k, v in learners.items()
        ],
    }
    label = "Interactive: a network adapts to a task of letters"
    return page("letter_adapt", data, label=label, still=still)


# The first rounds with five cards: the cards `(n, 5, channels, height, width)`, what is asked for
# `(n, channels, height, width)`, and the right answers.
Opening: TypeAlias = tuple[Tensor, Tensor, Sequence[int]]


def one_shot_game(
    letters: ImageClasses,
    opening: Opening,
    *,
    animals: tuple[ImageClasses, Opening] | None = None,
    drawings: int = 3,
    still: Drawing,
) -> LiveFigure:
    """Let the reader play: which card shows the same thing? The score stays in the browser.

    Args:
        letters: the classes to deal from, images `(n_classes, n_examples, 1, height, width)`.
        opening: the first rounds with five cards: the cards `(n, 5, 1, height, width)`, the
            letters asked for `(n, 1, height, width)`, and the right answers.
        animals: classes in colour and their first rounds. They are played first, by name.
        drawings: how many pictures of each class are in a box.
        still: shown where no script runs.

    Raises:
        ValueError: if a class has fewer pictures than asked for, or fewer than two are; or if
            the first rounds of the animals show one that is not in the box.

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
    decks: dict[str, dict[str, Any]] = {}
    if animals is not None:
        images, rounds = _deck(*animals, drawings)
        known = {species.name: looks(species) for species in zoo()}
        names = animals[0].names
        words = [known.get(name, "") for name in names for _ in range(drawings)]
        if len(images) > len(words):  # a card without a name
            raise ValueError(f"animals' first rounds must show their first {drawings} pictures")
        pictures = pack_colours((255 * images).round().byte())
        decks["animals"] = {"images": pictures, "traits": words, "names": names, **rounds}
    images, rounds = _deck(letters, opening, drawings)
    scripts = [script for script in letters.groups for _ in range(drawings)]
    words = [traits(image) for image in images]
    words[: len(scripts)] = [f"{s}, {w}" for s, w in zip(scripts, words, strict=False)]
    decks["letters"] = {"images": pack_images(images), "traits": words, **rounds}
    label = "Interactive: the one-shot game"
    return page("one_shot_game", {"decks": decks}, label=label, still=still)


def _deck(
    classes: ImageClasses, opening: Opening, drawings: int
) -> tuple[Tensor, dict[str, list[Any]]]:
    """Return a box of pictures, and which of them are a class's and a round's.

    The box holds `drawings` pictures of each class, and behind them those of the first rounds
    that are not among these.
    """
    most = min(len(drawn) for drawn in classes.images)
    if not 2 <= drawings <= most:
        raise ValueError(f"drawings must lie between 2 and {most}, got {drawings!r}")
    cards, asked, answers = opening
    box = torch.cat([drawn[:drawings] for drawn in classes.images])
    box, dealt = as_floats(box), as_floats(torch.cat([cards.flatten(0, 1), asked]))
    places = []
    for image in dealt:
        same = ((box - image).abs() < 1e-4).flatten(1).all(dim=1).nonzero()
        places.append(same[0].item() if len(same) else len(box))
        if not len(same):
            box = torch.cat([box, image[None]])
    n, ways = cards.shape[:2]
    first = [
        {"cards": places[ways * i : ways * (i + 1)], "query": places[n * ways + i], "answer": a}
        for i, a in enumerate(answers)
    ]
    groups = [[drawings * c + d for d in range(drawings)] for c in range(len(classes.names))]
    return box, {"classes": groups, "opening": first}


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
        where = [percent if at is None else at for at in (x, y)]
        across, up = axis.transData.transform(where) * 72 / figure.dpi  # an SVG counts in points
        places.append(rounded((across, figure.get_figheight() * 72 - up)))
    limits = axis.get_ylim() if y is None else axis.get_xlim()
    data = {
        "zero": places[0],
        "hundred": places[1],
        "limits": [max(0, limits[0] / 100), min(1, limits[1] / 100)],
        "ways": ways,
        "game": game,
    }
    still = show(figure, alt=alt)
    return page("your_score", data, label="A plot with your own score", still=still)
