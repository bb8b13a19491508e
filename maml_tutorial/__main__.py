"""`python -m maml_tutorial`: run a preset and write its record."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import torch
from torch.nn.functional import mse_loss

from maml_tutorial.evaluation import Score, evaluate, squared_error
from maml_tutorial.models import (
    MLP,
    LossFn,
    Params,
    PredictFn,
    init_params,
    make_loss,
    make_predict,
)
from maml_tutorial.records import Record, save_record
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.training import meta_train

N_TEST_TASKS = 10_000
MOST_STEPS = (10, 5, 1, 0)


@dataclass(frozen=True)
class Preset:
    """Settings of a sine-wave run; the defaults are the paper's (section 5.1) and its code's."""

    k_shot: int
    inner_steps: int = 1
    inner_lr: float = 0.01
    meta_lr: float = 1e-3
    meta_batch_size: int = 25
    meta_steps: int = 70_000
    first_order: bool = False


PRESETS = {
    "sinusoid-k5": Preset(k_shot=5),
    "sinusoid-k10": Preset(k_shot=10),
    "sinusoid-k5-pretrained": Preset(k_shot=5, inner_steps=0),
}


@click.group()
def main() -> None:
    """Meta-train a preset of the book and record what comes of it."""


@main.command("list")
def list_presets() -> None:
    """List the presets with their settings."""
    for name, preset in PRESETS.items():
        click.echo(f"{name}: " + ", ".join(f"{k}={v}" for k, v in asdict(preset).items()))


@main.command()
@click.argument("name", type=click.Choice(list(PRESETS)), metavar="PRESET")
@click.option("--first-order", is_flag=True, help="Leave out the second derivatives.")
@click.option("--meta-steps", type=click.IntRange(min=1), help="Fewer or more steps than planned.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def train(name: str, first_order: bool, meta_steps: int | None, seed: int, output: Path) -> None:
    """Meta-train PRESET, score it on unseen tasks and write its record into --output."""
    preset = PRESETS[name]
    steps = meta_steps or preset.meta_steps
    command = f"python -m maml_tutorial train {name}"
    command += " --first-order" if first_order else ""
    command += f" --meta-steps {steps}" if steps != preset.meta_steps else ""
    command += f" --seed {seed}"
    run = replace(preset, first_order=first_order, meta_steps=steps)
    # A net of 1761 parameters is too small to share between threads: one is faster.
    torch.set_num_threads(1)
    model = MLP()
    loss_fn = make_loss(model, mse_loss)
    seeds = {"init": seed, "train": seed + 1, "test": seed + 2}
    began = time.perf_counter()
    training = meta_train(
        loss_fn,
        init_params(model, seed=seeds["init"]),
        SinusoidTasks(run.k_shot, run.k_shot),
        inner_lr=run.inner_lr,
        inner_steps=run.inner_steps,
        first_order=run.first_order,
        meta_batch_size=run.meta_batch_size,
        meta_steps=run.meta_steps,
        meta_lr=run.meta_lr,
        generator=torch.Generator().manual_seed(seeds["train"]),
        log_every=max(1, run.meta_steps // 100),
    )
    seconds = time.perf_counter() - began
    scores = _scores(run, loss_fn, make_predict(model), training.params, seeds["test"])
    record = Record(
        name=name + ("-first-order" if first_order else ""),
        command=command,
        config=asdict(run),
        seeds=seeds,
        steps_done=run.meta_steps,
        steps_planned=preset.meta_steps,
        scores={f"{run.k_shot}-shot": scores},
        history=training.history,
        seconds=round(seconds, 1),
    )
    click.echo(f"wrote {save_record(record, output)}")


def _scores(
    run: Preset, loss_fn: LossFn, predict: PredictFn, params: Params, seed: int
) -> dict[int, Score]:
    """Score after 0 … 10 steps, or fewer where a test task diverges: the run is recorded anyway."""
    for most in MOST_STEPS:
        try:
            scores = evaluate(
                loss_fn,
                predict,
                squared_error,
                params,
                SinusoidTasks(run.k_shot, 100),
                inner_lr=run.inner_lr,
                inner_steps=range(most + 1),
                n_tasks=N_TEST_TASKS,
                generator=torch.Generator().manual_seed(seed),
            ).query
        except ValueError as error:
            click.echo(f"up to {most} steps: {error}")
            continue
        table = ", ".join(f"{s} steps {scores[s]}" for s in (0, 1, 5, 10) if s in scores)
        click.echo(f"{run.k_shot}-shot MSE on {N_TEST_TASKS} unseen tasks: {table}")
        return scores
    return {}


if __name__ == "__main__":
    main(prog_name="python -m maml_tutorial")
