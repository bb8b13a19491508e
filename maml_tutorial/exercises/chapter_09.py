"""Exercises of chapter 9."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise
from maml_tutorial.models import Params


@exercise("9.1", "Three gradients by hand")
def _(three_gradients: Callable[[float, float], Sequence[float]]) -> str | None:
    """Exact, first order and Reptile, for f(x) = θx, support (1, 2), query (2, 2)."""
    for theta, alpha in ((0.0, 0.1), (0.5, 0.05), (-1.0, 0.2)):
        answer = three_gradients(theta, alpha)
        if not isinstance(answer, (tuple, list)) or len(answer) != 3:
            return "Return three numbers: exact, first order, Reptile."
        exact, first, reptile = (float(a) for a in answer)
        g1 = 2 * (theta - 2)
        g2 = 8 * (theta - alpha * g1 - 1)
        right = (1 - 2 * alpha) * g2, g2, g1 + g2
        if _near(first, 8 * (theta - 1)):
            return "That is the query loss's slope at θ. First order takes it where?"
        if _near(first, right[0]) and _near(exact, right[1]):
            return "The first two are exchanged: which of them has the factor 1 − αH?"
        if _near(first, -g2):
            return "A gradient points uphill; you gave the way down."
        if not _near(first, right[1]):
            return "Begin with first order: one step on the support point, then the query's slope."
        if _near(exact, (1 - 8 * alpha) * g2):
            return "The factor is 1 − αH with the curvature of the loss that the step went down."
        if _near(exact, (1 + 2 * alpha) * g2):
            return "The step goes down the slope: the derivative of θ − αg is 1 minus something."
        if not _near(exact, right[0]):
            return "Exact is first order times dφ/dθ. How does φ = θ − αL′(θ; S) change with θ?"
        if _near(reptile, alpha * right[2]):
            return "That is the way θ − φ itself, as the package returns it; divide it by α."
        if _near(reptile, -right[2]):
            return "Reptile's sign: the gradient is (θ − φ) / α, from the end to the start."
        if _near(reptile, g1):
            return "Reptile's second step is missing: it walks on the query point, too."
        if _near(reptile, g1 + 8 * (theta - 1)):
            return "Reptile's second step begins where the first has ended, not at θ."
        if not _near(reptile, right[2]):
            return "Reptile: a step on the support point, one on the query point; (θ − φ) / α."
    return None


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6 * max(1.0, abs(b))


@exercise("9.2", "Only these may move")
def _(adapt_only: Callable[..., Params]) -> str | None:
    """One inner step that moves the named parameters alone, and keeps the graph."""
    values = {"body": [1.0, -2.0], "head": [0.5, 3.0], "bias": [0.25]}
    theta = {n: torch.tensor(v, dtype=torch.float64).requires_grad_() for n, v in values.items()}
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=torch.float64)
    y = torch.tensor([1.0, -1.0], dtype=torch.float64)

    def loss_fn(params: Params, x: Tensor, y: Tensor) -> Tensor:
        return (((x * params["body"]) @ params["head"] + params["bias"] - y) ** 2).mean()

    phi = adapt_only(loss_fn, theta, x, y, ["head", "bias"], 0.1)
    if not isinstance(phi, dict) or set(phi) != set(theta):
        return "Return all parameters by name, those that stay as well."
    if any(theta[n].tolist() != values[n] for n in theta):
        return "You overwrote θ: the other tasks still need it."
    slopes = torch.autograd.grad(loss_fn(theta, x, y), list(theta.values()), create_graph=True)
    step = dict(zip(theta, slopes, strict=True))
    if not torch.equal(phi["body"], theta["body"]):
        return "The body has moved, and it is not among `names`."
    if torch.allclose(phi["head"], theta["head"] + 0.1 * step["head"]):
        return "The head moves up the slope."
    if torch.equal(phi["head"], theta["head"]):
        return "The head has not moved, and it is among `names`."
    if not torch.allclose(phi["head"], theta["head"] - 0.1 * step["head"]):
        return "The head moves, by a wrong amount: one step, θ − α · slope."
    if not torch.allclose(phi["bias"], theta["bias"] - 0.1 * step["bias"]):
        return "The bias is among `names`, too."
    if not phi["head"].requires_grad:
        return "The outer loop cannot reach θ through φ: something was detached."
    (got,) = torch.autograd.grad(phi["head"].sum(), theta["body"], allow_unused=True)
    if got is None:
        return (
            "The step's size no longer depends on the body: the body would not learn what the "
            "head needs. What keeps the graph of the inner gradient?"
        )
    return None


@exercise("9.3", "Where two tasks pull")
def _(end_points: Callable[..., Sequence[float]]) -> str | None:
    """The θ at which exact MAML and first order come to rest on tasks a/2 (θ − c)²."""
    for a, c, alpha in (
        ([1.0, 8.0], [0.0, 1.0], 0.1),
        ([2.0, 3.0, 0.5], [-1.0, 2.0, 4.0], 0.2),
    ):
        answer = end_points(a, c, alpha)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return "Return two numbers: where exact MAML rests, and where first order does."
        exact, first = (float(v) for v in answer)

        def rest(power: int, a: list[float] = a, c: list[float] = c, r: float = alpha) -> float:
            weights = [k * (1 - r * k) ** power for k in a]
            return sum(w * m for w, m in zip(weights, c, strict=True)) / sum(weights)

        if _near(exact, rest(1)) and _near(first, rest(2)):
            return "The two are exchanged: exact has one more factor 1 − αa than first order."
        if _near(exact, rest(0)) or _near(first, rest(0)):
            return "One of them is where joint training rests: nothing has adapted there."
        if _near(exact, sum(c) / len(c)) or _near(first, sum(c) / len(c)):
            return "That is the plain mean of the valleys. Steep tasks pull harder: weigh them."
        if not _near(first, rest(1)):
            return (
                "First order: after a step, φ − c = (1 − αa)(θ − c). The pull is a(φ − c). Where "
                "do the pulls add up to zero?"
            )
        if not _near(exact, rest(2)):
            return "First order is right. Exact multiplies each pull once more, by dφ/dθ."
    return None


@exercise("9.4", "What one step of the head can do")
def _(head_step: Callable[..., Tensor]) -> str | None:
    """How far one inner step on a linear head moves each prediction."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    h, h_support, residual = draw(7, 4), draw(5, 4), draw(5)
    rates = 0.3, -0.7
    got = head_step(h, h_support, residual, *rates)
    if not isinstance(got, Tensor) or got.shape != (7,):
        return "Return one number for each row of `h`: how far the prediction there moves."
    along, offset = h @ (h_support.T @ residual), residual.sum()

    def shift(w: float, b: float, scale: float = -2 / 5) -> Tensor:
        return scale * (w * along + b * offset)

    hints = {
        "Up the slope: residual is prediction − target, and a step goes against it.": shift(
            *rates, 2 / 5
        ),
        "The bias is missing: it moves, too, by its own rate.": shift(rates[0], 0.0),
        "The bias has the weights' rate: it was given its own.": shift(rates[0], rates[0]),
        "The two rates are exchanged.": shift(rates[1], rates[0]),
        "The loss is the mean over the support points, not their sum.": shift(*rates, -2.0),
        "The derivative of a square brings a 2.": shift(*rates, -1 / 5),
    }
    for hint, wrong in hints.items():
        if torch.allclose(got, wrong):
            return hint
    if not torch.allclose(got, shift(*rates)):
        return "Take the slope of the mean of residual² along w and b, then Δ = h·Δw + Δb."
    return None


