"""Meta-training: draw a meta-batch of tasks, take the meta-gradient, let an optimiser step."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm

from maml_tutorial.contracts import drawn
from maml_tutorial.gradients import Engine
from maml_tutorial.learners import Learner, MetaGradient
from maml_tutorial.models import Params
from maml_tutorial.parallel import is_first, own_share, total
from maml_tutorial.params import copied, trainable
from maml_tutorial.tasks import TaskSampler, count, require_at_least

OptimizerFactory = Callable[[list[Tensor]], Optimizer]
Schedule = Callable[[float], float]
History = list[tuple[int, float]]
Curve = list[tuple[int, dict[str, float]]]


@dataclass
class Training:
    """A training: one object, which `outer_loop` moves on from step to step.

    Attributes:
        params: θ, leaves; frozen ones stay as they are.
        optimizer: steps along the meta-gradient.
        generator: drives the sampler.
        step: steps done.
        history: `(step, loss)` pairs; each loss is the mean over the steps since the pair before.
        since_log: losses since the last pair.
        curve: `(step, {name: value})` pairs, for whoever watches the training and writes them.
    """

    params: Params
    optimizer: Optimizer
    generator: torch.Generator
    step: int = 0
    history: History = field(default_factory=list)
    since_log: list[float] = field(default_factory=list)
    curve: Curve = field(default_factory=list)

    @classmethod
    def begun(
        cls,
        params: Params,
        generator: torch.Generator,
        *,
        meta_lr: float = 1e-3,
        optimizer: OptimizerFactory | None = None,
    ) -> "Training":
        """Return a training that has not taken a step; `params` are copied.

        Raises:
            ValueError: if all parameters are frozen.

        Example:
            >>> theta = {"theta": torch.zeros(2, requires_grad=True)}
            >>> Training.begun(theta, torch.Generator()).step
            0
        """
        theta = copied(params)
        learning = list(trainable(theta).values())
        # On a GPU all parameters take their step in one operation.
        fused = learning[0].is_cuda or None
        make_optimizer = optimizer or partial(torch.optim.Adam, lr=meta_lr, fused=fused)
        return cls(theta, make_optimizer(learning), generator)

    def logged(self) -> bool:
        """Whether the last step made an entry of the history.

        Example:
            >>> theta = {"theta": torch.zeros(2, requires_grad=True)}
            >>> Training.begun(theta, torch.Generator()).logged()
            False
        """
        return bool(self.history) and self.history[-1][0] == self.step

    def snapshot(self) -> dict[str, Any]:
        """Return all that is needed to go on from here; it does not change with the next step.

        Example:
            >>> theta = {"theta": torch.zeros(2, requires_grad=True)}
            >>> sorted(Training.begun(theta, torch.Generator()).snapshot())
            ['curve', 'generator', 'history', 'optimizer', 'params', 'since_log', 'step']
        """
        return {
            "step": self.step,
            "params": {name: p.detach().clone() for name, p in self.params.items()},
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "generator": self.generator.get_state(),
            "history": list(self.history),
            "since_log": list(self.since_log),
            "curve": list(self.curve),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go back to a snapshot: values are copied into the parameters where they are.

        The snapshot may be one of another device. Where the tasks were drawn on another kind of
        device, their random numbers cannot go on: others are drawn from here, the same each time.

        Raises:
            KeyError: if the snapshot is one of other parameters.

        Warns:
            RuntimeWarning: if the tasks will be others.

        Example:
            >>> theta = {"theta": torch.zeros(2, requires_grad=True)}
            >>> training = Training.begun(theta, torch.Generator())
            >>> training.restore(training.snapshot() | {"step": 7})
            >>> training.step
            7
        """
        with torch.no_grad():
            for name, p in self.params.items():
                p.copy_(kept["params"][name])
        # A copy: the optimiser takes tensors as they are, and the next step changes them in place.
        state = copy.deepcopy(kept["optimizer"])
        for group, own in zip(state["param_groups"], self.optimizer.param_groups, strict=True):
            # How it computes is a matter of the device that it is on now.
            group |= {key: own[key] for key in ("fused", "foreach", "capturable") if key in own}
        self.optimizer.load_state_dict(state)
        self.step = kept["step"]
        self._draw_on(kept["generator"].cpu())
        self.history, self.since_log = list(kept["history"]), list(kept["since_log"])
        self.curve = list(kept["curve"])

    def _draw_on(self, state: Tensor) -> None:
        """Go on with the random numbers of a snapshot, if this kind of generator can."""
        if state.shape == self.generator.get_state().shape:
            self.generator.set_state(state)
            return
        warnings.warn(
            "the tasks so far were drawn on another kind of device, whose random numbers cannot "
            "go on here: from now on the tasks are others than in a run that never moved",
            RuntimeWarning,
            stacklevel=3,
        )
        self.generator.manual_seed(self.generator.initial_seed() + 1_000_003 * self.step)


