"""Typical wrong answers to the exercises of chapter 14: (exercise, answer, a word of its hint)."""

import math
from collections.abc import Callable

import torch


def bill(
    *,
    there: int = 1,
    query: int = 1,
    product: int = 2,
    again: int = 1,
    tasks: bool = True,
    end: Callable[[int, int], int] = lambda n, cg: 1 + 2 * cg,
) -> Callable:
    """The bill, with one thing wrong."""

    def of(way, n, n_tasks=1, cg_steps=5):
        back = {
            "first order": 0,
            "exact": product * n,
            "step by step": (again + 2) * n,
            "implicit": end(n, cg_steps),
        }
        return (n_tasks if tasks else 1) * (there * n + query + back[way])

    return of


def walk(step: Callable, *, forwards: bool = False) -> Callable:
    def back(hessians, rates, lam):
        for hessian in hessians if forwards else reversed(hessians):
            lam = step(hessian, rates, lam)
        return lam

    return back


def momentum(
    *,
    damp: Callable = lambda mu: mu,
    late: bool = False,
    forget: bool = False,
    forwards: bool = False,
    sign: float = -1.0,
) -> Callable:
    def back(hessians, query_gradient, inner_lr, mu):
        lam, nu = query_gradient, torch.zeros_like(query_gradient)
        for hessian in hessians if forwards else reversed(hessians):
            nu = nu + sign * inner_lr * lam
            lam = lam + hessian @ (mu * nu if late else nu)
            nu = 0 * nu if forget else damp(mu) * nu
        return lam

    return back


def stretch(peak: Callable, *, last: bool = False, choose: Callable | None = None) -> Callable:
    def best(n, place, graph):
        sizes = range(n, 0, -1) if last else range(1, n + 1)
        s = choose(n) if choose else min(sizes, key=lambda s: peak(n, s, place, graph))
        return s, peak(n, s, place, graph)

    return best


def right(n, s, place, graph):
    return math.ceil(n / s) * place + s * graph


WRONG_14: list[tuple[str, object, str]] = [
    ("14.1", bill(tasks=False), "share nothing"),
    ("14.1", bill(query=0), "not all"),
    ("14.1", bill(there=2), "Begin with first order"),
    ("14.1", bill(product=1), "costs two"),
    ("14.1", bill(product=3), "Exact: add"),
    ("14.1", bill(again=0), "taken anew"),
    ("14.1", bill(again=2), "at each place"),
    ("14.1", bill(end=lambda n, cg: 1 + 2 * cg * n), "at every step"),
    ("14.1", bill(end=lambda n, cg: 2 * cg), "a product with"),
    ("14.1", bill(end=lambda n, cg: 1 + cg), "What does that cost"),
    ("14.1", bill(end=lambda n, cg: 0), "two gradients at the end"),
    ("14.2", lambda hessians, rates, query: 1.0, "as long as"),
    ("14.2", lambda hessians, rates, query: query, "first order"),
    ("14.2", walk(lambda h, a, v: v - a * (h @ v)), "transpose"),
    ("14.2", walk(lambda h, a, v: v - h @ (a * v), forwards=True), "last step comes first"),
    ("14.2", walk(lambda h, a, v: v + h @ (a * v)), "minus is lost"),
    ("14.2", walk(lambda h, a, v: v - a.mean() * h @ v), "each weight has its own"),
    ("14.2", walk(lambda h, a, v: v - h @ v), "by hand"),
    ("14.3", lambda hessians, query, inner_lr, mu: 1.0, "a vector as long"),
    ("14.3", momentum(sign=1.0), "One step alone"),
    ("14.3", momentum(forget=True), "plain gradient descent"),
    ("14.3", momentum(damp=lambda mu: 1.0), "where does μ stand"),
    ("14.3", momentum(forwards=True), "last step comes first"),
    ("14.3", momentum(damp=lambda mu: 1 - mu), "Two vectors"),
    ("14.4", lambda n, place, graph: 3, "Return two things"),
    ("14.4", stretch(right, choose=lambda n: math.sqrt(n)), "whole number"),
    ("14.4", stretch(right, last=True), "smallest stretch"),
    ("14.4", stretch(lambda n, s, p, g: n / s * p + s * g), "half a place"),
    ("14.4", stretch(right, choose=lambda n: 1), "Another stretch"),
    ("14.4", stretch(lambda n, s, p, g: s * p + n / s * g), "graphs of one stretch"),
    ("14.5", lambda c, d: 2 * math.ceil(d * c**2 / (1 - c**2)), "evaluations"),
    ("14.5", lambda c, d: int(d * c**2 / (1 - c**2)), "round up"),
    ("14.5", lambda c, d: math.ceil(d * c / (1 - c)), "square it"),
    ("14.5", lambda c, d: math.ceil(d * c**2), "Nearly"),
    ("14.5", lambda c, d: 1000, "Solve"),
]
