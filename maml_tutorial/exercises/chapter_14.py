"""Exercises of chapter 14: what a meta-gradient costs, and the ways back through the steps."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise

WAYS = ("first order", "exact", "step by step", "implicit")


@exercise("14.1", "The bill")
def _(bill: Callable[..., float]) -> str | None:
    """How many gradients a meta-gradient is, by way, steps and tasks."""
    for n, n_tasks, cg_steps in ((1, 1, 5), (5, 4, 2), (20, 25, 7)):
        got = {way: float(bill(way, n, n_tasks, cg_steps)) for way in WAYS}
        each = {way: value / n_tasks for way, value in got.items()}
        if n_tasks > 1 and got["first order"] == n + 1:
            return "That is the bill of one task. Tasks share nothing."
        if each["first order"] == n:
            return "First order: the steps there are not all. Where does the gradient come from?"
        if each["first order"] != n + 1:
            return "Begin with first order: the steps there, and what is asked at their end."
        if each["exact"] == 2 * n + 1:
            return "Exact: a product with the Hessian goes back through a gradient, and costs two."
        if each["exact"] != 3 * n + 1:
            return "First order is right. Exact: add what the way back through each step costs."
        if each["step by step"] == 3 * n + 1:
            return "Step by step: its graph is gone when the way back begins. What is taken anew?"
        if each["step by step"] != 4 * n + 1:
            return "Step by step: at each place a gradient with a graph, and a product."
        if each["implicit"] == n + 2 + 2 * cg_steps:
            continue
        if each["implicit"] == n + 2 + 2 * cg_steps * n:
            return "Implicit: conjugate gradients work at the end only, not at every step."
        if each["implicit"] == n + 1 + 2 * cg_steps:
            return "Implicit: what does the first product need to be a product with?"
        if each["implicit"] == n + 2 + cg_steps:
            return "Implicit: each step of conjugate gradients is a product. What does that cost?"
        return "Implicit: the steps, two gradients at the end, and the products."
    return None


def _problem(n: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Symmetric matrices, a vector of rates, and a query gradient."""
    generator = torch.Generator().manual_seed(n)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    halves = [draw(3, 3) for _ in range(n)]
    return [h + h.T for h in halves], draw(3).abs() / 5, draw(3)


@exercise("14.2", "A rate for each weight")
def _(walk_back: Callable[..., Tensor]) -> str | None:
    """The exact meta-gradient where each weight has its own rate."""
    for n in (1, 3):
        hessians, rates, query = _problem(n)

        def back(
            step: Callable[[Tensor, Tensor, Tensor], Tensor],
            order: Sequence[Tensor] = hessians[::-1],
            rates: Tensor = rates,
            query: Tensor = query,
        ) -> Tensor:
            lam = query
            for hessian in order:
                lam = step(hessian, lam, rates)
            return lam

        got = walk_back(list(hessians), rates.clone(), query.clone())
        if not isinstance(got, Tensor) or got.shape != query.shape:
            return "Return a vector as long as the query gradient."
        if torch.allclose(got, query):
            return "That is first order: nothing went back through the steps."
        right = back(lambda h, v, a: v - h @ (a * v))
        if torch.allclose(got, right):
            continue
        hints = {
            "A gradient goes back by the *transpose* of the step's Jacobian: what comes first, "
            "the rates or the Hessian?": back(lambda h, v, a: v - a * (h @ v)),
            "The last step comes first on the way back.": back(
                lambda h, v, a: v - h @ (a * v), order=hessians
            ),
            "A minus is lost: the step goes down the slope.": back(lambda h, v, a: v + h @ (a * v)),
            "One rate for all would be easier; here each weight has its own.": back(
                lambda h, v, a: v - a.mean() * h @ v
            ),
        }
        for hint, wrong in hints.items():
            if torch.allclose(got, wrong):
                return hint
        return "Differentiate one step by hand: φ − a ∘ g(φ). What is its Jacobian?"
    return None


