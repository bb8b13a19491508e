"""What was tried and solved in this session: ``progress()`` shows it, and writes it to a file.

It is a report and no proof: the file is plain text, and solutions are public.
"""

import csv
import html
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from maml_tutorial.exercises.verdict import Status, Verdict


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise or bug hunt.

    Args:
        exercise: ``"3.2"``, or ``"hunt 3"``.
        title: Its title.
        status: Of the best answer: an exercise once solved stays solved.
        solved: When it was first solved, as ``2026-11-28 13:40`` in UTC; or empty.
        version: Of the package that gave the verdict.

    Example:
        >>> Entry("3.2", "Look-alikes", "hint").status
        'hint'
    """

    exercise: str
    title: str
    status: Status
    solved: str = ""
    version: str = ""


LOG: dict[str, Entry] = {}
STATUSES: dict[str, Status] = {"correct": "correct", "hint": "hint"}  # that leave a trace
HEAD = ("exercise", "title", "best answer", "first solved (UTC)")


def note(verdict: Verdict) -> Verdict:
    """Write the verdict on an attempt down, and hand it on."""
    name = verdict.exercise if verdict.kind == "Exercise" else f"hunt {verdict.exercise}"
    solved = f"{datetime.now(UTC):%Y-%m-%d %H:%M}" if verdict.status == "correct" else ""
    now = Entry(name, verdict.title, verdict.status, solved, version("maml_tutorial"))
    LOG[name] = _better(LOG.get(name), now)
    return verdict


@dataclass(frozen=True)
class Progress:
    """The exercises tried so far, in the book's order; a notebook shows them as a table."""

    entries: tuple[Entry, ...]

    @property
    def solved(self) -> int:
        """How many are solved."""
        return sum(entry.status == "correct" for entry in self.entries)

    def __repr__(self) -> str:
        rows = [f"{e.exercise:8} {e.status:8} {e.title}" for e in self.entries]
        return "\n".join([f"{self.solved} solved of {len(self.entries)} tried", *rows])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
        rows = ([e.exercise, e.title, e.status, e.solved] for e in self.entries)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        return (
            f"<table><caption>{self.solved} solved of {len(self.entries)} tried</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def progress(file: str | Path | None = "progress.csv") -> Progress:
    """Show which exercises were tried and solved, and write the table as CSV to hand in.

    What the file holds already is kept, so that one file serves all chapters of a folder. Each
    notebook in Colab has a machine of its own: there, hand in one file a chapter.

    Args:
        file: Where to write; with None nothing is read or written.

    Returns:
        The table; of an exercise that was answered here and in the file, the better answer.

    Raises:
        ValueError: The file holds something else.

    Example:
        >>> from maml_tutorial import check
        >>> check("1.3", lambda right, rounds, n_way: 1.0).status
        'hint'
        >>> "1.3" in {entry.exercise for entry in progress(file=None).entries}
        True
    """
    known = dict(LOG)
    if file is not None and Path(file).is_file():
        for old in read(file):
            known[old.exercise] = _better(old, known.get(old.exercise))
    table = Progress(tuple(sorted(known.values(), key=_by_number)))
    if file is not None:
        _write(table.entries, Path(file))
    return table


def read(file: str | Path) -> list[Entry]:
    """Read a file that `progress` wrote.

    Raises:
        ValueError: It has other columns, or a status that does not exist.
    """
    names = [field.name for field in fields(Entry)]
    with Path(file).open(encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))
    if not rows or rows[0] != names:
        raise ValueError(f"{file}: no table of progress; its first line must be {','.join(names)}")
    try:
        return [_entry(*row) for row in rows[1:]]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: a line is not one of a table of progress: {error}") from error


def _entry(exercise: str, title: str, status: str, solved: str, version: str) -> Entry:
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is neither 'correct' nor 'hint'")
    return Entry(exercise, title, STATUSES[status], solved, version)


def _better(old: Entry | None, now: Entry | None) -> Entry:
    """The older of two entries, if it is there and solved; otherwise the newer."""
    known = [entry for entry in (old, now) if entry]
    return next((entry for entry in known if entry.status == "correct"), known[-1])


def _write(entries: Iterable[Entry], file: Path) -> None:
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(Entry)])
        writer.writerows(asdict(entry).values() for entry in entries)
    os.replace(part, file)


def _by_number(entry: Entry) -> tuple[bool, list[int]]:
    name = entry.exercise.removeprefix("hunt ")
    return name != entry.exercise, [int(part) if part.isdigit() else 0 for part in name.split(".")]
