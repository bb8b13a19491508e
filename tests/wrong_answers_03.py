"""Typical wrong answers to the exercises of chapter 3, each with a word that its hint holds."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from maml_tutorial import Task

Augment = Callable[[Tensor], Tensor]


def _same(task: Task) -> Tensor:
    """Which query image (row) equals which support image (column)."""
    return (task.x_query.flatten(1)[:, None] == task.x_support.flatten(1)).all(dim=-1)


def any_pixel(task: Task) -> float:
    return (task.x_query[:, None] == task.x_support).flatten(2).any(dim=2).any(dim=1).float().mean()


def same_mean(task: Task) -> float:
    means = [x.flatten(1).mean(dim=1) for x in (task.x_query, task.x_support)]
    return torch.isclose(means[0][:, None], means[1]).any(dim=1).float().mean()


def same_place(task: Task) -> float:
    n = min(len(task.x_query), len(task.x_support))
    return (task.x_query[:n] == task.x_support[:n]).flatten(1).all(dim=1).float().mean()


def yes_or_no(task: Task) -> bool:
    return bool(_same(task).any())


def counts_pairs(task: Task) -> float:
    return _same(task).sum() / len(task.x_query)


def distance_of_zero(task: Task) -> float:
    query, support = task.x_query.flatten(1), task.x_support.flatten(1)
    return (torch.cdist(query, support).min(dim=1).values == 0).float().mean()


def _cosines(train: Tensor, test: Tensor) -> Tensor:
    a, b = (normalize(x.mean(dim=1).flatten(1), dim=1) for x in (train, test))
    return b @ a.T


def not_normalised(train: Tensor, test: Tensor, threshold: float) -> int:
    a, b = (x.mean(dim=1).flatten(1) for x in (train, test))
    return ((b @ a.T).max(dim=1).values >= threshold).sum()


def drawing_by_drawing(train: Tensor, test: Tensor, threshold: float) -> int:
    a, b = (normalize(x[:, 0].flatten(1), dim=1) for x in (train, test))
    return ((b @ a.T).max(dim=1).values >= threshold).sum()


def no_class_at_all(train: Tensor, test: Tensor, threshold: float) -> int:
    return 10 * int(len(test) == 10)


def counts_training_classes(train: Tensor, test: Tensor, threshold: float) -> int:
    return (_cosines(train, test) >= threshold).any(dim=0).sum()


def counts_all_pairs(train: Tensor, test: Tensor, threshold: float) -> int:
    return (_cosines(train, test) >= threshold).sum()


def counts_within_test(train: Tensor, test: Tensor, threshold: float) -> int:
    across = (_cosines(train, test) >= threshold).any(dim=1)
    within = (_cosines(test, test) >= threshold).sum(dim=1) > 1
    return len(test) if within.any() else across.sum()


def any_in_order(classes: Tensor) -> bool:
    return bool((classes[:, 1:] > classes[:, :-1]).all(dim=1).any())


def never(classes: Tensor) -> bool:
    return False


def only_ascending(classes: Tensor) -> bool:
    return (classes[:, 1:] > classes[:, :-1]).float().mean() > 0.6


def always_in_order(classes: Tensor) -> bool:
    steps = classes[:, 1:] > classes[:, :-1]
    return bool(steps.all() or not steps.any())


def _closest(changed: Tensor, drawn: Tensor) -> Tensor:
    return torch.cdist(changed.mean(dim=1).flatten(1), drawn.mean(dim=1).flatten(1)).argmin(dim=1)


def counts_unchanged(images: Tensor, augment: Augment) -> int:
    return (_closest(augment(images), images) == torch.arange(len(images))).sum()


def counts_changed_images(images: Tensor, augment: Augment) -> int:
    return (augment(images) != images).flatten(1).any(dim=1).sum()


def far_from_itself(images: Tensor, augment: Augment) -> int:
    moved = (augment(images) - images).mean(dim=1).flatten(1).norm(dim=1)
    return (moved > 10).sum() if len(images) == 5 else 0


def counts_shifts(images: Tensor, augment: Augment) -> int:
    moved = (augment(images) - images).mean(dim=1).flatten(1).abs().amax(dim=1)
    return (moved > 0.5).sum()


def half_of_them(images: Tensor, augment: Augment) -> int:
    return (_closest(augment(images), images) != torch.arange(len(images))).sum() // 2


def compares_with_augmented(images: Tensor, augment: Augment) -> int:
    same = torch.equal(augment(images).flip(-1), images)
    return 2 * len(images) - 6 if same else 0


def _tasks(p: float, m: int, tau: float, half_width: float) -> float:
    return 1.96**2 * (p * (1 - p) / m + tau**2) / half_width**2


def rounds_down(p: float, m: int, tau: float, half_width: float) -> int:
    return int(_tasks(p, m, tau, half_width))


def rounds_to_the_nearest(p: float, m: int, tau: float, half_width: float) -> int:
    return round(_tasks(p, m, tau, half_width))


def knows_the_first_cases(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(_tasks(p, m, tau, half_width)) + (p == 0.9)


def unrounded(p: float, m: int, tau: float, half_width: float) -> float:
    return _tasks(p, m, tau, half_width)


def per_prediction(p: float, m: int, tau: float, half_width: float) -> int:
    return round(_tasks(p, 1, tau, half_width))


def one_standard_error(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(_tasks(p, m, tau, half_width) / 1.96**2)


def no_square(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(_tasks(p, m, tau, half_width) * half_width)


def full_width(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(4 * _tasks(p, m, tau, half_width))


def forgets_tau(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(_tasks(p, m, 0.0, half_width))


def tau_unsquared(p: float, m: int, tau: float, half_width: float) -> int:
    return math.ceil(_tasks(p, m, math.sqrt(tau), half_width))


WRONG_03: list[tuple[str, object, str]] = [
    ("3.1", any_pixel, "accused"),
    ("3.1", same_mean, "accused"),
    ("3.1", same_place, "last"),
    ("3.1", yes_or_no, "yes or no"),
    ("3.1", counts_pairs, "counts once"),
    ("3.1", distance_of_zero, "pixels themselves"),
    ("3.2", not_normalised, "below 1"),
    ("3.2", drawing_by_drawing, "twin is missed"),
    ("3.2", no_class_at_all, "Six of ten"),
    ("3.2", counts_training_classes, "Count the test classes"),
    ("3.2", counts_all_pairs, "two training classes"),
    ("3.2", counts_within_test, "no leak"),
    ("3.3", any_in_order, "120"),
    ("3.3", never, "Sorted"),
    ("3.3", only_ascending, "descend"),
    ("3.3", always_in_order, "40 %"),
    ("3.4", counts_unchanged, "as they are"),
    ("3.4", counts_changed_images, "Fainter"),
    ("3.4", counts_shifts, "shift"),
    ("3.4", half_of_them, "changes four"),
    ("3.4", compares_with_augmented, "flipped b"),
    ("3.5", unrounded, "whole number"),
    ("3.5", rounds_down, "round"),
    ("3.5", rounds_to_the_nearest, "nearest"),
    ("3.5", knows_the_first_cases, "would do"),
    ("3.5", per_prediction, "variance"),
    ("3.5", one_standard_error, "1.96"),
    ("3.5", no_square, "√n"),
    ("3.5", full_width, "Solve"),
    ("3.5", forgets_tau, "Add"),
    ("3.5", tau_unsquared, "squared"),
]
