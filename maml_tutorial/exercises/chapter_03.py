"""Exercises of chapter 3: the tests that catch leaky episodes, and the price of an interval."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise
from maml_tutorial.tasks import Task


@exercise("3.1", "A query image in the support set")
def _(answer: Callable[[Task], float]) -> str | None:
    """The share of query images that stand in the support set, pixel for pixel."""

    def share(x_support: Tensor, x_query: Tensor) -> float:
        y_support, y_query = torch.zeros(len(x_support)), torch.zeros(len(x_query))
        return float(answer(Task(x_support, y_support.long(), x_query, y_query.long())))

    x = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    x[0], x[11] = 0.0, 0.0  # much paper in common, one stroke apart
    x[0, 0, 4:9, 6], x[11, 0, 4:9, 20] = 1.0, 1.0
    if share(x[:5], x[5:]) != 0:
        return (
            "An honest task is accused: its images share some pixels or their mean, but none is "
            "there twice. When are two images the same?"
        )
    if share(x[:5], torch.cat([x[4:5], x[5:8]])) == 0:
        return (
            "A leak is missed: the first query image is the last support image. Each query "
            "image has to be compared with every support image."
        )
    if not math.isclose(share(x[:5], torch.cat([x[4:5], x[5:8]])), 1 / 4):
        return "One of four query images leaks; what share is that? (A yes or no is too little.)"
    if not math.isclose(share(x[[0, 1, 1, 2]], x[[1, 2, 5, 6]]), 1 / 2):
        return (
            "Here a support image is there twice, as when drawing with replacement. A query image "
            "that leaks counts once, however often it is found."
        )
    big = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    found = share(big[:40], big[10:])
    if not math.isclose(found, 1 / 3, rel_tol=1e-4):
        return (
            f"Of 90 query images 30 stand in a support set of 40; you found {90 * found:.0f}. In a "
            "larger task a computed distance between an image and itself need not be exactly 0: "
            "compare the pixels themselves."
        )
    return None


@exercise("3.2", "Look-alikes across the split")
def _(answer: Callable[[Tensor, Tensor, float], int]) -> str | None:
    """The number of test classes that look like some training class."""
    x = torch.rand(9, 10, 1, 28, 28, generator=torch.Generator().manual_seed(0)) ** 8
    shapes = torch.zeros(9, 1, 1, 28, 28)
    for i in range(9):
        shapes[i, ..., 3 * i : 3 * i + 3, :] = 1.0
    x = 0.7 * x + shapes
    train, test = x[:5], x[5:]
    if int(answer(train, test, 0.9)) != 0:
        return "No class of this test split looks like a training class; are the cosines below 1?"
    if int(answer(train, torch.cat([test, test]), 0.99)) != 0:
        return "Two test classes that look alike are no leak across the split."
    # Six test classes, of four training classes: three in fainter ink, three in another order.
    leaky = torch.cat([test, 0.5 * train[[1, 2, 4]], train[1:4].flip(1)])
    found = int(answer(train, leaky, 0.99))
    if found == 4:
        return (
            "Four is the number of training classes that have a twin. Count the test classes: two "
            "of them may be the same training class."
        )
    if found == 3:
        return (
            "A twin is missed: fainter ink, or the drawings of the class in another order. "
            "What of an image does the cosine not see, and what of a class the mean?"
        )
    if found != 6:
        return f"Six of ten test classes are training classes; you found {found}."
    if int(answer(torch.cat([train, train]), leaky, 0.99)) != 6:
        return "A test class that looks like two training classes still is one test class."
    return None


@exercise("3.3", "Labels that keep their order")
def _(answer: Callable[[Tensor], bool]) -> str | None:
    """Whether labels follow the class numbers more often than by luck."""
    generator = torch.Generator().manual_seed(0)
    honest = torch.rand(4, 1000, 40, generator=generator).topk(5).indices
    ordered = honest[0].sort(dim=1).values
    often = torch.cat([ordered[:400], honest[1, 400:]])
    if any(answer(classes) for classes in honest):
        return (
            "You accuse an honest sampler. By luck, one task in 120 is in order: ask how often "
            "classes ascend, and allow for chance."
        )
    if not answer(ordered):
        return "Sorted labels get past you. Compare each class number with the next in its task."
    if not answer(ordered.flip(1)):
        return "Labels that always descend get past you; they tell as much as those that ascend."
    if not answer(often):
        return "Here 40 % of the tasks are sorted, and it gets past you. What would luck give?"
    return None


@exercise("3.4", "An augmentation that changes the letter")
def _(answer: Callable[[Tensor, Callable[[Tensor], Tensor]], int]) -> str | None:
    """The number of classes that look more like another class once augmented."""
    b = torch.zeros(28, 28)
    b[4:24, 8:11], b[14:24, 11:19] = 1.0, 1.0
    bar = torch.zeros(28, 28)
    bar[4:24, 12:16] = 1.0
    letters = torch.stack([b, b.flip(-1), bar, b.flip(-2), b.flip(-1).flip(-2)])
    noise = torch.rand(5, 10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    images = letters[:, None, None] + 0.2 * noise
    if int(answer(images, lambda x: x)) != 0:
        return "Images left as they are look most like themselves; whom do you compare with whom?"
    if int(answer(images, lambda x: 0.6 * x)) != 0:
        return "Fainter ink changes no letter. Compare with the images as they were drawn."
    if int(answer(images, lambda x: x.roll(1, -1))) != 0:
        return "A shift by one pixel changes no letter here. Did you average over the drawings?"
    found = int(answer(images, lambda x: x.flip(-1)))
    if found != 4:
        return f"Of b, d, p, q and | a flip changes four into another; you found {found}."
    if int(answer(images[[0, 2]], lambda x: x.flip(-1))) != 0:
        return "Without a d among the classes, a flipped b has nobody else to look like."
    return None


@exercise("3.5", "How many tasks buy ±1 %?")
def _(answer: Callable[[float, int, float, float], int]) -> str | None:
    """The smallest number of tasks for an interval of a given half width."""
    needed = answer(0.5, 5, 0.0, 0.01)
    if not isinstance(needed, int):
        return f"The number of tasks is a whole number (an `int`), not {needed!r}."
    right = 1921  # 1.96² · 0.05 / 0.01² = 1920.8
    if needed == right - 1:
        return "1920 tasks are just too few: which way do you round?"
    if needed in (38416, 9604):
        return "A task makes `m` predictions: how does that change the variance of its accuracy?"
    if needed in (500, 501):
        return "That is one standard error. Where is the 1.96?"
    if abs(answer(0.5, 5, 0.0, 0.02) / needed - 0.5) < 0.1:
        return "For twice the width you ask half the tasks; the interval goes with √n."
    if needed != right:
        return f"For p = 0.5, m = 5, tau = 0 and ±1 % you say {needed}. Solve ±1 % for n."
    if answer(0.5, 5, 0.1, 0.01) <= needed:
        return "Where tasks differ (`tau` = 0.1) it takes more of them. Add the two variances."
    if (found := answer(0.487, 75, 0.08, 0.01)) != 374:
        return f"With p = 0.487, m = 75 and tau = 0.08 you say {found}: is `tau` squared?"
    if answer(0.9, 25, 0.05, 0.01) == 234:  # 234.3
        return "234.3 tasks would give ±1 %, so 234 are just too few: not to the nearest, but up."
    if (found := answer(0.9, 25, 0.05, 0.01)) != 235:
        return f"With p = 0.9, m = 25 and tau = 0.05 you say {found}, and 235 would do."
    return None
