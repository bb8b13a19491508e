"""Typical wrong answers to the exercises of chapter 6: (exercise, answer, a word of its hint)."""

from collections.abc import Callable

import torch
from torch.func import grad, jacrev

from maml_tutorial import adapt


def one_step_back(rule: Callable) -> Callable:
    """An answer to 6.2 from v, its product with H, and the gradient."""

    def answer(loss, theta, v, alpha):
        hessian = torch.autograd.functional.hessian(loss, theta)
        slope = torch.autograd.functional.jacobian(loss, theta)
        return rule(v, hessian, slope, alpha)

    return answer


def through(order: Callable = list, sign: float = -1.0) -> Callable:
    """An answer to 6.3 that multiplies the brackets in an order of its own."""

    def answer(hessians, v, alpha):
        for hessian in order(hessians):
            v = v + sign * alpha * hessian @ v
        return v

    return answer


def first_order_gradient(
    *,
    half: str = "query",
    exact: bool = False,
    steps: int | None = None,
    as_list: bool = False,
    told: bool = False,
    cut: bool = False,
) -> Callable:
    """The right answer to 6.5, or with one thing wrong."""

    def answer(loss_fn, params, task, *, inner_lr, inner_steps):
        inner = {"inner_lr": inner_lr, "inner_steps": inner_steps if steps is None else steps}
        inner |= {"first_order": told}
        phi = adapt(loss_fn, params, task.x_support, task.y_support, **inner)
        phi = {name: p.detach().requires_grad_() if cut else p for name, p in phi.items()}
        at = phi if not exact else params
        x, y = getattr(task, f"x_{half}"), getattr(task, f"y_{half}")
        parts = torch.autograd.grad(loss_fn(phi, x, y), list(at.values()))
        return list(parts) if as_list else dict(zip(params, parts, strict=True))

    return answer


def row_by_row(loss, theta, v, alpha):
    """The right vector, from a Hessian that never stands in one piece."""
    theta = theta.requires_grad_()
    (slope,) = torch.autograd.grad(loss(theta), theta, create_graph=True)
    rows = (torch.autograd.grad(entry, theta, retain_graph=True)[0] @ v for entry in slope)
    return v - alpha * torch.stack(list(rows))


def by_jacrev(loss, theta, v, alpha):
    return v - alpha * jacrev(grad(loss))(theta) @ v


def by_func_grad(keep: Callable = lambda p: p) -> Callable:
    """First order's numbers from `torch.func.grad`, which takes φ as a leaf, cut or not."""

    def answer(loss_fn, params, task, *, inner_lr, inner_steps):
        inner = {"inner_lr": inner_lr, "inner_steps": inner_steps}
        phi = adapt(loss_fn, params, task.x_support, task.y_support, **inner)
        phi = {name: keep(p) for name, p in phi.items()}
        return grad(loss_fn)(phi, task.x_query, task.y_query)

    return answer


FOUR = {"A": "first order", "B": "something else", "C": "exact", "D": "nothing"}

WRONG_06: list[tuple[str, object, str]] = [
    ("6.1", (0.64, 0.8), "after one step"),
    ("6.1", (4.64, 2.9696), "in each other's place"),
    ("6.1", (1.4848, 2.32), "another from inside"),
    ("6.1", (-3.84, -4.8), "where do two steps lead"),
    ("6.1", (3.712, 4.64), "factor of its own"),
    ("6.1", (4.64, 4.64), "shrink"),
    ("6.2", one_step_back(lambda v, h, g, a: h @ v), "H v alone"),
    ("6.2", one_step_back(lambda v, h, g, a: v), "first order"),
    ("6.2", one_step_back(lambda v, h, g, a: v + a * h @ v), "sign"),
    ("6.2", one_step_back(lambda v, h, g, a: v - h @ v), "Where is α"),
    ("6.2", one_step_back(lambda v, h, g, a: v - a * g * v), "Entry by entry"),
    ("6.2", one_step_back(lambda v, h, g, a: v - a * h.diagonal() * v), "diagonal"),
    ("6.2", one_step_back(lambda v, h, g, a: (g * v).sum()), "shape"),
    ("6.2", one_step_back(lambda v, h, g, a: g), "support gradient, and nothing"),
    ("6.2", one_step_back(lambda v, h, g, a: v - a * g), "not on the road back"),
    ("6.2", one_step_back(lambda v, h, g, a: v - 2 * a * h @ v), "gradient of a number"),
    ("6.2", one_step_back(lambda v, h, g, a: v - a * h @ v), "Hessian was built"),
    ("6.2", row_by_row, "Hessian was built"),
    ("6.2", by_jacrev, "Hessian was built"),
    ("6.3", through(lambda hs: hs), "wrong order"),
    ("6.3", through(lambda hs: [hs[0]] * len(hs)), "first step's bracket"),
    ("6.3", lambda hs, v, a: v - a * sum(hs) @ v, "added the Hessians"),
    ("6.3", through(lambda hs: hs[::-1], sign=1.0), "Mind the sign"),
    ("6.3", through(lambda hs: hs[-1:]), "One step's bracket"),
    ("6.3", lambda hs, v, a: v, "Start with the query gradient"),
    ("6.4", FOUR | {"A": "first-order"}, "answer with one of"),
    ("6.4", FOUR | {"A": "exact"}, "retain_graph"),
    ("6.4", FOUR | {"B": "first order"}, "p.grad"),
    ("6.4", FOUR | {"C": "first order"}, "torch.func.grad"),
    ("6.4", FOUR | {"D": "exact"}, "from which tensors"),
    ("6.5", first_order_gradient(as_list=True), "dictionary"),
    ("6.5", first_order_gradient(exact=True), "reaches back to θ"),
    ("6.5", first_order_gradient(steps=0), "at θ itself"),
    ("6.5", first_order_gradient(half="support"), "Which half"),
    ("6.5", first_order_gradient(steps=1), "One step only"),
    ("6.5", first_order_gradient(steps=2), "where the inner loop ends"),
    ("6.5", first_order_gradient(told=True, cut=True), "was to stay out of it"),
    ("6.5", first_order_gradient(), "hangs on θ"),
    ("6.5", by_func_grad(), "hangs on θ"),
]
