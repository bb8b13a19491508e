"""Meta-training: draw a meta-batch of tasks, take the meta-gradient, let an optimiser step."""

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from maml_tutorial.gradients import meta_gradient
from maml_tutorial.models import LossFn, Params
from maml_tutorial.parallel import is_first, own_share, total
from maml_tutorial.tasks import TaskSampler, require_at_least

OptimizerFactory = Callable[[list[Tensor]], Optimizer]
History = list[tuple[int, float]]
Curve = list[tuple[int, dict[str, float]]]
Watch = Callable[[int, float, Params], dict[str, float]]


class Training(NamedTuple):
    """What `meta_train` returns.

    Attributes:
        params: θ after the last step, leaves that require a gradient.
        history: `(step, loss)` pairs; each loss is the mean over the steps since the pair before.
        curve: `(step, {name: value})` pairs: what `watch` saw.
    """

    params: Params
    history: History
    curve: Curve


class TrainingState(NamedTuple):
    """All that a training needs to go on as if it had never stopped.

    Attributes:
        step: outer-loop steps done.
        params: θ after them.
        optimizer: the optimiser's `state_dict()`.
        generator: state of the sampler's random numbers.
        history: as in `Training`.
        since_log: losses since the last entry of the history.
        curve: as in `Training`.
    """

    step: int
    params: Params
    optimizer: dict[str, Any]
    generator: Tensor
    history: History
    since_log: list[float]
    curve: Curve


