"""The directive ``benchmark``: what `make bench` measured, as a table."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from records_table import listed, table
from sphinx.util.docutils import SphinxDirective

FILE = "maml_tutorial/data/benchmarks/meta_step.json"
WAYS = ("ours", "ours, compiled", "ours, 2 processes", "loop", "higher")

CHUNK_WORDS = (
    "How many tasks are differentiated together is a choice between time and memory, made by "
    "chunked(size): the memory grows with the tasks of a chunk."
)


class BenchmarkTable(SphinxDirective):
    """Show milliseconds, share of the machine's peak and memory for each kind of work."""

    def run(self) -> list[nodes.Node]:
        """Return the table and a sentence about the machine."""
        path = Path(self.env.srcdir, FILE)
        self.env.note_dependency(str(path))
        return benchmark_block(json.loads(path.read_text("utf-8")))


def benchmark_block(record: dict[str, Any]) -> list[nodes.Node]:
    """Return the block for a record of `benchmarks.meta_step`."""
    heads = ("way", "ms", "× higher", "memory", "× loop", "of peak")
    rows = [row for name, case in record["cases"].items() for row in case_rows(name, case)]
    machine = record["machine"]
    words = (
        f"{machine['cores']} cores ({machine['processor']}), a matrix product reaches "
        f"{record['peak GFLOP/s']} GFLOP/s; {listed(record['versions'])}."
    )
    chunks = ("tasks together", "ms", "memory", "× higher’s memory")
    together = [row for name, case in record["cases"].items() for row in chunk_rows(name, case)]
    return [
        table(heads, rows, "benchmark"),
        nodes.paragraph("", words),
        nodes.paragraph("", CHUNK_WORDS),
        table(chunks, together, "benchmark"),
    ]


def case_rows(name: str, case: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the name of the work, and a row for each way that was timed.

    Example:
        >>> case = {"ms": {"ours": 2.0, "higher": 6.0}, "share of peak": {"ours": 0.25, "higher": 0.1},
        ...         "times faster than higher": {"ours": 3.0, "higher": 1.0},
        ...         "times faster than loop": {"ours": 2.5, "higher": 0.8}, "peak MB": {"ours": 107.2}}
        >>> case_rows("waves", case)[:2]
        [('waves',), ('ours', '2.0', '3.0', '107 MB', '2.5', '25 %')]
        >>> case_rows("waves", case)[2][3]
        '–'
    """
    rows: list[tuple[str, ...]] = [(name,)]
    for way in (way for way in WAYS if way in case["ms"]):
        memory = case["peak MB"].get(way)
        rows.append(
            (
                way,
                milliseconds(case["ms"][way]),
                f"{case['times faster than higher'][way]:.1f}",
                "–" if memory is None else f"{memory:.0f} MB",
                f"{case['times faster than loop'][way]:.1f}",
                f"{100 * case['share of peak'][way]:.0f} %",
            )
        )
    return rows


def milliseconds(ms: float) -> str:
    """Return a time in milliseconds, with a digit behind the point where it counts.

    Example:
        >>> milliseconds(2.839), milliseconds(264.196)
        ('2.8', '264')
    """
    return f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def chunk_rows(name: str, case: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the work's name, and a row for each number of tasks differentiated together.

    Example:
        >>> case = {"by chunk": {"ms": {"1": 540.0, "2": 370.0}, "peak MB": {"1": 11.0, "2": 22.0}},
        ...         "peak MB": {"higher": 22.0}}
        >>> chunk_rows("conv", case)
        [('conv',), ('1', '540', '11 MB', '0.5'), ('2', '370', '22 MB', '1.0')]
        >>> chunk_rows("waves", {})
        []
    """
    found = case.get("by chunk", {"ms": {}})
    rows: list[tuple[str, ...]] = [(name,)] if found["ms"] else []
    for size, ms in found["ms"].items():
        memory = found["peak MB"][size]
        times = f"{memory / case['peak MB']['higher']:.1f}"
        rows.append((size, milliseconds(ms), f"{memory:.0f} MB", times))
    return rows
