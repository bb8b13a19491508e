"""Typical wrong answers to the exercises of chapter 15: (exercise, answer, a word of its hint)."""

from collections.abc import Callable

import torch
from torch import Tensor


def pooled(pool: Callable[[Tensor], Tensor]) -> Callable:
    """Embed every point, then do something with the rows."""
    return lambda embed, x, y: pool(embed(torch.cat([x, y], dim=1)))


def in_order(rows: Tensor) -> Tensor:
    weights = torch.arange(1.0, len(rows) + 1)[:, None]
    return (weights * rows).sum(dim=0) / weights.sum()


def step(change: Callable[..., Tensor]) -> Callable:
    """An answer made of what the model said, likenesses, residuals, targets and α."""

    def read_a_step(w, x_support, y_support, x_query, alpha):
        residual = x_support @ w - y_support
        return change(x_query @ w, x_query @ x_support.mT, residual, y_support, 2 * alpha)

    return read_a_step


def told(columns: Callable[[Tensor], list[Tensor]], *, answer: bool = True) -> Callable:
    """Least squares on some columns."""

    def fit(x_support, y_support, x_query):
        found = torch.linalg.pinv(torch.cat(columns(x_support), dim=1)) @ y_support
        return torch.cat(columns(x_query), dim=1) @ found if answer else found

    return fit


def only_without_offset(x_support, y_support, x_query):
    three = told(lambda x: [x.sin(), x.cos(), torch.ones_like(x)])
    return three(x_support, y_support, x_query) - y_support.mean() * (len(x_support) == 4)


def books(**wrong: str) -> dict[str, str]:
    right = {"A": "deep set", "B": "MAML", "C": "always zero", "D": "Meta-SGD", "E": "CAVIA"}
    return right | wrong


WRONG_15: list[tuple[str, object, str]] = [
    ("15.1", lambda embed, x, y: 3.0, "one row of numbers"),
    ("15.1", pooled(lambda rows: rows), "a row for every point"),
    ("15.1", pooled(lambda rows: rows.mean()), "as many numbers"),
    ("15.1", pooled(lambda rows: rows.sum(dim=0)), "a surprise"),
    (
        "15.1",
        lambda embed, x, y: embed(torch.cat([x, y], dim=1).mean(dim=0, keepdim=True)),
        "five points became one",
    ),
    ("15.1", pooled(lambda rows: rows[0]), "one of the points"),
    ("15.1", pooled(lambda rows: rows[-1]), "last point alone"),
    (
        "15.1",
        lambda embed, x, y: embed(torch.cat([y, x], dim=1)).mean(dim=0),
        "turned round",
    ),
    ("15.1", pooled(in_order), "another order"),
    ("15.1", pooled(lambda rows: rows.amax(dim=0)), "then average"),
    ("15.2", step(lambda f, like, r, y, a: f.mean()), "one prediction for each"),
    ("15.2", step(lambda f, like, r, y, a: f), "before the step"),
    ("15.2", step(lambda f, like, r, y, a: -a * like @ r / len(r)), "change alone"),
    ("15.2", step(lambda f, like, r, y, a: f + a * like @ r / len(r)), "Up the slope"),
    ("15.2", step(lambda f, like, r, y, a: f + a * like @ y / len(r)), "its *residual*"),
    ("15.2", step(lambda f, like, r, y, a: f - a * like @ r), "took their sum"),
    ("15.2", step(lambda f, like, r, y, a: f - a / 2 * like @ r / len(r)), "is missing"),
    ("15.2", step(lambda f, like, r, y, a: f - a * like.softmax(-1) @ r), "the step is linear"),
    ("15.2", step(lambda f, like, r, y, a: f - a * like.sign() @ r), "inner product"),
    ("15.3", told(lambda x: [x.sin(), x.cos()], answer=False), "unknown numbers. Return"),
    ("15.3", lambda x_support, y_support, x_query: y_support, "each row of `x_query`"),
    ("15.3", told(lambda x: [x.sin(), x.cos()]), "the third thing"),
    ("15.3", told(lambda x: [x.sin(), torch.ones_like(x)]), "zero shift"),
    ("15.3", only_without_offset, "wrong where it is not"),
    ("15.4", {"A": "MAML"}, "five log books"),
    ("15.4", books(A="Reptile"), "no learner 'Reptile'"),
    ("15.4", books(C="least squares"), "what would its errors be"),
    ("15.4", books(A="MAML"), "A: no step"),
    ("15.4", books(B="CAVIA"), "B: the first"),
    ("15.4", books(C="deep set"), "C: the squared"),
    ("15.4", books(D="MAML"), "D: one step"),
    ("15.4", books(E="MAML"), "E: the later"),
]
