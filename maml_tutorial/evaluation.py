"""Scores over many unseen tasks: a mean, its interval, and how many predictions stand behind it."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

from maml_tutorial.contracts import drawn, require_labels, require_matching
from maml_tutorial.learners import Learner
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import Params, PredictFn
from maml_tutorial.params import stacked
from maml_tutorial.tasks import Data, Task, TaskSampler, count, joined, require_at_least, sliced

BatchNorm = Literal["transductive", "inductive"]
Z_95 = 1.96  # the middle 95 % of a normal distribution lies within this many standard deviations
FAR = 10  # a task has diverged when its mark is this many times the largest before a step
A_SHARE = 1.0  # but marks up to here may be shares of right answers, which cannot diverge


class Metric(Protocol):
    """How good predictions are."""

    def __call__(self, outputs: Tensor, y: Tensor, /) -> Tensor:
        """Return one value a prediction: `(..., n, …)` outputs and targets → `(..., n)`."""
        ...


class Score(NamedTuple):
    """A mean over tasks and half the width of its 95 % confidence interval.

    Tasks that diverged are counted, and left out of the other figures: one among ten thousand
    would be the whole mean.

    Attributes:
        mean: the mean over tasks.
        interval: 1.96 standard errors; the truth lies in mean ± interval in about 95 of 100
            such measurements.
        n_tasks: how many tasks were dealt.
        n_predictions: how many predictions in all.
        median: the median over tasks; None in records that are older than it.
        n_diverged: how many of the tasks diverged.
    """

    mean: float
    interval: float
    n_tasks: int
    n_predictions: int
    median: float | None = None
    n_diverged: int = 0

    def __str__(self) -> str:
        diverged = f", {self.n_diverged} of {self.n_tasks} diverged" if self.n_diverged else ""
        return f"{self.mean:.3g} ± {self.interval:.2g}{diverged}"


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


def score(values: Tensor, *, most: float = math.inf, n_predictions: int | None = None) -> Score:
    r"""Mean and 95 % interval over tasks: $\bar v \pm 1.96\, s / \sqrt{n}$.

    The *task* is the unit that was drawn at random, so predictions are averaged within each task
    first, and s is the standard deviation of those averages (with n − 1). The standard deviation
    itself is not an interval: it does not shrink when more tasks are drawn.

    A task whose average is not finite, or above `most`, has diverged: it is counted, and left out
    of mean, interval and median.

    Args:
        values: one value a prediction, shape `(n_tasks, n_predictions)` or `(n_tasks,)`.
        most: the largest average of a task that counts as a score.
        n_predictions: predictions in all, where `values` are averages already.

    Raises:
        ValueError: with fewer than two tasks.

    Example:
        >>> print(score(torch.tensor([0.0, 1.0, 0.0, 1.0])))
        0.5 ± 0.57
        >>> print(score(torch.tensor([0.0, 1.0, 0.0, 1.0, float("inf")])))
        0.5 ± 0.57, 1 of 5 diverged
    """
    if values.ndim not in (1, 2) or values.shape[0] < 2:
        raise ValueError(f"an interval needs at least 2 tasks, got values {tuple(values.shape)}")
    per_task = values.cpu().double().reshape(values.shape[0], -1).mean(dim=1)
    kept = per_task[per_task.isfinite() & (per_task <= most)]
    n, n_tasks = kept.numel(), per_task.numel()
    mean, median = (kept.mean().item(), kept.quantile(0.5).item()) if n else (math.nan, math.nan)
    interval = Z_95 * kept.std().item() / math.sqrt(n) if n > 1 else math.nan
    return Score(mean, interval, n_tasks, n_predictions or values.numel(), median, n_tasks - n)


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Squared error of each prediction: `(..., n, 1)` twice → `(..., n)`.

    Raises:
        ValueError: if outputs and targets differ in shape.

    Example:
        >>> squared_error(torch.tensor([[3.0]]), torch.tensor([[1.0]]))
        tensor([4.])
    """
    require_matching(outputs, y)
    return (outputs - y).square().mean(dim=-1)


def correct(outputs: Tensor, y: Tensor) -> Tensor:
    """Return 1 where the largest output is the right class's, else 0.

    Args:
        outputs: one a class, shape `(..., n, n_way)`.
        y: labels, int64, shape `(..., n)`.

    Raises:
        TypeError: if the labels are not whole numbers.
        ValueError: if a label is none of the classes that the outputs know.

    Example:
        >>> correct(torch.tensor([[0.1, 0.9]]), torch.tensor([1]))
        tensor([1.])
    """
    require_labels(outputs, y)
    return (outputs.argmax(dim=-1) == y).float()