@exercise("9.5", "The spring at rest")
def _(implicit: Callable[[Tensor, Tensor, float], Tensor]) -> str | None:
    """The implicit meta-gradient, from the Hessian and the query gradient at rest."""
    hessian = torch.tensor([[4.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    slope = torch.tensor([3.0, -1.0], dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64)
    for pull in (8.0, 0.5):
        got = torch.as_tensor(implicit(hessian, slope, pull)).double()
        if got.shape != slope.shape:
            return "Return a vector as long as the query gradient."
        hints = {
            "That is first order: the spring's answer leaves the curvature in.": slope,
            "You multiplied by I + H/λ. It stands on the other side: solve for v.": (
                (eye + hessian / pull) @ slope
            ),
            "λ stands under H: a strong spring leaves little to the curvature.": torch.linalg.solve(
                eye + pull * hessian, slope
            ),
            "That is one step of length 1/λ, unrolled: close to it, and not it.": (
                slope - hessian @ slope / pull
            ),
            "Nearly: H + λI is λ times too large.": torch.linalg.solve(pull * eye + hessian, slope),
        }
        for hint, wrong in hints.items():
            if torch.allclose(got, wrong):
                return hint
        if not torch.allclose(got, torch.linalg.solve(eye + hessian / pull, slope)):
            return "Solve (I + H/λ) v = g for v."
    return None
