"""Scores over many unseen tasks: a mean, its interval, and how many predictions stand behind it."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from maml_tutorial.adapt import adapt
from maml_tutorial.models import LossFn, Params, PredictFn
from maml_tutorial.tasks import TaskSampler, require_at_least

Metric = Callable[[Tensor, Tensor], Tensor]
Z_95 = 1.96  # the middle 95 % of a normal distribution lies within this many standard deviations


class Score(NamedTuple):
    """A mean over tasks and half the width of its 95 % confidence interval.

    Attributes:
        mean: the mean over tasks.
        interval: 1.96 standard errors; the truth lies in mean ± interval in about 95 of 100
            such measurements.
        n_tasks: how many tasks.
        n_predictions: how many predictions in all.
    """

    mean: float
    interval: float
    n_tasks: int
    n_predictions: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.interval:.2g}"


class Evaluation(NamedTuple):
    """Scores before (0 steps) and after adaptation, on both halves of the tasks.

    Attributes:
        support: `{steps: Score}` on the points adapted to.
        query: `{steps: Score}` on the points held back: the ones that count.
        batch_norm: the protocol, `"transductive"` or `"inductive"`.
    """

    support: dict[int, Score]
    query: dict[int, Score]
    batch_norm: str


def score(values: Tensor) -> Score:
    r"""Mean and 95 % interval over tasks: $\bar v \pm 1.96\, s / \sqrt{n}$.

    The *task* is the unit that was drawn at random, so predictions are averaged within each task
    first, and s is the standard deviation of those averages (with n − 1). The standard deviation
    itself is not an interval: it does not shrink when more tasks are drawn.

    Args:
        values: one value a prediction, shape `(n_tasks, n_predictions)` or `(n_tasks,)`.

    Raises:
        ValueError: with fewer than two tasks, or a value that is not finite.

    Example:
        >>> print(score(torch.tensor([0.0, 1.0, 0.0, 1.0])))
        0.5 ± 0.57
    """
    if values.ndim not in (1, 2) or values.shape[0] < 2:
        raise ValueError(f"an interval needs at least 2 tasks, got values {tuple(values.shape)}")
    per_task = values.double().reshape(values.shape[0], -1).mean(dim=1)
    diverged = int((~per_task.isfinite()).sum())
    if diverged:
        raise ValueError(
            f"no finite value in {diverged} of {len(per_task)} tasks: adaptation diverged there. "
            "Try a smaller inner_lr or fewer inner_steps."
        )
    n = per_task.numel()
    return Score(
        per_task.mean().item(), Z_95 * per_task.std().item() / math.sqrt(n), n, values.numel()
    )


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Squared error of each prediction: `(..., n, 1)` twice → `(..., n)`.

    Example:
        >>> squared_error(torch.tensor([[3.0]]), torch.tensor([[1.0]]))
        tensor([4.])
    """
    return (outputs - y).square().mean(dim=-1)


def correct(outputs: Tensor, y: Tensor) -> Tensor:
    """Return 1 where the largest output is the right class's, else 0.

    Args:
        outputs: one a class, shape `(..., n, n_way)`.
        y: labels, int64, shape `(..., n)`.

    Raises:
        TypeError: if the labels are not whole numbers.

    Example:
        >>> correct(torch.tensor([[0.1, 0.9]]), torch.tensor([1]))
        tensor([1.])
    """
    if y.is_floating_point():
        raise TypeError(f"labels must be whole numbers (int64), got {y.dtype}")
    return (outputs.argmax(dim=-1) == y).float()


