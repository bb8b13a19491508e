"""What is done with a preset: its parameters are watched while they are trained, and judged."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.evaluation import Score, evaluate
from maml_tutorial.models import Params, make_predict
from maml_tutorial.presets import PRESETS, Preset, Test
from maml_tutorial.records import Record

Watch = Callable[[int, float, Params], dict[str, float]]
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
    n = n_tasks or run.n_test_tasks
    try:
        for test in run.tests():
            found = evaluate_run(run, test, params, seed, n, run.test_steps)
            table = ", ".join(f"{s} steps {found[s]}" for s in (0, 1, 3, 5, 10) if s in found)
            print(f"{test.label}, {n} unseen tasks: {table}")
            scores[test.label] = found
    except OSError as error:
        print(f"not tested on it: {error}")
    return scores


def evaluate_run(
    run: Preset, test: Test, params: Params, seed: int, n_tasks: int, steps: Sequence[int]
) -> dict[int, Score]:
    """Return `{inner steps: Score}` on the query sets of `n_tasks` tasks of one test."""
    model = run.model()
    return evaluate(
        run.learner(model),
        make_predict(model),
        run.metric,
        params,
        test.sampler,
        inner_steps=steps,
        n_tasks=n_tasks,
        generator=torch.Generator().manual_seed(seed),
        batch_norm=test.batch_norm,
        batch_size=run.test_batch_size,
    ).query


def watch_unseen(run: Preset, seed: int) -> Watch:
    """Return what scores the run on unseen tasks while it is trained, 25 times in all.

    The scores make the learning curve. Nothing is chosen by them.
    """
    test = next(iter(run.tests()))
    every = max(1, run.meta_steps // N_WATCHES)
    steps = run.watched_steps

    def watch(step: int, loss: float, params: Params) -> dict[str, float]:
        if step % every and step != run.meta_steps:
            return {}
        found = evaluate_run(run, test, params, seed, run.n_watched_tasks, [steps])[steps]
        if not math.isfinite(found.interval):  # nearly all diverged: the training may yet recover
            return {}
        return {run.metric_name: found.mean, "interval": found.interval}

    return watch


def logged(watch: Watch, folder: Path, done: int) -> Watch:
    """Return a `watch` that also writes what TensorBoard reads.

    Args:
        watch: what scores the parameters.
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