def dealt(
    sampler: TaskSampler, n_tasks: int, generator: torch.Generator, batch_size: int
) -> Iterator[Task]:
    """Deal tasks in batches, each checked: the one way in which tasks reach a test.

    Example:
        >>> from maml_tutorial.tasks import SinusoidTasks
        >>> batches = dealt(SinusoidTasks(), 25, torch.Generator().manual_seed(0), 10)
        >>> [len(tasks.x_query) for tasks in batches]
        [10, 10, 5]
    """
    require_at_least(1, batch_size=batch_size, n_tasks=n_tasks)
    for first in range(0, n_tasks, batch_size):
        yield drawn(sampler, min(batch_size, n_tasks - first), generator)


def outcomes(
    sampler: TaskSampler,
    answer: Callable[[Task], Tensor],
    n_tasks: int = 1000,
    seed: int = 0,
) -> Tensor:
    """Deal tasks, ask for labels, and write 1 for a right answer and 0 for a wrong one.

    It is `evaluate` for whoever has no parameters to adapt.

    Args:
        sampler: `(n_tasks, generator) -> Task`.
        answer: gives a label for every query point of a meta-batch.
        n_tasks: how many tasks.
        seed: the same seed, the same tasks for everyone.

    Returns:
        Shape `(n_tasks, n_query)`, to be given to `score`.

    Example:
        >>> from maml_tutorial import EpisodeSampler
        >>> images = torch.zeros(9, 20, 1, 28, 28)
        >>> sample = EpisodeSampler(images, n_way=5, k_shot=1, k_query=5)
        >>> right = outcomes(sample, lambda tasks: torch.zeros_like(tasks.y_query), n_tasks=200)
        >>> right.shape, score(right).mean
        (torch.Size([200, 25]), 0.2)
    """
    batches = dealt(sampler, n_tasks, torch.Generator().manual_seed(seed), 100)
    return torch.cat([(answer(tasks) == tasks.y_query).float() for tasks in batches])


def evaluate(
    learner: Learner,
    predict: PredictFn,
    metric: Metric,
    params: Params,
    sampler: TaskSampler,
    *,
    inner_steps: Sequence[int] = (0, 1, 5, 10),
    n_tasks: int = 1000,
    generator: torch.Generator,
    batch_norm: BatchNorm = "transductive",
    batch_size: int = 100,
) -> Evaluation:
    """Adapt to `n_tasks` fresh tasks and score them after each number of steps.

    Each number of steps starts from θ again. A task that diverged is counted, not averaged: its
    outputs are not finite, or its mark is above 1 and ten times the largest before a step.

    Batch norm looks at a whole batch, so it matters who is in it. *Transductive*, as in the
    paper: all query inputs are predicted together and see each other. *Inductive*: each query
    input is predicted with the support inputs only (`predict_alone`). Without batch norm the two
    agree.

    Args:
        learner: `maml(loss_fn, inner_lr=…)` or another of `maml_tutorial.relatives`.
        predict: `(params, x)` → outputs, for one task.
        metric: `(outputs, y)` → one value a prediction, such as `correct`.
        params: θ, or a network's parameters; left as they are.
        sampler: `(n_tasks, generator) -> Task`.
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
        >>> from maml_tutorial import MLP, SinusoidTasks, init_params, make_loss, make_predict, maml
        >>> model = MLP()
        >>> result = evaluate(
        ...     maml(make_loss(model, mse_loss), inner_lr=0.01), make_predict(model),
        ...     squared_error, init_params(model, seed=0), SinusoidTasks(k_shot=5),
        ...     inner_steps=(0, 1), generator=torch.Generator().manual_seed(0))
        >>> result.query[1].n_tasks, result.query[1].n_predictions
        (1000, 10000)
    """
    steps = sorted(set(inner_steps))
    require_at_least(0, inner_steps=min(steps, default=-1))
    require_at_least(2, n_tasks=n_tasks)
    if batch_norm not in ("transductive", "inductive"):
        raise ValueError(f"batch_norm must be 'transductive' or 'inductive', got {batch_norm!r}")
    alone = partial(predict_alone, predict) if batch_norm == "inductive" else None
    theta = learner.start(params)
    device = next(iter(theta.values())).device
    marks = {half: {s: Marks() for s in {0, *steps}} for half in ("support", "query")}
    for batch in dealt(sampler, n_tasks, generator, batch_size):
        tasks = batch.to(device)
        for s in marks["query"]:
            start = stacked(theta, count(tasks.x_support))
            found = learner.learn(start, tasks.x_support, tasks.y_support, inner_steps=s)
            with torch.no_grad():
                phi = {name: p.detach() for name, p in found.items()}
                outputs = _for_each(predict, phi, tasks.x_support)
                marks["support"][s].add(metric, outputs, tasks.y_support)
                if alone and s in steps:
                    halves = tasks.x_support, tasks.x_query
                    outputs = _for_each(alone, phi, *halves, chunk_size=_at_once(*halves))
                else:
                    outputs = _for_each(predict, phi, tasks.x_query)
                marks["query"][s].add(metric, outputs, tasks.y_query)
    support, query = (
        {s: by_steps[s].score(max(A_SHARE, FAR * by_steps[0].largest())) for s in steps}
        for by_steps in marks.values()
    )
    return Evaluation(support, query, batch_norm)


