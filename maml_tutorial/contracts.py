"""What functions may expect of each other, checked where tasks come in and where outputs meet y."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from maml_tutorial.tasks import Data, Task, TaskSampler, count

IGNORED = -100  # the label that PyTorch's losses pass over
STACK_IT = "one task alone is stacked by tasks.map(lambda tensor: tensor[None])"


def drawn(sampler: TaskSampler, n_tasks: int, generator: torch.Generator) -> Task:
    """Draw a meta-batch and check that it is what was asked for.

    Raises:
        TypeError: if the sampler gives something else than a `Task`.
        ValueError: if it gives another number of tasks, or as `require_tasks` does.

    Example:
        >>> from maml_tutorial.tasks import SinusoidTasks
        >>> drawn(lambda n, generator: SinusoidTasks()(2, generator), 3, torch.Generator())
        Traceback (most recent call last):
        ValueError: the sampler was asked for 3 tasks and gave 2
    """
    tasks = sampler(n_tasks, generator)
    found = require_tasks(tasks)
    if found != n_tasks:
        raise ValueError(f"the sampler was asked for {n_tasks} tasks and gave {found}")
    return tasks


def require_tasks(tasks: Task) -> int:
    """Return the number of tasks in a meta-batch; refuse what is none.

    Raises:
        TypeError: if `tasks` is no `Task`, or holds something else than tensors.
        ValueError: if its four parts do not agree on the number of tasks or of points, or if it
            is one task where a stack of tasks is needed.

    Example:
        >>> require_tasks(Task(*(torch.zeros(3, 10, 1),) * 4))
        3
    """
    if not isinstance(tasks, Task):
        raise TypeError(f"a meta-batch must be a Task, got {type(tasks).__name__}")
    parts = tasks._asdict()
    for name, part in parts.items():
        if isinstance(part, Tensor):
            continue
        wrong = [leaf for leaf in tree_leaves(part) if not isinstance(leaf, Tensor)]
        if wrong or not tree_leaves(part):
            what = type(wrong[0]).__name__ if wrong else "nothing"
            raise TypeError(f"{name} must hold tensors, got {what}")
        if not isinstance(part, list) and len({count(leaf) for leaf in tree_leaves(part)}) > 1:
            raise ValueError(
                f"the tensors of {name} must share a leading axis of n_tasks, got shapes "
                f"{[tuple(leaf.shape) for leaf in tree_leaves(part)]}"
            )
    sizes = {name: count(part) for name, part in parts.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f"tasks must share a leading axis of n_tasks >= 1, got sizes {sizes}; {STACK_IT}"
        )
    for half in ("support", "query"):
        _require_points(half, parts[f"x_{half}"], parts[f"y_{half}"])
    return sizes["x_support"]


def _require_points(half: str, x: Data, y: Data) -> None:
    """Refuse inputs and targets that do not agree on the number of points."""
    pairs = [(x, y, 1)]
    if isinstance(x, list) or isinstance(y, list):
        pairs = [(a, b, 0) for a, b in zip(x, y, strict=True)]
    for inputs, targets, axis in pairs:
        if not (isinstance(inputs, Tensor) and isinstance(targets, Tensor)):
            continue  # how a tuple or dict counts its points is the network's own affair
        shapes = f"x_{half} {tuple(inputs.shape)}, y_{half} {tuple(targets.shape)}"
        if min(inputs.ndim, targets.ndim) <= axis:
            raise ValueError(f"each task needs an axis for its points, got {shapes}; {STACK_IT}")
        if inputs.shape[axis] != targets.shape[axis]:
            raise ValueError(
                f"a task's inputs and targets must be as many, got {shapes}; {STACK_IT}"
            )


def require_batch(x: Data) -> None:
    """Refuse a single point where a network gets all points of a task.

    Raises:
        ValueError: if `x` is a tensor of floats without an axis for the points.
    """
    if isinstance(x, Tensor) and x.is_floating_point() and x.ndim < 2:
        raise ValueError(
            f"a network needs x of shape (n_points, *input_shape), got {tuple(x.shape)}: was one "
            f"task given where a stack of tasks is needed? ({STACK_IT})"
        )


def require_matching(outputs: Tensor, y: Tensor, loss: Callable[..., Any] | None = None) -> None:
    """Refuse outputs and targets that PyTorch would silently broadcast against each other.

    Args:
        outputs: `(n, ...)`.
        y: targets, floats: `(n, ...)`.
        loss: what compares them. A loss of the reader's own may compare shapes that differ, as
            long as nothing is blown up, such as (n, 1) against (n,) to (n, n).

    Raises:
        ValueError: naming both shapes.

    Example:
        >>> require_matching(torch.zeros(5, 1), torch.zeros(5))
        Traceback (most recent call last):
        ValueError: outputs (5, 1) and targets (5,) differ in shape and would be broadcast:
        give y the shape of the outputs, such as y[:, None] or y.squeeze(-1)
    """
    if outputs.shape == y.shape:
        return
    if loss is not None and not _of_torch(loss):
        try:
            together = torch.broadcast_shapes(outputs.shape, y.shape)
        except RuntimeError:
            return  # they do not broadcast: whatever the loss does, it knows both
        if together in (outputs.shape, y.shape):
            return
    raise ValueError(
        f"outputs {tuple(outputs.shape)} and targets {tuple(y.shape)} differ in shape and would "
        "be broadcast: give y the shape of the outputs, such as y[:, None] or y.squeeze(-1)"
    )


def require_loop(params: dict[str, Tensor], reason: str) -> None:
    """Refuse to be vectorised over tasks where that gives another gradient.

    Raises:
        ValueError: inside `vmap`, where a gradient may be taken.
    """
    if torch.is_grad_enabled() and any(
        torch._C._functorch.is_batchedtensor(p) for p in params.values()
    ):
        raise ValueError(reason)


def require_scalar(loss: Any) -> Tensor:
    """Return the loss of a task; refuse one that is no single number, or no tensor.

    Raises:
        TypeError: if it is no tensor, and so cannot be differentiated.
        ValueError: if it is more than one number, naming the shape.

    Example:
        >>> require_scalar(torch.zeros(5, 1))
        Traceback (most recent call last):
        ValueError: a loss must be one number a task, got the shape (5, 1): take the mean
    """
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"a loss must be a tensor, got {type(loss).__name__}: leave out .item() and float()"
        )
    if loss.numel() != 1:
        raise ValueError(
            f"a loss must be one number a task, got the shape {tuple(loss.shape)}: take the mean"
        )
    return loss


def _of_torch(loss: Callable[..., Any]) -> bool:
    while isinstance(loss, partial):
        loss = loss.func
    return (getattr(loss, "__module__", None) or "").startswith("torch.nn")


def require_labels(outputs: Tensor, y: Tensor, *, ignored: int = IGNORED) -> None:
    """Refuse labels that are no class numbers of these outputs.

    Args:
        outputs: one a class, `(..., n, n_way)`.
        y: labels, `(..., n)`.
        ignored: the label that the loss passes over.

    Raises:
        TypeError: if they are not whole numbers (int64).
        ValueError: if there is not one a row, or one is not 0 … n_way − 1.

    Example:
        >>> require_labels(torch.zeros(2, 5), torch.tensor([0, 5]))
        Traceback (most recent call last):
        ValueError: labels must be 0 ... 4, one for each of the 5 outputs, got 5: a network needs
        as many outputs as a task has classes
    """
    if y.dtype != torch.int64:
        raise TypeError(f"class labels must be int64, got {y.dtype}: convert with y.long()")
    if y.shape != outputs.shape[:-1]:
        raise ValueError(
            f"labels must have the shape {tuple(outputs.shape[:-1])}, one for each row of the "
            f"outputs {tuple(outputs.shape)}, got {tuple(y.shape)}"
        )
    if torch._C._functorch.is_batchedtensor(y):
        return  # inside `vmap` shapes are known, values are not
    n_way = outputs.shape[-1]
    wrong = y[((y < 0) | (y >= n_way)) & (y != ignored)]
    if wrong.numel():
        raise ValueError(
            f"labels must be 0 ... {n_way - 1}, one for each of the {n_way} outputs, got "
            f"{wrong[0].item()}: a network needs as many outputs as a task has classes"
        )
