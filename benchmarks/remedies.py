"""Two of MAML++'s remedies on sine waves, one at a time, three seeds each. Written as JSON.

    python -m benchmarks.remedies benchmarks/remedies.json

Five inner steps, 2000 outer steps of ten waves each: short trainings, of which chapter 10 shows
the table. What concerns batch norm is not here: the network of the waves has none.
"""

import json
import sys
from pathlib import Path

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
    maml,
    meta_train,
    squared_error,
)
from maml_tutorial.adapt import adapt
from maml_tutorial.learners import gradient_of
from maml_tutorial.maml import over_tasks
from maml_tutorial.params import stacked
from maml_tutorial.records import describe_device, describe_versions

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


def learner_with(remedies: set[str], meta_steps: int = META_STEPS) -> Learner:
    """Return MAML with some of the remedies; it counts its own outer steps."""
    losses, calls = over_tasks(LOSS), iter(range(10**9))

    def objective(params: dict[str, Tensor], tasks: Task) -> Tensor:
        done = next(calls) / meta_steps
        first_order = "order annealed" in remedies and done < 0.5
        counts = [0.0] * (STEPS - 1) + [1.0]
        if "multi-step loss" in remedies:
            counts = weights_of_steps(done)
        phi, total = stacked(params, len(tasks.x_query)), torch.tensor(0.0)
        support = tasks.x_support, tasks.y_support
        for count in counts:
            phi = adapt(losses, phi, *support, inner_lr=INNER_LR, first_order=first_order)
            if count:
                total = total + count * losses(phi, tasks.x_query, tasks.y_query).mean()
        return total

    plain = maml(LOSS, inner_lr=INNER_LR, inner_steps=STEPS)
    return Learner(plain.learn, gradient_of(objective))


SETTINGS: dict[str, set[str]] = {
    "plain MAML, exact": set(),
    "multi-step loss": {"multi-step loss"},
    "order annealed": {"order annealed"},
}


def run(name: str, seed: int, meta_steps: int = META_STEPS, n_tasks: int = 2000) -> dict:
    """Train one setting with one seed; return its test error, or where it stopped."""
    learner = learner_with(SETTINGS[name], meta_steps)
    try:
        trained = meta_train(
            learner, init_params(NET, seed=seed), SAMPLE, meta_steps=meta_steps,
            meta_batch_size=META_BATCH, generator=torch.Generator().manual_seed(seed),
            progress=False,
        )  # fmt: skip
    except DivergenceError as error:
        return {"name": name, "seed": seed, "stopped": error.step}
    s = evaluate(
        learner, PREDICT, squared_error, trained.params, SAMPLE, inner_steps=(STEPS,),
        n_tasks=n_tasks, generator=torch.Generator().manual_seed(100),
    ).query[STEPS]  # fmt: skip
    kept = {"mean": s.mean, "interval": s.interval, "median": s.median}
    rounded = {key: round(value, 4) for key, value in kept.items()}
    return {"name": name, "seed": seed} | rounded | {"n_tasks": s.n_tasks, "diverged": s.n_diverged}


def main(path: Path) -> None:
    """Train and judge every setting with every seed."""
    torch.set_num_threads(1)
    runs = []
    for name in SETTINGS:
        for seed in SEEDS:
            runs.append(run(name, seed))
            print(runs[-1], flush=True)
    record = {"device": describe_device(), "versions": describe_versions(), "runs": runs}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
