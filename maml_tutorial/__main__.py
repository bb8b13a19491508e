"""`python -m maml_tutorial`: run a preset and write its record and its weights."""

import time
from dataclasses import asdict, replace
from pathlib import Path

import click
import torch

from maml_tutorial.evaluation import Score, evaluate
from maml_tutorial.models import Params, init_params, make_loss, make_predict
from maml_tutorial.presets import PRESETS, Preset, Test
from maml_tutorial.records import Record, describe_device, save_record
from maml_tutorial.training import meta_train
from maml_tutorial.weights import save_weights

MOST_STEPS = (10, 5, 1, 0)


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
    """Meta-train PRESET, score it on unseen tasks, write record and weights into --output."""
    preset = PRESETS[name]
    steps = meta_steps or preset.meta_steps
    command = f"python -m maml_tutorial train {name}"
    command += " --first-order" if first_order else ""
    command += f" --meta-steps {steps}" if steps != preset.meta_steps else ""
    command += f" --seed {seed}"
    run = replace(preset, first_order=first_order, meta_steps=steps)
    torch.set_num_threads(min(run.threads, torch.get_num_threads()))
    model = run.model()
    seeds = {"init": seed, "train": seed + 1, "test": seed + 2}
    began = time.perf_counter()
    training = meta_train(
        make_loss(model, run.loss),
        init_params(model, seed=seeds["init"]),
        run.sampler(),
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
    device = describe_device()
    record_name = name + ("-first-order" if first_order else "")
    # The weights first: a test that fails must not cost an hour of training.
    weights = save_weights(training.params, output / f"{record_name}.safetensors")
    record = Record(
        name=record_name,
        command=command,
        config=asdict(run),
        seeds=seeds,
        steps_done=run.meta_steps,
        steps_planned=preset.meta_steps,
        scores=_judge(run, training.params, seeds["test"]),
        history=training.history,
        seconds=round(seconds, 1),
        device=device,
        weights=weights,
    )
    click.echo(f"wrote {save_record(record, output)}")


def _judge(run: Preset, params: Params, seed: int) -> dict[str, dict[int, Score]]:
    """Take every test of the run that can be had here, and say which cannot."""
    scores = {}
    try:
        for test in run.tests():
            scores[test.label] = _scores(run, test, params, seed)
    except OSError as error:
        click.echo(f"not tested on it: {error}")
    return scores


def _scores(run: Preset, test: Test, params: Params, seed: int) -> dict[int, Score]:
    """Score after 0 … 10 steps, or fewer where a test task diverges: the run is recorded anyway."""
    model = run.model()
    for most in MOST_STEPS:
        try:
            scores = evaluate(
                make_loss(model, run.loss),
                make_predict(model),
                run.metric,
                params,
                test.sampler,
                inner_lr=run.inner_lr,
                inner_steps=[s for s in run.test_steps if s <= most],
                n_tasks=run.n_test_tasks,
                generator=torch.Generator().manual_seed(seed),
                batch_norm=test.batch_norm,
                batch_size=run.test_batch_size,
            ).query
        except ValueError as error:
            click.echo(f"up to {most} steps: {error}")
            continue
        table = ", ".join(f"{s} steps {scores[s]}" for s in (0, 1, 3, 5, 10) if s in scores)
        click.echo(f"{test.label}, {run.n_test_tasks} unseen tasks: {table}")
        return scores
    return {}


if __name__ == "__main__":
    main(prog_name="python -m maml_tutorial")
