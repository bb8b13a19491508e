"""Exercises of chapter 5."""

from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.adapt import Rates, adapt
from maml_tutorial.exercises.registry import exercise
from maml_tutorial.models import Params

LR, STEPS = 0.05, 3
CUT = "No gradient reaches the start through your result: what keeps the graph of a gradient?"
NOT_EXACT = (
    "The values are right, but the road back is not exact: either the graph of a gradient is not "
    "kept (then it is first order), or something on the way is detached, the start perhaps."
)


@exercise("5.1", "One step by hand")
def _(phi: float) -> str | None:
    """One step on two support points."""
    if not isinstance(phi, int | float | Tensor):
        return "The answer is one number."
    hints = {
        1.2: "The loss is the mean over the two points: did you add them up?",
        0.9: "This goes up the slope: a step goes against the gradient.",
        1.0: "The start is not a minimum: which of the two points is not fitted yet?",
        1.05: "The derivative of a square brings down a 2.",
        2.0: "That is the whole slope: a step is α times as long.",
    }
    for wrong, hint in hints.items():
        if abs(phi - wrong) < 1e-6:
            return hint
    return None if abs(phi - 1.1) < 1e-6 else "Write the mean loss out, and differentiate it at 1."


def curve_loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
    """A loss whose second derivative is not constant: y = b tanh(a x)."""
    return ((params["b"] * torch.tanh(params["a"] * x) - y) ** 2).mean()


def _climbing(params: Params, x: Tensor, y: Tensor) -> Tensor:
    return -curve_loss(params, x, y)


def start() -> Params:
    """Fresh parameters, in float64."""
    return {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in (("a", 0.7), ("b", 1.2))
    }


X = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64)
Y = torch.tensor([-2.0, 0.8, 1.5], dtype=torch.float64)


def _same(got: Params, right: Params) -> bool:
    return all(torch.allclose(torch.as_tensor(got[n]).double(), right[n], atol=1e-9) for n in right)


def _road(result: Params, params: Params) -> Tensor | None:
    """The gradient of the result's sum with respect to the start, or None where there is none."""
    total = sum((torch.as_tensor(p).sum() for p in result.values()), torch.zeros(()))
    if not total.requires_grad:
        return None
    parts = torch.autograd.grad(total, list(params.values()), allow_unused=True, retain_graph=True)
    return None if None in parts else torch.stack(parts)


def _judge(
    result: object, params: Params, right: Callable[[Params], Params], hints: dict[str, Params]
) -> str | None:
    """Compare values, then the road back; `hints` are the values of known mistakes."""
    if not _same(params, start()):
        return "You overwrote the parameters that you were given: return new ones instead."
    if not isinstance(result, dict) or set(result) != set(params):
        return "Return a dictionary with the names of `params`."
    fresh = start()
    wanted = right(fresh)
    if not _same(result, wanted):
        for hint, wrong in hints.items():
            if _same(result, wrong):
                return hint
        return "The adapted parameters differ: follow two steps on paper."
    road, right_road = _road(result, params), _road(wanted, fresh)
    if road is None or right_road is None:
        return CUT
    return None if torch.allclose(road, right_road, atol=1e-8) else NOT_EXACT


def _adapted(
    params: Params, inner_lr: Rates = LR, inner_steps: int = STEPS, pull: float = 0.0
) -> Params:
    return adapt(curve_loss, params, X, Y, inner_lr=inner_lr, inner_steps=inner_steps, pull=pull)


@exercise("5.2", "An inner loop that keeps a diary")
def _(adapt_with_losses: Callable[..., tuple[Params, list[float]]]) -> str | None:
    """Adapted parameters and the support losses along the way."""
    params = start()
    answer = adapt_with_losses(curve_loss, params, X, Y, inner_lr=LR, inner_steps=STEPS)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two things: first the adapted parameters, then the list of losses."
    result, losses = answer
    if isinstance(losses, dict):
        return "Both are there, in the other order: the adapted parameters come first."
    up = adapt(_climbing, start(), X, Y, inner_lr=LR, inner_steps=STEPS)
    one = _adapted(start(), inner_steps=1)
    hints = {
        "This climbs: a step goes against the gradient.": up,
        "This is one step, however many were asked for.": one,
    }
    if hint := _judge(result, params, _adapted, hints):
        return hint
    if len(losses) != STEPS + 1:
        return f"{STEPS} steps have {STEPS + 1} losses: one before the first, one after each."
    if any(isinstance(loss, Tensor) for loss in losses):
        return "Note plain numbers: a tensor in the diary keeps its whole graph alive."
    path = [_adapted(start(), inner_steps=k) for k in range(STEPS + 1)]
    right = [curve_loss(p, X, Y).item() for p in path]
    good = all(abs(a - b) < 1e-9 for a, b in zip(losses, right, strict=True))
    return None if good else "The losses are those of the support set, in order, the start first."


