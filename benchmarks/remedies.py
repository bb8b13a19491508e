"""Four of MAML++'s remedies on sine waves, one at a time, three seeds each. Written as JSON.

    python -m benchmarks.remedies maml_tutorial/data/benchmarks/remedies.json

Five inner steps, 2000 outer steps of ten waves each: short trainings, of which chapter 10 shows
the table. What concerns batch norm is not here: the network of the waves has none. Two processes
share the trainings.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from maml_tutorial import (
    MLP,
    DivergenceError,
    Learner,
    SinusoidTasks,
    Task,
    evaluate,
    init_params,
    make_loss,
    make_predict,
    meta_train,
    squared_error,
)
from maml_tutorial.adapt import Rates, adapt
from maml_tutorial.learners import as_they_are, gradient_of
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import Params
from maml_tutorial.params import stacked
from maml_tutorial.records import describe_device, describe_versions
from maml_tutorial.training import cosine

STEPS, INNER_LR, META_STEPS, META_BATCH, SEEDS = 5, 0.01, 2000, 10, (0, 1, 2)
SAMPLE = SinusoidTasks(k_shot=5, k_query=10)
NET = MLP()
LOSS, PREDICT = make_loss(NET, mse_loss), make_predict(NET)


def weights_of_steps(done: float, n_steps: int = STEPS) -> list[float]:
    """What the loss after each step counts, when a share `done` of the training is over.

    All alike at first; then the others fall, to 0.03 / n, for the last one's good.

    Example:
        >>> weights_of_steps(0.0, 4)
        [0.25, 0.25, 0.25, 0.25]
    """
    each = max(0.03, 1 - done) / n_steps
    return [each] * (n_steps - 1) + [1 - each * (n_steps - 1)]


def with_rates(params: Params) -> Params:
    """Add a learned α for each tensor and inner step; what has them stays as it is.

    Example:
        >>> sorted(with_rates({"w": torch.zeros(2)}))[:3]
        ['rate.0.w', 'rate.1.w', 'rate.2.w']
    """
    if any(name.startswith("rate.") for name in params):
        return params
    names = [f"rate.{k}.{name}" for k in range(STEPS) for name in params]
    return params | {name: torch.tensor(INNER_LR, requires_grad=True) for name in names}


def rates_at(params: Params, step: int) -> Rates:
    """Return the α of an inner step, stacked over tasks as the parameters are."""
    network = {name: p for name, p in params.items() if not name.startswith("rate.")}
    if len(network) == len(params):
        return INNER_LR
    found = {name: params[f"rate.{step}.{name}"] for name in network}
    return {name: r.view(-1, *[1] * (network[name].ndim - 1)) for name, r in found.items()}


def learner_with(remedy: str, meta_steps: int = META_STEPS) -> Learner:
    """Return MAML with one of the remedies; it counts its own outer steps."""
    losses, calls = over_tasks(LOSS), iter(range(10**9))

    def way(params: Params, x: Tensor, y: Tensor, n: int, first_order: bool) -> Iterator[Params]:
        """The network's parameters after each inner step."""
        phi = {name: p for name, p in params.items() if not name.startswith("rate.")}
        for k in range(n):
            rates = rates_at(params, k)
            phi = adapt(losses, phi, x, y, inner_lr=rates, first_order=first_order)
            yield phi

    def learn(params: Params, x: Tensor, y: Tensor, *, inner_steps: int = STEPS) -> Params:
        phi = {name: p for name, p in params.items() if not name.startswith("rate.")}
        *_, phi = [phi, *way(params, x, y, inner_steps, first_order=True)]
        return phi

    def objective(params: Params, tasks: Task) -> Tensor:
        done = next(calls) / meta_steps
        counts = [0.0] * (STEPS - 1) + [1.0]
        if remedy == "multi-step loss":
            counts = weights_of_steps(done)
        first_order = remedy == "order annealed" and done < 0.5
        start, total = stacked(params, len(tasks.x_query)), torch.tensor(0.0)
        steps = way(start, tasks.x_support, tasks.y_support, STEPS, first_order)
        for count, phi in zip(counts, steps, strict=True):
            if count:
                total = total + count * losses(phi, tasks.x_query, tasks.y_query).mean()
        return total

    start = with_rates if remedy == "learned rates" else as_they_are
    return Learner(learn, gradient_of(objective), start)


REMEDIES = ("none", "multi-step loss", "order annealed", "learned rates", "cosine annealing")


def run(name: str, seed: int, meta_steps: int = META_STEPS, n_tasks: int = 2000) -> dict[str, Any]:
    """Train with one remedy and one seed; return the test error, or where it stopped."""
    torch.set_num_threads(1)
    learner = learner_with(name, meta_steps)
    schedule = cosine if name == "cosine annealing" else lambda done: 1.0
    try:
        trained = meta_train(
            learner, init_params(NET, seed=seed), SAMPLE, meta_steps=meta_steps,
            meta_batch_size=META_BATCH, generator=torch.Generator().manual_seed(seed),
            schedule=schedule, progress=False,
        )  # fmt: skip
    except DivergenceError as error:
        return {"name": name, "seed": seed, "stopped": error.step}
    s = evaluate(
        learner, PREDICT, squared_error, trained.params, SAMPLE, inner_steps=(STEPS,),
        n_tasks=n_tasks, generator=torch.Generator().manual_seed(100),
    ).query[STEPS]  # fmt: skip
    kept = {"mean": s.mean, "interval": s.interval, "median": s.median or 0.0}
    rounded = {key: round(value, 4) for key, value in kept.items()}
    return {"name": name, "seed": seed} | rounded | {"n_tasks": s.n_tasks, "diverged": s.n_diverged}


def main(path: Path) -> None:
    """Train and judge with every remedy and every seed."""
    jobs = [(name, seed) for name in REMEDIES for seed in SEEDS]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = list(pool.map(run, *zip(*jobs, strict=True)))
    torch.set_num_threads(1)
    machine = f"2 processes, each on {describe_device()}"
    record = {"device": machine, "versions": describe_versions(), "runs": runs}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
