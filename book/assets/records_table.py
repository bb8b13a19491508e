"""The directive ``records``: every recorded result as a table, read when the book is built."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FOLDER = "maml_tutorial/data"


class RecordsTable(SphinxDirective):
    """Show each JSON record of the package: the command, what came out, and on what."""

    def run(self) -> list[nodes.Node]:
        """Return the records one after the other, or a sentence where there are none."""
        found: list[nodes.Node] = []
        for path in sorted(Path(self.env.srcdir, FOLDER).glob("*.json")):
            self.env.note_dependency(str(path))
            found += record_block(json.loads(path.read_text("utf-8")))
        return found or [nodes.paragraph("", "No result has been recorded yet.")]


def record_block(record: dict[str, Any]) -> list[nodes.Node]:
    """Return one record (the fields of `maml_tutorial.Record`) as a small block of the page."""
    done, planned = record["steps_done"], record["steps_planned"]
    unfinished = "" if done >= planned else f" of {spaced(planned)} planned: an unfinished run"
    memory = record.get("peak_mb")
    machine = record["device"] + (f"; memory {spaced(memory)} MiB a process" if memory else "")
    facts = [
        ("run", f"{spaced(done)} outer steps{unfinished}, {duration(record['seconds'])}"),
        ("machine", machine),
        ("versions", listed(record["versions"])),
        ("seeds", listed(record["seeds"])),
        ("settings", listed(record["config"])),
    ]
    return [
        nodes.rubric("", record["name"]),
        nodes.literal_block(record["command"], record["command"], language="bash"),
        scores_table(record["scores"], percent="n_way" in record["config"]),
        table(("of this run", "value"), facts, "record-facts"),
    ]


def scores_table(
    scores: dict[str, dict[str, list[float]]], *, percent: bool = False
) -> nodes.table:
    """Return the scores: a row for each number of inner steps, a column for each label.

    Args:
        scores: The record's scores.
        percent: They are accuracies, as of classes: shown in per cent, as papers do.
    """
    steps = sorted({step for by_steps in scores.values() for step in by_steps}, key=int)
    n_tasks = [next(iter(by_steps.values()))[2] for by_steps in scores.values()]
    heads = [f"{label} ({spaced(n)} tasks)" for label, n in zip(scores, n_tasks, strict=True)]
    show = percentage if percent else score
    rows = [(step, *(show(column.get(step)) for column in scores.values())) for step in steps]
    return table(("inner steps", *heads), rows, "record-scores")


def score(value: list[float] | None) -> str:
    """Return "mean ± interval" with the interval's first two digits, and the median if it is kept.

    Example:
        >>> score([0.34567, 0.0189, 1000, 10])
        '0.346 ± 0.019'
        >>> score([0.34567, 0.0189, 1000, 10, 0.1234, 2])
        '0.346 ± 0.019, median 0.123; 2 diverged'
        >>> score([2.2e24, 4.2e24, 1000, 10])
        '2.2e+24 ± 4.2e+24'
    """
    if value is None:
        return "–"
    mean, interval, _, _, median, diverged = (*value, None, 0)[:6]
    if mean is None or interval is None:
        return f"all {diverged} diverged"
    if mean >= 1e4:
        return f"{mean:.1e} ± {interval:.1e}"
    digits = max(0, 1 - int(f"{interval:e}".split("e")[1])) if interval else 3
    middle = "" if median is None else f", median {median:.{digits}f}"
    return f"{mean:.{digits}f} ± {interval:.{digits}f}{middle}{lost(diverged)}"


def percentage(value: list[float] | None) -> str:
    """Return an accuracy and its interval in per cent, with one digit as papers give them.

    Example:
        >>> percentage([0.8432, 0.0071, 1000, 25000])
        '84.3 ± 0.7\u202f%'
    """
    if value is None:
        return "–"
    mean, interval, _, _, _, diverged = (*value, None, 0)[:6]
    if mean is None or interval is None:
        return f"all {diverged} diverged"
    return f"{100 * mean:.1f} ± {100 * interval:.1f}\u202f%{lost(diverged)}"


def lost(diverged: int) -> str:
    """Return how many tasks diverged, if any.

    Example:
        >>> lost(0), lost(2)
        ('', '; 2 diverged')
    """
    return f"; {diverged} diverged" if diverged else ""


def spaced(number: int) -> str:
    """Return a whole number with narrow spaces between thousands, as in the text."""
    return f"{number:,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(41.2), duration(340), duration(7500)
        ('41 s', '6 min', '2.1 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def listed(values: dict[str, Any]) -> str:
    """Return settings as "name value" pairs."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], css_class: str) -> nodes.table:
    """Return a table with one heading row."""
    heads = tuple(heads)
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))
    group += nodes.thead("", row(heads))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=[css_class])


def row(cells: Iterable[str]) -> nodes.row:
    """Return one row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in cells))
