"""Time one meta-step on sine waves: all tasks at once against one task after the other.

Both compute the same exact meta-gradient, which is checked first. The two take turns, so that what
else the machine does meets both alike; the median leaves out its hiccups.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from maml_tutorial import MLP, SinusoidTasks, Task, adapt, init_params, make_loss, maml_loss

INNER_LR, META_BATCH_SIZE = 0.01, 25
Loss = Callable[[], Tensor]


def losses(inner_steps: int) -> tuple[dict[str, Tensor], dict[str, Loss]]:
    """Return parameters, and the MAML loss computed in both ways, ready to be called."""
    model = MLP()
    params, loss_fn = init_params(model, seed=0), make_loss(model, mse_loss)
    tasks = SinusoidTasks()(META_BATCH_SIZE, torch.Generator().manual_seed(0))
    settings = {"inner_lr": INNER_LR, "inner_steps": inner_steps}

    def loop() -> Tensor:
        total = torch.zeros(())
        for task in map(Task._make, zip(*tasks, strict=True)):
            adapted = adapt(loss_fn, params, task.x_support, task.y_support, **settings)
            total = total + loss_fn(adapted, task.x_query, task.y_query)
        return total / META_BATCH_SIZE

    return params, {
        "vectorised": lambda: maml_loss(loss_fn, params, tasks, **settings),
        "loop": loop,
    }


def compare(inner_steps: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of both ways, and how many times faster one is.

    Raises:
        RuntimeError: The two ways do not give the same gradient.
    """
    params, ways = losses(inner_steps)
    leaves = list(params.values())
    gradients = [torch.autograd.grad(loss(), leaves) for loss in ways.values()]
    for one, other in zip(*gradients, strict=True):
        if not torch.allclose(one, other, rtol=1e-3, atol=1e-5):
            raise RuntimeError(f"gradients differ by {(one - other).abs().max().item():.1e}")
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, loss in ways.items():
            start = time.perf_counter()
            torch.autograd.grad(loss(), leaves)
            times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: round(statistics.median(values), 3) for name, values in times.items()}
    return medians | {"ratio": round(medians["loop"] / medians["vectorised"], 1)}


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--rounds", default=50, show_default=True, type=click.IntRange(min=1))
def main(output: Path, rounds: int) -> None:
    """Time meta-steps of 1 and 5 inner steps and write OUTPUT (JSON, milliseconds)."""
    torch.set_num_threads(1)  # nets this small gain nothing from a second thread
    results = {}
    for inner_steps in (1, 5):
        results[f"{inner_steps} inner steps"] = found = compare(inner_steps, rounds)
        click.echo(
            f"{inner_steps} inner steps, {META_BATCH_SIZE} tasks: vectorised "
            f"{found['vectorised']} ms, loop {found['loop']} ms, ratio {found['ratio']}"
        )
    record = {
        "what": "median ms of an exact meta-gradient, sine waves, 10 support and 10 query points",
        "meta_batch_size": META_BATCH_SIZE,
        "rounds": rounds,
        "results_ms": results,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
    }
    output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    click.echo(f"bench: {output}")


if __name__ == "__main__":
    main()
