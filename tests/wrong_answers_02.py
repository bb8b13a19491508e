"""Typical wrong answers to the exercises of chapter 2: (exercise, answer, a word of its hint)."""

import torch
from torch.nn.functional import normalize


def flat(task):
    return task.x_query.flatten(1), task.x_support.flatten(1)


def single(task):
    query, support = flat(task)
    return task.y_support[torch.cdist(query, support).argmin(dim=1)]


def in_blocks(task):
    query, support = flat(task)
    return torch.cdist(query, support.view(3, 3, -1).mean(dim=1)).argmin(dim=1)


def farthest(task):
    query, support = flat(task)
    averages = torch.stack([support[task.y_support == c].mean(dim=0) for c in range(3)])
    return torch.cdist(query, averages).argmax(dim=1)


def _averages(task, classes=range(3)):
    support = task.x_support.flatten(1)
    return torch.stack([support[task.y_support == c].mean(dim=0) for c in classes])


def sums(task):
    return torch.cdist(task.x_query.flatten(1), 3 * _averages(task)).argmin(dim=1)


def averaged_distances(task):
    distances = torch.cdist(*flat(task))
    means = [distances[:, task.y_support == c].mean(dim=1) for c in range(3)]
    return torch.stack(means).argmin(dim=0)


def by_appearance(task):
    classes = dict.fromkeys(task.y_support.tolist())
    return torch.cdist(task.x_query.flatten(1), _averages(task, classes)).argmin(dim=1)


def product_with_average(task):
    return (task.x_query.flatten(1) @ _averages(task).T).argmax(dim=1)


def all_distances(task):
    return torch.cdist(*flat(task))


def by_product(task):
    query, support = flat(task)
    return task.y_support[(query @ support.T).argmax(dim=1)]


def by_cosine(pick):
    def nearest(task):
        query, support = (normalize(x, dim=1) for x in flat(task))
        return pick(query @ support.T, task.y_support)

    return nearest


WRONG_02: list[tuple[str, object, str]] = [
    ("2.1", lambda n, k, q: n * k, "three numbers"),
    ("2.1", lambda n, k, q: (k, q, 1 / n), "for each class"),
    ("2.1", lambda n, k, q: (n * q, n * k, q), "changed places"),
    ("2.1", lambda n, k, q: (n + k, n + q, q), "Multiply"),
    ("2.1", lambda n, k, q: (n * k, n * q, 1 / n), "share"),
    ("2.1", lambda n, k, q: (n * k, n * q, n), "One query image in N"),
    ("2.1", lambda n, k, q: (n * k, n * q, 3), "try 20"),
    ("2.2", single, "closest single image"),
    ("2.2", in_blocks, "mix classes"),
    ("2.2", farthest, "farthest"),
    ("2.2", sums, "sums"),
    ("2.2", averaged_distances, "distances were averaged"),
    ("2.2", by_appearance, "appear in the support set"),
    ("2.2", product_with_average, "product"),
    ("2.2", all_distances, "One label for each"),
    ("2.2", lambda task: torch.ones_like(task.y_query), "by hand"),
    ("2.3", single, "not by angle"),
    ("2.3", by_product, "thick pens"),
    ("2.3", by_cosine(lambda c, y: y[c.argmin(dim=1)]), "large"),
    ("2.3", by_cosine(lambda c, y: c.argmax(dim=1)), "not its label"),
    ("2.4", lambda a, b: False, "lies above"),
    ("2.4", lambda a, b: True, "0.80 is below"),
    ("2.4", lambda a, b: a[0] > b[0], "both may lie"),
    ("2.4", lambda a, b: a[0] - a[1] > b[0], "up to 0.91"),
    ("2.4", lambda a, b: a[0] > b[0] + b[1], "down to 0.84"),
]
