"""`python -m maml_tutorial`: run a preset and write its record and its weights."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import torch

from maml_tutorial.jobs import Job, StoppedError, rounding
from maml_tutorial.parallel import is_first, joined, n_processes
from maml_tutorial.presets import PRESETS, Preset
from maml_tutorial.records import (
    RECORDS,
    Record,
    describe_device,
    load_record,
    peak_kb,
    save_record,
)
from maml_tutorial.runs import judge, run_of
from maml_tutorial.training import DivergenceError
from maml_tutorial.weights import load_weights, save_weights

KINDS = {int: "a whole number", float: "a number", bool: "True or False"}
FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=RECORDS,
    help="Where runs are; by default, those of the package.",
)


@click.group()
def main() -> None:
    """Meta-train a preset of the book and record what comes of it."""


@main.command("list")
def list_presets() -> None:
    """List the presets with their settings."""
    for name, preset in PRESETS.items():
        click.echo(f"{name}: " + ", ".join(f"{k}={v}" for k, v in asdict(preset).items()))


def _preset_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """The name of a preset; another word is answered with the nearest."""
    if value in PRESETS:
        return value
    near = get_close_matches(value, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    words = f"no preset {value!r}: {hint}There are {', '.join(PRESETS)}."
    raise click.BadParameter(words, ctx, param)


def _changed(preset: Preset, settings: tuple[str, ...]) -> Preset:
    """The preset with some of its settings changed.

    Raises:
        click.BadParameter: if a setting is unknown, or its value is of another kind.
    """
    known = {field.name: getattr(preset, field.name) for field in fields(preset)}
    changes: dict[str, Any] = {}
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


def _record_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """A word that can be a file's name, on any system; "" if none is asked for."""
    if value is None:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        words = f"a record is named with letters, digits, - and _, got {value!r}"
        raise click.BadParameter(words, ctx, param)
    return value


@main.command()
@click.argument("record")
@FOLDER
def show(record: str, folder: Path) -> None:
    """Show RECORD: its command, its scores with their intervals, its machine."""
    found = _record(record, folder)
    done = f"{found.steps_done} of {found.steps_planned} steps"
    unfinished = " (unfinished)" if found.steps_done < found.steps_planned else ""
    memory = f", {found.peak_mb} MiB in each process" if found.peak_mb else ""
    click.echo(f"{found.name}: {done}{unfinished}, {found.seconds:.0f} s on {found.device}{memory}")
    click.echo(f"  {found.command}")
    for label, by_steps in found.scores.items():
        tasks = next(iter(by_steps.values())).n_tasks
        table = ", ".join(f"{steps} steps {score}" for steps, score in by_steps.items())
        click.echo(f"  {label}, {tasks} tasks: {table}")


@main.command("evaluate")
@click.argument("record")
@FOLDER
@click.option("--n-tasks", type=click.IntRange(min=2), default=1000, show_default=True)
@click.option("--seed", type=int, default=2, show_default=True)
@click.option("--save", is_flag=True, help="Write the scores into the record.")
def evaluate_run(record: str, folder: Path, n_tasks: int, seed: int, save: bool) -> None:
    """Score the weights of RECORD again, on other unseen tasks if the seed is another."""
    found = _record(record, folder)
    try:
        run = run_of(found)
        params = load_weights(found.name, folder)
    except KeyError as error:
        raise click.ClickException(error.args[0]) from error
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    torch.set_num_threads(min(run.threads, torch.get_num_threads()))
    scores = judge(run, params, seed, n_tasks)
    if save:
        changed = replace(
            found,
            scores=scores,
            seeds=found.seeds | {"test": seed},
            scored_on=describe_device(),
        )
        click.echo(f"wrote {save_record(changed, folder)}")


def _record(name: str, folder: Path) -> Record:
    try:
        return load_record(name, folder)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    except KeyError as error:
        raise click.ClickException(error.args[0]) from error