@exercise("5.3", "Only the head moves")
def _(adapt_head: Callable[..., Params]) -> str | None:
    """ANIL's inner loop: the named parameters move, the others stay."""

    def right(params: Params) -> Params:
        return _adapted(params, {"b": LR})

    asked: list[Tensor] = []

    def watched_loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
        """The loss, noting when a slope in what must stay is computed."""
        still = params["a"] * 1
        if still.requires_grad:
            still.register_hook(asked.append)
        return curve_loss({**params, "a": still}, x, y)

    params = start()
    result = adapt_head(watched_loss, params, X, Y, names=["b"], inner_lr=LR, inner_steps=STEPS)
    too_many = bool(asked)  # before the road back is tried, which asks for all
    if isinstance(result, dict) and set(result) == {"b"}:
        return "The parameters that stay belong into the result too: the network needs all."
    hints = {
        "Everything has moved: only those in `names` may.": _adapted(start()),
        "Nothing has moved.": start(),
    }
    if hint := _judge(result, params, right, hints):
        return hint
    if too_many:
        return (
            "Right, but dear: a gradient was taken also with respect to what stays. Ask for less."
        )
    return None


@exercise("5.4", "A step size for every number")
def _(meta_sgd_step: Callable[..., Params]) -> str | None:
    """Meta-SGD's inner step, differentiable with respect to its step sizes."""
    rates = {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in (("a", 0.1), ("b", 0.02))
    }

    def right(params: Params) -> Params:
        return _adapted(params, dict(rates), 1)

    params = start()
    result = meta_sgd_step(curve_loss, params, X, Y, inner_lrs=rates)
    hints = {"One rate was used for all: each parameter has its own.": _adapted(start(), 0.1, 1)}
    if hint := _judge(result, params, right, hints):
        return hint
    road, right_road = _road(result, rates), _road(right(start()), rates)
    if road is None or right_road is None:
        return "No gradient reaches `inner_lrs`: they were turned into plain numbers on the way."
    if not torch.allclose(road, right_road, atol=1e-8):
        return "The values are right, but their slope in `inner_lrs` is not: which part is cut off?"
    return None


@exercise("5.5", "On a leash")
def _(adapt_on_a_leash: Callable[..., Params]) -> str | None:
    """An inner loop with a pull back to the start."""
    pull = 4.0

    def leashed(params: Params) -> Params:
        return _adapted(params, pull=pull)

    def decayed(params: Params, x: Tensor, y: Tensor) -> Tensor:
        """The loss whose slope pulls towards zero."""
        return curve_loss(params, x, y) + pull / 2 * (params["a"] ** 2 + params["b"] ** 2)

    params = start()
    result = adapt_on_a_leash(curve_loss, params, X, Y, inner_lr=LR, inner_steps=STEPS, pull=pull)
    hints = {
        "There is no pull: does the θ you pull to stay the start, or does its name move along?": (
            _adapted(start())
        ),
        "This pulls towards zero (weight decay), not towards the start.": adapt(
            decayed, start(), X, Y, inner_lr=LR, inner_steps=STEPS
        ),
        "This pushes away from the start: mind the sign.": _adapted(start(), pull=-pull),
        "The pull is not multiplied by α: it stands inside the bracket.": _adapted(
            start(), pull=pull / LR
        ),
        "Twice too strong: λ (φ − θ) is the slope of λ/2 times the squared distance.": (
            _adapted(start(), pull=2 * pull)
        ),
        "The pull came once, after the last step. It belongs into every one.": {
            n: p - LR * pull * (p - start()[n]) for n, p in _adapted(start()).items()
        },
    }
    return _judge(result, params, leashed, hints)
