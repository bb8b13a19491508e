"""Typical wrong answers to the exercises of chapter 9: (exercise, answer, a word of its hint)."""

from collections.abc import Callable

import torch
from torch import Tensor


def three(change: Callable[[float, float, float, float], tuple[float, ...]]) -> Callable:
    """An answer made of θ, α and the slopes of the two steps."""

    def gradients(theta: float, alpha: float) -> tuple[float, ...]:
        g1 = 2 * (theta - 2)
        return change(theta, alpha, g1, 8 * (theta - alpha * g1 - 1))

    return gradients


def adapt_only(
    *,
    every: bool = False,
    part: bool = False,
    in_place: bool = False,
    graph: bool = True,
    detach: bool = False,
    rate: float = -1.0,
    skip: str = "",
) -> Callable:
    """The right step, or with one thing wrong."""

    def step(loss_fn, params, x, y, names, inner_lr):
        moving = list(params) if every else [n for n in names if n != skip]
        loss = loss_fn(params, x, y)
        slopes = torch.autograd.grad(loss, [params[n] for n in moving], create_graph=graph)
        moved = {n: params[n] + rate * inner_lr * g for n, g in zip(moving, slopes, strict=True)}
        if in_place:
            for n, p in moved.items():
                params[n].data = p.detach()
            return params
        if detach:
            moved = {n: p.detach() for n, p in moved.items()}
        return moved if part else params | moved

    return step


def ends(exact: int, first: int) -> Callable:
    """Rest positions with this many factors 1 − αa."""

    def end_points(curvatures, centres, alpha):
        def rest(power):
            weights = [a * (1 - alpha * a) ** power for a in curvatures]
            return sum(w * c for w, c in zip(weights, centres, strict=True)) / sum(weights)

        return rest(exact), rest(first)

    return end_points


def head(scale: float = -0.4, bias: Callable = lambda w, b: (w, b)) -> Callable:
    def head_step(h, h_support, residual, w_rate, b_rate):
        w, b = bias(w_rate, b_rate)
        return scale * (w * h @ (h_support.T @ residual) + b * residual.sum())

    return head_step


def solved(matrix: Callable[[Tensor, Tensor, float], Tensor]) -> Callable:
    return lambda hessian, slope, pull: torch.linalg.solve(
        matrix(torch.eye(2, dtype=hessian.dtype), hessian, pull), slope
    )


WRONG_09: list[tuple[str, object, str]] = [
    ("9.1", lambda theta, alpha: -3.84, "three numbers"),
    ("9.1", three(lambda t, a, g1, g2: (g2, 8 * (t - 1), g1 + g2)), "at θ"),
    ("9.1", three(lambda t, a, g1, g2: (g2, (1 - 2 * a) * g2, g1 + g2)), "exchanged"),
    ("9.1", three(lambda t, a, g1, g2: (g2, -g2, g1 + g2)), "uphill"),
    ("9.1", lambda theta, alpha: (1.0, 2.0, 3.0), "Begin with first order"),
    ("9.1", three(lambda t, a, g1, g2: ((1 - 8 * a) * g2, g2, g1 + g2)), "went down"),
    ("9.1", three(lambda t, a, g1, g2: ((1 + 2 * a) * g2, g2, g1 + g2)), "minus something"),
    ("9.1", three(lambda t, a, g1, g2: (g2, g2, g1 + g2)), "dφ/dθ"),
    ("9.1", three(lambda t, a, g1, g2: ((1 - 2 * a) * g2, g2, a * (g1 + g2))), "divide it by α"),
    ("9.1", three(lambda t, a, g1, g2: ((1 - 2 * a) * g2, g2, -g1 - g2)), "Reptile's sign"),
    ("9.1", three(lambda t, a, g1, g2: ((1 - 2 * a) * g2, g2, g1)), "second step is missing"),
    (
        "9.1",
        three(lambda t, a, g1, g2: ((1 - 2 * a) * g2, g2, g1 + 8 * (t - 1))),
        "where the first has ended",
    ),
    ("9.1", three(lambda t, a, g1, g2: ((1 - 2 * a) * g2, g2, g2)), "one on the query point"),
    ("9.2", adapt_only(part=True), "all parameters"),
    ("9.2", adapt_only(in_place=True), "overwrote"),
    ("9.2", adapt_only(every=True), "body has moved"),
    ("9.2", adapt_only(rate=1.0), "up the slope"),
    ("9.2", adapt_only(skip="head"), "head has not moved"),
    ("9.2", adapt_only(rate=-2.0), "wrong amount"),
    ("9.2", adapt_only(skip="bias"), "The bias is among"),
    ("9.2", adapt_only(detach=True), "detached"),
    ("9.2", adapt_only(graph=False), "keeps the graph"),
    ("9.3", lambda a, c, alpha: 0.5, "Return two numbers"),
    ("9.3", ends(1, 2), "exchanged"),
    ("9.3", ends(2, 0), "joint training"),
    ("9.3", lambda a, c, alpha: (ends(2, 1)(a, c, alpha)[0], sum(c) / len(c)), "plain mean"),
    ("9.3", ends(2, 3), "add up to zero"),
    ("9.3", ends(1, 1), "once more"),
    ("9.4", lambda *args: 1.0, "one number for each row"),
    ("9.4", head(0.4), "against it"),
    ("9.4", head(bias=lambda w, b: (w, 0.0)), "The bias is missing"),
    ("9.4", head(bias=lambda w, b: (w, w)), "its own"),
    ("9.4", head(bias=lambda w, b: (b, w)), "exchanged"),
    ("9.4", head(-2.0), "not their sum"),
    ("9.4", head(-0.2), "brings a 2"),
    ("9.4", head(-1.0), "Take the slope"),
    ("9.5", lambda hessian, slope, pull: slope.sum(), "as long as"),
    ("9.5", lambda hessian, slope, pull: slope, "first order"),
    ("9.5", lambda hessian, slope, pull: slope + hessian @ slope / pull, "other side"),
    ("9.5", solved(lambda eye, hessian, pull: eye + pull * hessian), "stands under H"),
    ("9.5", lambda hessian, slope, pull: slope - hessian @ slope / pull, "unrolled"),
    ("9.5", solved(lambda eye, hessian, pull: pull * eye + hessian), "times too large"),
    ("9.5", lambda hessian, slope, pull: 2 * slope, "Solve"),
]
