"""The directive ``records``: every recorded result as a table, read when the book is built."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FOLDER = "maml_tutorial/data"
KINDS = (
    "Sine waves: mean squared error",
    "Animals and letters, 5-way 1-shot: accuracy in %, transductive",
    "Omniglot: accuracy in %, transductive",
)
PAPER = {  # the same test in Finn et al. 2017, tables 1 and 2; see book/appendix/paper_and_code.md
    "omniglot-5w1s": "98.7 ± 0.4",
    "omniglot-5w1s-no-conv": "89.7 ± 1.1",
    "omniglot-5w5s": "99.9 ± 0.1",
    "omniglot-20w1s": "95.8 ± 0.3",
    "omniglot-20w1s-first-order": "89.4 ± 0.5",  # quoted from Nichol et al. 2018
    "sinusoid-k5": "0.67",
    "sinusoid-k5-pretrained": "2.41",
}


class RecordsTable(SphinxDirective):
    """Show the JSON records of the package: a line for each or, "in full", a block for each."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table or the blocks, or a sentence where there are no records."""
        paths = sorted(Path(self.env.srcdir, FOLDER).glob("*.json"), key=in_order)
        for path in paths:
            self.env.note_dependency(str(path))
        records = [json.loads(path.read_text("utf-8")) for path in paths]
        if not records:
            return [nodes.paragraph("", "No result has been recorded yet.")]
        if self.arguments == ["in full"]:
            return [node for record in records for node in record_block(record)]
        return [summary(records)]


def in_order(path: Path) -> list[str]:
    """Return a key that puts five shots before ten, as a plain sort of names does not.

    Example:
        >>> [path.stem for path in sorted([Path("k10.json"), Path("k5.json")], key=in_order)]
        ['k5', 'k10']
    """
    return [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]


def summary(records: Iterable[dict[str, Any]]) -> nodes.table:
    """Return a table with a line for each record, which leads to it, in a part for each kind."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        parts.setdefault(kind(record), []).append(record)
    heads = ("run", "score", "paper", "outer steps, time")
    rows: list[tuple[str | nodes.Node, ...]] = []
    for title in sorted(parts, key=KINDS.index):
        steps = sorted({headline(record)[1] for record in parts[title]})
        after = f"{' or '.join(steps)} inner step{'s' if steps != ['1'] else ''}"
        rows.append((f"{title}, after {after}",))
        rows += [line(record) for record in parts[title]]
    return table(heads, rows, "record-summary")


def kind(record: dict[str, Any]) -> str:
    """Return which of the kinds of a summary a record belongs to, and what its scores are."""
    if "n_way" not in record["config"]:
        return KINDS[0]
    return KINDS[2] if next(iter(record["scores"])).startswith("Omniglot") else KINDS[1]


def line(record: dict[str, Any]) -> tuple[str | nodes.Node, ...]:
    """Return the cells of a record's line in the summary."""
    name = record["name"]
    link = nodes.reference("", name, refid=anchor(name), internal=True)
    shown = headline(record)[0].partition(", median")[0].removesuffix("\u202f%")
    paper = PAPER.get(of_paper(record), "–")
    where = " on a GPU" if "NVIDIA" in record["device"] else ""
    steps = f"{spaced(record['steps_done'])} in {duration(record['seconds'])}{where}"
    return link, *(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in (shown, paper)), steps


def of_paper(record: dict[str, Any]) -> str:
    """Return which of the paper's runs a record repeats; "" for a relative, or other test tasks.

    Example:
        >>> of_paper({"preset": "sinusoid-k5", "config": {"first_order": True}})
        'sinusoid-k5-first-order'
        >>> of_paper({"preset": "sinusoid-k5", "config": {"learner": "reptile"}})
        ''
    """
    config = record["config"]
    if config.get("learner", "maml") != "maml" or config.get("validate"):
        return ""
    return record.get("preset", "") + "-first-order" * config["first_order"]


def headline(record: dict[str, Any]) -> tuple[str, str]:
    """Return the score of a record's first test and the inner steps that it was taken after.

    They are as many as in training, and at least one; on Omniglot three, as the paper takes.

    Example:
        >>> scores = {"Omniglot 5-way 1-shot": {"1": [0.9, 0.02, 9, 9], "3": [0.95, 0.01, 9, 9]}}
        >>> headline({"config": {"inner_steps": 1, "n_way": 5}, "scores": scores})
        ('95.0 ± 1.0\u202f%', '3')
    """
    label, by_steps = next(iter(record["scores"].items()))
    fewest = 3 if label.startswith("Omniglot") else 1
    steps = str(max(fewest, record["config"]["inner_steps"]))
    show = percentage if "n_way" in record["config"] else score
    return show(by_steps.get(steps)), steps


