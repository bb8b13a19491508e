"""`python -m maml_tutorial`: run a preset and write its record and its weights."""

import re
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import torch
from click.core import ParameterSource

from maml_tutorial.checkpoints import out_of_memory
from maml_tutorial.choices import LEARNERS
from maml_tutorial.evaluation import Score
from maml_tutorial.jobs import Job, StoppedError, default_name, rounding
from maml_tutorial.parallel import is_first, joined, n_processes
from maml_tutorial.presets import PRESETS, Preset
from maml_tutorial.records import (
    RECORDS,
    Record,
    describe_device,
    list_records,
    load_record,
    peak_kb,
    save_record,
)
from maml_tutorial.reports import describe, over_seeds, plot_curves, presets_table, runs_of
from maml_tutorial.runs import judge, run_of
from maml_tutorial.training import DivergenceError
from maml_tutorial.weights import load_weights, save_weights

SETTING_KINDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a word"}
# What is asked of the command besides what comes out; all else stands in the record's command.
HOW = ("seed", "seeds", "resume", "force", "checkpoint_every", "logs", "called", "output")


def _preset_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """The name of a preset; another word is answered with the nearest."""
    if value in PRESETS:
        return value
    near = get_close_matches(value, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    words = f"no preset {value!r}: {hint}There are {', '.join(PRESETS)}."
    raise click.BadParameter(words, ctx, param)


def _presets(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The presets that a word may become, for the shell."""
    return [name for name in PRESETS if name.startswith(begun)]


def _records(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The records that a word may become: those in --folder, if that was typed before."""
    return [
        name for name in list_records(ctx.params.get("folder") or RECORDS) if name.startswith(begun)
    ]


RECORD = click.argument("record", shell_complete=_records)
FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=RECORDS,
    is_eager=True,
    help="Where runs are; by default, those of the package.",
)


@click.group(
    epilog="The package installs the same command as maml-tutorial, which completes what is typed: "
    'eval "$(_MAML_TUTORIAL_COMPLETE=bash_source maml-tutorial)" (or zsh_source, fish_source).'
)
def main() -> None:
    """Meta-train a preset of the book and record what comes of it."""


@main.command("list")
def list_presets() -> None:
    """List the presets with their settings."""
    click.echo(presets_table())


def _changed(preset: Preset, settings: Sequence[str]) -> Preset:
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
            words = f"{key} must be {SETTING_KINDS[kind]}, got {text!r}"
            raise click.BadParameter(words) from None
    try:
        return replace(preset, **changes)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _record_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """A word that can be a file's name, on any system; "" if none is asked for."""
    if value is None:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        words = f"a record is named with letters, digits, - and _, got {value!r}"
        raise click.BadParameter(words, ctx, param)
    return value


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int]:
    """Several seeds, each once."""
    words = re.split(r"[\s,]+", (value or "").strip()) if value is not None else []
    seeds = [int(word) for word in words if re.fullmatch(r"\d+", word)]
    if len(set(seeds)) < len(words):
        raise click.BadParameter(f"seeds are different numbers as 0,1,2, got {value!r}", ctx, param)
    return seeds


@main.command()
@RECORD
@FOLDER
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the learning curve into FILE (.svg, .png or .pdf).",
)
def show(record: str, folder: Path, plot: Path | None) -> None:
    """Show RECORD: its command, its scores with their intervals, its machine.

    Where there are runs with other seeds, named RECORD-seed-…, they are shown, too, and what
    they come to together.
    """
    with _a_line_for_an_error():
        records = runs_of(record, folder)
        for found in records:
            click.echo(describe(found))
        if len(records) > 1:
            click.echo(over_seeds(records))
        if plot:
            plot_curves(records, plot)
            click.echo(f"wrote {plot}")


