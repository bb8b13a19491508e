"""Seconds that each section of a chapter runs: what a class waits for. Written as JSON.

    python -m benchmarks.sections benchmarks/sections.json
    python -m benchmarks.sections benchmarks/sections.json 05_the_inner_loop 07_maml_on_sine_waves

A section is the code below one heading, folded and hidden cells included; what stands before the
first heading is "set-up". Seconds are a processor's, of one thread: other work on the machine
hardly counts, and a second core makes the class wait less. Where a chapter is timed again, each
section keeps its shorter time.
"""

import json
import os
import platform
import sys
from pathlib import Path

import psutil

from tools.notebooks import find_notebooks, read
from tools.notebooks.files import BOOK
from tools.notebooks.run import execute

SET_UP = "set-up"


def headings(sources: list[tuple[str, str]]) -> list[str]:
    """Name the section in which each cell of a notebook stands.

    Args:
        sources: Kind ("markdown" or "code") and text of each cell.

    Example:
        >>> headings([("markdown", "# 1 · T"), ("code", "a"), ("markdown", "## S"), ("code", "b")])
        ['set-up', 'set-up', 'S', 'S']
    """
    here, found = SET_UP, []
    for kind, text in sources:
        if kind == "markdown":
            for line in text.splitlines():
                if line.startswith(("## ", "### ")):
                    here = line.lstrip("# ")
        found.append(here)
    return found


def seconds(path: Path) -> dict[str, float]:
    """Run a notebook in a fresh kernel and return the seconds of each section."""
    notebook = read(path)
    names = headings([(cell.cell_type, cell.source) for cell in notebook.cells])
    found = dict.fromkeys(names, 0.0)
    spent = 0.0  # by the kernels that this process started, so far

    def kernels() -> float:
        children = psutil.Process().children(recursive=True)
        return sum(sum(child.cpu_times()[:4]) for child in children)

    def end(cell: object, cell_index: int, execute_reply: object) -> None:
        nonlocal spent
        found[names[cell_index]] += kernels() - spent
        spent = kernels()

    execute(notebook, path, on_cell_executed=end)
    return {name: round(took, 2) for name, took in found.items() if took >= 0.005}


def main(target: Path, wanted: list[str]) -> None:
    """Time the chapters named, or all, and merge them into the record."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the kernels inherit it
    record = json.loads(target.read_text("utf-8")) if target.is_file() else {"chapters": {}}
    record["command"] = f"python -m benchmarks.sections benchmarks/{target.name}"
    record["machine"] = f"{platform.machine()} CPU, one thread"
    for path in find_notebooks([BOOK]):
        if path.parent != BOOK or (wanted and path.stem not in wanted):
            continue
        before = record["chapters"].get(path.stem, {})
        now = seconds(path)
        record["chapters"][path.stem] = {k: min(v, before.get(k, v)) for k, v in now.items()}
        record["chapters"] = dict(sorted(record["chapters"].items()))
        target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{path.stem}: {sum(now.values()):.0f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
