"""Exercises of chapter 2."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from maml_tutorial.exercises.registry import exercise
from maml_tutorial.tasks import Task


@exercise("2.1", "How many cards on the table?")
def _(count: Callable[[int, int, int], tuple[float, float, float]]) -> str | None:
    """Images in the support set, in the query set, and a guesser's right answers."""
    answer = count(5, 2, 3)
    if not isinstance(answer, tuple) or len(answer) != 3:
        return "Return three numbers: support images, query images, right guesses."
    support, query, guessed = (float(value) for value in answer)
    if support == 2 or query == 3:
        return "K and `k_query` are counted for each class, and there are N classes."
    if (support, query) == (15, 10):
        return "Support and query have changed places."
    if support != 10 or query != 15:
        return "Multiply the classes by the images that each class has."
    if math.isclose(guessed, 0.2):
        return "That is the share of right guesses; how many images is that?"
    if not math.isclose(guessed, 3.0):
        return "One query image in N is guessed right. How many query images are there?"
    return None if count(20, 1, 5) == (20, 100, 5) else "Right for 5 classes; try 20."


def _task() -> Task:
    """A 3-way 3-shot task in which the beginners of this chapter differ."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.rand(3, 1, 4, 4, generator=generator)
    y_support, y_query = torch.tensor([2, 0, 1, 1, 2, 0, 0, 1, 2]), torch.arange(3).repeat(8)

    def drawn(labels: Tensor) -> Tensor:
        noise = torch.rand(len(labels), 1, 4, 4, generator=generator)
        pen = 0.4 + 1.2 * torch.rand(len(labels), 1, 1, 1, generator=generator)
        return pen * (centres[labels] + 0.7 * noise)

    return Task(drawn(y_support), y_support, drawn(y_query), y_query)


def _judge(got: object, right: Tensor, hints: dict[str, Tensor], task: Task) -> str | None:
    got = torch.as_tensor(got)
    if got.shape != task.y_query.shape:
        n = len(task.y_query)
        return f"One label for each query image: the shape should be ({n},), not {(*got.shape,)}."
    for hint, wrong in hints.items():
        if torch.equal(got, wrong) and not torch.equal(wrong, right):
            return hint
    if torch.equal(got, right):
        return None
    n_wrong = int((got != right).sum())
    return f"{n_wrong} of {len(right)} labels differ. Do one of these query images by hand."


@exercise("2.2", "The average card")
def _(nearest_average: Callable[[Task], Tensor]) -> str | None:
    """The class whose average support image is closest."""
    task = _task()
    support, query = task.x_support.flatten(1), task.x_query.flatten(1)
    averages = torch.stack([support[task.y_support == c].mean(dim=0) for c in range(3)])
    in_blocks = support.view(3, 3, -1).mean(dim=1)
    to_images = torch.cdist(query, support)
    of_class = torch.stack([to_images[:, task.y_support == c].mean(dim=1) for c in range(3)])
    by_appearance = averages[[2, 0, 1]]
    hints = {
        "This is the closest single image: average each class first.": task.y_support[
            to_images.argmin(dim=1)
        ],
        "These averages mix classes: the support images need not be in order.": torch.cdist(
            query, in_blocks
        ).argmin(dim=1),
        "The class with the farthest average was taken.": torch.cdist(query, averages).argmax(
            dim=1
        ),
        "These are sums: a class's average is its sum divided by its number of images.": (
            torch.cdist(query, 3 * averages).argmin(dim=1)
        ),
        "The distances were averaged. Average the images, then take one distance to each class.": (
            of_class.argmin(dim=0)
        ),
        "The averages stand in the order in which classes appear in the support set; that of "
        "label c has to be in place c.": torch.cdist(query, by_appearance).argmin(dim=1),
        "This is the product with the average, not the distance to it.": (
            query @ averages.T
        ).argmax(dim=1),
    }
    right = torch.cdist(query, averages).argmin(dim=1)
    return _judge(nearest_average(task), right, hints, task)


@exercise("2.3", "By angle instead of distance")
def _(nearest_by_angle: Callable[[Task], Tensor]) -> str | None:
    """The label of the support image with the largest cosine."""
    task = _task()
    support, query = task.x_support.flatten(1), task.x_query.flatten(1)
    cosines = normalize(query, dim=1) @ normalize(support, dim=1).T
    hints = {
        "This goes by distance, not by angle.": task.y_support[
            torch.cdist(query, support).argmin(dim=1)
        ],
        "The product alone favours thick pens: divide by the lengths.": task.y_support[
            (query @ support.T).argmax(dim=1)
        ],
        "Like directions have a large cosine: the smallest was taken.": task.y_support[
            cosines.argmin(dim=1)
        ],
        "This is the place of the closest image in the support set, not its label.": (
            cosines.argmax(dim=1)
        ),
    }
    right = task.y_support[cosines.argmax(dim=1)]
    return _judge(nearest_by_angle(task), right, hints, task)


Pair = tuple[float, float]


@exercise("2.4", "Clearly better?")
def _(clearly_better: Callable[[Pair, Pair], bool]) -> str | None:
    """The first's whole interval above the second's."""
    cases = {
        ((0.90, 0.01), (0.80, 0.01)): (True, "0.90 ± 0.01 lies above 0.80 ± 0.01 as a whole."),
        ((0.80, 0.01), (0.90, 0.01)): (False, "You are asked about the first: 0.80 is below 0.90."),
        ((0.90, 0.06), (0.85, 0.06)): (False, "From 0.84 to 0.91 both may lie: not a clear case."),
        ((0.90, 0.01), (0.85, 0.06)): (False, "0.85 ± 0.06 reaches up to 0.91."),
        ((0.90, 0.06), (0.85, 0.01)): (False, "0.90 ± 0.06 reaches down to 0.84."),
    }
    for (first, second), (right, hint) in cases.items():
        if bool(clearly_better(first, second)) is not right:
            return hint
    return None
