"""Exercises of chapter 6."""

import sys
from collections.abc import Callable, Mapping, Sequence
from math import isclose
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from maml_tutorial.adapt import adapt
from maml_tutorial.exercises.registry import exercise
from maml_tutorial.models import Params
from maml_tutorial.tasks import Task


@exercise("6.1", "Two steps by hand")
def _(answer: tuple[float, float]) -> str | None:
    """Exact and first-order meta-gradient of f(x) = θx after two steps."""
    exact, first = (float(part) for part in answer)
    if _close(exact, 0.64) and _close(first, 0.8):
        return "That is after one step. Take the second from where the first ended."
    if _close(first, 2.9696) and _close(exact, 4.64):
        return "Both numbers are right, in each other's place: which one counts the bracket?"
    if _close(first, 2.32):
        return "φ is right. The query loss (2φ − y)² has a 2 from outside, and another from inside."
    if not _close(first, 4.64):
        return "First order: where do two steps lead, and what is the query loss's slope there?"
    if _close(exact, 4.64 * 0.8):
        return "Each step brings a factor of its own; you have counted one."
    if not _close(exact, 2.9696):
        return "The first-order value is right. By how much does each step shrink a change of θ?"
    return None


def _close(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=2e-3)


@exercise("6.2", "One step back")
def _(
    one_step_back: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, float], Tensor],
) -> str | None:
    """(I − αH) times a vector, by a Hessian–vector product."""
    theta, v = _vector([0.3, -0.8, 1.2]), _vector([1.0, 0.5, -2.0])
    alpha = 0.1
    hessian = torch.autograd.functional.hessian(_bent, theta)
    slope = torch.autograd.functional.jacobian(_bent, theta)
    got = torch.as_tensor(one_step_back(_bent, theta.clone(), v.clone(), alpha)).detach()
    hints = {
        "That is H v alone: it is taken, times α, from the query gradient.": hessian @ v,
        "That is first order: nothing has happened to the query gradient.": v,
        "The sign of the second road: a step goes down the slope.": v + alpha * hessian @ v,
        "Where is α?": v - hessian @ v,
        "Entry by entry is not a product with H: gradient · v is one number, a sum.": v
        - alpha * slope * v,
        "Only H's diagonal seems to be in it.": v - alpha * hessian.diagonal() * v,
        "That is the support gradient, and nothing of the query gradient is left.": slope,
        "The support gradient itself is not on the road back; how it changes with θ is.": v
        - alpha * slope,
    }
    if got.shape != v.shape:
        return f"Return a vector of the shape {tuple(v.shape)}; yours is {tuple(got.shape)}."
    for hint, wrong in hints.items():
        if _same(got, wrong):
            return hint
    if not _same(got, v - alpha * hessian @ v):
        return "H v is the gradient of a number: which one? And with what held fixed in it?"
    d = 300
    long, counter = torch.linspace(-1, 1, d, dtype=torch.float64), _Numbers()
    with counter:
        one_step_back(_bent, long.clone(), long.flip(0).clone(), alpha)
    if counter.written > d * d / 2:
        return (
            "The vector is right, but a Hessian was built on the way, whole or row by row: with "
            f"{d} parameters, {counter.written:,} numbers were written. One product with H needs "
            "no more than a few gradients."
        )
    return None


def _bent(at: Tensor) -> Tensor:
    """A loss whose Hessian is not diagonal, for vectors of any length from 3."""
    return (at[0] * at[1]).sin() + (at**4).sum() / 4 + (at[1:-1] * at[2:] ** 2).sum()


