"""What a creature is: the traits of a species, and what differs from one individual to the next."""

from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]


class Plan(NamedTuple):
    """A body plan, in units of about half a body; angles in degrees from the horizontal."""

    length: float  # half the body's length
    height: float  # half its height
    pitch: float  # how far the chest is up
    legs: int
    leg: float  # length
    width: float  # radius of a leg
    neck: float  # length
    neck_angle: float
    head: float  # radius
    kind: str = "egg"


PLANS = {
    "hound": Plan(0.60, 0.27, 4, 4, 0.36, 0.10, 0.20, 50, 0.29),
    "badger": Plan(0.85, 0.26, 0, 4, 0.16, 0.11, 0.12, 45, 0.30),
    "deer": Plan(0.50, 0.29, 5, 4, 0.56, 0.08, 0.30, 62, 0.29),
    "giraffe": Plan(0.44, 0.28, 12, 4, 0.46, 0.09, 0.74, 72, 0.28),
    "ox": Plan(0.66, 0.44, 0, 4, 0.26, 0.14, 0.02, 10, 0.36),
    "ball": Plan(0.56, 0.54, 0, 2, 0.22, 0.09, -0.51, -12, 0.37),
    "bear": Plan(0.52, 0.36, 84, 2, 0.14, 0.13, 0.0, 80, 0.38, "upright"),
    "hen": Plan(0.50, 0.34, 22, 2, 0.34, 0.06, 0.16, 62, 0.31, "winged"),
    "emu": Plan(0.44, 0.32, 8, 2, 0.52, 0.065, 0.48, 78, 0.28, "winged"),
    "turtle": Plan(0.62, 0.48, 0, 4, 0.24, 0.12, 0.24, 26, 0.30, "shell"),
    "worm": Plan(0.90, 0.25, 0, 6, 0.13, 0.07, 0.04, 55, 0.34, "beads"),
    "snail": Plan(0.74, 0.17, 0, 0, 0.02, 0.05, 0.32, 66, 0.28, "spiral"),
    "hare": Plan(0.48, 0.36, 48, 2, 0.16, 0.12, 0.06, 55, 0.31, "haunch"),
}
EARS = ("none", "round", "pointed", "long", "floppy")
CROWNS = ("none", "horns", "horn", "feelers", "crest", "tuft", "antlers")
TAILS = ("stub", "tuft", "curl", "bushy", "whip", "fan", "paddle")
BACKS = ("none", "none", "spikes", "humps", "sail")
SNOUTS = ("none", "muzzle", "beak", "trunk", "long")
PATTERNS = ("plain", "spots", "stripes", "patches", "belly", "saddle", "socks", "band")
EYES = ("bead", "big", "two")

PALETTE: dict[str, Colour] = {
    "cream": (0.97, 0.90, 0.72),
    "sand": (0.87, 0.72, 0.47),
    "mustard": (0.93, 0.71, 0.17),
    "orange": (0.93, 0.50, 0.16),
    "brick": (0.75, 0.27, 0.19),
    "rose": (0.93, 0.55, 0.60),
    "berry": (0.72, 0.20, 0.42),
    "plum": (0.42, 0.22, 0.48),
    "lilac": (0.73, 0.62, 0.86),
    "navy": (0.18, 0.24, 0.45),
    "blue": (0.22, 0.47, 0.76),
    "ice": (0.65, 0.83, 0.94),
    "teal": (0.10, 0.52, 0.53),
    "mint": (0.60, 0.85, 0.69),
    "leaf": (0.38, 0.62, 0.26),
    "moss": (0.27, 0.37, 0.20),
    "cocoa": (0.42, 0.27, 0.18),
    "slate": (0.40, 0.44, 0.50),
    "white": (0.98, 0.97, 0.94),
    "coal": (0.19, 0.18, 0.21),
}


class Species(NamedTuple):
    """A draw of traits. Colours are red, green, blue in 0 … 1.

    Attributes:
        name: invented.
        family: species of one family share `plan`, `ears` and `crown`.
        number: its place in the zoo.
        plan: a key of `PLANS`.
        ears, crown, back, tail, snout, eyes, pattern: one of the words above.
        colours: of the body, of the pattern, and of horns, feet and beak.
        shape: factors of the plan's length, height, legs, neck and head.
        marks: three numbers in 0 … 1 that place the pattern.
    """

    name: str
    family: str
    number: int
    plan: str
    ears: str
    crown: str
    back: str
    tail: str
    snout: str
    eyes: str
    pattern: str
    colours: tuple[Colour, Colour, Colour]
    shape: tuple[float, ...]
    marks: tuple[float, ...]


class Individual(NamedTuple):
    """What differs between two animals of one species; all of it is drawn at random.

    Attributes:
        facing: 1 to the right, -1 to the left.
        stride: phase of the legs, in turns.
        tilt: of the whole animal, in radians.
        size: factor.
        place: where it stands, across and down, in the room that is left: -1 … 1.
        wag: of tail and head, -1 … 1.
        light: brightness of red, green and blue, a factor each.
        hand: phases of the warp, in turns, and its strength.
        scene: fourteen numbers in 0 … 1 that make the background.
    """

    facing: float
    stride: float
    tilt: float
    size: float
    place: tuple[float, float]
    wag: float
    light: tuple[float, float, float]
    hand: tuple[float, float, float]
    scene: tuple[float, ...]


def individual(species: Species, number: int, *, seed: int = 0) -> Individual:
    """Return the individual `number` of a species, the one of `load_creatures` with that seed.

    Example:
        >>> from maml_tutorial.creatures import zoo
        >>> some = zoo("validation")[0]
        >>> individual(some, 0) == individual(some, 0), individual(some, 0).facing
        (True, -1.0)
    """
    r = np.random.default_rng((seed, species.number, number)).random(27).tolist()
    bright, warm, green = 0.82 + 0.26 * r[6], 0.16 * (r[7] - 0.5), 0.06 * (r[8] - 0.5)
    return Individual(
        facing=1.0 if r[0] < 0.5 else -1.0,
        stride=r[1],
        tilt=0.24 * (r[2] - 0.5),
        size=0.80 + 0.20 * r[3],
        place=(2 * r[4] - 1, 2 * r[5] - 1),
        wag=2 * r[9] - 1,
        light=(bright * (1 + warm), bright * (1 + green), bright * (1 - warm)),
        hand=(r[10], r[11], r[12]),
        scene=tuple(r[13:27]),
    )
