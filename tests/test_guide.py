"""The instructor's guide names cells, questions, needs and times that there are."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from docutils.nodes import make_id

from tools.notebooks import read

ROOT = Path(__file__).parent.parent
HERE = ROOT / "book" / "appendix"
GUIDE = (HERE / "instructors_guide.md").read_text("utf-8")
CHAPTERS = {path.name: path for path in sorted((ROOT / "book").glob("[01]*.ipynb"))}
LINK = re.compile(r"\[([^\]]+)\]\(\.\./(\w+\.ipynb)(?:#([\w-]+))?\)")
ASKED = re.compile(r"^- \*\*Ask\*\*.*?" + LINK.pattern + r"[^*\n]*?: (\*.+\*)", re.MULTILINE)
ROW = re.compile(r"^\| (\d:\d\d)(?: \*)? \|(.*)\|$", re.MULTILINE)
MINUTES = re.compile(r"^\*(\d+) minutes[.*]", re.MULTILINE)


@cache
def sections(chapter: str) -> dict[str, str]:
    """Return the prose of a chapter by its headings."""
    found = {"": ""}
    for cell in read(CHAPTERS[chapter]).cells:
        if cell.cell_type == "markdown":
            for part in re.split(r"^(?=#{1,4} )", cell.source, flags=re.MULTILINE):
                if part.startswith("#"):
                    heading, _, part = part.partition("\n")
                    found.setdefault(heading.lstrip("# "), "")
                here = list(found)[-1]
                found[here] += "\n" + part
    return found


def plain(text: str) -> str:
    """Without stress and line breaks."""
    return " ".join(text.replace("*", "").split())


def not_asked(guide: str) -> list[str]:
    """Name each question of a guide that does not stand in the section it is quoted from."""
    asked = [([m.groups()[:2]], m[4]) for m in ASKED.finditer(guide)]
    for row in ROW.finditer(guide):
        where, _, words = row[2].rpartition("|")
        if words.strip().startswith("*"):
            asked.append(([link[:2] for link in LINK.findall(where)], words))
    assert len(asked) > 30
    return [words for places, words in asked if not any(stands(words, *at) for at in places)]


def stands(words: str, heading: str, chapter: str) -> bool:
    """Say whether the parts of a question stand under a heading, in their order."""
    text = plain(sections(chapter).get(heading, ""))
    parts = map(re.escape, plain(words).split(" … "))
    return bool(re.search(".*".join(parts), text))


def minutes(clock: str) -> int:
    hours, rest = clock.split(":")
    return 60 * int(hours) + int(rest)


def late(clocks: list[str], end: str) -> bool:
    """Say whether a plan does not go from 0:00 to its end by steps of five minutes."""
    times = [minutes(clock) for clock in clocks]
    steps = [b - a for a, b in zip(times, times[1:], strict=False)]
    return times[0] != 0 or times[-1] != minutes(end) or any(s <= 0 or s % 5 for s in steps)


def part(heading: str) -> str:
    """Return a section of the guide."""
    return re.split(r"^## ", GUIDE.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def test_every_place_that_the_guide_names_is_there() -> None:
    links = LINK.findall(GUIDE)
    assert len(links) > 80
    for words, chapter, anchor in links:
        headings = [heading for heading in sections(chapter) if heading]
        if anchor:
            assert words in headings and make_id(words) == anchor, (words, anchor)
        else:
            assert words.isdigit() or words == headings[0]


def test_every_question_of_the_guide_stands_where_it_is_quoted_from() -> None:
    assert not_asked(GUIDE) == []


@pytest.mark.parametrize(
    ("there", "planted"),
    [
        ("closest to the wave: MAML's", "closest to this wave: MAML's"),
        ("on the same loss. … After five", "on the same loss. … After six"),
        ("by how much does the point", "by how little does the point"),
        ("[The one line](../06_the_outer_loop", "[The one line](../07_maml_on_sine_waves"),
        ("one-line): *The right gradient is −3.84. Which", "one-line): *Which … The right"),
    ],
)
def test_a_question_that_is_not_asked_there_is_named(there: str, planted: str) -> None:
    assert there in GUIDE
    assert not_asked(GUIDE.replace(there, planted))


def needs(chapter: str) -> set[int]:
    """Return the chapters that a chapter's opening box asks for."""
    boxes = (text for text in sections(chapter).values() if "**You need**" in text)
    box = re.search(r"\*\*You need\*\*(.*?)(?:\n\n|</div>)", next(boxes), re.DOTALL)[1]
    box = re.sub(r"\]\([^)]*\)|\[", "", box)
    found = set()
    for named in re.findall(r"[Cc]hapters? (\d+(?:(?:,| and| to) \d+)*)", box):
        first, *others = map(int, re.findall(r"\d+", named))
        found |= {first, *others} | set(range(first, others[0] if " to " in named else first))
    return found


def test_the_needs_are_those_of_the_opening_boxes() -> None:
    rows = re.findall(r"^\| \[.*?\]\(\.\./(\w+\.ipynb)\) \| (.*?) \|.*\|$", GUIDE, re.MULTILINE)
    assert [name for name, _ in rows] == list(CHAPTERS)
    told = {name: {int(number) for number in re.findall(r"\d+", row)} for name, row in rows}
    assert told == {name: needs(name) for name in CHAPTERS}


def test_every_plan_fills_its_time_in_steps_of_five_minutes() -> None:
    assert not late([row[1] for row in ROW.finditer(part("The lecture"))], "1:00")
    starts = re.findall(r"^### (\d:\d\d) ·", part("The tutorial"), re.MULTILINE)
    assert not late([*starts, "1:30"], "1:30")
    sessions = re.split(r"^### ", part("The module"), flags=re.MULTILINE)[1:]
    assert len(sessions) == 8
    for session in sessions:
        assert not late([row[1] for row in ROW.finditer(session)], "1:30"), session[:40]


def test_the_short_lecture_leaves_out_what_makes_it_short() -> None:
    rows = re.findall(r"^\| (\d:\d\d)( \*)? \|", part("The lecture"), re.MULTILINE)
    times = [minutes(clock) for clock, _ in rows]
    starred = [b - a for (_, star), a, b in zip(rows, times, times[1:], strict=False) if star]
    assert times[-1] - sum(starred) == 45


def test_the_blocks_of_the_tutorial_last_until_the_next_one() -> None:
    text = part("The tutorial")
    starts = [minutes(c) for c in re.findall(r"^### (\d:\d\d) ·", text, re.MULTILINE)]
    lengths = [int(found) for found in MINUTES.findall(text)]
    assert [b - a for a, b in zip(starts, [*starts[1:], 90], strict=True)] == lengths


def test_the_seconds_of_the_guide_are_those_of_the_record() -> None:
    record = json.loads((ROOT / "benchmarks" / "sections.json").read_text("utf-8"))["chapters"]
    row = r"^\| \d+ \| \[(.+?)\]\(\.\./(\w+)\.ipynb#.*?\) \| (\d+) \|$"
    rows = re.findall(row, GUIDE, re.MULTILINE)
    shown = {(chapter, heading): int(seconds) for heading, chapter, seconds in rows}
    taught = {Path(name).stem for _, name, _ in LINK.findall(part("The tutorial"))}
    assert shown == {
        (chapter, heading): round(seconds)
        for chapter in taught
        for heading, seconds in record[chapter].items()
        if seconds >= 2 and heading != "set-up"
    }
