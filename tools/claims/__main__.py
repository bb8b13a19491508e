"""`python -m tools.claims [PAGE …]` lists what the book claims, each claim with its source.

A claim is a sentence with a number, or with a word that compares. A number's source is looked for
where it must stand: in a hidden assertion, in what a cell printed, in a picture's words, in the
code (a setting), on a page that the passage points to, in a paper that it cites, or in a recorded
run. A comparison's source is an assertion of its own section, or an output there; introductions,
take-aways, quizzes and exercises speak of the whole page. What is neither measured nor quoted, such
as a sum done in the sentence, stands with its reason in `reasons.toml`. The minutes of a chapter's
opening box are held against its words and lines of code. `make lint` fails where a claim has no
source, or a reason no claim. The list pairs, it does not judge: whether an assertion says what the
sentence says is for its reader to see.
"""

import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from tools.claims.pages import CITED, Section, linked, records, sections
from tools.claims.times import fault
from tools.claims.words import compares, numbers, passages, sentences, stands_in
from tools.notebooks import find_notebooks

ROOT = Path(__file__).resolve().parents[2]
REASONS = Path(__file__).with_name("reasons.toml")
PAGES = ("index.md", "README.md", "book/appendix/*.md")
KINDS = ("assertion", "output", "code")


class Claim(NamedTuple):
    """A sentence that claims something, and where that comes from ("" where nothing was found)."""

    section: str
    words: str
    source: str


class Place(NamedTuple):
    """Where a claim stands: its section and page, the pages it points to, whether it cites."""

    own: Section
    page: list[Section]
    linked: list[tuple[str, list[Section]]]
    cites: bool

    @property
    def around(self) -> list[Section]:
        """The section itself and the one before, which it may still speak of."""
        here = self.page.index(self.own)
        return self.page[max(0, here - 1) : here + 1]


def number_source(number: str, place: Place) -> str:
    """Return where a number of the prose was found, the nearest place first."""
    others = [(there, f" of {name}") for name, there in place.linked]
    if place.own.speaks_of_the_page:
        others.insert(0, (place.page, " elsewhere on the page"))
    for there, where in [(place.around, ""), *others]:
        for kind in KINDS:
            if any(stands_in(number, section.numbers.get(kind, ())) for section in there):
                return kind + where
    if place.cites:
        return "paper"
    text = "".join(text for section in place.page for text in [*section.prose, *section.code])
    names = (name for name in records() if name in text and stands_in(number, records()[name]))
    return next((f"record {name}" for name in names), "")


def source(words: str, place: Place) -> str:
    """Return where a claim comes from, or "" where a part of it comes from nowhere."""
    found = {number: number_source(number, place) for number in numbers(words)}
    if found:
        listed = "; ".join(f"{number}: {where}" for number, where in found.items())
        return listed if all(found.values()) else ""
    there = place.page if place.own.speaks_of_the_page else [place.own]
    there = there + [section for _, sections_there in place.linked for section in sections_there]
    kinds = (kind for kind in KINDS[:2] if any(kind in section.numbers for section in there))
    return next(kinds, "paper" if place.cites else "")


def claims(path: Path) -> list[Claim]:
    """Return the claims of a page. A passage cites for its sentences, a section for its tables."""
    page, found = sections(path), []
    for section in page:
        for passage in (p for text in section.prose for p in passages(text)):
            table_cites = passage.lstrip().startswith("|") and "paper" in section.numbers
            cites = table_cites or bool(CITED.search(passage))
            place = Place(section, page, list(linked(passage, path)), cites)
            for words in sentences(passage):
                if numbers(words) or compares(words):
                    found.append(Claim(section.title, words, source(words, place)))
    return found


def explain(found: dict[str, list[Claim]], reasons: dict[str, list[dict]]) -> list[str]:
    """Give claims without a source their reason; return the reasons that no claim needs."""
    needless = []
    for page, entries in reasons.items():
        there = found.get(page, [])
        for reason, words in ((e["reason"], words) for e in entries for words in e["words"]):
            fits = [i for i, c in enumerate(there) if words in c.words and not c.source]
            if not fits:
                needless.append(f"{page}: nothing without a source says {words!r}: take it out")
            for i in fits:
                there[i] = there[i]._replace(source=reason)
    return needless


def main(names: list[str]) -> int:
    """Print the claims of the pages named, or count those of all; return how many lack a source."""
    every = [*find_notebooks([ROOT / "book"]), *(p for g in PAGES for p in sorted(ROOT.glob(g)))]
    paths = [ROOT / name for name in names] or every
    found = {path.relative_to(ROOT).as_posix(): claims(path) for path in paths}
    reasons = tomllib.loads(REASONS.read_text("utf-8"))
    faults = explain(found, {p: r for p, r in reasons.items() if p in found or not names})
    for page, there in found.items():
        for claim in there:
            if names:
                print(f"{page} | {claim.section} | {claim.words} | {claim.source or 'NO SOURCE'}")
            if not claim.source:
                faults.append(f"{page}: no source: {claim.words[:150]}")
    faults += [f"{p.relative_to(ROOT)}: {fault(p)}" for p in paths if fault(p)]
    print("\n".join(faults) or f"claims: {sum(map(len, found.values()))}, each with its source")
    return len(faults)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