class _Numbers(TorchDispatchMode):
    """Count the entries of all tensors that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.written += sum(t.numel() for t in tree_leaves(out) if isinstance(t, Tensor))
        return out


@exercise("6.3", "The product over the steps")
def _(through_the_steps: Callable[[list[Tensor], Tensor, float], Tensor]) -> str | None:
    """The brackets of all steps, in the right order."""
    generator = torch.Generator().manual_seed(0)
    halves = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    hessians = [half + half.T for half in halves]
    g, alpha = torch.randn(4, generator=generator, dtype=torch.float64), 0.1
    brackets = [torch.eye(4, dtype=torch.float64) - alpha * h for h in hessians]
    got = torch.as_tensor(through_the_steps(list(hessians), g.clone(), alpha)).detach()
    hints = {
        "That is the first step's bracket three times; each step has its own.": brackets[0]
        @ brackets[0]
        @ brackets[0]
        @ g,
        "All brackets are there, in the wrong order: whose stands next to the query gradient?": (
            brackets[2] @ brackets[1] @ brackets[0] @ g
        ),
        "You added the Hessians up. Brackets are multiplied.": g - alpha * sum(hessians) @ g,
        "Mind the sign: each step goes down the slope.": _product(hessians, g, -alpha),
        "One step's bracket is not enough: go back through all of them.": brackets[-1] @ g,
    }
    for hint, wrong in hints.items():
        if got.shape == g.shape and _same(got, wrong):
            return hint
    if got.shape != g.shape or not _same(got, _product(hessians, g, alpha)):
        return "Start with the query gradient and walk the steps back, one bracket at a time."
    return None


def _product(hessians: Sequence[Tensor], vector: Tensor, alpha: float) -> Tensor:
    for hessian in reversed(hessians):
        vector = vector - alpha * hessian @ vector
    return vector


@exercise("6.4", "Four inner loops")
def _(answers: Mapping[str, str]) -> str | None:
    """Which gradient four published-looking inner loops have."""
    right = {"A": "first order", "B": "something else", "C": "exact", "D": "nothing"}
    hints = {
        "A": "A: `retain_graph` keeps the old graph. Does it build one of the gradient?",
        "B": "B: what stands in `p.grad` before the outer `backward()` adds to it?",
        "C": "C: `torch.func.grad` gives a function that can be differentiated again. Try it.",
        "D": "D: from which tensors is the adapted `phi` made: those of `params`?",
    }
    allowed = set(right.values())
    for name in right:
        if answers.get(name) not in allowed:
            return f"{name}: answer with one of {', '.join(sorted(allowed))}."
    return next((hints[name] for name in right if answers[name] != right[name]), None)


@exercise("6.5", "First order, honestly")
def _(first_order_gradient: Callable[..., Params]) -> str | None:
    """The query loss's gradient at φ, under the names of θ."""
    task = Task(*(_vector(v)[:, None] for v in ([1, -2], [2, 1], [2, 0.5, 1], [1, 3, -1])))

    used = {"first_order": False, "graph": False}

    def loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
        used["first_order"] |= _told_first_order()
        used["graph"] |= len(x) == len(task.x_query) and _reaches(theta, params)
        return ((params["a"] * torch.tanh(x + params["b"]) - y) ** 2).mean()

    def start() -> Params:
        return {name: _vector([v]).requires_grad_() for name, v in (("a", 0.7), ("b", -0.4))}

    def gradient(data: tuple[Tensor, Tensor], steps: int, first_order: bool) -> Tensor:
        begin = start()
        phi = adapt(
            loss,
            begin,
            task.x_support,
            task.y_support,
            inner_lr=0.1,
            inner_steps=steps,
            first_order=first_order,
        )
        return torch.cat(torch.autograd.grad(loss(phi, *data), list(begin.values())))

    theta = start()
    result = first_order_gradient(loss, theta, task, inner_lr=0.1, inner_steps=3)
    told, hangs = used["first_order"], used["graph"]
    if not isinstance(result, dict) or set(result) != {"a", "b"}:
        return "Return a dictionary with the names of `params`."
    got = torch.cat([torch.as_tensor(result[name]).detach().flatten() for name in theta])
    support, query = task[:2], task[2:]
    hints = {
        "That is the exact gradient: the graph still reaches back to θ.": (query, 3, False),
        "That is the query gradient at θ itself: adapt first.": (query, 0, True),
        "That is the support loss's gradient. Which half judges?": (support, 3, True),
        "One step only? `inner_steps` says how many.": (query, 1, True),
    }
    for hint, how in hints.items():
        if _same(got, gradient(*how)):
            return hint
    if not _same(got, gradient(query, 3, True)):
        return "Take the query loss's gradient with respect to φ, where the inner loop ends."
    if told:
        return "The numbers are right, but `first_order` was to stay out of it: cut by hand."
    if hangs:
        return "The numbers are right, but φ still hangs on θ by its graph: cut before you judge."
    return None


def _told_first_order() -> bool:
    """Whether a call of the package that is now running was told `first_order=True`."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code is adapt.__code__ and frame.f_locals["first_order"]:
            return True
        frame = frame.f_back
    return False


def _reaches(theta: Params, params: Params) -> bool:
    """Whether the graph of `params`, which are not θ themselves, leads back to θ."""
    todo = [_plain(p).grad_fn for p in params.values()]
    starts, seen = {id(p) for p in theta.values()}, set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        if id(getattr(node, "variable", None)) in starts:
            return True
        seen.add(node)
        todo += [earlier for earlier, _ in node.next_functions]
    return False


def _plain(tensor: Tensor) -> Tensor:
    """The tensor that was given to `torch.func.grad`, which hides its graph from the loss."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def _vector(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.allclose(a.double(), b, rtol=1e-6, atol=1e-9))
