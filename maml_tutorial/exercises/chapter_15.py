"""Exercises of chapter 15."""

from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise


@exercise("15.1", "A set has no order")
def _(summarise: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]) -> str | None:
    """One row for a set of points, whatever their order and number."""
    weight = torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]])

    def embed(rows: Tensor) -> Tensor:
        return (rows @ weight + 0.1).tanh() + (rows @ weight).square()

    for k in (5, 2):
        x = torch.linspace(-2.0, 3.0, k)[:, None]
        y = (x - 0.4).sin() + 0.2 * x
        rows = torch.cat([x, y], dim=1)
        got = summarise(embed, x, y)
        if not isinstance(got, Tensor):
            return "Return a tensor: what the set says, as one row of numbers."
        if got.numel() == 3 * k and k > 1:
            return "There is still a row for every point; make one of them."
        if got.numel() != 3:
            return "Return as many numbers as `embed` gives for one point."
        got = got.flatten()
        hints = {
            "A sum grows with the number of points: after five points, twenty are a surprise.": (
                embed(rows).sum(dim=0)
            ),
            "You averaged the points and embedded what came out: five points became one.": (
                embed(rows.mean(dim=0, keepdim=True))[0]
            ),
            "That is one of the points. What of the others?": embed(rows[:1])[0],
            "The last point alone: what of the others?": embed(rows[-1:])[0],
            "The pairs are turned round: `embed` takes rows (x, y).": (
                embed(rows.flip(1)).mean(dim=0)
            ),
        }
        for hint, wrong in hints.items():
            if torch.allclose(got, wrong):
                return hint
        if not torch.allclose(got, embed(rows).mean(dim=0)):
            if not torch.allclose(got, summarise(embed, x.flip(0), y.flip(0)).flatten()):
                return "With the points in another order it says something else."
            return "Embed each pair (x, y), then average over the points."
    return None


@exercise("15.2", "A step without new weights")
def _(read_a_step: Callable[..., Tensor]) -> str | None:
    """The prediction of a linear model after one step of gradient descent, by reading."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    for k in (5, 3):
        w, x_support, y_support, x_query = draw(4), draw(k, 4), draw(k), draw(6, 4)
        alpha = 0.1
        got = read_a_step(w, x_support, y_support, x_query, alpha)
        if not isinstance(got, Tensor) or got.shape != (6,):
            return "Return one prediction for each row of `x_query`."
        before = x_query @ w
        likeness = x_query @ x_support.mT
        residual = x_support @ w - y_support
        moved = -2 * alpha / k * likeness @ residual
        hints = {
            "Those are the predictions before the step: what do the points change?": before,
            "That is the change alone; it comes on top of what the model said before.": moved,
            "Up the slope: where a support point lies too high, the prediction must fall.": (
                before - moved
            ),
            "Each point gives its *residual*: what the model says of it minus its target.": (
                before + 2 * alpha / k * likeness @ y_support
            ),
            "The loss is a mean over the support points, and you took their sum.": (
                before + k * moved
            ),
            "The derivative of a square brings a factor that is missing here.": before + moved / 2,
            "A softmax over the likenesses is what transformers do; the step is linear.": (
                before - 2 * alpha * likeness.softmax(dim=-1) @ residual
            ),
        }
        for hint, wrong in hints.items():
            if torch.allclose(got, wrong):
                return hint
        if not torch.allclose(got, before + moved):
            return (
                "w − α·slope, multiplied by a query's x: the slope is a sum over support points, "
                "and each of them comes with its inner product with that x."
            )
    return None


@exercise("15.3", "Told the family")
def _(told: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    """Least squares for waves with an offset: y = A sin(x − B) + C."""
    generator = torch.Generator().manual_seed(1)
    for k, (height, phase, offset) in ((5, (3.0, 1.0, 0.0)), (4, (7.0, 4.5, -2.0))):
        x = 10 * torch.rand(k + 50, 1, generator=generator, dtype=torch.float64) - 5

        def wave(x: Tensor, a: float = height, b: float = phase, c: float = offset) -> Tensor:
            return a * torch.sin(x - b) + c

        xs, xq = x[:k], x[k:]
        got = told(xs, wave(xs), xq)
        if not isinstance(got, Tensor) or got.numel() != 50:
            if isinstance(got, Tensor) and got.numel() in (2, 3):
                return "Those are the unknown numbers. Return what they say at `x_query`."
            return "Return one prediction for each row of `x_query`."
        got = got.reshape(50, 1).double()
        two = torch.cat([xs.sin(), xs.cos()], dim=1)
        without = torch.cat([xq.sin(), xq.cos()], dim=1) @ torch.linalg.pinv(two) @ wave(xs)
        if torch.allclose(got, wave(xq), atol=1e-4):
            continue
        if torch.allclose(got, without, atol=1e-4):
            return "Right for waves without an offset. What is the third thing to be found?"
        if k == 5:
            return (
                "A sin(x − B) is a sum of two waves that start at zero shift, times two numbers: "
                "then the unknown numbers stand in front, and least squares finds them."
            )
        return "Right where the offset is zero, and wrong where it is not."
    return None


WHO = ("always zero", "least squares", "MAML", "Meta-SGD", "CAVIA", "deep set")
BOOKS = {"A": "deep set", "B": "MAML", "C": "always zero", "D": "Meta-SGD", "E": "CAVIA"}
LOOK_AT = {
    "A": "A: no step changes anything, and the answer still depends on the points.",
    "B": "B: the first step helps, the tenth a little more; what of larger waves?",
    "C": "C: the squared height of a wave, on average, wherever it lies.",
    "D": "D: one step is very good. And the next?",
    "E": "E: the later steps go on helping, in every column.",
}


@exercise("15.4", "Five log books")
def _(whose: dict[str, str]) -> str | None:
    """Who wrote which of the readings."""
    if not isinstance(whose, dict) or set(whose) != set(BOOKS):
        return "Give a dictionary with the five log books, A to E."
    unknown = [word for word in whose.values() if word not in WHO]
    if unknown:
        return f"There is no learner {unknown[0]!r}. The six are: {', '.join(WHO)}."
    if "least squares" in whose.values():
        return "Least squares is told the family: what would its errors be?"
    for book, learner in BOOKS.items():
        if whose[book] != learner:
            return LOOK_AT[book]
    return None