def anchor(name: str) -> str:
    """Return the address of a record on its page."""
    return f"record-{name}"


def record_block(record: dict[str, Any]) -> list[nodes.Node]:
    """Return one record (the fields of `maml_tutorial.Record`) as a block that opens."""
    done, planned = record["steps_done"], record["steps_planned"]
    unfinished = "" if done >= planned else f" of {spaced(planned)} planned: an unfinished run"
    memory = record.get("peak_mb")
    machine = record["device"] + (", with TF32" if record.get("tf32") else "")
    machine += f"; memory {spaced(memory)} MiB a process" if memory else ""
    facts = [
        ("run", f"{spaced(done)} outer steps{unfinished}, {duration(record['seconds'])}"),
        ("machine", machine),
        ("versions", listed(record["versions"])),
        ("seeds", listed(record["seeds"])),
        ("settings", listed(record["config"])),
    ]
    command = folded(record["command"])
    title = f'<details id="{anchor(record["name"])}"><summary>{record["name"]}</summary>'
    return [
        nodes.raw("", title, format="html"),
        nodes.literal_block(command, command, language="bash"),
        scores_table(record["scores"], percent="n_way" in record["config"]),
        table(("of this run", "value"), facts, "record-facts"),
        nodes.raw("", "</details>", format="html"),
    ]


def folded(command: str, width: int = 66) -> str:
    """Return a command on as many lines as it needs, in the way a shell reads it.

    An option and its value stay together.

    Example:
        >>> print(folded("python -m maml_tutorial train glyphs-5w1s --seed 0", width=48))
        python -m maml_tutorial train glyphs-5w1s \\
            --seed 0
    """
    first, *options = command.split(" --")
    lines = [first]
    for option in options:
        longer = f"{lines[-1]} --{option}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"    --{option}")
    return " \\\n".join(lines)


def scores_table(
    scores: dict[str, dict[str, list[float]]], *, percent: bool = False
) -> nodes.table:
    """Return the scores, in a part for each test: a row for each number of inner steps.

    Accuracies stand in one column for each protocol of batch norm, errors in one for the mean,
    one for the median and one for the tasks that diverged. So the table fits a phone.

    Args:
        scores: The record's scores.
        percent: They are accuracies, as of classes: shown in per cent, as papers do.
    """
    parts: dict[str, dict[str, dict[str, list[float]]]] = {}
    for label, by_steps in scores.items():
        test, _, protocol = label.rpartition(", ") if percent else (label, "", "")
        parts.setdefault(test, {})[protocol] = by_steps
    if percent:
        heads: tuple[str, ...] = tuple(dict.fromkeys(p for part in parts.values() for p in part))
    else:
        heads = ("mean squared error", "median", "diverged")
    rows: list[tuple[str, ...]] = []
    for test, part in parts.items():
        columns = [*part.values()]
        n_tasks = next(iter(columns[0].values()))[2]
        rows.append((f"{test} ({spaced(n_tasks)} tasks)",))
        for step in sorted({step for column in columns for step in column}, key=int):
            if percent:
                found = [percentage(part.get(head, {}).get(step)) for head in heads]
            else:
                found = errors(columns[0].get(step))
            rows.append((step, *found))
    return table(("inner steps", *heads), rows, "record-parts")


def errors(value: list[float] | None) -> tuple[str, str, str]:
    """Return an error's mean and interval, its median, and how many tasks diverged.

    Example:
        >>> errors([0.34567, 0.0189, 1000, 10, 0.1234, 2])
        ('0.346 ± 0.019', '0.123', '2')
        >>> errors([0.34567, 0.0189, 1000, 10])
        ('0.346 ± 0.019', '–', '–')
    """
    mean, _, rest = score(value).partition(", median ")
    median, _, _ = rest.partition(";")
    kept = value is not None and len(value) > 5
    return mean, median or "–", str(value[5]) if kept else "–"


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


def table(
    heads: Iterable[str], rows: Iterable[tuple[str | nodes.Node, ...]], css_class: str
) -> nodes.table:
    """Return a table with one heading row; a row of one text is a heading of those below it."""
    heads = tuple(heads)
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))
    group += nodes.thead("", row(heads))
    parts = ((heading(*cells, len(heads)) if len(cells) == 1 else row(cells)) for cells in rows)
    group += nodes.tbody("", *parts)
    return nodes.table("", group, classes=[css_class])


def row(cells: Iterable[str | nodes.Node]) -> nodes.row:
    """Return one row of a table, of texts or of nodes such as links."""
    parts = (nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", part)) for part in parts))


def heading(words: str, columns: int) -> nodes.row:
    """Return a row of one cell as wide as the table, which names the rows below it."""
    strong = nodes.paragraph("", "", nodes.strong("", words))
    return nodes.row("", nodes.entry("", strong, morecols=columns - 1), classes=["part"])
