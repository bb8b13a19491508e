"""What the command shows: the presets as tables, a record, a run of several seeds, its curve."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import matplotlib.pyplot as plt
from tabulate import tabulate

from maml_tutorial.plots import style
from maml_tutorial.presets import PRESETS, Creatures, Glyphs, Omniglot, Sinusoid
from maml_tutorial.records import Record, list_records, load_record, write_whole

KINDS = {"sine waves": Sinusoid, "letters": Glyphs, "animals": Creatures, "Omniglot": Omniglot}
PICTURES = (".svg", ".png", ".pdf")


def presets_table() -> str:
    """Return a table for each kind of preset: what differs among them, and below it the rest.

    Example:
        >>> print(presets_table().partition("In all:")[0].rstrip())
        sine waves                 inner_steps    k_shot
        -----------------------  -------------  --------
        sinusoid-k5                          1         5
        sinusoid-k10                         1        10
        sinusoid-k5-pretrained               0         5
        sinusoid-k10-pretrained              0        10
    """
    parts = []
    for kind, of in KINDS.items():
        rows = {name: asdict(run) for name, run in PRESETS.items() if type(run) is of}
        settings = [field for field in next(iter(rows.values()))]
        values = {key: [row[key] for row in rows.values()] for key in settings}
        differing = [key for key in settings if len(set(values[key])) > 1]
        shared = (f"{key}={values[key][0]}" for key in settings if key not in differing)
        table = [[name, *(str(row[key]) for key in differing)] for name, row in rows.items()]
        parts.append(tabulate(table, [kind, *differing]) + "\n\nIn all: " + ", ".join(shared))
    return "\n\n\n".join(parts)


def describe(record: Record) -> str:
    """Return a record in words: its command, its machine, its scores with their intervals.

    Example:
        >>> print(describe(load_record("sinusoid-k5")).splitlines()[1])
          python -m maml_tutorial train sinusoid-k5 --seed 0
    """
    done = f"{record.steps_done} of {record.steps_planned} steps"
    unfinished = " (unfinished)" if record.steps_done < record.steps_planned else ""
    memory = f", {record.peak_mb} MiB in each process" if record.peak_mb else ""
    lines = [
        f"{record.name}: {done}{unfinished}, {record.seconds:.0f} s on {record.device}{memory}",
        f"  {record.command}",
    ]
    for label, by_steps in record.scores.items():
        n_tasks = next(iter(by_steps.values())).n_tasks
        table = ", ".join(f"{steps} steps {score}" for steps, score in by_steps.items())
        lines.append(f"  {label}, {n_tasks} tasks: {table}")
    return "\n".join(lines)


def runs_of(name: str, folder: Path) -> list[Record]:
    """Return the record of this name, and those of its other seeds: `name-seed-…`.

    A run that is called so and has other settings or steps, or the same seeds, is none of them.

    Raises:
        KeyError: if there are none; the error lists what there is.

    Example:
        >>> from maml_tutorial.records import RECORDS
        >>> [record.name for record in runs_of("sinusoid-k5", RECORDS)]
        ['sinusoid-k5']
    """
    seed_of = re.compile(re.escape(name) + r"-seed-(-?\d+)")
    found = list_records(folder)
    seeds = sorted((one for one in found if seed_of.fullmatch(one)), key=_seed)
    others = [load_record(seed, folder) for seed in seeds]
    if others and name not in found:
        return others
    first = load_record(name, folder)
    return [first, *(other for other in others if _alike(first, other))]


def _alike(one: Record, other: Record) -> bool:
    """Whether two runs differ in their seeds, and in nothing else; older records name less."""
    settings = one.config.keys() & other.config.keys()
    same = all(one.config[key] == other.config[key] for key in settings)
    same = same and (one.preset, one.steps_done) == (other.preset, other.steps_done)
    return same and one.seeds["init"] != other.seeds["init"]


def _seed(name: str) -> int:
    return int(name.rpartition("seed-")[2])


def over_seeds(records: Sequence[Record]) -> str:
    """Return the mean over several runs, and the range from the lowest to the highest.

    Each run's score is a mean over tasks already; a test that not all of them took is left out.

    Example:
        >>> record = load_record("sinusoid-k5")
        >>> print(over_seeds([record, record]).splitlines()[0])
        2 runs, seeds 0, 0; mean, and lowest to highest
    """
    seeds = ", ".join(str(record.seeds["init"]) for record in records)
    lines = [f"{len(records)} runs, seeds {seeds}; mean, and lowest to highest"]
    for label, steps in _shared(records):
        found = [record.scores[label][steps] for record in records]
        means = [score.mean for score in found]
        lost = sum(score.n_diverged for score in found)
        diverged = f", {lost} tasks diverged" if lost else ""
        lines.append(
            f"  {label}, {steps} steps: {mean(means):.4g} ({min(means):.4g} to {max(means):.4g})"
            + diverged
        )
    return "\n".join(lines)


def _shared(records: Sequence[Record]) -> Iterator[tuple[str, int]]:
    """Tests and inner steps that all runs have scores of."""
    for label, by_steps in records[0].scores.items():
        for steps in by_steps:
            if all(steps in record.scores.get(label, {}) for record in records):
                yield label, steps


def plot_curves(records: Sequence[Record], file: Path) -> None:
    """Draw learning curves on unseen tasks with their intervals, and before adaptation.

    Args:
        records: runs of one preset.
        file: the picture; its name's end says of which kind.

    Raises:
        ValueError: if the name ends otherwise, or a record has no learning curve.
        OSError: if it cannot be written; nothing half-written is left.
    """
    if file.suffix not in PICTURES:
        raise ValueError(f"a picture's name ends in {', '.join(PICTURES)}, got {file.name!r}")
    for record in records:
        if not record.curve:
            raise ValueError(f"the record {record.name!r} has no learning curve to be drawn")
    with style():
        figure, axis = plt.subplots()
    for record in records:
        steps = [step for step, _ in record.curve]
        seen = {key: [at[key] for _, at in record.curve] for key in record.curve[-1][1]}
        metric = next(key for key in seen if key != "interval" and not key.endswith("before"))
        (line,) = axis.plot(steps, seen[metric], label=f"{record.name}, adapted")
        low, high = (
            [m + sign * i for m, i in zip(seen[metric], seen["interval"], strict=True)]
            for sign in (-1, 1)
        )
        axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        if before := seen.get(f"{metric} before"):
            axis.plot(steps, before, color=line.get_color(), linestyle=":", label="before")
        axis.set(xlabel="steps of the outer loop", ylabel=f"{metric} on unseen tasks")
    axis.legend()
    data = io.BytesIO()
    figure.savefig(data, format=file.suffix[1:], facecolor="white")
    plt.close(figure)
    write_whole(file, data.getvalue())
