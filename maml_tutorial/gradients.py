"""Faster ways of taking the *same* meta-gradient: each wraps one, and they compose."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from maml_tutorial.learners import MetaGradient
from maml_tutorial.models import Params
from maml_tutorial.params import copied
from maml_tutorial.tasks import Task, count, require_at_least

Engine = Callable[[MetaGradient], MetaGradient]


def chunked(size: int) -> Engine:
    """Differentiate `size` tasks together, and add up: less memory, and on some networks less time.

    The memory of a meta-gradient grows with the tasks that are differentiated together. On a CPU
    large convolutions are also faster in small chunks; on a GPU it is the other way round.
    `chunked(1)` goes task by task.

    Args:
        size: tasks in a chunk.

    Raises:
        ValueError: if `size` is below 1.

    Example:
        >>> from maml_tutorial.learners import hand_sized
        >>> from maml_tutorial.relatives import maml
        >>> loss_fn, params, tasks = hand_sized()
        >>> gradient = chunked(1)(maml(loss_fn, inner_lr=0.1).gradient)
        >>> round(gradient(params, tasks)[1][0].item(), 2)
        -3.84
    """
    require_at_least(1, size=size)

    def engine(gradient: MetaGradient) -> MetaGradient:
        def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
            n_tasks = count(tasks.x_support)
            sums: list[Tensor] = []
            for first in range(0, n_tasks, size):
                part = tasks.part(first, min(first + size, n_tasks))
                share = count(part.x_support) / n_tasks
                loss, gradients = gradient(params, part)
                shares = [share * t for t in (loss, *gradients)]
                sums = [a + b for a, b in zip(sums, shares, strict=True)] if sums else shares
            return sums[0], sums[1:]

        return run

    return engine


def compiled(gradient: MetaGradient) -> MetaGradient:
    """Record all that PyTorch does, second derivatives and all, and let it make one program of it.

    The first call takes from seconds to minutes, and so does the first with other shapes. Only
    what is vectorised over tasks can be recorded.

    Args:
        gradient: such as that of `maml`, exact or first order.

    Example:
        `meta_train(learner, …, engine=compiled)`, or in chunks of four, which all have one shape:

        >>> def in_chunks(gradient):
        ...     return chunked(4)(compiled(gradient))
    """
    programs: dict[Any, Any] = {}

    def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        # A frozen parameter is a constant: told apart in the key, as its gradient is zero.
        names, values = list(params), list(params.values())
        leaves, form = tree_flatten(tuple(tasks))
        kinds = tuple((name, p.requires_grad) for name, p in params.items())
        key = kinds, str(form), tuple(leaf.shape for leaf in leaves)
        if key not in programs:

            def flat(values: list[Tensor], leaves: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
                parts = tree_unflatten(leaves, form)
                return gradient(dict(zip(names, values, strict=True)), Task(*parts))

            # What is recorded is the backward passes' own operations: nothing is left to
            # differentiate, and `torch.compile` need not know how.
            programs[key] = torch.compile(make_fx(flat)(values, leaves))
        with torch.no_grad():
            return programs[key](values, leaves)

    return run


def captured(gradient: MetaGradient) -> MetaGradient:
    """Let a GPU do at one word what it was told once, in a CUDA graph: the same gradient, sooner.

    A meta-gradient is thousands of small operations, and a GPU is done with each before Python has
    called the next. So the calls are recorded, and replayed on other parameters and tasks, copied
    to where the recorded ones lay. What Python decided while recording stays decided: `gradient`
    must not draw random numbers, nor look at the values that it works on.

    The first call takes seconds, and so does the first with other shapes. On a CPU, and where
    recording fails, the gradient is taken as it is.

    On one NVIDIA H200 the exact gradient was taken 1.1 to 7.7 times as fast, on five presets in
    float32 (`load_benchmark("gpu")`). Without convolutions, or with TF32, each bit was the same. In
    full float32 cuDNN adds up a convolution's gradient in another order each time, recorded or
    not: in 5-way tasks two calls differed by 5e-7 of the gradient, in 20-way tasks by up to 7 %.

    Args:
        gradient: such as that of `maml`, exact or first order.

    Warns:
        RuntimeWarning: once for each kind of input that is not recorded, with the reason.

    Example:
        `meta_train(learner, params_on_the_gpu, …, engine=captured)`, or, where memory is short, in
        chunks:

        >>> def in_chunks(gradient):
        ...     return chunked(4)(captured(gradient))
    """
    recordings: dict[Any, Recording | None] = {}

    def run(params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        leaves, form = tree_flatten((params, tuple(tasks)))
        learns = tuple(p.requires_grad for p in params.values())
        kind = str(form), learns, tuple((leaf.shape, leaf.dtype, leaf.device) for leaf in leaves)
        if kind not in recordings:
            recordings[kind] = _recorded(gradient, params, tasks)
        recording = recordings[kind]
        return recording.replay(params, tasks) if recording else gradient(params, tasks)

    return run


class Recording:
    """A CUDA graph of one meta-gradient: where its inputs and results lie, and how to run it.

    Args:
        gradient: what is recorded, once it has run three times (libraries choose their ways then).
        params: of the shapes that all later ones have.
        tasks: likewise.
    """

    def __init__(self, gradient: MetaGradient, params: Params, tasks: Task) -> None:
        self.params, self.tasks = copied(params), tasks.map(torch.clone)
        self.device = next(iter(params.values())).device
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device):
            before, beside = torch.cuda.current_stream(), torch.cuda.Stream()
            beside.wait_stream(before)
            with torch.cuda.stream(beside):
                for _ in range(3):
                    gradient(self.params, self.tasks)
            before.wait_stream(beside)
            try:
                with torch.cuda.graph(self.graph, stream=beside):
                    self.loss, self.gradients = gradient(self.params, self.tasks)
            except Exception as error:  # it ran three times: what fails is the recording
                torch.cuda.set_stream(before)
                raise CaptureError(str(error).strip().splitlines()[0]) from error

    def replay(self, params: Params, tasks: Task) -> tuple[Tensor, list[Tensor]]:
        """Return the loss and the gradients for other parameters and tasks."""
        places = tree_leaves((self.params, tuple(self.tasks)))
        values = tree_leaves((params, tuple(tasks)))
        with torch.no_grad(), torch.cuda.device(self.device):
            for place, value in zip(places, values, strict=True):
                place.copy_(value)
            self.graph.replay()
            return self.loss.clone(), [g.clone() for g in self.gradients]


class CaptureError(RuntimeError):
    """A meta-gradient that runs, and of which no CUDA graph can be made."""


def _recorded(gradient: MetaGradient, params: Params, tasks: Task) -> Recording | None:
    """Return the recording; None, and a warning, where there is none to be had."""
    reason = "parameters and tasks must lie on a GPU"
    if all(on_gpu(leaf) for leaf in tree_leaves((params, tuple(tasks)))):
        try:
            return Recording(gradient, params, tasks)
        except CaptureError as error:
            reason = str(error)
    warnings.warn(
        f"no CUDA graph of this gradient, which is taken as it is: {reason}",
        RuntimeWarning,
        stacklevel=3,
    )
    return None


def on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor lies where CUDA graphs can be made.

    Example:
        >>> on_gpu(torch.zeros(1))
        False
    """
    return tensor.is_cuda