def evaluate(
    loss_fn: LossFn,
    predict: PredictFn,
    metric: Metric,
    params: Params,
    sampler: TaskSampler,
    *,
    inner_lr: float,
    inner_steps: Sequence[int] = (0, 1, 5, 10),
    n_tasks: int = 1000,
    generator: torch.Generator,
    batch_norm: Literal["transductive", "inductive"] = "transductive",
    batch_size: int = 100,
) -> Evaluation:
    """Adapt to `n_tasks` fresh tasks and score them after each number of steps.

    Batch norm looks at a whole batch, so it matters who is in it. *Transductive*, as in the
    paper: all query inputs are predicted together and see each other. *Inductive*: each query
    input is predicted with the support inputs only. Without batch norm the two agree.

    Args:
        loss_fn: `(params, x, y)` → scalar, the loss adapted on.
        predict: `(params, x)` → outputs, for one task.
        metric: `(outputs, y)` → one value a prediction, such as `correct`.
        params: θ; left as they are.
        sampler: `(n_tasks, generator) -> Task`.
        inner_lr: α.
        inner_steps: the numbers of steps to score after; 0 is before adaptation.
        n_tasks: how many tasks.
        generator: drives the sampler: the same seed, the same tasks.
        batch_norm: the protocol for the query set.
        batch_size: tasks in memory at a time.

    Returns:
        An `Evaluation` with a `Score` for each number of steps, on support and query sets.

    Raises:
        ValueError: for a negative step count, an unknown protocol, or fewer than two tasks.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> from maml_tutorial.models import MLP, init_params, make_loss, make_predict
        >>> from maml_tutorial.tasks import SinusoidTasks
        >>> model = MLP()
        >>> result = evaluate(
        ...     make_loss(model, mse_loss), make_predict(model), squared_error,
        ...     init_params(model, seed=0), SinusoidTasks(k_shot=5), inner_lr=0.01,
        ...     inner_steps=(0, 1), generator=torch.Generator().manual_seed(0))
        >>> result.query[1].n_tasks, result.query[1].n_predictions
        (1000, 10000)
    """
    steps = sorted(set(inner_steps))
    require_at_least(0, inner_steps=min(steps))
    require_at_least(2, n_tasks=n_tasks)
    require_at_least(1, batch_size=batch_size)
    if batch_norm not in ("transductive", "inductive"):
        raise ValueError(f"batch_norm must be 'transductive' or 'inductive', got {batch_norm!r}")
    if batch_norm == "inductive":  # many small predictions: vectorised within a task, not over all
        predict_query = vmap(_alone(predict), chunk_size=1)
    else:
        predict_query = vmap(_together(predict))
    device = next(iter(params.values())).device
    support: dict[int, list[Tensor]] = {s: [] for s in steps}
    query: dict[int, list[Tensor]] = {s: [] for s in steps}
    for first in range(0, n_tasks, batch_size):
        tasks = sampler(min(batch_size, n_tasks - first), generator).to(device)
        n = tasks.x_support.shape[0]
        phi = {k: p.detach().expand(n, *p.shape).requires_grad_() for k, p in params.items()}
        done = 0
        for s in steps:
            phi = adapt(
                vmap(loss_fn),
                phi,
                tasks.x_support,
                tasks.y_support,
                inner_lr=inner_lr,
                inner_steps=s - done,
                first_order=True,  # the same steps; nothing is differentiated through them here
            )
            done = s
            phi = {k: p.detach().requires_grad_() for k, p in phi.items()}
            with torch.no_grad():
                outputs = vmap(predict)(phi, tasks.x_support)
                support[s].append(metric(outputs, tasks.y_support))
                outputs = predict_query(phi, tasks.x_support, tasks.x_query)
                query[s].append(metric(outputs, tasks.y_query))
    return Evaluation(
        {s: score(torch.cat(values)) for s, values in support.items()},
        {s: score(torch.cat(values)) for s, values in query.items()},
        batch_norm,
    )


def _together(predict: PredictFn) -> Callable[[Params, Tensor, Tensor], Tensor]:
    return lambda params, x_support, x_query: predict(params, x_query)


def _alone(predict: PredictFn) -> Callable[[Params, Tensor, Tensor], Tensor]:
    def predict_alone(params: Params, x_support: Tensor, x_query: Tensor) -> Tensor:
        def one(x: Tensor) -> Tensor:
            return predict(params, torch.cat([x_support, x[None]]))[-1]

        return vmap(one)(x_query)

    return predict_alone
