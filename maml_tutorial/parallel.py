"""Several processes that share the tasks of a meta-batch, started by `torchrun`.

Tasks do not touch each other, so each process can differentiate some of them; the gradient of the
meta-batch is the sum over the processes, which PyTorch's own `all_reduce` takes. A process alone
needs none of this, and everything here then does nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed

from maml_tutorial.tasks import Task, count


@contextmanager
def joined(device: str = "cpu") -> Iterator[torch.device]:
    """Join the other processes, if `torchrun` started this one, and part from them at the end.

    Args:
        device: "cpu" (the processes talk through gloo), "cuda" (through nccl), or "mps", the GPU
            of a Mac, for one process.

    Returns:
        The device of this process; on a machine with several GPUs, each process gets its own.

    Raises:
        ValueError: if PyTorch finds no such device, or fewer GPUs than there are processes on this
            machine.

    Example:
        >>> with joined("cpu") as device:
        ...     print(device, n_processes())
        cpu 1
    """
    if (
        device == "cuda"
        and not torch.cuda.is_available()
        or (device == "mps" and not torch.backends.mps.is_available())
    ):
        raise ValueError(f"device is {device!r}, but PyTorch finds no GPU here: take 'cpu'")
    local = int(os.environ.get("LOCAL_RANK", 0))
    if device == "cuda" and local >= torch.cuda.device_count():
        raise ValueError(
            f"process {local + 1} of this machine has no GPU of its own: there are "
            f"{torch.cuda.device_count()}; start as many processes"
        )
    if "WORLD_SIZE" not in os.environ:
        yield torch.device(device)
        return
    if device == "mps":
        raise ValueError("device is 'mps', which is for one process: start one, or take 'cpu'")
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield torch.device(device, local) if device == "cuda" else torch.device(device)
    finally:
        distributed.destroy_process_group()


def n_processes() -> int:
    """Return how many processes share the tasks.

    Example:
        >>> n_processes()
        1
    """
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that reports, evaluates and writes files.

    Example:
        >>> is_first()
        True
    """
    return not distributed.is_initialized() or distributed.get_rank() == 0


def own_share(tasks: Task) -> Task:
    """Return the tasks of a meta-batch that this process works on.

    Raises:
        ValueError: if there are fewer tasks than processes.

    Example:
        >>> own_share(Task(*(torch.zeros(25, 3),) * 4)).x_support.shape
        torch.Size([25, 3])
    """
    if (n := n_processes()) == 1:
        return tasks
    n_tasks = count(tasks.x_support)
    if n_tasks < n:
        raise ValueError(
            f"{n} processes cannot share {n_tasks} tasks: start fewer processes, "
            "or make meta_batch_size larger"
        )
    rank = distributed.get_rank()
    return tasks.part(rank * n_tasks // n, (rank + 1) * n_tasks // n)


def total(tensors: list[Tensor]) -> list[Tensor]:
    """Sum each tensor over the processes, in one message.

    Raises:
        ConnectionError: if another process has ended, and there is nobody to wait for.

    Example:
        >>> total([torch.ones(2)])
        [tensor([1., 1.])]
    """
    if n_processes() == 1:
        return tensors
    message = torch.cat([t.flatten() for t in tensors])
    try:
        distributed.all_reduce(message)
    except RuntimeError as error:
        raise ConnectionError(
            "another of the processes has ended, and this one cannot go on alone: --resume goes on "
            f"from the last checkpoint, if there is one ({error})"
        ) from error
    parts = message.split([t.numel() for t in tensors])
    return [part.view_as(t) for part, t in zip(parts, tensors, strict=True)]