@main.command("evaluate")
@RECORD
@FOLDER
@click.option("--n-tasks", type=click.IntRange(min=2), help="By default, as many as the run's own.")
@click.option("--seed", type=int, help="By default, the run's own: the same tasks again.")
@click.option("--save", is_flag=True, help="Write the scores into the record.")
@click.option(
    "--force",
    is_flag=True,
    help="Let --save put scores of fewer tasks into the record, or change a record of the package.",
)
def evaluate_run(
    record: str, folder: Path, n_tasks: int | None, seed: int | None, save: bool, force: bool
) -> None:
    """Score the weights of RECORD again, on other unseen tasks if the seed is another."""
    with _a_line_for_an_error():
        found = load_record(record, folder)
        run = run_of(found)
        use = "validation" if run.validate else "test"
        if save and folder.resolve() == RECORDS.resolve() and not force:
            raise ValueError(
                f"{record} is a record of the package, which stays as it is: copy it and its "
                "weights into a folder and give --folder, or --force"
            )
        params = load_weights(found.name, folder)
        torch.set_num_threads(min(run.threads, torch.get_num_threads()))
        seed = found.seeds[use] if seed is None else seed
        scores = judge(run, params, seed, n_tasks)
        if not save:
            return
        _refuse_to_lose(found, scores, force)
        changed = replace(
            found, scores=scores, seeds=found.seeds | {use: seed}, scored_on=describe_device()
        )
        click.echo(f"wrote {save_record(changed, folder)}")


def _refuse_to_lose(found: Record, scores: dict[str, dict[int, Score]], force: bool) -> None:
    """Let no test of a record go, and no tasks unless that is asked for.

    Raises:
        ValueError: if the new scores lack a test of the record, or are of fewer tasks.
    """
    if missing := [label for label in found.scores if label not in scores]:
        raise ValueError(
            f"nothing is written: {found.name} has scores that could not be taken here, on "
            f"{'; '.join(missing)}"
        )
    for label, by_steps in found.scores.items():
        was, now = (next(iter(of.values())).n_tasks for of in (by_steps, scores[label]))
        if now < was and not force:
            raise ValueError(
                f"nothing is written: the record's scores on {label} are of {was} tasks, these of "
                f"{now}. Give --n-tasks {was}, or --force"
            )


@main.command()
@click.argument("name", callback=_preset_name, shell_complete=_presets, metavar="PRESET")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SETTING=VALUE",
    help="Change a setting, such as inner_lr=0.1 (see list); may be given several times.",
)
@click.option(
    "--learner",
    type=click.Choice(list(LEARNERS)),
    help="Train a relative of MAML; reptile and imaml need more --set inner_steps=… than one.",
)
@click.option("--first-order", is_flag=True, help="Leave out the second derivatives.")
@click.option("--meta-steps", type=click.IntRange(min=1), help="Fewer or more steps than planned.")
@click.option(
    "--validate",
    is_flag=True,
    help="Hold training classes back and score on them: choose settings so, not on test classes.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--seeds",
    callback=_numbers,
    metavar="0,1,2",
    help="Train several times; show tells what they come to together.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --output.")
