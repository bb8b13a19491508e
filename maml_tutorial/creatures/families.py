"""The zoo: families of species, drawn once and for all, and divided between the splits."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import numpy as np

from maml_tutorial.creatures.names import names
from maml_tutorial.creatures.species import (
    BACKS,
    CROWNS,
    EARS,
    EYES,
    PALETTE,
    PATTERNS,
    PLANS,
    SNOUTS,
    TAILS,
    Species,
)

Split = Literal["train", "validation", "test"]
Thing = TypeVar("Thing")

FAMILIES: dict[Split, int] = {"train": 40, "validation": 10, "test": 10}
SPECIES_A_FAMILY = 5
ZOO = 4  # the seed of the zoo
TOPS = [(e, "none") for e in EARS[1:]] + [("none", c) for c in CROWNS[1:]]
TOPS += [("round", "horn"), ("floppy", "horns"), ("pointed", "tuft"), ("long", "crest")]


def zoo(split: Split | None = None) -> tuple[Species, ...]:
    """Return the species of a split, family by family, or of all of them.

    Raises:
        ValueError: if `split` is unknown.

    Example:
        >>> len(zoo("train")), len(zoo("validation")), len(zoo("test"))
        (200, 50, 50)
    """
    species = _every_species()
    if split is None:
        return species
    if split not in FAMILIES:
        raise ValueError(f"split must be one of {tuple(FAMILIES)} or None, got {split!r}")
    sizes = [n * SPECIES_A_FAMILY for n in FAMILIES.values()]
    place = list(FAMILIES).index(split)
    return species[sum(sizes[:place]) : sum(sizes[: place + 1])]


@functools.cache
def _every_species() -> tuple[Species, ...]:
    return tuple(species for family in _families() for species in family)


def _families() -> Iterator[list[Species]]:
    rng = np.random.default_rng(ZOO)
    called = names(ZOO)
    used: set[tuple[str, str, str]] = set()
    plans: list[str] = []
    for number in range(sum(FAMILIES.values())):
        plans = plans or _shuffled(rng, PLANS)
        plan = plans.pop()
        top = next(t for t in _shuffled(rng, TOPS) if (plan, *t) not in used)
        used.add((plan, *top))
        stem = next(name for name in called if name[-1] in "aiou")
        yield list(_species(rng, called, f"{stem.capitalize()}kin", number, plan, top))


def _species(
    rng: np.random.Generator,
    called: Iterator[str],
    family: str,
    number: int,
    plan: str,
    top: tuple[str, str],
) -> Iterator[Species]:
    """Draw a family: its species differ in tail, pattern and main colour, each from each."""
    tails = _shuffled(rng, TAILS)
    hides_legs = PLANS[plan].leg < 0.2
    patterns = [p for p in _shuffled(rng, PATTERNS) if not (hides_legs and p == "socks")]
    mains: list[str] = []
    for i in range(SPECIES_A_FAMILY):
        main = next(c for c in _shuffled(rng, PALETTE) if all(_apart(c, d) > 0.35 for d in mains))
        mains.append(main)
        second = next(
            c
            for c in _shuffled(rng, PALETTE)
            if abs(_lightness(c) - _lightness(main)) > 0.28 and _apart(c, main) > 0.45
        )
        third = next(
            c for c in _shuffled(rng, PALETTE) if _apart(c, main) > 0.4 and _apart(c, second) > 0.3
        )
        r = rng.random(17)
        colours = [
            tuple(np.clip(PALETTE[c] + 0.08 * (r[3 * k : 3 * k + 3] - 0.5), 0, 1).tolist())
            for k, c in enumerate((main, second, third))
        ]
        yield Species(
            name=next(called),
            family=family,
            number=SPECIES_A_FAMILY * number + i,
            plan=plan,
            ears=top[0],
            crown=top[1],
            back=_one(rng, BACKS),
            tail=tails[i],
            snout=_one(rng, SNOUTS),
            eyes=_one(rng, EYES),
            pattern=patterns[i],
            colours=(colours[0], colours[1], colours[2]),
            shape=tuple((0.86 + 0.28 * r[9:14]).tolist()),
            marks=tuple(r[14:17].tolist()),
        )


def _lightness(colour: str) -> float:
    r, g, b = PALETTE[colour]
    return 0.3 * r + 0.6 * g + 0.1 * b


def _apart(one: str, other: str) -> float:
    return float(np.linalg.norm(np.subtract(PALETTE[one], PALETTE[other])))


def _one(rng: np.random.Generator, things: Sequence[Thing]) -> Thing:
    return things[int(rng.random() * len(things))]


def _shuffled(rng: np.random.Generator, things: Iterable[Thing]) -> list[Thing]:
    listed = list(things)
    return [listed[i] for i in np.argsort(rng.random(len(listed)))]