@main.command()
@click.argument("name", callback=_preset_name, metavar="PRESET")
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
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="On cuda all tasks are taken at once, unless --set chunk=... says otherwise.",
)
@click.option(
    "--tf32",
    is_flag=True,
    help="Let the GPU round what it multiplies to TF32: sooner, and less exact.",
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile the meta-gradient first: minutes once, then faster steps.",
)
@click.option("--logs", is_flag=True, help="Write logs for TensorBoard beside the record.")
@click.option(
    "--name",
    "called",
    callback=_record_name,
    metavar="NAME",
    help="Name record and weights so; by default PRESET, or PRESET-first-order.",
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
    device: str,
    tf32: bool,
    compiled: bool,
    logs: bool,
    called: str,
    output: Path,
) -> None:
    """Meta-train PRESET, score it on unseen tasks, write record and weights into --output.

    Ctrl-C ends it after the step at hand and keeps a checkpoint; --resume goes on from there, and
    gives the same numbers as a run that was never stopped (same machine and device, same number of
    processes and threads, same chunks).

    torchrun --nproc-per-node 2 -m maml_tutorial train PRESET shares the tasks of each meta-batch
    between two processes; --output must be a folder that both can see.
    """
    preset = _changed(PRESETS[name], settings)
    if device == "cuda" and not any(setting.startswith("chunk=") for setting in settings):
        preset = replace(preset, chunk=None)  # the presets' chunks are chosen for a CPU
    click.get_current_context().with_resource(rounding(tf32=tf32))
    steps = meta_steps or preset.meta_steps
    job = Job(
        preset=name,
        run=replace(preset, first_order=first_order or preset.first_order, meta_steps=steps),
        seed=seed,
        output=output,
        options=_options(settings, first_order, meta_steps, device, tf32, compiled, called),
        called=called,
        compiled=compiled,
        logs=logs,
        checkpoint_every=checkpoint_every,
    )
    threads = torch.get_num_threads()
    with _a_line_for_an_error(), joined(device) as place, _asked_to_stop() as stop:
        torch.set_num_threads(min(job.run.threads, threads))
        processes = n_processes()
        try:
            training, seconds = job.trained(place, stop, resume=resume)
        except StoppedError as stopped:
            again = f"{job.command(processes)} --output {output} --resume"
            _say(f"{stopped}; go on with: {again}")
            raise SystemExit(130) from stopped
        machine, peak = describe_device(str(place)), peak_kb(str(place))
        if not is_first():
            return
    # The weights first: a test that fails must not cost an hour of training.
    weights = save_weights(training.params, output / f"{job.name}.safetensors")
    torch.set_num_threads(min(job.run.threads, processes * threads))  # the others have parted
    record = Record(
        name=job.name,
        preset=name,
        command=job.command(processes),
        config=asdict(job.run),
        seeds=job.seeds,
        steps_done=steps,
        steps_planned=PRESETS[name].meta_steps,
        scores=judge(job.run, training.params, job.seeds["test"]),
        history=training.history,
        curve=training.curve,
        seconds=round(seconds, 1),
        device=machine if processes == 1 else f"{processes} processes, each on {machine}",
        weights=weights,
        peak_mb=peak and peak // 1024,
        scored_on=describe_device(str(place)),
        tf32=tf32 if device == "cuda" else None,
    )
    click.echo(f"wrote {save_record(record, output)}")
    job.checkpoint.unlink(missing_ok=True)


def _options(
    settings: tuple[str, ...],
    first_order: bool,
    meta_steps: int | None,
    device: str,
    tf32: bool,
    compiled: bool,
    called: str,
) -> str:
    """The options that decide what comes out, as words of the command."""
    words = [f"--set {setting}" for setting in settings]
    words += ["--first-order"] * first_order
    words += [f"--meta-steps {meta_steps}"] if meta_steps else []
    words += [f"--device {device}"] if device != "cpu" else []
    words += ["--tf32"] * tf32
    words += ["--compile"] * compiled
    words += [f"--name {called}"] if called else []
    return "".join(f" {word}" for word in words)


def _say(words: str) -> None:
    """Print, once: not every process."""
    if is_first():
        click.echo(words)


@contextmanager
def _a_line_for_an_error() -> Iterator[None]:
    """End with what went wrong in a line: no data, bad settings, no GPU, a full disk."""
    try:
        yield
    except (DivergenceError, OSError, ValueError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error


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


if __name__ == "__main__":
    main(prog_name="python -m maml_tutorial")