@click.option("--force", is_flag=True, help="Replace what is there under this name.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="STEPS",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "mps"]),
    default="cpu",
    show_default=True,
    help="On a GPU all tasks are taken at once, unless --set chunk=... says otherwise.",
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
@click.option(
    "--logs", is_flag=True, help="Write logs for TensorBoard beside the record, in NAME.logs."
)
@click.option(
    "--name",
    "called",
    callback=_record_name,
    metavar="NAME",
    help="Name record and weights so; by default PRESET, with -first-order and so on.",
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.pass_context
def train(
    ctx: click.Context,
    name: str,
    settings: tuple[str, ...],
    learner: str | None,
    first_order: bool,
    meta_steps: int | None,
    validate: bool,
    seed: int,
    seeds: list[int],
    resume: bool,
    force: bool,
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
    if seeds and ctx.get_parameter_source("seed") is not ParameterSource.DEFAULT:
        raise click.UsageError("--seed is for one run, --seeds for several: give one of them")
    if tf32 and device != "cuda":
        raise click.UsageError("--tf32 is how a GPU of NVIDIA rounds: give --device cuda")
    flags = {"first_order": first_order, "validate": validate}
    words = [*settings, *(f"{flag}=True" for flag, given in flags.items() if given)]
    words += [f"learner={learner}"] if learner else []
    words += [f"meta_steps={meta_steps}"] if meta_steps else []
    run = _changed(PRESETS[name], words)
    if device != "cpu" and not any(setting.startswith("chunk=") for setting in settings):
        run = replace(run, chunk=None)  # the presets' chunks are chosen for a CPU
    ctx.with_resource(rounding(tf32=tf32))
    one = Job(
        preset=name,
        run=run,
        seed=seed,
        output=output,
        options=_options(ctx, leave_out=HOW),
        called=called,
        compiled=compiled,
        logs=logs,
        checkpoint_every=checkpoint_every,
    )
    base = called or default_name(name, run)
    jobs = [replace(one, seed=seed, called=f"{base}-seed-{seed}") for seed in seeds] or [one]
    again = f"train {name}{_options(ctx, leave_out=('resume',))} --resume"
    threads = torch.get_num_threads()
    with _a_line_for_an_error(), joined(device) as place:
        for job in jobs:
            if seeds and resume and job.record.exists():
                _say(f"{job.name} is done")
                continue
            goes_on = resume and (job.checkpoint.exists() or not seeds)
            with job.held(force=force, resume=goes_on):
                torch.set_num_threads(min(run.threads, threads))
                _run(job, place, again, resume=goes_on, tf32=tf32 if device == "cuda" else None)


def _run(job: Job, place: torch.device, again: str, *, resume: bool, tf32: bool | None) -> None:
    """Train and score a job; write its weights, then its record, then let the checkpoint go."""
    processes = n_processes()
    try:
        with _asked_to_stop() as stop:
            training, seconds = job.trained(place, stop, resume=resume)
        machine, peak = describe_device(str(place)), peak_kb(str(place))
        if not is_first():
            return
        with _interrupted_by_sigterm():
            scores = judge(job.run, training.params, job.test_seed)
    except (StoppedError, KeyboardInterrupt) as stopped:
        launcher = f"torchrun --nproc-per-node {processes}" if processes > 1 else "python"
        what = str(stopped) or "stopped while it was scored; the training is kept"
        _say(f"{what}; go on with: {launcher} -m maml_tutorial {again}")
        raise SystemExit(130) from stopped
    record = Record(
        name=job.name,
        preset=job.preset,
        command=job.command(processes),
        config=job.run.settings(),
        seeds=job.seeds,
        steps_done=training.step,
        steps_planned=PRESETS[job.preset].meta_steps,
        scores=scores,
        history=training.history,
        curve=training.curve,
        seconds=round(seconds, 1),
        device=machine if processes == 1 else f"{processes} processes, each on {machine}",
        weights=save_weights(training.params, job.weights),
        peak_mb=peak and peak // 1024,
        scored_on=describe_device(str(place)),
        tf32=tf32,
    )
    click.echo(f"wrote {save_record(record, job.output)}")
    job.checkpoint.unlink(missing_ok=True)


def _options(ctx: click.Context, *, leave_out: Sequence[str]) -> str:
    """The options that were given, as words of the command."""
    words = []
    for option in ctx.command.params:
        name = str(option.name)
        given = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        if not isinstance(option, click.Option) or name in leave_out or not given:
            continue
        value, flag = ctx.params[name], option.opts[0]
        if option.is_flag:
            words += [flag] * value
        else:
            values = value if option.multiple else [value]
            words += [f"{flag} {shlex.quote(_word(value))}" for value in values]
    return "".join(f" {word}" for word in words)


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _say(words: str) -> None:
    """Print, once: not every process."""
    if is_first():
        click.echo(words)


@contextmanager
def _a_line_for_an_error() -> Iterator[None]:
    """End with what went wrong in a line: no data, bad settings, no GPU, a full disk."""
    try:
        yield
    except KeyError as error:
        raise click.ClickException(error.args[0]) from error
    except NotImplementedError as error:
        words = f"{error} An operation is missing on this device: take --device cpu"
        raise click.ClickException(words) from error
    except (DivergenceError, OSError, ValueError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        words = "out of memory: take fewer tasks at once, such as --set chunk=2"
        raise click.ClickException(f"{words} ({error})") from error


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


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C: nothing is lost, but it must be said how to go on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    main(prog_name="python -m maml_tutorial")
