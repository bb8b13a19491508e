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
from maml_tutorial.tasks import Task, TaskSampler

Watch = Callable[[Params], dict[str, float]]
Log = Callable[[int, dict[str, float]], None]
N_WATCHES = 25


def run_of(record: Record) -> Preset:
    """Return the settings with which a recorded run was made.

    Raises:
        KeyError: if it is the run of a preset that is not there; the error lists those that are.

    Example:
        >>> from maml_tutorial.records import load_record
        >>> run_of(load_record("glyphs-5w1s-first-order")).first_order
        True
    """
    if record.preset not in PRESETS:
        raise KeyError(
            f"the record {record.name!r} is of the preset {record.preset!r}; there are: "
            f"{', '.join(PRESETS)}"
        )
    preset = PRESETS[record.preset]
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
    sampler, batch_size = test.sampler, run.test_batch_size
    if next(iter(params.values())).device.type != "cpu":
        sampler, batch_size = in_parts(sampler, batch_size), 5 * batch_size
    return evaluate(
        run.learner_for(model),
        make_predict(model),
        run.metric,
        params,
        sampler,
        inner_steps=steps,
        n_tasks=n_tasks,
        generator=torch.Generator().manual_seed(seed),
        batch_norm=test.batch_norm,
        batch_size=batch_size,
    ).query


def in_parts(sampler: TaskSampler, size: int) -> TaskSampler:
    """Draw as many tasks as are asked for, `size` at a time: a larger batch of the same tasks.

    Example:
        >>> from maml_tutorial import SinusoidTasks
        >>> sample, generator = in_parts(SinusoidTasks(), 20), torch.Generator()
        >>> sample(50, generator).x_query.shape
        torch.Size([50, 10, 1])
    """

    def sample(n_tasks: int, generator: torch.Generator) -> Task:
        firsts = range(0, n_tasks, size)
        parts = [sampler(min(size, n_tasks - first), generator) for first in firsts]
        return Task(*(torch.cat(part) for part in zip(*parts, strict=True)))

    return sample


def curve_steps(meta_steps: int) -> set[int]:
    """Return the steps after which a run is watched: 25, the last among them, if it has as many.

    Example:
        >>> sorted(curve_steps(3)), len(curve_steps(49)), max(curve_steps(49))
        ([1, 2, 3], 25, 49)
    """
    return {-(-part * meta_steps // N_WATCHES) for part in range(1, N_WATCHES + 1)}


def watch_unseen(run: Preset, seed: int) -> Watch:
    """Return what scores parameters on the first test of a run, before and after adaptation.

    The scores make the learning curve. Nothing is chosen by them.
    """
    test = next(iter(run.tests()))
    steps = run.watched_steps

    def watch(params: Params) -> dict[str, float]:
        found = evaluate_run(run, test, params, seed, run.n_watched_tasks, [0, steps])
        before, after = found[0], found[steps]
        if not math.isfinite(after.interval):  # nearly all diverged: the training may yet recover
            return {}
        name = run.metric_name
        return {name: after.mean, "interval": after.interval, f"{name} before": before.mean}

    return watch


def log_nothing(step: int, values: dict[str, float]) -> None:
    """Write no log."""


def log_to(folder: Path, done: int) -> Log:
    """Return what writes numbers where TensorBoard reads them.

    Args:
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

    def log(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return log
