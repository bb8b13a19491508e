"""How long a page takes to read: 200 words of prose a minute, and 20 lines of code."""

import re
from pathlib import Path
from typing import NamedTuple

from tools.claims.words import passages
from tools.notebooks import read

WORDS, LINES, STEP = 200, 20, 5  # a minute's words and lines; boxes name steps of five minutes
FOLDED = {"hide-input", "hide-cell", "remove-cell", "remove-input"}
BOX = re.compile(r"\*\*Time\*\*:?\s+(?:about )?(\d+) minutes to read")


class Reading(NamedTuple):
    """What there is to read in a notebook, and the minutes that its opening box names."""

    words: int
    lines: int
    box: int | None

    @property
    def minutes(self) -> float:
        """Minutes that it takes."""
        return self.words / WORDS + self.lines / LINES


def reading(path: Path) -> Reading:
    """Measure a chapter up to its exercises and quiz, which take as long as they take."""
    words = lines = 0
    box = None
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            if re.match(r"## (Exercises|Quiz)", cell.source):
                break
            found = BOX.search(cell.source)
            box = int(found[1]) if found else box
            words += sum(len(re.findall(r"\w[\w'’-]*", p)) for p in passages(cell.source))
        elif not FOLDED & set(cell.metadata.get("tags", [])):
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
    return Reading(words, lines, box)


def fault(path: Path) -> str:
    """Say what is wrong with the minutes that a page's box names, if they are not the nearest."""
    if path.suffix != ".ipynb":
        return ""
    found = reading(path)
    if found.box is None or abs(found.box - found.minutes) <= STEP / 2 + 0.5:
        return ""
    nearest = STEP * round(found.minutes / STEP)
    return (
        f"its box says {found.box} minutes to read, and {found.words} words and {found.lines} "
        f"lines of code take {found.minutes:.0f}: write {nearest}"
    )