class Marks:
    """The marks of one test, task by task."""

    def __init__(self) -> None:
        self.per_task: list[Tensor] = []
        self.n_predictions = 0

    def add(self, metric: Metric, outputs: Data, y: Data) -> None:
        """Take the outputs of a batch of tasks, stacked or listed."""
        if isinstance(y, list):
            for i, targets in enumerate(y):
                self.add(metric, sliced(outputs, i)[None], targets[None])
            return
        values = _marked(metric, outputs, y)
        self.n_predictions += values.numel()
        finite = outputs.isfinite().reshape(len(outputs), -1).all(dim=1)
        means = values.cpu().double().reshape(len(values), -1).mean(dim=1)
        self.per_task.append(means.where(finite.cpu(), torch.nan))

    def largest(self) -> float:
        """Return the largest finite mark of a task; without a positive one there is no limit."""
        marks = torch.cat(self.per_task)
        marks = marks[marks.isfinite()]
        return marks.max().item() if marks.numel() and marks.max() > 0 else math.inf

    def score(self, most: float) -> Score:
        """Return the score; a task with a mark above `most` has diverged."""
        return score(torch.cat(self.per_task), most=most, n_predictions=self.n_predictions)


def _marked(metric: Metric, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the marks of a batch of tasks, from a metric that anyone may have written."""
    if y.is_floating_point():
        require_matching(outputs[0], y[0], metric)
    values = metric(outputs, y)
    most = max(outputs.numel(), y.numel())
    if values.ndim == 0 or len(values) != len(outputs) or values.numel() > most:
        raise ValueError(
            f"a metric must give one value a prediction, without a mean over them (reduction="
            f"'none'): got the shape {tuple(values.shape)} for outputs {tuple(outputs.shape)} and "
            f"targets {tuple(y.shape)}"
        )
    return values


def _for_each(function: Callable[..., Any], *data: Any, chunk_size: int | None = None) -> Any:
    """Predict for all tasks at once; one after the other where that cannot be vectorised."""
    listed = any(isinstance(part, list) for part in data)
    if not listed:
        try:
            return vmap(function, chunk_size=chunk_size)(*data)
        except (RuntimeError, ValueError):
            pass  # a loop gives the same, or an error that is easier to read
    return over_tasks(function, vectorised=False)(*data)


def _at_once(x_support: Data, x_query: Data) -> int:
    """How many tasks to predict together, where each query input has a support set of its own.

    One on a CPU; on a GPU as many as make twenty thousand inputs.
    """
    first = tree_leaves(x_query)[0]
    if isinstance(x_query, list) or first.device.type == "cpu":
        return 1
    n_support, n_query = tree_leaves(x_support)[0].shape[1], first.shape[1]
    return max(1, 20_000 // (n_query * (n_support + 1)))


def predict_alone(predict: PredictFn, params: Params, x_support: Data, x_query: Data) -> Tensor:
    """Predict each query input beside the support inputs only: nobody sees the other queries.

    It is the inductive protocol, and the way to classify one image after adapting: batch norm
    needs a batch, and one image alone is none.

    Args:
        predict: `(params, x)` → outputs, for one task.
        params: φ, adapted to that task.
        x_support: support inputs of the task, `(n_support, *input_shape)`.
        x_query: inputs to predict, `(n_query, *input_shape)`; a single one is `x[None]`.

    Returns:
        Outputs, as `predict(params, x_query)` would give them: `(n_query, ...)`.

    Example:
        Adapt to a task of one's own, then classify one image:

        >>> from torch.nn.functional import cross_entropy
        >>> from maml_tutorial import adapt, init_params, make_loss, make_predict, ConvNet
        >>> net = ConvNet(n_way=2, hidden=8)
        >>> cards, labels = torch.rand(2, 1, 28, 28), torch.tensor([0, 1])
        >>> theta = init_params(net, seed=0)  # or load_weights(...)
        >>> phi = adapt(make_loss(net, cross_entropy), theta, cards, labels, inner_lr=0.4)
        >>> image = torch.rand(1, 28, 28)
        >>> predict_alone(make_predict(net), phi, cards, image[None]).shape
        torch.Size([1, 2])
    """

    def one(x: Data) -> Tensor:
        return predict(params, joined(x_support, tree_map(lambda t: t[None], x), axis=0))[-1]

    try:
        return vmap(one)(x_query)
    except (RuntimeError, ValueError):
        n_query = len(tree_leaves(x_query)[0])
        return torch.stack([one(sliced(x_query, i)) for i in range(n_query)])