class DivergenceError(FloatingPointError):
    """The meta-training loss is no longer a finite number.

    Attributes:
        step: the step, counted from 1, whose loss was not finite.
        params: the last parameters whose loss was finite.
        history: the history up to there.
    """

    def __init__(self, step: int, loss: float, params: Params, history: History) -> None:
        super().__init__(
            f"the loss is {loss} at step {step}: training diverged. The last good parameters are "
            "in this error's .params. Try a smaller inner_lr or meta_lr, or fewer inner_steps."
        )
        self.step, self.params, self.history = step, params, history


def cosine(done: float) -> float:
    """Return the share of the learning rate that is left along half a cosine.

    Args:
        done: share of the steps that are done, 0 … 1.

    Example:
        >>> [round(cosine(done), 2) for done in (0, 0.5, 1)]
        [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * done)) / 2


def outer_loop(
    training: Training,
    gradient: MetaGradient,
    sampler: TaskSampler,
    *,
    meta_batch_size: int = 25,
    meta_steps: int,
    schedule: Schedule = lambda done: 1.0,
    log_every: int = 100,
) -> Iterator[Training]:
    r"""Step, and hand the training out after every step: who calls it watches, saves and stops.

    $$\theta \leftarrow \theta - \beta\, g(\theta)$$

    Tasks are moved to where the parameters are. Among processes that have joined
    (`maml_tutorial.parallel.joined`) each draws the same meta-batch and differentiates its own
    share of the tasks; all take the same step.

    Args:
        training: where it stands; it is moved on.
        gradient: `(params, tasks) -> (loss, gradients)`, such as a learner's.
        sampler: `(n_tasks, generator) -> Task`.
        meta_batch_size: tasks a step.
        meta_steps: the step to stop at.
        schedule: the share of the learning rate, from the share of the steps that are done.
        log_every: steps between two entries of the history.

    Returns:
        An iterator that gives `training` after every step.

    Raises:
        DivergenceError: at the first loss that is not finite; it holds the last good parameters.
        ValueError: if the sampler gives other tasks than it was asked for.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> from maml_tutorial.relatives import maml
        >>> loss_fn, params, tasks = hand_sized()
        >>> training = Training.begun(params, torch.Generator(), meta_lr=0.1)
        >>> gradient = maml(loss_fn, inner_lr=0.1).gradient
        >>> for training in outer_loop(training, gradient, lambda n, generator: tasks,
        ...                            meta_batch_size=1, meta_steps=3):
        ...     print(training.step, round(training.params["theta"].item(), 1))
        1 0.1
        2 0.2
        3 0.3
    """
    require_at_least(1, meta_batch_size=meta_batch_size, meta_steps=meta_steps, log_every=log_every)
    params = training.params
    learning = [(i, p) for i, p in enumerate(params.values()) if p.requires_grad]
    device = learning[0][1].device
    good = copied(params)
    while training.step < meta_steps:
        for group in training.optimizer.param_groups:
            rate = group.setdefault("initial_lr", group["lr"])
            group["lr"] = rate * schedule(training.step / meta_steps)
        tasks = own_share(drawn(sampler, meta_batch_size, training.generator))
        share = count(tasks.x_support) / meta_batch_size
        loss, gradients = gradient(params, tasks.to(device))
        *found, loss = total([share * t for t in (*(gradients[i] for i, _ in learning), loss)])
        value = loss.item()
        if not math.isfinite(value):
            raise DivergenceError(training.step + 1, value, good, training.history)
        good = copied(params)
        for (_, p), g in zip(learning, found, strict=True):
            p.grad = g
        training.optimizer.step()
        training.step += 1
        training.since_log.append(value)
        if training.step % log_every == 0 or training.step == meta_steps:
            mean = sum(training.since_log) / len(training.since_log)
            training.history.append((training.step, mean))
            training.since_log.clear()
        yield training


def meta_train(
    learner: Learner,
    params: Params,
    sampler: TaskSampler,
    *,
    meta_batch_size: int = 25,
    meta_steps: int,
    generator: torch.Generator,
    meta_lr: float = 1e-3,
    optimizer: OptimizerFactory | None = None,
    engine: Engine | None = None,
    schedule: Schedule = lambda done: 1.0,
    log_every: int = 100,
    progress: bool = True,
) -> Training:
    """Train a learner with an optimiser, on fresh tasks at every step: `outer_loop`, to its end.

    Args:
        learner: `maml(loss_fn, inner_lr=…)` or another of `maml_tutorial.relatives`.
        params: a network's parameters (or meta-parameters); left as they are.
        sampler: `(n_tasks, generator) -> Task`.
        meta_batch_size: tasks a step.
        meta_steps: steps of the outer loop.
        generator: drives the sampler.
        meta_lr: β, for the default optimiser.
        optimizer: makes another optimiser from a list of tensors, such as
            `functools.partial(torch.optim.SGD, lr=0.01)`; the default is Adam with `meta_lr`.
        engine: another way of taking the same meta-gradient, such as `chunked(4)` or `compiled`.
        schedule: the share of the learning rate, from the share of the steps that are done, such
            as `cosine`.
        log_every: steps between two entries of the history.
        progress: show a progress bar.

    Returns:
        The `Training`, with the meta-parameters and the history.

    Raises:
        ValueError: if a count is too small, all parameters are frozen, or the sampler gives
            other tasks than it was asked for.
        DivergenceError: at the first loss that is not finite; it holds the last good parameters.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> from maml_tutorial import MLP, SinusoidTasks, init_params, make_loss, maml
        >>> training = meta_train(
        ...     maml(make_loss(MLP(), mse_loss), inner_lr=0.01), init_params(MLP(), seed=0),
        ...     SinusoidTasks(), meta_steps=200, generator=torch.Generator().manual_seed(0),
        ...     progress=False)
        >>> [step for step, _ in training.history]
        [100, 200]

    Reference:
        Finn, Abbeel & Levine 2017, algorithm 1; Adam as in appendix A.
    """
    start = learner.start(params)
    training = Training.begun(start, generator, meta_lr=meta_lr, optimizer=optimizer)
    steps = outer_loop(
        training,
        engine(learner.gradient) if engine else learner.gradient,
        sampler,
        meta_batch_size=meta_batch_size,
        meta_steps=meta_steps,
        schedule=schedule,
        log_every=log_every,
    )
    for _ in with_bar(steps, meta_steps, shown=progress):
        pass
    return training


def with_bar(
    steps: Iterator[Training], meta_steps: int, *, done: int = 0, shown: bool = True
) -> Iterator[Training]:
    """Show a progress bar, with the last of history and curve, in the first process.

    Example:
        >>> list(with_bar(iter([]), 10, shown=False))
        []
    """
    hidden = not (shown and is_first())
    with tqdm(total=meta_steps, initial=done, disable=hidden, unit="step", mininterval=0.5) as bar:
        for training in steps:
            yield training
            if training.logged():
                seen = training.curve[-1][1] if training.curve else {}
                values = {"loss": training.history[-1][1], **seen}
                bar.set_postfix({k: f"{v:.3g}" for k, v in values.items()}, refresh=False)
            bar.update()
