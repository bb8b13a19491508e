"""Train for a few steps as torchrun asks, and save the parameters: what test_parallel.py compares.

torchrun --nproc-per-node 2 tests/two_processes.py FOLDER MODEL-META_BATCH_SIZE-CHUNK ...
"""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.gradients import chunked
from maml_tutorial.models import MLP, ConvNet, init_params, make_loss
from maml_tutorial.parallel import is_first, joined
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import SinusoidTasks, Task, TaskSampler
from maml_tutorial.training import Training, meta_train


def problem(name: str) -> tuple[nn.Module, TaskSampler]:
    """Return a network and its tasks."""
    if name == "sine":
        return MLP((8,)), SinusoidTasks(5, 5)
    images = torch.rand(12, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return ConvNet(3, hidden=4), EpisodeSampler(images, n_way=3, k_shot=1, k_query=2)


def train(name: str, meta_batch_size: int, chunk: int | None) -> Training:
    """Train in float64: sums in another order then differ in the sixteenth digit only."""
    model, sampler = problem(name)

    def doubles(n_tasks: int, generator: torch.Generator) -> Task:
        tasks = sampler(n_tasks, generator)
        return tasks.map(lambda part: part.double() if part.is_floating_point() else part)

    loss = mse_loss if name == "sine" else cross_entropy
    return meta_train(
        maml(make_loss(model, loss), inner_lr=0.01),
        init_params(model.double(), seed=0),
        doubles,
        meta_batch_size=meta_batch_size,
        engine=chunked(chunk) if chunk else None,
        meta_steps=3,
        optimizer=partial(torch.optim.SGD, lr=0.1),
        generator=torch.Generator().manual_seed(1),
        log_every=1,
        progress=False,
    )


if __name__ == "__main__":
    folder, *runs = sys.argv[1:]
    with joined():
        for run in runs:
            name, meta_batch_size, chunk = run.split("-")
            training = train(name, int(meta_batch_size), int(chunk) or None)
            if is_first():
                params = {k: p.detach() for k, p in training.params.items()}
                torch.save(
                    {"params": params, "history": training.history}, Path(folder) / f"{run}.pt"
                )