class StoppedError(Exception):
    """A training was asked to stop; `.state` is where it stands."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__(f"stopped after step {state.step}")
        self.state = state


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


def meta_train(
    loss_fn: LossFn,
    params: Params,
    sampler: TaskSampler,
    *,
    inner_lr: float,
    inner_steps: int = 1,
    first_order: bool = False,
    meta_batch_size: int = 25,
    meta_steps: int,
    generator: torch.Generator,
    meta_lr: float = 1e-3,
    optimizer: OptimizerFactory | None = None,
    log_every: int = 100,
    progress: bool = True,
    chunk: int | None = None,
    resume: TrainingState | None = None,
    checkpoint: Callable[[TrainingState], None] | None = None,
    checkpoint_every: int = 1000,
    stop: Callable[[], bool] = lambda: False,
    decay: bool = False,
    compiled: bool = False,
    watch: Watch = lambda step, loss, params: {},
) -> Training:
    r"""Minimise the MAML objective with an optimiser, on fresh tasks at every step.

    $$\theta \leftarrow \theta - \beta\, \nabla_\theta\, \mathrm{maml\_loss}(\theta)$$

    With `inner_steps=0` nothing adapts, and this is joint training: one network for all tasks.

    Tasks are moved to where `params` are. Under `torchrun` every process
    draws the same meta-batch and differentiates its own share of the tasks; all take the same step.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task.
        params: where to start; left as they are.
        sampler: `(n_tasks, generator) -> Task`.
        inner_lr: α.
        inner_steps: inner-loop steps a task.
        first_order: leave out the second derivatives of the meta-gradient.
        meta_batch_size: tasks a step.
        meta_steps: steps of the outer loop.
        generator: drives the sampler.
        meta_lr: β, for the default optimiser.
        optimizer: makes another optimiser from a list of tensors, such as
            `functools.partial(torch.optim.SGD, lr=0.01)`; the default is Adam with `meta_lr`.
        log_every: steps between two entries of the history.
        progress: show a progress bar.
        chunk: tasks that are differentiated together; by default all at once.
        resume: where an earlier training with the same settings stood; `params` and the state of
            `generator` are taken from it.
        checkpoint: called with the state every `checkpoint_every` steps.
        checkpoint_every: see there.
        stop: asked at every step; once it says yes, the training ends after this step with
            `StoppedError`.
        decay: let the learning rate fall to zero along half a cosine, over `meta_steps`.
        compiled: let `torch.compile` make one program of the meta-gradient first.
        watch: called with `(step, loss, params)` at every entry of the history, in the first
            process; what it returns is shown in the progress bar and kept in the curve.

    Returns:
        A `Training` with the parameters and the history.

    Raises:
        ValueError: if a count is too small, or `resume` is past `meta_steps`.
        StoppedError: if `stop()` said so; it holds the state to resume from.
        DivergenceError: at the first loss that is not finite; it holds the last good parameters.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> from maml_tutorial.models import MLP, init_params, make_loss
        >>> from maml_tutorial.tasks import SinusoidTasks
        >>> training = meta_train(
        ...     make_loss(MLP(), mse_loss), init_params(MLP(), seed=0), SinusoidTasks(),
        ...     inner_lr=0.01, meta_steps=200, generator=torch.Generator().manual_seed(0),
        ...     progress=False)
        >>> [step for step, _ in training.history]
        [100, 200]

    Reference:
        Finn, Abbeel & Levine 2017, algorithm 1; Adam as in appendix A.
    """
    require_at_least(1, meta_batch_size=meta_batch_size, meta_steps=meta_steps, log_every=log_every)
    require_at_least(1, checkpoint_every=checkpoint_every)
    params = _copy(resume.params if resume else params)
    device = next(iter(params.values())).device
    make_optimizer = optimizer or partial(torch.optim.Adam, lr=meta_lr)
    meta_optimizer = make_optimizer(list(params.values()))
    history: History = []
    since_log: list[float] = []
    curve: Curve = []
    done = 0
    if resume:
        if resume.step > meta_steps:
            raise ValueError(f"resume is at step {resume.step}, past meta_steps = {meta_steps}")
        meta_optimizer.load_state_dict(resume.optimizer)
        generator.set_state(resume.generator)
        done, history, since_log = resume.step, list(resume.history), list(resume.since_log)
        curve = list(resume.curve)
    rate = LambdaLR(
        meta_optimizer,
        lambda step: (1 + math.cos(math.pi * step / meta_steps)) / 2 if decay else 1.0,
        last_epoch=done - 1,
    )
    gradient = meta_gradient(
        loss_fn,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=first_order,
        chunk=chunk,
        compiled=compiled,
    )

    def state() -> TrainingState:
        # Copies: what is handed out must not change with the next step.
        return TrainingState(
            step,
            _copy(params),
            copy.deepcopy(meta_optimizer.state_dict()),
            generator.get_state(),
            list(history),
            list(since_log),
            list(curve),
        )

    good = _copy(params)
    with tqdm(
        total=meta_steps,
        initial=done,
        disable=not (progress and is_first()),
        unit="step",
        mininterval=0.5,
    ) as bar:
        for step in range(done + 1, meta_steps + 1):
            tasks = own_share(sampler(meta_batch_size, generator))
            share = len(tasks.x_support) / meta_batch_size
            asked = torch.tensor(float(stop()), device=device)
            loss, gradients = gradient(params, tasks.to(device))
            *gradients, loss, asked = total([*(share * t for t in (*gradients, loss)), asked])
            value = loss.item()
            if not math.isfinite(value):
                raise DivergenceError(step, value, good, history)
            good = _copy(params)
            for p, g in zip(params.values(), gradients, strict=True):
                p.grad = g
            meta_optimizer.step()
            rate.step()
            since_log.append(value)
            if step % log_every == 0 or step == meta_steps:
                history.append((step, sum(since_log) / len(since_log)))
                since_log.clear()
                seen = watch(*history[-1], _copy(params)) if is_first() else {}
                if seen:
                    curve.append((step, seen))
                shown = {"loss": history[-1][1], **(curve[-1][1] if curve else {})}
                bar.set_postfix({k: f"{v:.3g}" for k, v in shown.items()}, refresh=False)
            bar.update()
            if checkpoint and step % checkpoint_every == 0:
                checkpoint(state())
            if asked:
                raise StoppedError(state())
    return Training(params, history, curve)


def _copy(params: Params) -> Params:
    return {name: p.detach().clone().requires_grad_() for name, p in params.items()}
