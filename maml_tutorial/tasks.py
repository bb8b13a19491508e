"""Tasks: what a meta-learner is trained on, instead of single examples."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

# What stands in a task: a tensor, or a tuple or dict of tensors (such as token ids and a mask).
# Stacked over tasks, each tensor has one more axis in front; tasks of unequal size are a list.
Data = Any


class Task(NamedTuple):
    """One task, or a meta-batch of tasks stacked on a leading axis.

    Inputs may also be a tuple or a dict of tensors. Tasks of unequal size are lists, with one
    entry a task; they need a loop over the tasks (`vectorised=False`).

    Attributes:
        x_support: inputs to adapt on, shape `([n_tasks,] n_support, *input_shape)`.
        y_support: their targets, shape `([n_tasks,] n_support, ...)`.
        x_query: inputs to be judged on, shape `([n_tasks,] n_query, *input_shape)`.
        y_query: their targets, shape `([n_tasks,] n_query, ...)`.
    """

    x_support: Data
    y_support: Data
    x_query: Data
    y_query: Data

    def to(self, device: torch.device | str) -> "Task":
        """Return the same on another device.

        Example:
            >>> Task(*(torch.zeros(3),) * 4).to("cpu").x_query
            tensor([0., 0., 0.])
        """
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Task":
        """Return the task with every tensor changed.

        Example:
            A stack of one task, made of a task:

            >>> Task(*(torch.zeros(3),) * 4).map(lambda tensor: tensor[None]).x_query
            tensor([[0., 0., 0.]])
        """
        return Task(*(tree_map(change, part) for part in self))

    def part(self, first: int, last: int) -> "Task":
        """Return the tasks `first` … `last - 1` of a meta-batch.

        Example:
            >>> Task(*(torch.arange(4),) * 4).part(1, 3).y_query
            tensor([1, 2])
        """
        return Task(*(sliced(part, slice(first, last)) for part in self))


def sliced(data: Data, index: int | slice) -> Data:
    """Return one entry of data that is stacked, or listed, over tasks, or a slice of it.

    Example:
        >>> sliced({"ids": torch.arange(6).view(3, 2)}, 1)
        {'ids': tensor([2, 3])}
        >>> sliced([torch.zeros(2), torch.ones(3)], 1)
        tensor([1., 1., 1.])
    """
    if isinstance(data, list):
        return data[index]
    return tree_map(lambda tensor: tensor[index], data)


def count(data: Data) -> int:
    """Return over how many tasks data are stacked, or listed; 0 for a tensor without an axis.

    Example:
        >>> count(torch.zeros(4, 10, 1)), count([torch.zeros(2), torch.ones(3)])
        (4, 2)
    """
    if isinstance(data, list):
        return len(data)
    first = data if isinstance(data, Tensor) else tree_leaves(data)[0]
    return len(first) if first.ndim else 0


def joined(first: Data, then: Data, *, axis: int) -> Data:
    """Return two sets of points as one, along `axis`: 0 for one task, 1 for stacked ones.

    Example:
        >>> joined(torch.zeros(4, 5, 1), torch.zeros(4, 10, 1), axis=1).shape
        torch.Size([4, 15, 1])
    """
    if isinstance(first, list):
        return [joined(a, b, axis=axis - 1) for a, b in zip(first, then, strict=True)]
    return tree_map(lambda a, b: torch.cat([a, b], dim=axis), first, then)


class TaskSampler(Protocol):
    """Anything that draws a meta-batch of `n_tasks` tasks, driven by `generator` alone."""

    def __call__(self, n_tasks: int, generator: torch.Generator, /) -> Task:
        """Draw a meta-batch."""
        ...


class ImageClasses(NamedTuple):
    """A set of images sorted by class, such as the letters of some scripts.

    Attributes:
        images: `uint8` tensor of shape `(n_classes, n_examples, channels, height, width)`,
            0 … 255 (letters: 0 = paper, 255 = ink); where classes differ in size, a list with a
            tensor `(n_examples, channels, height, width)` for each class.
        names: one name a class.
        groups: the script or alphabet each class belongs to.
    """

    images: Tensor | list[Tensor]
    names: tuple[str, ...]
    groups: tuple[str, ...]


def require_at_least(minimum: int, **values: int) -> None:
    """Raise `ValueError` naming the first of `values` that is not a whole number ≥ `minimum`.

    Example:
        >>> require_at_least(1, k_shot=0)
        Traceback (most recent call last):
        ValueError: k_shot must be a whole number of at least 1, got 0
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")


class SinusoidTasks:
    r"""Sine-wave regression: each task is one wave, to be found from a few points of it.

    $$y = A \sin(x - \phi), \quad A \sim U[0.1, 5],\; \phi \sim U[0, \pi],\; x \sim U[-5, 5]$$

    Args:
        k_shot: support points a task (the paper's K).
        k_query: query points a task.
        amplitude: range of A.
        phase: range of the phase, in radians.
        x_range: range of the inputs.

    Returns:
        A callable `(n_tasks, generator) -> Task` whose four tensors have the shapes
        `(n_tasks, k_shot, 1)` twice and `(n_tasks, k_query, 1)` twice, float32.

    Raises:
        ValueError: if `k_shot` or `k_query` is below 1, or a range is empty or not finite.

    Example:
        >>> sample = SinusoidTasks(k_shot=5, k_query=10)
        >>> tasks = sample(4, torch.Generator().manual_seed(0))
        >>> tasks.x_support.shape, tasks.y_query.shape
        (torch.Size([4, 5, 1]), torch.Size([4, 10, 1]))

    Reference:
        Finn, Abbeel & Levine 2017, section 5.1; the sign of the phase as in their code.
    """

    def __init__(
        self,
        k_shot: int = 10,
        k_query: int = 10,
        *,
        amplitude: tuple[float, float] = (0.1, 5.0),
        phase: tuple[float, float] = (0.0, math.pi),
        x_range: tuple[float, float] = (-5.0, 5.0),
    ) -> None:
        require_at_least(1, k_shot=k_shot, k_query=k_query)
        for name, (low, high) in {
            "amplitude": amplitude,
            "phase": phase,
            "x_range": x_range,
        }.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"{name} must be (low, high) with low <= high, got {(low, high)}")
        self.k_shot, self.k_query = k_shot, k_query
        self.amplitude, self.phase, self.x_range = amplitude, phase, x_range

    def waves(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `n` waves: their amplitudes and phases, each of shape `(n, 1, 1)`."""
        require_at_least(1, n=n)
        return _uniform(self.amplitude, (n, 1, 1), generator), _uniform(
            self.phase, (n, 1, 1), generator
        )

    def __call__(self, n_tasks: int, generator: torch.Generator) -> Task:
        """Draw `n_tasks` waves and points on them."""
        amplitude, phase = self.waves(n_tasks, generator)
        x = _uniform(self.x_range, (n_tasks, self.k_shot + self.k_query, 1), generator)
        y = amplitude * torch.sin(x - phase)
        k = self.k_shot
        return Task(x[:, :k], y[:, :k], x[:, k:], y[:, k:])


def _uniform(
    bounds: tuple[float, float], shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)
