"""What is done with a preset: its parameters are watched while they are trained, and judged."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.evaluation import Score, evaluate
from maml_tutorial.models import Params, make_loss, make_predict
from maml_tutorial.presets import PRESETS, Preset, Test
from maml_tutorial.records import Record
from maml_tutorial.training import Watch

MOST_STEPS = (10, 5, 1, 0)
N_WATCHES = 25


def run_of(record: Record) -> Preset:
    """Return the settings with which a recorded run was made.

    Example:
        >>> from maml_tutorial.records import load_record
        >>> run_of(load_record("glyphs-5w1s-first-order")).first_order
        True
    """
    preset = PRESETS[record.name.removesuffix("-first-order")]
    known = {field.name for field in fields(preset)}
    return replace(preset, **{k: v for k, v in record.config.items() if k in known})


def judge(
    run: Preset, params: Params, seed: int, n_tasks: int | None = None
) -> dict[str, dict[int, Score]]:
    """Take every test of the run that can be had here; print the scores, and what cannot be had.

    Returns:
        `{test: {inner steps: Score}}` on the query sets of unseen tasks.
    """
    scores = {}
    try:
        for test in run.tests():
            scores[test.label] = _scores(run, test, params, seed, n_tasks or run.n_test_tasks)
    except OSError as error:
        print(f"not tested on it: {error}")
    return scores


def _scores(run: Preset, test: Test, params: Params, seed: int, n_tasks: int) -> dict[int, Score]:
    """Score after 0 … 10 steps, or fewer where a test task diverges: the run is recorded anyway."""
    for most in MOST_STEPS:
        steps = [s for s in run.test_steps if s <= most]
        try:
            scores = evaluate_run(run, test, params, seed, n_tasks, steps)
        except ValueError as error:
            print(f"up to {most} steps: {error}")
            continue
        table = ", ".join(f"{s} steps {scores[s]}" for s in (0, 1, 3, 5, 10) if s in scores)
        print(f"{test.label}, {n_tasks} unseen tasks: {table}")
        return scores
    return {}


def evaluate_run(
    run: Preset, test: Test, params: Params, seed: int, n_tasks: int, steps: list[int]
) -> dict[int, Score]:
    """Return `{inner steps: Score}` on the query sets of `n_tasks` tasks of one test."""
    model = run.model()
    return evaluate(
        make_loss(model, run.loss),
        make_predict(model),
        run.metric,
        params,
        test.sampler,
        inner_lr=run.inner_lr,
        inner_steps=steps,
        n_tasks=n_tasks,
        generator=torch.Generator().manual_seed(seed),
        batch_norm=test.batch_norm,
        batch_size=run.test_batch_size,
    ).query


def watch_unseen(run: Preset, seed: int) -> Watch:
    """Return what `meta_train` calls to score the run on unseen tasks, 25 times in all.

    The scores make the learning curve. Nothing is chosen by them.
    """
    test = next(iter(run.tests()))
    every = max(1, run.meta_steps // N_WATCHES)
    steps = run.watched_steps

    def watch(step: int, loss: float, params: Params) -> dict[str, float]:
        if step % every and step != run.meta_steps:
            return {}
        try:
            found = evaluate_run(run, test, params, seed, run.n_watched_tasks, [steps])[steps]
        except ValueError:  # adaptation diverged on some task: the training may yet recover
            return {}
        return {run.metric_name: found.mean, "interval": found.interval}

    return watch


def logged(watch: Watch, folder: Path, done: int) -> Watch:
    """Return a `watch` that also writes what TensorBoard reads.

    Args:
        watch: as for `meta_train`.
        folder: where the logs go.
        done: the step that an earlier, cut-off training reached; what its logs hold beyond that
            is not shown.

    Raises:
        ModuleNotFoundError: if the package `tensorboard` is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "logs are written by the package tensorboard: pip install tensorboard"
        ) from error
    writer: Any = SummaryWriter(folder, purge_step=done + 1)

    def watch_and_log(step: int, loss: float, params: Params) -> dict[str, float]:
        seen = watch(step, loss, params)
        for name, value in {"loss": loss, **seen}.items():
            writer.add_scalar(name, value, step)
        writer.flush()
        return seen

    return watch_and_log