@exercise("14.3", "Back through momentum")
def _(back_with_momentum: Callable[..., Tensor]) -> str | None:
    """The exact meta-gradient through steps with momentum."""
    alpha, mu = 0.2, 0.9
    for n in (1, 2, 4):
        hessians, _, query = _problem(n)
        got = back_with_momentum(list(hessians), query.clone(), alpha, mu)
        if not isinstance(got, Tensor) or got.shape != query.shape:
            return "Return a vector as long as the query gradient."

        def back(
            *,
            keep: float = mu,
            direct: bool = True,
            late: bool = False,
            order: Sequence[Tensor] = hessians[::-1],
            query: Tensor = query,
        ) -> Tensor:
            lam, nu = query, torch.zeros_like(query)
            for hessian in order:
                nu = nu - alpha * lam
                lam = lam + hessian @ (keep * nu if late else nu)
                nu = keep * nu if direct else torch.zeros_like(nu)
            return lam

        if torch.allclose(got, back()):
            continue
        if n == 1:
            return "One step alone: m₁ is the gradient, so it must be λ − αHλ."
        hints = {
            "That forgets the momentum: λ − αHλ is plain gradient descent.": back(direct=False),
            "What comes back along m is damped once a step: where does μ stand?": back(keep=1.0),
            "Half a momentum: the factor μ belongs to the road to mₖ, not to that to φₖ.": back(
                late=True
            ),
            "The last step comes first on the way back.": back(order=hessians),
        }
        for hint, wrong in hints.items():
            if torch.allclose(got, wrong):
                return hint
        return "Two vectors: λ along φ and ν along m. How does each of φₖ₊₁, mₖ₊₁ depend on φₖ, mₖ?"
    return None


@exercise("14.4", "How many crosses?")
def _(best_stretch: Callable[..., Sequence[float]]) -> str | None:
    """The stretch between kept places with the least peak of memory."""
    for n, place, graph in ((20, 0.1, 3.5), (100, 1.0, 1.0), (100, 9.0, 1.0), (7, 5.0, 1.0)):
        answer = best_stretch(n, place, graph)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return "Return two things: the stretch, and the peak in bytes."
        s, peak = float(answer[0]), float(answer[1])
        if s != int(s) or not 1 <= s <= n:
            return f"A stretch is a whole number from 1 to n; for n = {n} yours is {s:g}."

        def bytes_of(s: int, n: int = n, place: float = place, graph: float = graph) -> float:
            return math.ceil(n / s) * place + s * graph

        best = min(range(1, n + 1), key=bytes_of)
        if _near(peak, bytes_of(best)) and s == best:
            continue
        if _near(peak, bytes_of(best)) and _near(bytes_of(int(s)), peak):
            return "The peak is right. Of equals, the smallest stretch."
        if _near(peak, n / s * place + s * graph) and n % s:
            return "Nobody keeps half a place: round their number up."
        if _near(peak, bytes_of(int(s))):
            return f"That is the peak of s = {s:g}. Another stretch has less: try them all."
        return "The peak: all places kept, and the graphs of one stretch."
    return None


@exercise("14.5", "Pairs for a cosine")
def _(pairs_needed: Callable[..., float]) -> str | None:
    """How many pairs of evaluations the line asks for."""
    for cosine, d in ((0.6, 1761), (0.9, 1761), (0.03, 1_000_000)):
        got = float(pairs_needed(cosine, d))
        exact = d * cosine**2 / (1 - cosine**2)
        if got == math.ceil(exact):
            continue
        if _near(got, 2 * exact) or got == 2 * math.ceil(exact):
            return "Those are evaluations. A pair is two."
        if got in (math.floor(exact), exact):
            return "A whole number, and enough: round up."
        if got == math.ceil(d * cosine / (1 - cosine)):
            return "The cosine is a root: square it first."
        if got == math.ceil(d * cosine**2):
            return "Nearly, for small cosines. m stands below the line, too: m / (m + d)."
        return "Solve c = √(m / (m + d)) for m."
    return None


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-9 * max(1.0, abs(b))
