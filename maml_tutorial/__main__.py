"""`python -m maml_tutorial`: run a preset and write its record and its weights."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path

import click
import torch

from maml_tutorial.checkpoints import load_checkpoint, save_checkpoint
from maml_tutorial.evaluation import Score, evaluate
from maml_tutorial.models import Params, init_params, make_loss, make_predict
from maml_tutorial.presets import PRESETS, Preset, Test
from maml_tutorial.records import RECORDS, Record, describe_device, load_record, save_record
from maml_tutorial.training import StoppedError, TrainingState, meta_train
from maml_tutorial.weights import load_weights, save_weights

MOST_STEPS = (10, 5, 1, 0)
KINDS = {int: "a whole number", float: "a number", bool: "True or False"}


@click.group()
def main() -> None:
    """Meta-train a preset of the book and record what comes of it."""


@main.command("list")
def list_presets() -> None:
    """List the presets with their settings."""
    for name, preset in PRESETS.items():
        click.echo(f"{name}: " + ", ".join(f"{k}={v}" for k, v in asdict(preset).items()))


class PresetName(click.ParamType):
    """The name of a preset; another word is answered with the nearest."""

    name = "preset"

    def convert(self, value: str, param: object, ctx: object) -> str:
        """Return the name, or say which are near."""
        if value in PRESETS:
            return value
        near = get_close_matches(value, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        self.fail(f"no preset {value!r}: {hint}There are {', '.join(PRESETS)}.", param, ctx)


def _changed(preset: Preset, settings: tuple[str, ...]) -> Preset:
    """The preset with some of its settings changed.

    Raises:
        click.BadParameter: if a setting is unknown, or its value is of another kind.
    """
    known = {field.name: getattr(preset, field.name) for field in fields(preset)}
    changes = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        if key not in known:
            raise click.BadParameter(f"unknown setting {key!r}: there are {', '.join(known)}")
        kind = int if known[key] is None else type(known[key])
        try:
            changes[key] = {"True": True, "False": False}[text] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise click.BadParameter(f"{key} must be {KINDS[kind]}, got {text!r}") from None
    return replace(preset, **changes)


@main.command()
@click.argument("record")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where runs are; by default, those of the package.",
)
def show(record: str, folder: Path | None) -> None:
    """Show RECORD: its command, its scores with their intervals, its machine."""
    found = _record(record, folder)
    done = f"{found.steps_done} of {found.steps_planned} steps"
    unfinished = " (unfinished)" if found.steps_done < found.steps_planned else ""
    click.echo(f"{found.name}: {done}{unfinished}, {found.seconds:.0f} s on {found.device}")
    click.echo(f"  {found.command}")
    for label, by_steps in found.scores.items():
        tasks = next(iter(by_steps.values())).n_tasks
        table = ", ".join(f"{steps} steps {score}" for steps, score in by_steps.items())
        click.echo(f"  {label}, {tasks} tasks: {table}")


@main.command("evaluate")
@click.argument("record")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where runs are; by default, those of the package.",
)
@click.option("--n-tasks", type=click.IntRange(min=2), default=1000, show_default=True)
@click.option("--seed", type=int, default=2, show_default=True)
def evaluate_run(record: str, folder: Path | None, n_tasks: int, seed: int) -> None:
    """Score the weights of RECORD again, on other unseen tasks if the seed is another."""
    found = _record(record, folder)
    name = found.name.removesuffix("-first-order")
    known = {field.name for field in fields(PRESETS[name])}
    run = replace(PRESETS[name], **{k: v for k, v in found.config.items() if k in known})
    try:
        params = load_weights(found.name, folder or RECORDS)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    torch.set_num_threads(min(run.threads, torch.get_num_threads()))
    _judge(run, params, seed, n_tasks)


def _record(name: str, folder: Path | None) -> Record:
    try:
        return load_record(name, folder or RECORDS)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    except KeyError as error:
        raise click.ClickException(error.args[0]) from error


@main.command()
@click.argument("name", type=PresetName(), metavar="PRESET")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SETTING=VALUE",
    help="Change a setting, such as inner_lr=0.1 (see list); may be given several times.",
)
@click.option("--first-order", is_flag=True, help="Leave out the second derivatives.")
@click.option("--meta-steps", type=click.IntRange(min=1), help="Fewer or more steps than planned.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --output.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="STEPS",
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def train(
    name: str,
    settings: tuple[str, ...],
    first_order: bool,
    meta_steps: int | None,
    seed: int,
    resume: bool,
    checkpoint_every: int,
    output: Path,
) -> None:
    """Meta-train PRESET, score it on unseen tasks, write record and weights into --output.

    Ctrl-C ends it after the step at hand and keeps a checkpoint; --resume goes on from there, and
    gives the same numbers as a run that was never stopped (same machine, same number of threads).
    """
    preset = _changed(PRESETS[name], settings)
    steps = meta_steps or preset.meta_steps
    command = f"python -m maml_tutorial train {name}"
    command += "".join(f" --set {setting}" for setting in settings)
    command += " --first-order" if first_order else ""
    command += f" --meta-steps {steps}" if steps != preset.meta_steps else ""
    command += f" --seed {seed}"
    run = replace(preset, first_order=first_order or preset.first_order, meta_steps=steps)
    torch.set_num_threads(min(run.threads, torch.get_num_threads()))
    model = run.model()
    seeds = {"init": seed, "train": seed + 1, "test": seed + 2}
    record_name = name + ("-first-order" if run.first_order else "")
    try:
        sampler = run.sampler()
    except (OSError, ValueError) as error:  # no data; or settings that do not fit them
        raise click.ClickException(str(error)) from error
    path = output / f"{record_name}.checkpoint"
    config = asdict(run) | {"name": name, "seed": seed}
    state, before = None, 0.0
    if resume:
        try:
            state, before = load_checkpoint(path, config=config)
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"going on after step {state.step}")
    elif path.exists():
        raise click.ClickException(
            f"{path} is of a run that was cut off: --resume goes on with it, or take it away"
        )
    began = time.perf_counter() - before

    def keep(state: TrainingState) -> None:
        try:
            save_checkpoint(state, path, config=config, seconds=time.perf_counter() - began)
        except OSError as error:
            raise click.ClickException(
                f"{path} cannot be written ({error}); an earlier checkpoint, if any, is whole"
            ) from error

    try:
        with _asked_to_stop() as stop:
            training = meta_train(
                make_loss(model, run.loss),
                init_params(model, seed=seeds["init"]),
                sampler,
                inner_lr=run.inner_lr,
                inner_steps=run.inner_steps,
                first_order=run.first_order,
                meta_batch_size=run.meta_batch_size,
                meta_steps=run.meta_steps,
                meta_lr=run.meta_lr,
                generator=torch.Generator().manual_seed(seeds["train"]),
                log_every=max(1, run.meta_steps // 100),
                chunk=run.chunk,
                resume=state,
                checkpoint=keep,
                checkpoint_every=checkpoint_every,
                stop=stop,
            )
    except StoppedError as stopped:
        keep(stopped.state)
        click.echo(f"{stopped}; go on with: {command} --output {output} --resume")
        raise SystemExit(130) from stopped
    seconds = time.perf_counter() - began
    device = describe_device()
    # The weights first: a test that fails must not cost an hour of training.
    weights = save_weights(training.params, output / f"{record_name}.safetensors")
    record = Record(
        name=record_name,
        command=command,
        config=asdict(run),
        seeds=seeds,
        steps_done=run.meta_steps,
        steps_planned=PRESETS[name].meta_steps,
        scores=_judge(run, training.params, seeds["test"]),
        history=training.history,
        seconds=round(seconds, 1),
        device=device,
        weights=weights,
    )
    click.echo(f"wrote {save_record(record, output)}")
    path.unlink(missing_ok=True)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM ask, once; a second time they end the process at once."""
    asked = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judge(
    run: Preset, params: Params, seed: int, n_tasks: int | None = None
) -> dict[str, dict[int, Score]]:
    """Take every test of the run that can be had here, and say which cannot."""
    scores = {}
    try:
        for test in run.tests():
            scores[test.label] = _scores(run, test, params, seed, n_tasks or run.n_test_tasks)
    except OSError as error:
        click.echo(f"not tested on it: {error}")
    return scores


def _scores(run: Preset, test: Test, params: Params, seed: int, n_tasks: int) -> dict[int, Score]:
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
                n_tasks=n_tasks,
                generator=torch.Generator().manual_seed(seed),
                batch_norm=test.batch_norm,
                batch_size=run.test_batch_size,
            ).query
        except ValueError as error:
            click.echo(f"up to {most} steps: {error}")
            continue
        table = ", ".join(f"{s} steps {scores[s]}" for s in (0, 1, 3, 5, 10) if s in scores)
        click.echo(f"{test.label}, {n_tasks} unseen tasks: {table}")
        return scores
    return {}


if __name__ == "__main__":
    main(prog_name="python -m maml_tutorial")
