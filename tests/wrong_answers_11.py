"""Typical wrong answers to the exercises of chapter 11: (exercise, answer, a word of its hint)."""

import math
import statistics
from collections.abc import Callable

import torch
from torch import Tensor


def head(
    weight: Callable[[Tensor], Tensor] = lambda c: 2 * c,
    bias: Callable[[Tensor], Tensor] = lambda c: -c.square().sum(dim=-1),
    pooled: Callable[[Tensor], Tensor] = lambda points: points.mean(dim=0),
) -> Callable:
    """The right head, or with one thing wrong."""

    def head_of_means(z, y, n_way):
        centres = torch.stack([pooled(z[y == k]) for k in range(n_way)])
        return weight(centres), bias(centres)

    return head_of_means


def interval(half: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    return lambda a, b: ((b - a).mean().item(), float(half(a, b)))


def error_of(values: Tensor) -> Tensor:
    return values.std() / math.sqrt(len(values))


def chosen(by: str, told: str, best: Callable = max) -> Callable:
    def report(runs):
        run = best(runs, key=lambda r: r[by])
        return run["settings"], run[told]

    return report


def over(half: Callable[[list[float], float], float]) -> Callable:
    """The mean, and half an interval made of the numbers and the factor for that many."""

    def over_seeds(means):
        return statistics.mean(means), half(means, {3: 4.30, 5: 2.78}[len(means)])

    return over_seeds


RULES = dict(zip("ABCDEFG", "protocol time search luck data network training".split(), strict=True))

WRONG_11: list[tuple[str, object, str]] = [
    ("11.1", lambda z, y, n_way: z, "two tensors"),
    ("11.1", lambda z, y, n_way: (z, y), "a row for each class"),
    ("11.1", head(pooled=lambda points: points.sum(dim=0)), "their sum"),
    ("11.1", head(weight=lambda c: c), "factor"),
    ("11.1", head(weight=lambda c: c, bias=lambda c: -c.square().sum(-1) / 2), "too flat"),
    ("11.1", head(weight=lambda c: 2 * c.flip(0)), "whose label is k"),
    ("11.1", head(bias=lambda c: c.square().sum(dim=-1)), "sign"),
    ("11.1", head(bias=lambda c: -c.norm(dim=-1)), "not its length"),
    ("11.1", head(bias=lambda c: torch.zeros(len(c))), "c alone"),
    ("11.2", lambda a, b: 0.03, "two numbers"),
    ("11.2", lambda a, b: ((a - b).mean().item(), 0.1), "sign"),
    ("11.2", lambda a, b: (b.mean().item(), 0.1), "b − a"),
    ("11.2", interval(lambda a, b: 1.96 * ((a.var() + b.var()) / 50).sqrt()), "Subtract"),
    ("11.2", interval(lambda a, b: 1.96 * (b - a).std()), "single tasks"),
    ("11.2", interval(lambda a, b: error_of(b - a)), "one standard error"),
    ("11.2", interval(lambda a, b: 2 * 1.96 * error_of(b - a)), "whole width"),
    ("11.2", interval(lambda a, b: 1.96 * (error_of(a) + error_of(b))), "do not add up"),
    ("11.2", interval(lambda a, b: 3 * error_of(b - a)), "1.96 times"),
    ("11.3", lambda runs: runs[0]["settings"], "two things"),
    ("11.3", chosen("test", "test"), "no test any more"),
    ("11.3", chosen("validation", "test", min), "not errors"),
    ("11.3", lambda runs: (runs[0]["settings"], 0.5), "validation tasks"),
    ("11.3", chosen("validation", "validation"), "chosen for it"),
    (
        "11.3",
        lambda runs: (chosen("validation", "test")(runs)[0], max(r["test"] for r in runs)),
        "best test score of all",
    ),
    ("11.3", lambda runs: (chosen("validation", "test")(runs)[0], 0.5), "that validation chose"),
    ("11.4", lambda means: 92.7, "two numbers"),
    ("11.4", lambda means: (statistics.median(means), 1.0), "the mean over the seeds"),
    ("11.4", over(lambda m, t: 1.96 * statistics.stdev(m) / math.sqrt(len(m))), "Student"),
    ("11.4", over(lambda m, t: t * statistics.stdev(m)), "divide by √n"),
    ("11.4", over(lambda m, t: t * statistics.pstdev(m) / math.sqrt(len(m))), "n − 1"),
    ("11.4", over(lambda m, t: (max(m) - min(m)) / 2), "range"),
    ("11.4", over(lambda m, t: 4.3027 * statistics.stdev(m) / math.sqrt(len(m))), "2.78"),
    ("11.4", over(lambda m, t: 1.0), "t · s / √n"),
    ("11.5", {"A": "protocol"}, "each of A to G"),
    ("11.5", RULES | {"B": "steps"}, "none of"),
    ("11.5", RULES | {"B": "training"}, "cost"),
    ("11.5", RULES | {"D": "search"}, "two trainings"),
    ("11.5", RULES | {"G": "data"}, "same kind of task"),
]
